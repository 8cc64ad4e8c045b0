//! Exotel's Voicebot and Stream applets ("AgentStream"): the gateway is the WebSocket server, Exotel the client.
//!
//! A tolerant reader and a strict writer: captured traffic and the documents disagree on spellings and types,
//! so everything seen anywhere is understood, and only what every document allows is sent.

pub mod auth;
pub mod status;

mod connect;
mod query;
mod report;
mod rest;
mod writer;

pub use connect::{ConnectAnswer, ConnectRequest, MAX_PAIRS, MAX_PARAMETER_CHARS, socket_url};
pub use query::SocketQuery;
pub use report::{DisconnectedBy, StreamReport, StreamStatus};
pub use rest::{ActiveStreams, ExotelMode, ExotelRegion, ExotelRest};
pub use writer::Writer;

use audio::SampleRate;
use records::EndReason;

use crate::dialect::{Dialect, Spelling};
use crate::sound::Codec;

/// The rates that a stream can have (Exotel, "Working with the Stream and Voicebot applet": `sample-rate`).
pub const RATES: [SampleRate; 3] = [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000];

/// The rate of a stream that names none.
pub const DEFAULT_RATE: SampleRate = SampleRate::HZ_8000;

/// How Exotel's messages differ from others'.
/// No less than is set in a message: Exotel asks for 3200 bytes at least ("Working with the Stream and Voicebot applet"),
/// and what it does with fewer can't be seen from here.
pub(crate) static DIALECT: Dialect = Dialect {
    spelling: Spelling::Snake,
    codec: Codec::Pcm16,
    encoding: None,
    rates: &RATES,
    least_chunk: None,
    stopped,
};

/// What the word of a `stop` means.
fn stopped(word: &str) -> EndReason {
    match word {
        "callended" => EndReason::CallerHungUp,
        _ => EndReason::CarrierStopped,
    }
}

/// The stream rate that a text such as `8000`, `8000Hz` or `16kHz` names, or nothing.
pub(crate) fn rate_of(text: &str) -> Option<SampleRate> {
    DIALECT.rate_of(text)
}
