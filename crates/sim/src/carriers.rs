//! Stand-ins for the carriers' REST interfaces, on real sockets: Twilio's and Exotel's on one port, told apart by path.
//! They follow the carriers' documents, not our client. A call that is placed lives a whole life: it is queued, rings,
//! is answered by a scripted person, runs its media socket with the server that placed it, and tells its callbacks.
//!
//! How a call goes is decided by the number that is called ([`NUMBERS`]) or by [`World::treat`], which `POST /sim/treat`
//! reaches too. `GET /sim/ledger` tells everything that happened.

mod exotel;
mod form;
mod ledger;
mod manner;
mod person;
mod posting;
mod server;
mod twilio;
mod world;

pub use ledger::{Entry, Ledger, Moment, What};
pub use manner::{Answering, Callbacks, Lost, Manner, NUMBERS, Person};
pub(crate) use posting::multipart;
pub use server::CarrierServer;
pub use world::{ExotelAccount, Flow, Pace, Passthru, Settings, TwilioAccount, World};
