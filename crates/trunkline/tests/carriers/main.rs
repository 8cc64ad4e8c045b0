//! The real program and a carrier: rung by the phone as Twilio, and placing calls over the carriers' stand-ins.

mod placing;
mod ringing;
mod support;
