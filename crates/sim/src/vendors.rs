//! Stand-ins for the vendors' APIs, on real sockets: one listener, told apart by path. Each follows its vendor's
//! documents, not our client: what the documents forbid is refused the way the vendor refuses it.
//!
//! A stand-in behaves as the key that it is shown says: `test` (or any key without a meaning) works; `fail-401`,
//! `fail-429` and so on are refused with that status; the rest is in [`Manner`]. So a client under test needs no
//! hook, and a user can try each fault by changing a key.

mod anthropic;
mod deepgram;
mod delays;
mod elevenlabs;
mod gemini;
mod google_speech;
mod ledger;
mod manner;
mod models;
mod openai;
mod openai_realtime;
mod reply;
mod script;
mod server;
mod sound;
mod visit;

pub use delays::Delays;
pub use google_speech::service_account;
pub use ledger::{Ledger, Seen};
pub use manner::{Fault, KEYS, Manner};
pub use server::{VendorServer, World};
