//! Twilio: its webhooks and who may send them, its media streams, its REST interface and what its callbacks mean.

pub mod callbacks;
mod numbers;
mod rest;
pub mod signature;
pub mod twiml;
mod voice;
mod words;
mod writer;

pub use rest::{Redirect, TwilioRest, base_url};
pub use voice::VoiceRequest;
pub use writer::Writer;

use audio::SampleRate;
use records::EndReason;

use crate::dialect::{Dialect, Spelling};
use crate::sound::Codec;

/// How Twilio's messages differ from others' (Twilio, "Media Streams: WebSocket messages"). Its `stop` names no reason;
/// it comes when the call ended on Twilio's side, which is the caller hanging up unless we ended it ourselves.
/// 60 ms are enough for a first message: Twilio names no least length ("Media Streams: WebSocket messages"), it queues
/// what comes, and that is how long the next message may take.
pub(crate) static DIALECT: Dialect = Dialect {
    spelling: Spelling::Camel,
    codec: Codec::MuLaw,
    encoding: Some("audio/x-mulaw"),
    rates: &[SampleRate::HZ_8000],
    least_chunk: Some(480),
    stopped: |_| EndReason::CallerHungUp,
};
