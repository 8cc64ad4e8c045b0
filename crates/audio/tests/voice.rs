//! The voice detector on real (synthesised) speech over a telephone line, and on all that is not speech.
//!
//! `fixtures/speech.wav` is flite's voice `slt` (CMU Flite 2.2) at -22 dB, 300 to 3400 Hz, over a faint hiss, in mu-law:
//! "Hello, I would like to book a table for two, please." "Tomorrow evening, at half past seven." "Yes, that is right."

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use audio::{Resampler, SampleRate, VoiceDetector, VoiceFrame, dtmf, tone, wav};
use proptest::prelude::*;

const RATE: SampleRate = SampleRate::HZ_8000;
/// Where the three sentences begin and end in the fixture, in milliseconds, known from making it.
const SENTENCES: [(usize, usize); 3] = [(1_200, 4_332), (5_332, 7_596), (8_496, 9_590)];

fn speech() -> Vec<i16> {
    let file = wav::read(include_bytes!("fixtures/speech.wav")).unwrap();
    assert_eq!((file.rate, file.channels), (RATE, 1));
    file.samples
}

fn frames(detector: &mut VoiceDetector, samples: &[i16], piece: usize) -> Vec<VoiceFrame> {
    let mut frames = Vec::new();
    for piece in samples.chunks(piece) {
        detector.push(piece, &mut |frame| frames.push(frame));
    }
    frames
}

/// Stretches of voice in milliseconds: begun by 0.8, gone on with at 0.6, over after 320 ms under that.
fn segments(frames: &[VoiceFrame], rate: SampleRate) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let (mut at, mut quiet_from) = (0, None);
    for frame in frames {
        let (begins, ends) =
            (at * 1_000 / rate.hz() as usize, (at + frame.samples) * 1_000 / rate.hz() as usize);
        at += frame.samples;
        let going_on = quiet_from.is_some_and(|quiet| begins < quiet + 320);
        match found.last_mut() {
            Some(last) if going_on && frame.score >= 0.6 => {
                last.1 = ends;
                quiet_from = Some(ends);
            }
            _ if !going_on && frame.score >= 0.8 => {
                found.push((begins, ends));
                quiet_from = Some(ends);
            }
            _ => {}
        }
    }
    found
}

fn assert_sentences_found(found: &[(usize, usize)], what: &str) {
    for (begin, end) in SENTENCES {
        let inside: usize =
            found.iter().map(|(from, to)| to.min(&end).saturating_sub(*from.max(&begin))).sum();
        assert!(inside * 2 > end - begin, "{what}: {inside} ms of {begin}..{end} found in {found:?}");
    }
    for (from, to) in found {
        // The network's window and memory may reach 160 ms past a word.
        let within = SENTENCES.iter().any(|(begin, end)| from + 80 >= *begin && *to <= end + 160);
        assert!(within, "{what}: {from}..{to} reaches into a silence");
    }
}

/// Hiss of a given root mean square, the same each time.
fn hiss(samples: usize, rms: f32) -> Vec<i16> {
    let mut state = 0x2545_F491_u32;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX) - 0.5
    };
    // Four uniform numbers of variance 1/12 add up to nearly a normal one of variance 1/3.
    (0..samples)
        .map(|_| ((0..4).map(|_| uniform()).sum::<f64>() * 3.0_f64.sqrt() * f64::from(rms)) as i16)
        .collect()
}

fn mixed(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}

#[test]
fn every_sentence_is_found_and_no_silence() {
    let found = segments(&frames(&mut VoiceDetector::new(RATE), &speech(), 160), RATE);
    assert_sentences_found(&found, "quiet line");
}

#[test]
fn the_same_at_other_rates() {
    for to in [SampleRate::HZ_16000, SampleRate::HZ_22050, SampleRate::HZ_24000, SampleRate::HZ_48000] {
        let mut samples = Vec::new();
        let mut resampler = Resampler::new(RATE, to);
        resampler.push(&speech(), &mut samples);
        resampler.flush(&mut samples);
        let found = segments(&frames(&mut VoiceDetector::new(to), &samples, to.samples(20_000)), to);
        assert_sentences_found(&found, &format!("{to}"));
    }
}

#[test]
fn speech_is_found_over_a_noisy_line() {
    // Speech is at -22 dB, this hiss at -42.
    let speech = speech();
    let noise = hiss(speech.len() + 40_000, 260.0);
    let line = [&noise[..40_000], &mixed(&speech, &noise[40_000..])].concat();
    let mut detector = VoiceDetector::new(RATE);
    let before = frames(&mut detector, &line[..40_000], 160);
    assert!(segments(&before, RATE).is_empty(), "hiss alone: {:?}", segments(&before, RATE));
    let after = frames(&mut detector, &line[40_000..], 160);
    assert_sentences_found(&segments(&after, RATE), "hiss");
}

