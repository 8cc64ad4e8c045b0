//! Exotel's Voicebot and Stream applets ("AgentStream"): the gateway is the WebSocket server, Exotel the client.
//!
//! A tolerant reader and a strict writer: captured traffic and the documents disagree on spellings and types,
//! so everything seen anywhere is understood, and only what every document allows is sent.

pub mod auth;
pub mod status;
pub mod token;

mod connect;
mod finding;
mod form;
mod lenient;
mod message;
mod query;
mod reader;
mod report;
mod rest;
mod tally;
pub(crate) mod text;
mod writer;

pub use connect::{ConnectAnswer, ConnectRequest, MAX_PAIRS, MAX_PARAMETER_CHARS, UrlFault, socket_url};
pub use finding::Finding;
pub use query::SocketQuery;
pub use reader::{Read, Reader};
pub use report::{DisconnectedBy, StreamReport, StreamStatus};
pub use rest::{ActiveStreams, ExotelMode, ExotelRegion, ExotelRest};
pub use writer::Writer;

use audio::SampleRate;

/// The rates that a stream can have (Exotel, "Working with the Stream and Voicebot applet": `sample-rate`).
pub const RATES: [SampleRate; 3] = [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000];

/// The rate of a stream that names none.
pub const DEFAULT_RATE: SampleRate = SampleRate::HZ_8000;

/// The stream rate that a text such as `8000`, `8000Hz` or `16kHz` names, or nothing.
pub(crate) fn rate_of(text: &str) -> Option<SampleRate> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "hz" | ".0" => 1,
        "k" | "khz" => 1000,
        _ => return None,
    };
    let hz = number.parse::<u32>().ok()?.checked_mul(scale)?;
    RATES.into_iter().find(|rate| rate.hz() == hz)
}
