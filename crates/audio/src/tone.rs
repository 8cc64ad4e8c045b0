//! Tones made by arithmetic: beeps, test signals and telephone keys.

use std::f64::consts::TAU;

use crate::{Pcm, SampleRate};

/// Soft edges, so that a tone does not click.
const EDGE_MICROS: u64 = 2_000;
/// The two groups' amplitudes; the upper a little louder, as telephones send it (ITU-T Q.23, Q.24).
const LOW_DBFS: f32 = -12.0;
const HIGH_DBFS: f32 = -10.0;

/// A sine of `hz` for `ms` milliseconds with a peak of `amplitude_dbfs` (0 is full scale), beginning at phase zero,
/// with edges of 2 ms. [`crate::level_db`] finds it 3 dB lower, since that is a sine's root mean square.
pub fn tone(rate: SampleRate, hz: f32, ms: u32, amplitude_dbfs: f32) -> Pcm {
    sines(rate, ms, &[(hz, amplitude_dbfs)])
}

/// The two tones of a telephone key (`0` to `9`, `*`, `#`, `A` to `D` in either case) for `ms` milliseconds, or None
/// when `digit` is no key.
pub fn dtmf(rate: SampleRate, digit: char, ms: u32) -> Option<Pcm> {
    const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
    const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
    const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    let wanted = digit.to_ascii_uppercase();
    let (row, column) = KEYS
        .iter()
        .enumerate()
        .find_map(|(row, keys)| keys.chars().position(|key| key == wanted).map(|column| (row, column)))?;
    Some(sines(rate, ms, &[(LOW[row], LOW_DBFS), (HIGH[column], HIGH_DBFS)]))
}

fn sines(rate: SampleRate, ms: u32, parts: &[(f32, f32)]) -> Pcm {
    let length = rate.samples(u64::from(ms) * 1_000);
    let edge = rate.samples(EDGE_MICROS).min(length / 2).max(1);
    (0..length)
        .map(|at| {
            let sum: f64 = parts
                .iter()
                .map(|(hz, dbfs)| {
                    let phase = TAU * f64::from(*hz) * at as f64 / f64::from(rate.hz());
                    10_f64.powf(f64::from(*dbfs) / 20.0) * phase.sin()
                })
                .sum();
            let from_edge = (at.min(length - 1 - at) as f64 / edge as f64).min(1.0);
            (sum * from_edge * 32_767.0).round() as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone_level_db;

    #[test]
    fn a_tone_has_its_length_and_peak_at_every_rate() {
        for hz in [8_000, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let rate = SampleRate::try_from(hz).unwrap();
            let pcm = tone(rate, 500.0, 100, -6.0);
            assert_eq!(pcm.len(), hz as usize / 10);
            let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((i32::from(peak) - 16_422).abs() < 60, "{peak}");
            assert_eq!(pcm[0], 0);
        }
        assert!(tone(SampleRate::HZ_8000, 500.0, 0, 0.0).is_empty());
    }

    #[test]
    fn each_key_has_its_two_tones() {
        let rate = SampleRate::HZ_8000;
        for (key, low, high) in
            [('1', 697.0, 1209.0), ('0', 941.0, 1336.0), ('#', 941.0, 1477.0), ('d', 941.0, 1633.0)]
        {
            let pcm = dtmf(rate, key, 100).unwrap();
            assert!((tone_level_db(&pcm, rate, low) + 15.0).abs() < 0.5);
            assert!((tone_level_db(&pcm, rate, high) + 13.0).abs() < 0.5);
            assert!(tone_level_db(&pcm, rate, 852.0) < -40.0);
        }
        assert_eq!(dtmf(rate, 'x', 100), None);
    }
}
