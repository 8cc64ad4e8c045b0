//! The resamplers measured as a listener would: with sines across the band, over ten seconds, and in any pieces.

use std::f64::consts::TAU;

use audio::{Folded, Resampler, SampleRate, level_db};
use proptest::prelude::*;

const RATES: [SampleRate; 6] = SampleRate::ALL;
const AMPLITUDE: f64 = 0.5 * 32_768.0;

fn pairs() -> impl Iterator<Item = (SampleRate, SampleRate)> {
    RATES.into_iter().flat_map(|from| RATES.map(|to| (from, to))).filter(|(from, to)| from != to)
}

fn sine(rate: SampleRate, hz: f64, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|at| (AMPLITUDE * (TAU * hz * at as f64 / f64::from(rate.hz())).sin()).round() as i16)
        .collect()
}

/// A fifth of a second through the resampler, in frames of 20 ms, without the first and last 30 ms.
fn middle(
    mut push: impl FnMut(&[i16], &mut Vec<i16>),
    from: SampleRate,
    to: SampleRate,
    hz: f64,
) -> Vec<i16> {
    let mut output = Vec::new();
    for frame in sine(from, hz, from.samples(200_000)).chunks(from.samples(20_000)) {
        push(frame, &mut output);
    }
    output[to.samples(30_000)..to.samples(170_000)].to_vec()
}

/// The gain of the sine `hz` that begins `offset` samples before `samples`, its phase's error in degrees, and all that
/// is not that sine, in dB under the input.
fn measure(samples: &[i16], rate: SampleRate, hz: f64, offset: usize) -> (f64, f64, f64) {
    let angle = |at: usize| TAU * hz * (at + offset) as f64 / f64::from(rate.hz());
    let (mut ss, mut sc, mut cc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let ((sin, cos), x) = (angle(at).sin_cos(), f64::from(*sample));
        (ss, sc, cc) = (ss + sin * sin, sc + sin * cos, cc + cos * cos);
        (xs, xc) = (xs + x * sin, xc + x * cos);
    }
    let determinant = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / determinant, (xc * ss - xs * sc) / determinant);
    let rest = samples.iter().enumerate().map(|(at, sample)| {
        let (sin, cos) = angle(at).sin_cos();
        (f64::from(*sample) - a * sin - b * cos).powi(2)
    });
    let rest = (rest.sum::<f64>() / samples.len() as f64).sqrt() * std::f64::consts::SQRT_2;
    (
        20.0 * (a.hypot(b) / AMPLITUDE).log10(),
        b.atan2(a).to_degrees(),
        20.0 * (rest / AMPLITUDE).max(1e-6).log10(),
    )
}

#[test]
fn the_pass_band_is_flat_in_phase_and_free_of_images() {
    for (from, to) in pairs() {
        let low = f64::from(from.hz().min(to.hz()));
        for step in 1..=17 {
            // 3.4 kHz at 8 kHz.
            let hz = low * 0.025 * f64::from(step);
            let mut resampler = Resampler::new(from, to);
            let output = middle(|input, output| resampler.push(input, output), from, to, hz);
            let (gain, phase, rest) = measure(&output, to, hz, to.samples(30_000));
            assert!(gain.abs() < 0.5, "{from} to {to}: {gain:.2} dB at {hz} Hz");
            assert!(phase.abs() < 0.5, "{from} to {to}: {phase:.2} degrees at {hz} Hz");
            assert!(rest < -60.0, "{from} to {to}: {rest:.1} dB of other sound at {hz} Hz");
        }
    }
}

#[test]
fn the_stop_band_is_sixty_db_down() {
    let silent = 20.0 * (AMPLITUDE / 32_768.0 / std::f64::consts::SQRT_2).log10() - 60.0;
    for (from, to) in pairs().filter(|(from, to)| from > to) {
        let (nyquist, highest) = (f64::from(to.hz()) / 2.0, f64::from(from.hz()) / 2.0);
        let mut hz = nyquist;
        while hz < highest {
            let mut resampler = Resampler::new(from, to);
            let output = middle(|input, output| resampler.push(input, output), from, to, hz);
            let level = f64::from(level_db(&output));
            assert!(level < silent, "{from} to {to}: {level:.1} dB left of {hz} Hz");
            hz += nyquist * 0.02;
        }
    }
}

#[test]
fn folding_leaves_the_image_twelve_db_down() {
    for step in 1..=16 {
        let hz = 200.0 * f64::from(step);
        let mut folded = Folded::new(SampleRate::HZ_8000);
        let to = SampleRate::HZ_16000;
        let output = middle(|input, output| folded.push(input, output), SampleRate::HZ_8000, to, hz);
        let (gain, ..) = measure(&output, to, hz, to.samples(30_000));
        let (image, ..) = measure(&output, to, 8_000.0 - hz, to.samples(30_000));
        assert!(gain.abs() < 0.5, "{gain:.2} dB at {hz} Hz");
        assert!((image + 12.04).abs() < 0.5, "image of {hz} Hz at {image:.2} dB");
    }
}

#[test]
fn ten_seconds_stay_ten_seconds() {
    for (from, to) in pairs() {
        let input = sine(from, 440.0, from.samples(10_000_000));
        let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
        for frame in input.chunks(from.samples(20_000)) {
            resampler.push(frame, &mut output);
        }
        let held = to.samples(10_000_000) - output.len();
        assert!(held.abs_diff(resampler.delay()) <= 1, "{from} to {to} holds {held}");
        resampler.flush(&mut output);
        assert_eq!(output.len(), to.samples(10_000_000), "{from} to {to}");
    }
}

#[test]
fn equal_rates_pass_unchanged_and_loud_input_saturates() {
    let (mut same, mut output) = (Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_8000), Vec::new());
    same.push(&[1, -2, i16::MIN], &mut output);
    same.flush(&mut output);
    assert_eq!((output.as_slice(), same.delay()), ([1, -2, i16::MIN].as_slice(), 0));

    let square: Vec<i16> = (0..800).map(|at| if at / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let (mut up, mut output) = (Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_48000), Vec::new());
    up.push(&square, &mut output);
    // Overshoot of the filter must clip, never wrap: in the middle of each half wave the sign stays.
    for at in 1..90 {
        let value = output[at * 48 + 24];
        assert!(if at % 2 == 0 { value > 20_000 } else { value < -20_000 }, "{value} at {at}");
    }
}

#[test]
fn a_flushed_resampler_starts_anew() {
    let input = sine(SampleRate::HZ_24000, 300.0, 1_001);
    let mut resampler = Resampler::new(SampleRate::HZ_24000, SampleRate::HZ_8000);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    resampler.push(&input, &mut first);
    resampler.flush(&mut first);
    resampler.push(&input, &mut second);
    resampler.flush(&mut second);
    assert_eq!(first, second);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_split_gives_the_same_samples(
        input in prop::collection::vec(any::<i16>(), 0..3_000),
        cuts in prop::collection::vec(0_usize..700, 0..12),
        pair in 0_usize..30,
    ) {
        let (from, to) = pairs().nth(pair).unwrap();
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        let mut resampler = Resampler::new(from, to);
        resampler.push(&input, &mut whole);
        resampler.flush(&mut whole);
        let mut rest = input.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            resampler.push(piece, &mut pieces);
            rest = after;
        }
        resampler.push(rest, &mut pieces);
        resampler.flush(&mut pieces);
        prop_assert_eq!(&whole, &pieces);
        let exact = (input.len() as u64 * u64::from(to.hz())).div_ceil(u64::from(from.hz()));
        prop_assert_eq!(whole.len() as u64, exact);
    }
}
