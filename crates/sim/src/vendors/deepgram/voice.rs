//! The sound that the stand-in's voices give, and how it is cut.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use audio::SampleRate;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::sleep;

use super::query::Coding;
use crate::vendors::sound::spoken;

/// A piece has about so much sound, and an odd number of bytes more or less, as networks cut.
const PIECE_MS: u64 = 200;
const ODD: [usize; 4] = [1, 13, 7, 101];

/// Between two pieces: ten times faster than it is played.
pub(super) const PACE: Duration = Duration::from_millis(20);

/// How long a character takes to be spoken.
const MS_PER_CHAR: usize = 60;

/// The sound that is made once is that of so many characters: six seconds.
const LONGEST_CHARS: usize = 100;

/// Sound for a text, cut out of one that was made once for all texts.
#[derive(Debug)]
pub(super) struct Speech {
    sound: Bytes,
    at: usize,
    /// How many bytes are still to come.
    left: usize,
    piece: usize,
    pieces: usize,
}

impl Speech {
    /// 60 ms for each character.
    pub(super) fn of(text: &str, coding: Coding, rate: SampleRate) -> Self {
        let chars = text.trim().chars().count().max(1);
        Self::lasting(chars * MS_PER_CHAR, coding, rate)
    }

    fn lasting(ms: usize, coding: Coding, rate: SampleRate) -> Self {
        let width = if coding == Coding::Linear16 { 2 } else { 1 };
        let bytes = |ms: u64| rate.samples(ms * 1_000) * width;
        let (left, piece) = (bytes(ms as u64), bytes(PIECE_MS));
        Self { sound: sound(coding, rate), at: 0, left, piece, pieces: 0 }
    }

    /// How many bytes are still to come.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// The next piece. Most end within a sample.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let odd = self.piece + ODD[self.pieces % ODD.len()];
        let length = odd.min(self.left).min(self.sound.len() - self.at);
        let piece = self.sound.slice(self.at..self.at + length);
        self.at = (self.at + length) % self.sound.len();
        self.left -= length;
        self.pieces += 1;
        (length > 0).then_some(piece)
    }
}

fn sound(coding: Coding, rate: SampleRate) -> Bytes {
    static SOUNDS: Mutex<BTreeMap<(u8, u32), Bytes>> = Mutex::new(BTreeMap::new());
    let mut sounds = SOUNDS.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let mut bytes = Vec::new();
        coding.encode(&spoken(&"x".repeat(LONGEST_CHARS), rate), &mut bytes);
        Bytes::from(bytes)
    };
    sounds.entry((coding as u8, rate.hz())).or_insert_with(make).clone()
}

/// An answer of a byte a second.
pub(super) fn drip(whole: Bytes) -> Body {
    Body::from_stream(stream::unfold(whole, |mut left| async move {
        if left.is_empty() {
            return None;
        }
        sleep(Duration::from_secs(1)).await;
        let byte = left.split_to(1);
        Some((Ok::<_, io::Error>(byte), left))
    }))
}

/// What breaks a connection in the middle of an answer.
pub(super) fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use audio::{PcmBytes, level_db};

    use super::*;

    #[test]
    fn speech_is_as_long_as_its_text_and_audible_throughout() {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_24000] {
            let text = "Good morning. ".repeat(20);
            let mut speech = Speech::of(&text, Coding::Linear16, rate);
            let (mut bytes, mut samples, mut odd) = (PcmBytes::new(), Vec::new(), 0);
            while let Some(piece) = speech.next() {
                odd += piece.len() % 2;
                bytes.push(&piece, &mut samples);
            }
            assert_eq!(samples.len(), rate.samples(279 * 60_000));
            assert!(odd > 10 && !bytes.is_odd());
            assert!(samples.chunks(rate.samples(20_000)).all(|frame| level_db(frame) > -30.0));
        }
    }
}
