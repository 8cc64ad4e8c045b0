//! The formats of audio, each way: G.711 mu-law at 8 kHz, or 16-bit PCM at 24 kHz, in base64. The API has no
//! others but A-law.

use audio::g711::{alaw_encode_into, mulaw_encode_into};
use audio::{Pcm, Resampler, SampleRate};
use serde_json::{Value, json};

use crate::dialect::{Coding, RawSamples};

/// So many bytes are looked at before mu-law is believed: 200 ms of it.
const LOOKED_AT: usize = 1_600;

/// A format of audio on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Format {
    /// `audio/pcmu`, 8 kHz.
    MuLaw,
    /// `audio/pcma`, 8 kHz.
    ALaw,
    /// `audio/pcm`, 16-bit little endian at 24 kHz.
    Pcm24,
}

impl Format {
    /// The one for a line of this rate: at 8 kHz nothing is converted.
    pub(in super::super) fn of(rate: SampleRate) -> Self {
        if rate == SampleRate::HZ_8000 { Self::MuLaw } else { Self::Pcm24 }
    }

    pub(in super::super) const fn rate(self) -> SampleRate {
        match self {
            Self::MuLaw | Self::ALaw => SampleRate::HZ_8000,
            Self::Pcm24 => SampleRate::HZ_24000,
        }
    }

    const fn coding(self) -> Coding {
        match self {
            Self::MuLaw => Coding::MuLaw,
            Self::ALaw => Coding::ALaw,
            Self::Pcm24 => Coding::Linear,
        }
    }

    pub(in super::super) fn to_json(self) -> Value {
        match self {
            Self::MuLaw => json!({ "type": "audio/pcmu" }),
            Self::ALaw => json!({ "type": "audio/pcma" }),
            Self::Pcm24 => json!({ "type": "audio/pcm", "rate": 24_000 }),
        }
    }

    /// From what a session says of itself, in the names of today or of the beta.
    pub(in super::super) fn from_json(said: &Value) -> Option<Self> {
        let name = said.as_str().or_else(|| said.get("type").and_then(Value::as_str))?;
        match name {
            "audio/pcmu" | "g711_ulaw" => Some(Self::MuLaw),
            "audio/pcma" | "g711_alaw" => Some(Self::ALaw),
            "audio/pcm" | "pcm16" => match said.get("rate").and_then(Value::as_u64) {
                None | Some(24_000) => Some(Self::Pcm24),
                Some(_) => None,
            },
            _ => None,
        }
    }
}

/// Turns the call's frames into what the session takes.
pub(in super::super) struct Encoder {
    format: Format,
    resampler: Option<Resampler>,
    samples: Vec<i16>,
    bytes: Vec<u8>,
}

impl Encoder {
    /// From frames at `rate`.
    pub(in super::super) fn new(rate: SampleRate, format: Format) -> Self {
        let resampler = (rate != format.rate()).then(|| Resampler::new(rate, format.rate()));
        Self { format, resampler, samples: Vec::new(), bytes: Vec::new() }
    }

    /// `input_audio_buffer.append` of this frame; none while the resampler holds it back.
    pub(in super::super) fn append(&mut self, pcm: &[i16]) -> Option<String> {
        self.samples.clear();
        self.bytes.clear();
        let samples = match &mut self.resampler {
            Some(resampler) => {
                resampler.push(pcm, &mut self.samples);
                &self.samples[..]
            }
            None => pcm,
        };
        match self.format {
            Format::MuLaw => mulaw_encode_into(samples, &mut self.bytes),
            Format::ALaw => alaw_encode_into(samples, &mut self.bytes),
            Format::Pcm24 => self.bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
        (!self.bytes.is_empty()).then(|| {
            let mut event = String::from(r#"{"type":"input_audio_buffer.append","audio":""#);
            base64_simd::STANDARD.encode_append(&self.bytes, &mut event);
            event.push_str("\"}");
            event
        })
    }
}

/// Turns one item's audio into samples.
#[derive(Debug)]
pub(super) struct Decoder {
    rate: SampleRate,
    raw: RawSamples,
    /// How many samples it has given.
    given: usize,
}

impl Decoder {
    pub(super) const fn new(format: Format) -> Self {
        Self { rate: format.rate(), raw: RawSamples::new(format.coding()), given: 0 }
    }

    /// The samples in `bytes`, cut anywhere.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Pcm {
        let mut samples = Vec::with_capacity(bytes.len());
        self.raw.push(bytes, &mut samples);
        self.given += samples.len();
        samples.into()
    }

    /// How much audio it has given, in whole milliseconds.
    pub(super) fn given_ms(&self) -> u64 {
        self.rate.micros(self.given) / 1000
    }
}

/// Makes sure that what is called G.711 is G.711. A session was seen to promise mu-law and to send 16-bit PCM,
/// which the caller would hear as noise. The first moments of audio are held back until it is clear.
#[derive(Debug, Default)]
pub(super) struct Guard {
    settled: bool,
}

impl Guard {
    /// What the audio of this session really is, once it is clear; `None` while more must be seen. `ended`: no
    /// more will come.
    pub(super) fn judge(&mut self, format: Format, bytes: &[u8], ended: bool) -> Option<Format> {
        if self.settled || format == Format::Pcm24 {
            return Some(format);
        }
        if bytes.len() < LOOKED_AT && !ended {
            return None;
        }
        self.settled = bytes.len() >= LOOKED_AT;
        Some(if is_pcm16(bytes) { Format::Pcm24 } else { format })
    }
}

/// Whether these bytes are little-endian 16-bit samples. There every second byte moves slowly, from one sample to
/// the next, and the other one does not; in G.711 they are all alike.
fn is_pcm16(bytes: &[u8]) -> bool {
    if bytes.iter().filter(|byte| **byte == 0).count() * 2 > bytes.len() {
        // Zero is the loudest code of mu-law, and a rare one of A-law: this is digital silence.
        return true;
    }
    let roughness = |from: usize| -> u64 {
        let row = || bytes.iter().skip(from).step_by(2);
        row()
            .zip(row().skip(1))
            .map(|(one, next)| u64::from((next.wrapping_sub(*one) as i8).unsigned_abs()))
            .sum()
    };
    let (low, high) = (roughness(0), roughness(1));
    // Of either parity, in case a delta is cut inside a sample.
    low.min(high) * 4 < low.max(high)
}

#[cfg(test)]
mod tests {
    use audio::tone;

