//! The carriers' wire text to and from call events, as pure values: what a message means, what a webhook asks,
//! what is sent back, and who may connect. A carrier is a folder; nothing above this crate knows its words.

pub mod exotel;
pub mod rest;
pub mod twilio;
