//! Text to speech: `POST /audio/speech`. The rate is always 24 kHz.

use audio::{PcmBytes, SampleRate, wav};
use call::{Fault, FaultClass};
use serde::Deserialize;
use serde_json::json;

use super::{error, list_models};
use crate::dialect::{AudioDecoder, HttpRequest, Refusal, Refuses, SseDecoder, VoiceDialect, one_line};
use crate::{DialectOptions, VoiceSpec};

const DEFAULT_MODEL: &str = "gpt-4o-mini-tts";
const DEFAULT_VOICE: &str = "alloy";
/// What `response_format: pcm` is, by OpenAI's text-to-speech guide: 24 kHz, 16 bit, little-endian, no header.
const RATE: SampleRate = SampleRate::HZ_24000;

/// A voice behind `/audio/speech`.
#[derive(Debug, Clone)]
pub struct Speech(DialectOptions);

impl Speech {
    /// The voice that these options choose; `gpt-4o-mini-tts` with `alloy` where they choose none. `instructions`
    /// and `speed` are fields of the body in the options. OpenAI takes at most 4,096 characters at a time and
    /// refuses more with status 400.
    pub const fn new(options: DialectOptions) -> Self {
        Self(options)
    }
}

impl Refuses for Speech {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl VoiceDialect for Speech {
    fn request(&self, text: &str, _: &VoiceSpec) -> HttpRequest {
        let body = json!({
            "model": self.0.role.model.as_deref().unwrap_or(DEFAULT_MODEL),
            "voice": self.0.role.voice.as_deref().unwrap_or(DEFAULT_VOICE),
            "input": text,
            "response_format": "pcm",
        });
        HttpRequest::json(self.0.url("audio/speech", &[]), &self.0.body(body))
            .bearer(self.0.key.as_ref())
            .with_own_headers(&self.0)
    }

    fn probe(&self) -> HttpRequest {
        list_models(&self.0)
    }

    fn decoder(&self, _: &VoiceSpec, content_type: &str) -> Result<Box<dyn AudioDecoder>, Fault> {
        let mut parts = content_type.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        match kind.as_str() {
            "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => {
                Ok(Box::new(Sound { rate: RATE, kind: Kind::Wav(wav::Stream::new()) }))
            }
            "text/event-stream" => Ok(Box::new(Events::default())),
            // Some servers say what the rate is, and some give another one than OpenAI.
            "audio/pcm" | "audio/l16" | "audio/raw" | "audio/x-raw" => {
                let rate = parts.find_map(|part| part.strip_prefix("rate=")?.parse::<u32>().ok());
                let rate = rate.map_or(Ok(RATE), SampleRate::try_from);
                let rate = rate.map_err(|error| Fault::new(FaultClass::Garbage, error.to_string()))?;
                Ok(Box::new(Sound { rate, kind: Kind::Unknown(Vec::new()) }))
            }
            "" | "application/octet-stream" | "binary/octet-stream" => {
                Ok(Box::new(Sound { rate: RATE, kind: Kind::Unknown(Vec::new()) }))
            }
            other => Err(Fault::new(
                FaultClass::Garbage,
                format!("the answer is {}, not the PCM that was asked for", one_line(other)),
            )),
        }
    }
}

/// Bytes of sound.
struct Sound {
    rate: SampleRate,
    kind: Kind,
}

enum Kind {
    /// The first bytes, until it is clear what they begin: some servers send a WAV file and call it PCM.
    Unknown(Vec<u8>),
    Raw(PcmBytes),
    Wav(wav::Stream),
}

/// How many bytes tell a WAV file.
const MAGIC: usize = 12;

impl AudioDecoder for Sound {
    fn rate(&self) -> SampleRate {
        match &self.kind {
            Kind::Wav(stream) => stream.rate().unwrap_or(self.rate),
            Kind::Unknown(_) | Kind::Raw(_) => self.rate,
        }
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), Fault> {
        match &mut self.kind {
            Kind::Raw(pcm) => pcm.push(bytes, out),
            Kind::Wav(stream) => stream.push(bytes, out).map_err(|error| not_sound(&error))?,
            Kind::Unknown(start) => {
                start.extend_from_slice(bytes);
                let begins_as_wav = start.iter().zip(b"RIFF").all(|(byte, wanted)| byte == wanted);
                if !begins_as_wav || start.len() >= MAGIC {
                    return self.decide(out);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<i16>) -> Result<(), Fault> {
        if matches!(self.kind, Kind::Unknown(_)) {
            self.decide(out)?;
        }
        match &mut self.kind {
            Kind::Wav(stream) => stream.end().map_err(|error| not_sound(&error)),
            // Half a sample too many is nothing to fail for.
            Kind::Unknown(_) | Kind::Raw(_) => Ok(()),
        }
    }
}

impl Sound {
    fn decide(&mut self, out: &mut Vec<i16>) -> Result<(), Fault> {
        let Kind::Unknown(start) = &mut self.kind else { return Ok(()) };
        let start = std::mem::take(start);
        let is_wav = start.starts_with(b"RIFF") && start.get(8..MAGIC) == Some(b"WAVE");
        self.kind = if is_wav { Kind::Wav(wav::Stream::new()) } else { Kind::Raw(PcmBytes::new()) };
        self.bytes(&start, out)
    }
}

fn not_sound(error: &wav::WavError) -> Fault {
    Fault::new(FaultClass::Garbage, error.to_string())
}

/// `stream_format: sse`: base64 inside of events. It is never asked for, unless the options say so.
#[derive(Default)]
struct Events {
    events: SseDecoder,
    sound: EventSound,
}

#[derive(Default)]
struct EventSound {
    pcm: PcmBytes,
    done: bool,
}

#[derive(Deserialize)]
struct SpeechEvent {
    #[serde(default)]
    r#type: String,
    audio: Option<String>,
    error: Option<serde_json::Value>,
}

impl AudioDecoder for Events {
    fn rate(&self) -> SampleRate {
        RATE
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), Fault> {
        self.events.push(bytes, |_, data| self.sound.event(data, out))
    }

    fn end(&mut self, out: &mut Vec<i16>) -> Result<(), Fault> {
        self.events.end(|_, data| self.sound.event(data, out))?;
        if self.sound.done { Ok(()) } else { Err(Fault::new(FaultClass::Network, "the sound broke off")) }
    }
}

impl EventSound {
    fn event(&mut self, data: &str, out: &mut Vec<i16>) -> Result<(), Fault> {
        if data.starts_with("[DONE]") {
            self.done = true;
            return Ok(());
        }
        let garbage = || Fault::new(FaultClass::Garbage, "an event of the sound is not understood");
        let event: SpeechEvent = serde_json::from_str(data).map_err(|_| garbage())?;
        if let Some(error) = event.error.filter(|error| !error.is_null()) {
            return Err(error::in_stream(&error));
        }
        if let Some(audio) = event.audio {
            let bytes = base64_simd::STANDARD.decode_to_vec(audio).map_err(|_| garbage())?;
            self.pcm.push(&bytes, out);
        }
        self.done |= event.r#type == "speech.audio.done";
        Ok(())
    }
}

#[cfg(test)]
mod tests;