    use super::*;

    /// Sentences over a telephone line, 8 kHz.
    fn speech() -> Vec<i16> {
        let recorded = include_bytes!("../../../../audio/tests/fixtures/speech.wav");
        audio::wav::read(recorded).unwrap().to_mono()
    }

    fn mulaw(samples: &[i16]) -> Vec<u8> {
        let mut codes = Vec::new();
        mulaw_encode_into(samples, &mut codes);
        codes
    }

    #[test]
    fn pcm_that_is_called_mulaw_is_found_out_and_mulaw_is_not() {
        let speech = speech();
        let mut at_24k = Vec::new();
        Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_24000).push(&speech, &mut at_24k);
        let pcm: Vec<u8> = at_24k.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let codes = mulaw(&speech);
        for start in (0..speech.len() - 4_000).step_by(1_777) {
            assert!(!is_pcm16(&codes[start..start + LOOKED_AT]), "mu-law at {start}");
            assert!(is_pcm16(&pcm[start * 6..start * 6 + LOOKED_AT]), "PCM at {start}");
            assert!(is_pcm16(&pcm[start * 6 + 1..start * 6 + LOOKED_AT]), "half a sample later at {start}");
        }
        assert!(is_pcm16(&[0; LOOKED_AT]));
        assert!(!is_pcm16(&[0xFF; LOOKED_AT]));
        assert!(!is_pcm16(&mulaw(&tone(SampleRate::HZ_8000, 440.0, 300, -12.0))));
    }

    #[test]
    fn the_guard_waits_until_it_is_sure_and_then_no_more() {
        let mut guard = Guard::default();
        let codes = mulaw(&speech());
        assert_eq!(guard.judge(Format::MuLaw, &codes[..800], false), None);
        assert_eq!(guard.judge(Format::MuLaw, &codes[..800], true), Some(Format::MuLaw));
        assert_eq!(guard.judge(Format::MuLaw, &codes[..1_600], false), Some(Format::MuLaw));
        assert_eq!(guard.judge(Format::MuLaw, &[0; 10], false), Some(Format::MuLaw));
    }

    #[test]
    fn samples_survive_being_cut_in_half() {
        let mut decoder = Decoder::new(Format::Pcm24);
        assert_eq!(decoder.bytes(&[0x01]).to_vec(), Vec::<i16>::new());
        assert_eq!(decoder.bytes(&[0x02, 0x03]).to_vec(), [0x0201]);
        assert_eq!(decoder.bytes(&[0x04]).to_vec(), [0x0403]);
    }

    #[test]
    fn frames_of_16_khz_become_24_khz() {
        let mut encoder = Encoder::new(SampleRate::HZ_16000, Format::Pcm24);
        let mut bytes = 0;
        for _ in 0..50 {
            if let Some(event) = encoder.append(&[100; 320]) {
                let event: Value = serde_json::from_str(&event).unwrap();
                assert_eq!(event["type"], "input_audio_buffer.append");
                let audio = event["audio"].as_str().unwrap();
                bytes += base64_simd::STANDARD.decode_to_vec(audio).unwrap().len();
            }
        }
        // One second, less what the resampler holds back.
        assert!((46_000..=48_000).contains(&bytes), "{bytes}");
    }
}
