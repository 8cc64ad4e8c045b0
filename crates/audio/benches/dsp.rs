//! What the audio path costs: microseconds per 20 ms of audio, printed by `cargo bench -p audio`.

use std::hint::black_box;
use std::time::Instant;

use audio::{Folded, Pcm, Resampler, SampleRate, VoiceDetector, g711, level_db, tone, wav};

/// Frames of 20 ms in one round, and rounds, of which the quickest counts (the machine may be shared).
const FRAMES: usize = 500;
const ROUNDS: usize = 15;

fn main() {
    let speech_file = wav::read(include_bytes!("../tests/fixtures/speech.wav"));
    let speech = speech_file.map(|wav| wav.samples).unwrap_or_default();
    resamplers();
    companding(&speech);
    voice(&speech);
}

fn resamplers() {
    use SampleRate as R;
    for (from, to) in [
        (R::HZ_8000, R::HZ_16000),
        (R::HZ_16000, R::HZ_8000),
        (R::HZ_24000, R::HZ_8000),
        (R::HZ_8000, R::HZ_24000),
        (R::HZ_48000, R::HZ_8000),
        (R::HZ_24000, R::HZ_16000),
        (R::HZ_22050, R::HZ_8000),
        (R::HZ_44100, R::HZ_8000),
    ] {
        let input = tone(from, 440.0, 20, -6.0);
        let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
        report(&format!("resample {from} to {to}"), || {
            output.clear();
            resampler.push(black_box(&input), &mut output);
        });
    }
    let input = tone(R::HZ_8000, 440.0, 20, -6.0);
    let (mut folded, mut output) = (Folded::new(R::HZ_8000), Vec::new());
    report("folded 8000 Hz to 16000 Hz", || {
        output.clear();
        folded.push(black_box(&input), &mut output);
    });
}

fn companding(speech: &[i16]) {
    let frame = &speech[8_000..8_160];
    let (mut codes, mut samples) = (Vec::new(), Vec::new());
    report("mu-law encode", || {
        codes.clear();
        g711::mulaw_encode_into(black_box(frame), &mut codes);
    });
    report("mu-law decode", || {
        samples.clear();
        g711::mulaw_decode_into(black_box(&codes), &mut samples);
    });
    report("level", || {
        black_box(level_db(black_box(frame)));
    });
}

fn voice(speech: &[i16]) {
    let mut frames = speech.chunks_exact(160).cycle();
    let mut detector = VoiceDetector::new(SampleRate::HZ_8000).with_gate_db(-200.0);
    report("voice 8000 Hz, gate open", || {
        let frame = frames.next().unwrap_or_default();
        detector.push(black_box(frame), &mut |frame| {
            black_box(frame);
        });
    });
    let mut detector = VoiceDetector::new(SampleRate::HZ_8000);
    report("voice 8000 Hz, speech and pauses", || {
        let frame = frames.next().unwrap_or_default();
        detector.push(black_box(frame), &mut |frame| {
            black_box(frame);
        });
    });
    let quiet = Pcm::silence(160);
    let mut detector = VoiceDetector::new(SampleRate::HZ_8000);
    report("voice 8000 Hz, gate shut", || {
        detector.push(black_box(&quiet), &mut |frame| {
            black_box(frame);
        });
    });
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time; the library itself never does")]
fn report(name: &str, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..FRAMES {
            work();
        }
        best = best.min(started.elapsed().as_secs_f64());
    }
    println!("{name:<36} {:>8.3} us per 20 ms", best * 1e6 / FRAMES as f64);
}
