//! Twilio as seen from the other side: its signatures, its messages on a media socket, what it would find fault with,
//! and the TwiML that it follows. Written from Twilio's documents and not from our client, so that a fault of one is
//! not hidden by the same fault in the other.

mod breach;
mod checker;
mod messages;
mod side;
mod sign;
mod twiml;

pub use breach::Breach;
pub use checker::Checker;
pub use messages::{Call, Direction, Messages};
pub(crate) use side::TwilioSide;
pub use sign::{signature, signed_upgrade_url, upgrade_signature};
pub(crate) use twiml::is_loopback;
pub use twiml::{Dial, Document, LONGEST_PARAMETER, Next, Stream, StreamFault, TwimlError, Verb};