#[test]
fn the_gate_costs_no_sentence_and_saves_the_silences() {
    let speech = speech();
    let gated = frames(&mut VoiceDetector::new(RATE), &speech, 160);
    let open = frames(&mut VoiceDetector::new(RATE).with_gate_db(-200.0), &speech, 160);
    let (gated_found, open_found) = (segments(&gated, RATE), segments(&open, RATE));
    assert_eq!(gated_found.len(), open_found.len(), "{gated_found:?} {open_found:?}");
    for (gated, open) in gated_found.iter().zip(&open_found) {
        assert!(gated.0.abs_diff(open.0) <= 48 && gated.1.abs_diff(open.1) <= 48, "{gated:?} {open:?}");
    }
    let skipped = gated.iter().filter(|frame| frame.score == 0.0).count();
    assert!(skipped * 4 > gated.len(), "only {skipped} of {} frames skipped", gated.len());
}

#[test]
fn silence_tones_and_ringing_are_no_voice() {
    let silence = vec![0; 40_000];
    let ringing = {
        let burst = mixed(&tone(RATE, 440.0, 2_000, -16.0), &tone(RATE, 480.0, 2_000, -16.0));
        [vec![0; 8_000], burst.clone(), vec![0; 32_000], burst, vec![0; 8_000]].concat()
    };
    let indian_ringing = {
        let burst = mixed(&tone(RATE, 400.0, 400, -14.0), &tone(RATE, 425.0, 400, -14.0));
        [burst.clone(), vec![0; 1_600], burst.clone(), vec![0; 16_000]].concat().repeat(3)
    };
    let busy = [tone(RATE, 425.0, 500, -12.0).to_vec(), vec![0; 4_000]].concat().repeat(6);
    let beep = [vec![0; 4_000], tone(RATE, 1_000.0, 3_000, -10.0).to_vec(), vec![0; 4_000]].concat();
    for (name, line) in [
        ("silence", silence),
        ("ringing", ringing),
        ("Indian ringing", indian_ringing),
        ("busy", busy),
        ("beep", beep),
    ] {
        let found = segments(&frames(&mut VoiceDetector::new(RATE), &line, 160), RATE);
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn a_key_is_no_more_than_its_own_length_of_voice() {
    // Keys may look like voice; a core that knows of the key leaves out its time.
    let line = [vec![0; 8_000], dtmf(RATE, '5', 120).unwrap().to_vec(), vec![0; 8_000]].concat();
    for (from, to) in segments(&frames(&mut VoiceDetector::new(RATE), &line, 160), RATE) {
        assert!(from >= 1_000 && to <= 1_220, "{from}..{to}");
    }
}

#[test]
fn frames_count_every_sample_and_speech_does_not_raise_the_floor() {
    let speech = speech();
    let found = frames(&mut VoiceDetector::new(RATE), &speech, 333);
    assert_eq!(found.len(), speech.len() / 128);
    assert!(found.iter().all(|frame| frame.samples == 128));
    assert!(found.iter().all(|frame| frame.floor_db <= -64.0), "the line hisses at -74");
    let loudest = found.iter().map(|frame| frame.level_db).fold(f32::MIN, f32::max);
    assert!(-20.0 < loudest && loudest < -8.0, "{loudest}");
}

#[test]
fn a_reset_detector_hears_as_a_new_one() {
    let speech = speech();
    let mut used = VoiceDetector::new(RATE).with_gate_db(-200.0);
    frames(&mut used, &speech[..30_011], 160);
    used.reset();
    let again = frames(&mut used, &speech, 160);
    let new = frames(&mut VoiceDetector::new(RATE).with_gate_db(-200.0), &speech, 160);
    let scores = |frames: &[VoiceFrame]| frames.iter().map(|frame| frame.score).collect::<Vec<_>>();
    assert_eq!(scores(&again), scores(&new));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_split_gives_the_same_frames(piece in 1_usize..5_000, rate in 0_usize..3) {
        let rate = [RATE, SampleRate::HZ_22050, SampleRate::HZ_24000][rate];
        let samples = &speech()[8_000..40_000];
        let whole = frames(&mut VoiceDetector::new(rate), samples, samples.len());
        prop_assert_eq!(frames(&mut VoiceDetector::new(rate), samples, piece), whole);
    }
}
