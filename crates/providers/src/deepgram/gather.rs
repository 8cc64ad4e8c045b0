//! The caller's frames on their way to a recogniser's socket.

use audio::SampleRate;
use bytes::{Bytes, BytesMut};

use crate::dialect::Frame;

/// How much is gathered into one message while nobody speaks. A message costs the same whether it is short or
/// long, and most of a call is quiet on the caller's side. A turn ends after speech only, and from its beginning
/// each frame goes out by itself, so no turn ends later by this.
const QUIET_MS: u64 = 80;

/// Room for several messages, used again once they are sent.
const ROOM: usize = 4_096;

/// Samples as little-endian bytes in messages. Deepgram takes binary messages of any length but an empty one.
#[derive(Debug)]
pub(super) struct Gather {
    rate: SampleRate,
    bytes: BytesMut,
    samples: u64,
}

impl Gather {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, bytes: BytesMut::new(), samples: 0 }
    }

    /// Takes a frame. Sends all there is at once when `now`, else when enough was gathered.
    pub(super) fn push(&mut self, samples: &[i16], now: bool, send: &mut Vec<Frame>) {
        let (before, more) = (self.bytes.len(), samples.len() * 2);
        if self.bytes.capacity() - before < more {
            self.bytes.reserve(more.max(ROOM));
        }
        self.bytes.resize(before + more, 0);
        let (pairs, _) = self.bytes[before..].as_chunks_mut::<2>();
        for (pair, sample) in pairs.iter_mut().zip(samples) {
            *pair = sample.to_le_bytes();
        }
        self.samples += samples.len() as u64;
        if now || self.bytes.len() / 2 >= self.rate.samples(QUIET_MS * 1_000) {
            self.flush(send);
        }
    }

    /// Sends what was gathered.
    pub(super) fn flush(&mut self, send: &mut Vec<Frame>) {
        if !self.bytes.is_empty() {
            send.push(Frame::Binary(self.bytes.split().freeze()));
        }
    }

    /// Adds `ms` of silence, which counts as audio.
    pub(super) fn silence(&mut self, ms: u64, send: &mut Vec<Frame>) {
        self.flush(send);
        let samples = self.rate.samples(ms * 1_000);
        self.samples += samples as u64;
        static ZEROS: [u8; 2 * 48_000] = [0; 2 * 48_000];
        let bytes = (samples * 2).min(ZEROS.len());
        send.push(Frame::Binary(Bytes::from_static(&ZEROS[..bytes])));
    }

    /// How much audio there was so far, in seconds: the vendor's own clock, once it has all of it.
    pub(super) fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.rate.hz())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_gathered_and_speech_is_not() {
        let (mut gather, mut send) = (Gather::new(SampleRate::HZ_8000), Vec::new());
        let lengths = |send: &mut Vec<Frame>| {
            send.drain(..)
                .map(|frame| match frame {
                    Frame::Binary(bytes) => bytes.len(),
                    Frame::Text(text) => panic!("{text}"),
                })
                .collect::<Vec<_>>()
        };
        for _ in 0..9 {
            gather.push(&[1; 160], false, &mut send);
        }
        assert_eq!(lengths(&mut send), [1_280, 1_280]);
        gather.push(&[1; 160], true, &mut send);
        assert_eq!(lengths(&mut send), [640]);
        gather.push(&[1; 160], true, &mut send);
        assert_eq!(lengths(&mut send), [320]);
        gather.flush(&mut send);
        gather.push(&[], true, &mut send);
        assert_eq!(lengths(&mut send), [0; 0], "an empty binary frame closes the socket");
        assert!((gather.seconds() - 0.22).abs() < 1e-9);
    }

    #[test]
    fn samples_are_little_endian_and_the_room_is_used_again() {
        let (mut gather, mut send) = (Gather::new(SampleRate::HZ_16000), Vec::new());
        gather.push(&[0x0102, -1], true, &mut send);
        assert_eq!(send, [Frame::Binary(Bytes::from_static(&[2, 1, 0xFF, 0xFF]))]);
        send.clear();
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            gather.push(&[7; 320], true, &mut send);
            let Some(Frame::Binary(bytes)) = send.pop() else { panic!() };
            places.insert(bytes.as_ptr());
        }
        assert!(places.len() <= 2 * (ROOM / 640 + 1), "{}", places.len());
    }
}
