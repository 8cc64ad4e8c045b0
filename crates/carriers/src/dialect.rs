//! What is different between carriers that speak the same protocol: JSON in WebSocket messages, an event in each, audio
//! in base64. Twilio invented it and Exotel took it over with another spelling and another sound.

use audio::SampleRate;
use records::EndReason;

use crate::sound::Codec;

/// How keys of several words are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// `stream_sid`
    Snake,
    /// `streamSid`
    Camel,
}

/// One carrier's way with the protocol.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub(crate) spelling: Spelling,
    pub(crate) codec: Codec,
    /// What the start calls the encoding, where it always does.
    pub(crate) encoding: Option<&'static str>,
    /// The rates that a stream can have; the first is that of a stream that names none.
    pub(crate) rates: &'static [SampleRate],
    /// The least audio in a message out that plays well, in samples, where that is less than an operator sets for all.
    pub(crate) least_chunk: Option<usize>,
    /// What the word of a `stop` means; empty when there is none.
    pub(crate) stopped: fn(&str) -> EndReason,
}

impl Dialect {
    /// The stream rate that a text such as `8000`, `8000Hz` or `16kHz` names, or nothing.
    pub(crate) fn rate_of(&self, text: &str) -> Option<SampleRate> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let scale = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "hz" | ".0" => 1,
            "k" | "khz" => 1000,
            _ => return None,
        };
        let hz = number.parse::<u32>().ok()?.checked_mul(scale)?;
        self.rates.iter().copied().find(|rate| rate.hz() == hz)
    }
}
