//! The caller's voice in virtual time: recorded speech without its pauses, so that it lasts as long as it is
//! told to, and a line that is otherwise quiet.

use audio::{Resampler, SampleRate, level_db};

/// Sentences over a telephone line, 8 kHz.
static RECORDED: &[u8] = include_bytes!("../../../audio/tests/fixtures/speech.wav");

/// Frames below this level are pauses of the recording.
const PAUSE_DB: f32 = -38.0;

/// An endless voice at one rate.
pub(super) struct Speech {
    samples: Vec<i16>,
    next: usize,
    gain: f32,
    noise: u32,
}

impl Speech {
    pub(super) fn new(rate: SampleRate, gain_db: f32) -> Self {
        let wav = audio::wav::read(RECORDED).expect("the recording is part of the program");
        let voiced: Vec<i16> =
            wav.to_mono().chunks(160).filter(|frame| level_db(frame) > PAUSE_DB).flatten().copied().collect();
        let mut samples = Vec::new();
        Resampler::new(SampleRate::HZ_8000, rate).push(&voiced, &mut samples);
        Self { samples, next: 0, gain: 10f32.powf(gain_db / 20.0), noise: 1 }
    }

    /// The next `count` samples of the voice.
    pub(super) fn voice(&mut self, count: usize) -> Vec<i16> {
        (0..count)
            .map(|_| {
                let sample = self.samples[self.next % self.samples.len()];
                self.next += 1;
                (f32::from(sample) * self.gain) as i16
            })
            .collect()
    }

    /// A quiet line: noise at about -66 dB below full scale, always the same.
    pub(super) fn quiet(&mut self, count: usize) -> Vec<i16> {
        (0..count)
            .map(|_| {
                self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((self.noise >> 24) as i16 - 128) / 4
            })
            .collect()
    }
}
