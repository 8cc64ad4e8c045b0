//! Exotel as seen from the other side: its messages, its play-out queue, and what it would find fault with.
//! Pure values over ticks, so that sockets and virtual time use the same ones.

mod breach;
mod checker;
mod line;
mod messages;
mod side;

pub use breach::Breach;
pub use checker::Checker;
pub use line::{AfterClear, CarrierLine, Heard};
pub use messages::{Call, Messages, Spelling, Types};
pub(crate) use side::ExotelSide;
