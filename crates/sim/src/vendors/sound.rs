//! What the stand-ins' voices give and what their recognisers listen for: sound, without words.

use audio::{Pcm, SampleRate, level_db, tone};

/// How long a character takes to be spoken.
const MS_PER_CHAR: usize = 60;
/// The sound of a voice, in the middle of the telephone band.
const VOICE_HZ: f32 = 440.0;
const VOICE_DBFS: f32 = -12.0;

/// What is louder than this is somebody speaking.
const SPEECH_DB: f32 = -45.0;
/// Sound is judged in pieces of this length.
const PIECE_MICROS: u64 = 10_000;

/// What a stand-in's voice gives for `text`: an audible sound, 60 ms a character, at least one.
pub(super) fn spoken(text: &str, rate: SampleRate) -> Pcm {
    let length = text.trim().chars().count().max(1) * MS_PER_CHAR;
    tone(rate, VOICE_HZ, length as u32, VOICE_DBFS)
}

/// What a stand-in's recogniser noticed in the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sounded {
    /// Somebody began to speak.
    Began,
    /// They have been quiet for as long as the endpointing wants.
    Ended,
}

/// Finds stretches of speech in audio by its level. Time is counted in samples, not by a clock.
#[derive(Debug)]
pub(super) struct Listener {
    rate: SampleRate,
    endpointing_ms: u64,
    piece: Vec<i16>,
    is_speaking: bool,
    quiet_micros: u64,
}

impl Listener {
    /// Listens at this rate; a stretch ends after so much silence.
    pub(super) const fn new(rate: SampleRate, endpointing_ms: u64) -> Self {
        Self { rate, endpointing_ms, piece: Vec::new(), is_speaking: false, quiet_micros: 0 }
    }

    /// Whether somebody is speaking now.
    pub(super) const fn is_speaking(&self) -> bool {
        self.is_speaking
    }

    /// Ends the stretch that is under way, if there is one, as a client may ask for: says whether there was one.
    pub(super) fn settle(&mut self) -> bool {
        std::mem::take(&mut self.is_speaking)
    }

    /// Takes samples, cut anywhere. Gives what they brought, in order.
    pub(super) fn push(&mut self, samples: &[i16]) -> Vec<Sounded> {
        let whole = self.rate.samples(PIECE_MICROS);
        let mut noticed = Vec::new();
        for sample in samples {
            self.piece.push(*sample);
            if self.piece.len() < whole {
                continue;
            }
            let is_loud = level_db(&self.piece) > SPEECH_DB;
            self.piece.clear();
            if is_loud {
                self.quiet_micros = 0;
                if !std::mem::replace(&mut self.is_speaking, true) {
                    noticed.push(Sounded::Began);
                }
            } else if self.is_speaking {
                self.quiet_micros += PIECE_MICROS;
                if self.quiet_micros >= self.endpointing_ms * 1_000 {
                    self.is_speaking = false;
                    noticed.push(Sounded::Ended);
                }
            }
        }
        noticed
    }
}

/// Whether there is speech anywhere in `samples`.
pub(super) fn has_speech(samples: &[i16], rate: SampleRate) -> bool {
    samples.chunks(rate.samples(PIECE_MICROS)).any(|piece| level_db(piece) > SPEECH_DB)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    #[test]
    fn a_voice_is_heard_by_a_recogniser() {
        let voice = spoken("Hello. ", RATE);
        assert_eq!(voice.len(), RATE.samples(6 * 60_000));
        assert!(has_speech(&voice, RATE) && !has_speech(&Pcm::silence(800), RATE));

        let mut listener = Listener::new(RATE, 300);
        let mut noticed = Vec::new();
        let line = [&Pcm::silence(800)[..], &voice, &Pcm::silence(2_320), &voice, &Pcm::silence(2_400)];
        for piece in line.concat().chunks(37) {
            noticed.extend(listener.push(piece));
        }
        assert_eq!(noticed, [Sounded::Began, Sounded::Ended]);
        assert!(!listener.is_speaking() && !listener.settle());
        listener.push(&voice);
        assert!(listener.is_speaking() && listener.settle() && !listener.is_speaking());
    }
}
