//! What a session is, and what may be said about it: the fields of the reference and no others.

use audio::SampleRate;
use audio::g711::{alaw_decode_into, alaw_encode_into, mulaw_decode_into, mulaw_encode_into};
use serde_json::{Value, json};

/// Fields of `session` for a conversation, each with those inside it.
const REALTIME: &[&str] = &[
    "type",
    "model",
    "output_modalities",
    "instructions",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "tracing",
    "truncation",
    "prompt",
    "include",
    "audio.input.format.type",
    "audio.input.format.rate",
    "audio.input.transcription",
    "audio.input.noise_reduction",
    "audio.input.turn_detection",
    "audio.output.format.type",
    "audio.output.format.rate",
    "audio.output.voice",
    "audio.output.speed",
];
const TRANSCRIPTION: &[&str] = &[
    "type",
    "include",
    "audio.input.format.type",
    "audio.input.format.rate",
    "audio.input.transcription",
    "audio.input.noise_reduction",
    "audio.input.turn_detection",
];

/// The first field that the reference does not know.
pub(super) fn unknown_field(session: &Value, transcribes: bool) -> Option<String> {
    fn look(value: &Value, path: &str, known: &[&str]) -> Option<String> {
        for (name, inner) in value.as_object()? {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if known.contains(&path.as_str()) {
                continue;
            }
            let leads_on = known.iter().any(|field| field.starts_with(&format!("{path}.")));
            if !leads_on || !inner.is_object() {
                return Some(path);
            }
            if let Some(found) = look(inner, &path, known) {
                return Some(found);
            }
        }
        None
    }
    look(session, "", if transcribes { TRANSCRIPTION } else { REALTIME })
}

/// The session that a socket begins with.
pub(super) fn fresh(transcribes: bool) -> Value {
    let turn_detection = json!({
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "create_response": true,
        "interrupt_response": true,
    });
    let pcm = json!({ "type": "audio/pcm", "rate": 24_000 });
    let input = json!({ "format": pcm, "transcription": null, "turn_detection": turn_detection });
    if transcribes {
        return json!({ "type": "transcription", "audio": { "input": input } });
    }
    json!({
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "Be helpful.",
        "tools": [],
        "tool_choice": "auto",
        "audio": { "input": input, "output": { "format": pcm, "voice": "alloy", "speed": 1.0 } },
    })
}

/// Lays an update over a session: what is absent stays.
pub(super) fn update(session: &mut Value, with: &Value) {
    match (session.as_object_mut(), with.as_object()) {
        (Some(fields), Some(with)) => {
            for (name, value) in with {
                let place = fields.entry(name.clone()).or_insert(Value::Null);
                // What is of a kind goes as a whole.
                if matches!(name.as_str(), "format" | "turn_detection" | "transcription") {
                    place.clone_from(value);
                } else {
                    update(place, value);
                }
            }
        }
        _ => session.clone_from(with),
    }
}

/// A format of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    MuLaw,
    ALaw,
    Pcm24,
}

impl Format {
    /// The one that this side of the session holds.
    pub(super) fn of(session: &Value, side: &str) -> Option<Self> {
        let format = session.pointer(&format!("/audio/{side}/format"))?;
        match format.get("type")?.as_str()? {
            "audio/pcmu" => Some(Self::MuLaw),
            "audio/pcma" => Some(Self::ALaw),
            "audio/pcm" if format.get("rate").is_none_or(|rate| rate == 24_000) => Some(Self::Pcm24),
            _ => None,
        }
    }

    pub(super) const fn rate(self) -> SampleRate {
        match self {
            Self::MuLaw | Self::ALaw => SampleRate::HZ_8000,
            Self::Pcm24 => SampleRate::HZ_24000,
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        match self {
            Self::MuLaw => mulaw_decode_into(bytes, &mut samples),
            Self::ALaw => alaw_decode_into(bytes, &mut samples),
            Self::Pcm24 => {
                samples.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            }
        }
        samples
    }

    pub(super) fn encode(self, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::MuLaw => mulaw_encode_into(samples, &mut bytes),
            Self::ALaw => alaw_encode_into(samples, &mut bytes),
            Self::Pcm24 => bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
        bytes
    }
}
