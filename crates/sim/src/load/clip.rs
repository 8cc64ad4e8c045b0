//! What the callers of a load say, encoded once for all of them.

use audio::{Pcm, SampleRate, VoiceDetector, level_db};
use base64_simd::STANDARD;
use call::{Settings, Turn};

/// Samples of a frame of 20 ms at 8 kHz.
const FRAME: usize = 160;
/// The length of what is said: a second and a half.
const SPOKEN: usize = 75;
/// Its frames at the end that are to be voice.
const EDGE: usize = 8;
/// How many different frames of quiet there are.
const QUIET: usize = 50;
/// The line's own noise, as a peak: about -66 dB.
const NOISE_PEAK: i64 = 28;
/// What is louder is sound to the vendors' stand-ins, in dB below full scale.
const LOUD_DB: f32 = -45.0;
/// As loud as people are on the phone, in dB below full scale.
const SPEECH_DB: f32 = -20.0;

/// A little speech and a second of quiet line noise, as base64 of frames of 20 ms at 8 kHz.
#[derive(Debug, Clone)]
pub struct Clip {
    speech: Vec<String>,
    quiet: Vec<String>,
    /// Frame of the speech with which its voice ends.
    last_voice: usize,
    /// The last frame that is loud.
    last_sound: usize,
    /// Frame of the speech with which it has gone on for as long as an interruption needs.
    interrupts: Option<usize>,
}

impl Clip {
    /// Takes a second and a half out of a recording at 8 kHz such that as much of it as possible is voice to a server
    /// with these settings.
    pub fn of(recording: &[i16], settings: &Settings) -> Self {
        let turn = &settings.turn;
        let (frames, _) = recording.as_chunks::<FRAME>();
        let voiced = voice(frames, turn.gate_db);
        // It ends with voice, so that the moment at which it ends is sharp.
        let voices = |of: &[f32]| of.iter().filter(|score| **score >= turn.start_threshold).count();
        let worth = |window: &[f32]| voices(window) + 10 * voices(&window[SPOKEN - EDGE..]);
        let best = voiced.windows(SPOKEN).map(worth).enumerate().max_by_key(|(_, worth)| *worth);
        let best = best.map_or(0, |(from, _)| from);
        let mut spoken: Vec<[i16; FRAME]> = frames.iter().skip(best).take(SPOKEN).copied().collect();
        let gain = 10f32.powf((SPEECH_DB - level_db(spoken.as_flattened())) / 20.0);
        for sample in spoken.as_flattened_mut() {
            *sample = (f32::from(*sample) * gain) as i16;
        }
        let quiet = noise();
        let line = [&quiet[..], &quiet[..], &quiet[..], &spoken[..], &quiet[..]].concat();
        let scores = voice(&line, turn.gate_db)[3 * QUIET..].to_vec();
        let last_voice = scores.iter().rposition(|score| *score >= turn.stay_threshold).unwrap_or(0);
        let interrupts = interrupts(&scores[..=last_voice], turn, settings.barge_in.min_speech_ms);
        let last_sound = spoken.iter().rposition(|frame| level_db(frame) > LOUD_DB).unwrap_or(0);
        Self { speech: encoded(&spoken), quiet: encoded(&quiet), last_voice, last_sound, interrupts }
    }

    /// The frame of speech of this number from its beginning; none after its end.
    pub(super) fn speech(&self, frame: usize) -> Option<&str> {
        self.speech.get(frame).map(String::as_str)
    }

    /// Any frame of quiet.
    pub(super) fn quiet(&self, frame: usize) -> &str {
        &self.quiet[frame % self.quiet.len()]
    }

    /// Number of the frame with which the voice ends; the speech may end with a few frames without one.
    pub const fn last_voice(&self) -> usize {
        self.last_voice
    }

    /// The same clip, whose voice ends with its last loud frame. Our own voice activity ends it a little later,
    /// since it looks back; a vendor's does not.
    #[must_use]
    pub fn ending_with_sound(&self) -> Self {
        Self { last_voice: self.last_sound, ..self.clone() }
    }

    /// Number of the frame with which the speech is long enough to interrupt; `None` when it never is.
    pub const fn interrupts(&self) -> Option<usize> {
        self.interrupts
    }
}

/// The highest score of the voice that each frame brings to an end.
fn voice(frames: &[[i16; FRAME]], gate_db: f32) -> Vec<f32> {
    let mut detector = VoiceDetector::new(SampleRate::HZ_8000).with_gate_db(gate_db);
    frames
        .iter()
        .map(|frame| {
            let mut score = 0f32;
            detector.push(frame, &mut |voice| score = score.max(voice.score));
            score
        })
        .collect()
}

/// The first frame at which speech that began has lasted long enough, with a frame taken for 20 ms of voice. The line is
/// quiet, so it is the lower threshold that counts.
fn interrupts(scores: &[f32], turn: &Turn, wanted_ms: u64) -> Option<usize> {
    let mut gathered_ms = 0u64;
    let mut began_ms = None;
    for (frame, score) in scores.iter().enumerate() {
        let now_ms = (frame as u64 + 1) * 20;
        match began_ms {
            None if *score >= turn.quiet_threshold => {
                gathered_ms += 20;
                if gathered_ms >= turn.min_speech_ms {
                    began_ms = Some(now_ms - gathered_ms);
                }
            }
            None => gathered_ms = gathered_ms.saturating_sub(40),
            Some(began_ms) if *score >= turn.stay_threshold && now_ms - began_ms >= wanted_ms => {
                return Some(frame);
            }
            Some(_) => {}
        }
    }
    None
}

/// The hiss of the line, the same in each run: a xorshift generator.
fn noise() -> Vec<[i16; FRAME]> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 33) as i64 % (2 * NOISE_PEAK + 1) - NOISE_PEAK) as i16
    };
    (0..QUIET).map(|_| std::array::from_fn(|_| next())).collect()
}

fn encoded(frames: &[[i16; FRAME]]) -> Vec<String> {
    let encode = |frame: &[i16; FRAME]| {
        let mut bytes = Vec::new();
        Pcm::from(&frame[..]).write_le_bytes(&mut bytes);
        STANDARD.encode_to_string(bytes)
    };
    frames.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixture_gives_speech_that_begins_lasts_and_interrupts() {
        let file = audio::wav::read(include_bytes!("../../../audio/tests/fixtures/speech.wav")).unwrap();
        let clip = Clip::of(&file.to_mono(), &Settings::default());
        assert_eq!((clip.speech.len(), clip.quiet.len()), (SPOKEN, QUIET));
        assert!(
            (SPOKEN - 5..SPOKEN + 10).contains(&clip.last_voice()),
            "voice ends with frame {}",
            clip.last_voice()
        );
        assert!((24..60).contains(&clip.interrupts().unwrap()), "{:?}", clip.interrupts());
        assert_eq!(clip.speech(0).unwrap().len(), 428);
    }
}
