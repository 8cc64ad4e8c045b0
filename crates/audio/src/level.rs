//! How loud audio is: overall, at one frequency, and the line's own noise beneath it all.

use std::f64::consts::TAU;

use crate::SampleRate;

/// The level given for digital silence.
pub const SILENCE_DB: f32 = -100.0;

/// The root mean square of `samples` in dB relative to 32768 (so a full-scale sine is at -3.01), not under
/// [`SILENCE_DB`], which is also the level of no samples.
pub fn level_db(samples: &[i16]) -> f32 {
    let sum: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
    if sum == 0 {
        return SILENCE_DB;
    }
    let mean = sum as f64 / samples.len() as f64 / (32_768.0 * 32_768.0);
    (10.0 * mean.log10() as f32).max(SILENCE_DB)
}

/// The level of the one frequency `hz` in `samples`, in the unit of [`level_db`], so that a pure tone has the same
/// level by both (Goertzel's algorithm; the pass band is as wide as one over the samples' duration).
pub fn tone_level_db(samples: &[i16], rate: SampleRate, hz: f32) -> f32 {
    if samples.is_empty() {
        return SILENCE_DB;
    }
    let angle = TAU * f64::from(hz) / f64::from(rate.hz());
    let turn = 2.0 * angle.cos();
    let (mut last, mut before) = (0.0_f64, 0.0_f64);
    for sample in samples {
        (last, before) = (f64::from(*sample) + turn * last - before, last);
    }
    let power = (last * last + before * before - turn * last * before).max(0.0);
    let amplitude = 2.0 * power.sqrt() / samples.len() as f64 / 32_768.0;
    let level = 20.0 * (amplitude / std::f64::consts::SQRT_2).log10() as f32;
    if level.is_nan() { SILENCE_DB } else { level.max(SILENCE_DB) }
}

/// The noise floor of a line: the quietest moment of the last seconds. Speech has such moments between and within its
/// words, so it does not lift the floor; a new steady noise does, slowly.
#[derive(Debug, Clone)]
pub struct NoiseFloor {
    /// The quietest level of each past slot, oldest overwritten.
    slots: [f32; SLOTS],
    next: usize,
    /// The quietest level of the slot under way, and how much of it has gone by.
    quietest: f32,
    micros: u64,
    floor: f32,
}

/// Eight slots of 0.4 s: no speaker goes on for 3.2 s without a closed consonant or a breath.
const SLOTS: usize = 8;
const SLOT_MICROS: u64 = 400_000;
/// A line of digital silence is taken to have the noise that G.711 itself allows at rest, and any speech lies above.
const LOWEST_DB: f32 = -70.0;
/// A steady sound louder than this is no line noise.
const HIGHEST_DB: f32 = -25.0;
/// How fast the floor follows a noise that has come up.
const RISE_DB_PER_SECOND: f32 = 3.0;

impl NoiseFloor {
    /// Starts at the floor of a quiet line, -70 dB.
    pub const fn new() -> Self {
        Self { slots: [LOWEST_DB; SLOTS], next: 0, quietest: 0.0, micros: 0, floor: LOWEST_DB }
    }

    /// Takes the level of the next `micros` of the line (a frame of 10 to 30 ms) and gives the floor after it.
    pub fn push(&mut self, level_db: f32, micros: u64) -> f32 {
        self.quietest = self.quietest.min(level_db);
        self.micros += micros;
        let lowest = self.slots.iter().copied().fold(self.quietest, f32::min).clamp(LOWEST_DB, HIGHEST_DB);
        let step = RISE_DB_PER_SECOND * micros as f32 / 1e6;
        self.floor = if lowest < self.floor { lowest } else { lowest.min(self.floor + step) };
        if self.micros >= SLOT_MICROS {
            self.slots[self.next] = self.quietest;
            self.next = (self.next + 1) % SLOTS;
            (self.quietest, self.micros) = (0.0, 0);
        }
        self.floor
    }

    /// The floor in the unit of [`level_db`], -70 to -25.
    pub const fn db(&self) -> f32 {
        self.floor
    }
}

impl Default for NoiseFloor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pcm, tone};

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn push_all(floor: &mut NoiseFloor, level: impl Fn(usize) -> f32, milliseconds: usize) -> f32 {
        for frame in 0..milliseconds / 16 {
            floor.push(level(frame), 16_000);
        }
        floor.db()
    }

    #[test]
    fn levels_of_known_sounds() {
        assert_eq!(level_db(&[]), SILENCE_DB);
        assert_eq!(level_db(&Pcm::silence(160)), SILENCE_DB);
        assert!(level_db(&[i16::MIN; 160]).abs() < 0.01);
        let sine = tone(RATE, 1_000.0, 1_000, -20.0);
        assert!((level_db(&sine) + 23.01).abs() < 0.1, "{}", level_db(&sine));
    }

    #[test]
    fn a_tone_is_found_at_its_frequency_only() {
        let sine = tone(RATE, 1_000.0, 200, -20.0);
        assert!((tone_level_db(&sine, RATE, 1_000.0) + 23.01).abs() < 0.2);
        assert!(tone_level_db(&sine, RATE, 1_100.0) < -50.0);
        assert_eq!(tone_level_db(&Pcm::silence(160), RATE, 1_000.0), SILENCE_DB);
        assert_eq!(tone_level_db(&[], RATE, 1_000.0), SILENCE_DB);
    }

    #[test]
    fn the_floor_falls_at_once_and_rises_slowly() {
        let mut floor = NoiseFloor::new();
        assert_eq!(push_all(&mut floor, |_| SILENCE_DB, 5_000), -70.0);
        // A noise of -50 comes up: nothing until the quiet is 3.2 s gone, then 3 dB a second.
        assert_eq!(push_all(&mut floor, |_| -50.0, 3_000), -70.0);
        let rising = push_all(&mut floor, |_| -50.0, 3_000);
        assert!(-64.0 < rising && rising < -58.0, "{rising}");
        assert_eq!(push_all(&mut floor, |_| -50.0, 10_000), -50.0);
        assert_eq!(push_all(&mut floor, |_| -66.0, 16), -66.0);
    }

    #[test]
    fn a_sentence_does_not_raise_the_floor() {
        let mut floor = NoiseFloor::new();
        push_all(&mut floor, |_| -60.0, 20_000);
        // Ten seconds of speech that is down at the noise for one frame in forty (0.64 s).
        let during = push_all(&mut floor, |frame| if frame % 40 == 39 { -60.0 } else { -22.0 }, 10_000);
        assert_eq!(during, -60.0);
        // Loud from the first moment on, with no pause at all for three seconds.
        assert_eq!(push_all(&mut NoiseFloor::new(), |_| -20.0, 3_000), -70.0);
    }
}
