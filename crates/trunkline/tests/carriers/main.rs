//! The real program and a carrier: rung by the phone as Twilio, and placing calls over the carriers' stand-ins.

mod kills;
mod kills_named;
mod placing;
mod ringing;
mod support;
