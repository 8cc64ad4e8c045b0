//! The caller's audio as the agent takes it: in the format that it announced, in small and steady pieces. Pieces of
//! 20 to 250 ms are what the reference asks for; longer ones of mu-law were seen to be refused.

use audio::g711::{alaw_encode_into, mulaw_encode_into};
use audio::{Resampler, SampleRate};

use super::super::format::Format;
use crate::dialect::Frame;

/// No piece is shorter.
const SHORTEST_US: u64 = 20_000;
/// Longer frames are cut into pieces of this length; the last of them is at most twice as long.
const PIECE_US: u64 = 100_000;

/// Turns the call's frames into messages.
pub(super) struct Uplink {
    format: Format,
    resampler: Option<Resampler>,
    /// Samples at the agent's rate that were not sent.
    samples: Vec<i16>,
}

impl Uplink {
    /// From frames at `rate`.
    pub(super) fn new(rate: SampleRate, format: Format) -> Self {
        let resampler = (rate != format.rate()).then(|| Resampler::new(rate, format.rate()));
        Self { format, resampler, samples: Vec::new() }
    }

    /// Takes a frame, and gives the messages that it completes.
    pub(super) fn push(&mut self, pcm: &[i16], send: &mut Vec<Frame>) {
        match &mut self.resampler {
            Some(resampler) => resampler.push(pcm, &mut self.samples),
            None => self.samples.extend_from_slice(pcm),
        }
        let rate = self.format.rate();
        let (shortest, piece) = (rate.samples(SHORTEST_US), rate.samples(PIECE_US));
        while self.samples.len() >= shortest {
            let length = if self.samples.len() >= 2 * piece { piece } else { self.samples.len() };
            let message = self.message(length);
            send.push(Frame::Text(message));
            self.samples.drain(..length);
        }
    }

    /// The message of the first `length` samples. It is the one message without a `type`.
    fn message(&self, length: usize) -> String {
        let samples = &self.samples[..length];
        let mut bytes = Vec::with_capacity(length * 2);
        match self.format {
            Format::MuLaw => mulaw_encode_into(samples, &mut bytes),
            Format::ALaw => alaw_encode_into(samples, &mut bytes),
            Format::Pcm(_) => bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
        let mut message = String::from(r#"{"user_audio_chunk":""#);
        base64_simd::STANDARD.encode_append(&bytes, &mut message);
        message.push_str("\"}");
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths_ms(rate: SampleRate, format: Format, frame_us: u64, frames: usize) -> Vec<u64> {
        let mut uplink = Uplink::new(rate, format);
        let mut send = Vec::new();
        for _ in 0..frames {
            uplink.push(&vec![100; rate.samples(frame_us)], &mut send);
        }
        let width = if matches!(format, Format::Pcm(_)) { 2 } else { 1 };
        send.iter()
            .map(|frame| {
                let Frame::Text(text) = frame else { panic!("audio goes as text") };
                let message: serde_json::Value = serde_json::from_str(text).unwrap();
                let audio = message["user_audio_chunk"].as_str().unwrap();
                assert_eq!(message.as_object().unwrap().len(), 1, "no type, nothing else");
                let bytes = base64_simd::STANDARD.decode_to_vec(audio).unwrap();
                format.rate().micros(bytes.len() / width) / 1000
            })
            .collect()
    }

    #[test]
    fn pieces_are_small_and_steady_whatever_the_line_and_the_format() {
        let pcm = |rate| Format::Pcm(rate);
        let line = SampleRate::HZ_8000;
        assert_eq!(lengths_ms(line, Format::MuLaw, 20_000, 4), [20, 20, 20, 20]);
        assert_eq!(lengths_ms(line, Format::MuLaw, 10_000, 4), [20, 20]);
        assert_eq!(lengths_ms(line, Format::MuLaw, 600_000, 1), [100, 100, 100, 100, 100, 100]);
        assert_eq!(lengths_ms(line, Format::MuLaw, 130_000, 1), [130]);
        for to in SampleRate::ALL {
            for from in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000] {
                let lengths = lengths_ms(from, pcm(to), 20_000, 50);
                let all: u64 = lengths.iter().sum();
                assert!((940..=1_000).contains(&all), "{all} ms from {from} to {to}");
                assert!(lengths.iter().all(|length| (19..=250).contains(length)), "{lengths:?}");
            }
        }
    }
}
