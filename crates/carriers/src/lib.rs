//! The carriers' wire text to and from call events, as pure values: what a message means, what a webhook asks,
//! what is sent back, and who may connect. A carrier is a folder; nothing above this crate knows its words.

pub mod exotel;
pub mod rest;
pub mod token;
pub mod twilio;

mod address;
mod dialect;
mod finding;
mod form;
mod lenient;
mod line;
mod message;
mod reader;
mod sound;
mod tally;
mod text;

pub use address::{Address, UrlFault};
pub use finding::Finding;
pub use line::{Carrier, Read, Writer};
pub use reader::Reader;
pub use text::cleaned;
