//! Twilio: its REST interface and what its callbacks mean.

pub mod callbacks;
mod rest;
mod words;

pub use rest::{Redirect, TwilioRest};
