//! Audio as it stands in messages: base64, of linear samples or of mu-law codes.

use audio::g711::{mulaw_decode, mulaw_encode};
use audio::{Pcm, PcmBytes};
use base64_simd::{Out, STANDARD};

/// How samples are written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Signed 16-bit, little-endian.
    Pcm16,
    /// G.711 mu-law, a byte each.
    MuLaw,
}

/// Mu-law has two zeros. The negative one is read as the sample next to zero, and that sample is written as it, so
/// that what comes in goes out again code for code. No ear can tell: it is 90 dB below full scale.
const NEGATIVE_ZERO: (u8, i16) = (0x7F, -1);

/// A text that is not base64 by any reading.
pub(crate) struct NotBase64;

/// Reads one stream's audio. Its buffer is kept.
#[derive(Debug)]
pub(crate) struct Sound {
    codec: Codec,
    half_sample: PcmBytes,
    bytes: Vec<u8>,
}

impl Sound {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, half_sample: PcmBytes::new(), bytes: Vec::new() }
    }

    /// Takes a message's payload, to be given by `samples`. Whether only a lenient reading made sense of it.
    pub(crate) fn take(&mut self, payload: &[u8]) -> Result<bool, NotBase64> {
        self.bytes.clear();
        // Room first, then in place: what a frame needs is known, and the buffer is kept.
        self.bytes.resize(payload.len() / 4 * 3 + 3, 0);
        if let Ok(decoded) = STANDARD.decode(payload, Out::from_slice(&mut self.bytes)) {
            let length = decoded.len();
            self.bytes.truncate(length);
            return Ok(false);
        }
        self.bytes.clear();
        let standard: Vec<u8> = payload
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        self.bytes = base64_simd::forgiving_decode_to_vec(&standard).map_err(|_| NotBase64)?;
        Ok(true)
    }

    /// Whether the payload held nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether half a sample waits for the next payload.
    pub(crate) fn is_odd(&self) -> bool {
        self.half_sample.is_odd()
    }

    /// The samples of the payload that was taken last.
    pub(crate) fn samples(&mut self) -> Pcm {
        if self.codec == Codec::MuLaw {
            return self.bytes.iter().map(|code| decoded(*code)).collect();
        }
        if !self.half_sample.is_odd() && self.bytes.len().is_multiple_of(2) {
            return Pcm::from_le_bytes(&self.bytes);
        }
        let mut samples = Vec::with_capacity(self.bytes.len() / 2 + 1);
        self.half_sample.push(&self.bytes, &mut samples);
        samples.into()
    }
}

/// Appends the mu-law codes of `samples`, so that codes that were read come out as they were.
pub(crate) fn write_mulaw(samples: &[i16], codes: &mut Vec<u8>) {
    let (code, negative_zero) = NEGATIVE_ZERO;
    codes.extend(
        samples.iter().map(|sample| if *sample == negative_zero { code } else { mulaw_encode(*sample) }),
    );
}

fn decoded(code: u8) -> i16 {
    let (negative_zero, sample) = NEGATIVE_ZERO;
    if code == negative_zero { sample } else { mulaw_decode(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mulaw_code_comes_back_as_it_was() {
        let codes: Vec<u8> = (0..=255).collect();
        let mut sound = Sound::new(Codec::MuLaw);
        let lenient = sound.take(STANDARD.encode_to_string(&codes).as_bytes()).unwrap_or(true);
        assert!(!lenient);
        let pcm = sound.samples();
        assert_eq!([pcm[0xFF], pcm[0x7F], pcm[0x80], pcm[0x00], pcm[0xF2]], [0, -1, 32124, -32124, 104]);
        let mut back = Vec::new();
        write_mulaw(&pcm, &mut back);
        assert_eq!(back, codes);
    }
}
