//! What the agent says and in which messages: its words with the first piece of audio, and the audio faster than it
//! plays.

use audio::g711::mulaw_encode_into;
use audio::{Pcm, SampleRate};
use serde_json::{Value, json};

use crate::vendors::sound::spoken;

/// How long a piece of audio is, and how much faster than it plays it is sent.
pub(super) const PIECE_MS: u64 = 100;
pub(super) const FASTER: u64 = 5;

/// A format of audio, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    MuLaw,
    Pcm(SampleRate),
}

impl Format {
    pub(super) fn of(name: &str) -> Option<Self> {
        if name == "ulaw_8000" {
            return Some(Self::MuLaw);
        }
        let hz: u32 = name.strip_prefix("pcm_")?.parse().ok()?;
        SampleRate::try_from(hz).ok().map(Self::Pcm)
    }

    pub(super) const fn rate(self) -> SampleRate {
        match self {
            Self::MuLaw => SampleRate::HZ_8000,
            Self::Pcm(rate) => rate,
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        match self {
            Self::MuLaw => audio::g711::mulaw_decode_into(bytes, &mut samples),
            Self::Pcm(_) => {
                samples.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            }
        }
        samples
    }

    fn encode(self, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::MuLaw => mulaw_encode_into(samples, &mut bytes),
            Self::Pcm(_) => bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
        bytes
    }
}

/// What the agent does in one answer, by the world's text: `{"tool":..,"arguments":..,"say":..}`, or words.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) words: String,
    pub(super) tool: Option<(String, Value)>,
}

impl Answer {
    pub(super) fn of(text: &str) -> Self {
        match serde_json::from_str::<Value>(text) {
            Ok(call) if call.get("tool").is_some() => Self {
                words: call["say"].as_str().unwrap_or_default().to_owned(),
                tool: Some((call["tool"].as_str().unwrap_or_default().to_owned(), call["arguments"].clone())),
            },
            _ => Self { words: text.to_owned(), tool: None },
        }
    }
}

/// The pieces of an answer's audio, in the agent's format, as `audio_base_64`.
pub(super) fn pieces(words: &str, format: Format, is_silent: bool) -> Vec<String> {
    let rate = format.rate();
    let sound = if is_silent { Pcm::silence(rate.samples(1_000_000)) } else { spoken(words, rate) };
    let pieces = sound.chunks(rate.samples(PIECE_MS * 1000));
    pieces.map(|piece| base64_simd::STANDARD.encode_to_string(format.encode(piece))).collect()
}

/// An `audio` message.
pub(super) fn audio(piece: &str, event: u64) -> Value {
    json!({ "type": "audio", "audio_event": { "audio_base_64": piece, "event_id": event,
        "alignment": { "chars": ["a"], "char_start_times_ms": [0], "char_durations_ms": [100] } } })
}
