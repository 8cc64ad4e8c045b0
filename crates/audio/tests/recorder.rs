//! The stereo recorder through ten minutes of a bad line: every mark of either side must lie where it was heard.

use audio::{SampleRate, StereoRecorder};
use proptest::prelude::*;

const RATE: SampleRate = SampleRate::HZ_8000;
const FRAME_US: u64 = 20_000;
const FRAME: usize = 160;
/// What "in time" means: one frame of 20 ms.
const TOLERANCE: i64 = FRAME as i64;
/// The line's least delay; what comes that fast is in time by definition.
const LEAST_DELAY_US: u64 = 30_000;

/// Numbers without chance: the same line at every run.
struct Line(u64);

impl Line {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A call as it happened: what reached us when, and where on the true timeline the marks were.
struct Caller {
    arrivals: Vec<(u64, Vec<i16>)>,
    marks: Vec<u64>,
    /// When frames were lost, in samples as the marks.
    lost: Vec<u64>,
}

/// Speech-like audio (a loud hum) but for 100 ms of quiet in every second, which holds a click of full scale.
/// `ppm` is how much faster than true the sender's clock runs.
fn caller(seconds: u64, ppm: f64, trouble: bool) -> Caller {
    let mut line = Line(11);
    let (mut arrivals, mut marks, mut lost, mut last) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut stall_until = 0;
    for number in 0..seconds * 50 {
        let samples: Vec<i16> =
            (0..FRAME as u64).map(|at| caller_sample(number * FRAME as u64 + at)).collect();
        let spoken = ((number + 1) * FRAME_US) as f64 / (1.0 + ppm * 1e-6);
        if trouble && line.below(100) == 0 {
            lost.push(RATE.samples(spoken as u64 + LEAST_DELAY_US) as u64);
            continue;
        }
        if let Some(at) = samples.iter().position(|sample| *sample == i16::MAX) {
            let back = (FRAME - at) as f64 * 125.0;
            marks.push(RATE.samples((spoken - back) as u64 + LEAST_DELAY_US) as u64);
        }
        let jitter = if trouble { line.below(40_000) } else { line.below(15_000) };
        if trouble && line.below(700) == 0 {
            stall_until = spoken as u64 + 100_000 + line.below(1_400_000);
        }
        last = last.max(spoken as u64 + LEAST_DELAY_US + jitter).max(stall_until);
        arrivals.push((last, samples));
    }
    Caller { arrivals, marks, lost }
}

fn caller_sample(at: u64) -> i16 {
    match at % 8_000 {
        3_600 => i16::MAX,
        3_200..4_000 => 0,
        _ => {
            if (at / 40).is_multiple_of(2) {
                3_000
            } else {
                -3_000
            }
        }
    }
}

fn clicks(interleaved: &[i16], side: usize) -> Vec<u64> {
    let mut found = Vec::new();
    for (at, frame) in interleaved.chunks_exact(2).enumerate() {
        if frame[side] == i16::MAX {
            found.push(at as u64);
        }
    }
    found
}

/// Jitter and stalls hide where exactly a frame was lost, so a mark less than a second before a loss may lie as late as
/// if the loss had been before it.
fn assert_in_time(found: &[u64], marks: &[u64], lost: &[u64], what: &str) {
    assert_eq!(found.len(), marks.len(), "{what}: marks lost or doubled");
    for (found, mark) in found.iter().zip(marks) {
        let off = *found as i64 - *mark as i64;
        let unsure = lost.iter().filter(|lost| (*mark..*mark + 8_000).contains(lost)).count();
        assert!(
            -TOLERANCE <= off && off <= TOLERANCE * (1 + unsure as i64),
            "{what}: {off} samples off at {:.1} s",
            *mark as f64 / 8_000.0
        );
    }
}

/// Plays the caller's arrivals into a recorder that is drained every 100 ms, beside `agent` on each step.
fn record(caller: &Caller, seconds: u64, mut agent: impl FnMut(u64, &mut StereoRecorder)) -> Vec<i16> {
    let (mut recorder, mut out) = (StereoRecorder::new(RATE), Vec::new());
    let mut arrivals = caller.arrivals.iter().peekable();
    for step in 0..seconds * 50 + 200 {
        let now = step * FRAME_US;
        while let Some((at, samples)) = arrivals.next_if(|(at, _)| *at <= now) {
            recorder.caller(*at, samples);
        }
        agent(now, &mut recorder);
        if step % 5 == 0 {
            recorder.drain(now, &mut out);
        }
    }
    recorder.finish((seconds * 50 + 200) * FRAME_US, &mut out);
    assert_eq!(out.len(), 2 * RATE.samples((seconds * 50 + 200) * FRAME_US));
    out
}

#[test]
fn ten_minutes_of_a_bad_line_stay_in_time() {
    for ppm in [50.0, -50.0] {
        let caller = caller(600, ppm, true);
        let mut agent_marks = Vec::new();
        let out = record(&caller, 600, |now, recorder| agent_turns(now, recorder, &mut agent_marks));
        assert!(caller.marks.len() > 580 && agent_marks.len() > 200);
        assert!(caller.lost.len() > 200);
        assert_in_time(&clicks(&out, 0), &caller.marks, &caller.lost, &format!("caller at {ppm} ppm"));
        assert_in_time(&clicks(&out, 1), &agent_marks, &[], "agent");
    }
}

/// Every 5 s the agent begins 3 s of speech with a click in each second, sent 400 ms a time and 600 ms ahead; every
/// second turn is interrupted after 1.7 s, when all but what was played is cleared.
fn agent_turns(now: u64, recorder: &mut StereoRecorder, marks: &mut Vec<u64>) {
    let (turn, within) = (now / 5_000_000, now % 5_000_000);
    let cut = turn % 2 == 1;
    if cut && within == 1_700_000 {
        recorder.clear(now);
    }
    if within % 400_000 != 0 || within >= 3_200_000 || cut && within >= 1_700_000 {
        return;
    }
    // The estimate of when it plays is up to 4 ms off.
    let plays = now + 600_000;
    let first = within * 8 / 1_000;
    let audio: Vec<i16> =
        (first..first + 3_200).map(|at| if at % 8_000 == 4_000 { i16::MAX } else { 2_000 }).collect();
    recorder.agent(plays + turn % 5 * 1_000, &audio);
    for at in (first..first + 3_200).filter(|at| at % 8_000 == 4_000) {
        let heard = plays + (at - first) * 125;
        if !cut || heard < turn * 5_000_000 + 1_700_000 {
            marks.push(RATE.samples(heard) as u64);
        }
    }
}

#[test]
fn jitter_and_bursts_chop_nothing() {
    // No loss and a true clock: whatever the delays, the caller's audio must come out in one piece.
    let mut caller = caller(60, 0.0, false);
    for (number, (at, _)) in caller.arrivals.iter_mut().enumerate() {
        let stall = (number as u64 / 50 % 10 == 3 && number % 50 < 30)
            .then(|| number as u64 / 50 * 1_000_000 + 700_000);
        *at = stall.map_or(*at, |until| until.max(*at));
    }
    let mut last = 0;
    for (at, _) in &mut caller.arrivals {
        last = last.max(*at);
        *at = last;
    }
    let out = record(&caller, 60, |_, _| {});
    let left: Vec<i16> = out.chunks_exact(2).map(|frame| frame[0]).collect();
    let begins = left.iter().position(|sample| *sample != 0).unwrap();
    assert!(begins.abs_diff(RATE.samples(LEAST_DELAY_US)) <= FRAME / 2);
    let differing = (0..59 * 8_000).filter(|at| left[begins + at] != caller_sample(*at as u64)).count();
    assert_eq!(differing, 0);
}

#[test]
fn a_long_gap_is_silence_and_what_follows_is_in_time() {
    let (mut recorder, mut out) = (StereoRecorder::new(RATE), Vec::new());
    for number in 0..100 {
        recorder.caller((number + 1) * FRAME_US, &[1_000; FRAME]);
    }
    for number in 600..650 {
        recorder.drain(number * FRAME_US, &mut out);
        recorder.caller((number + 1) * FRAME_US, &[1_000; FRAME]);
    }
    recorder.finish(13_000_000, &mut out);
    let left: Vec<i16> = out.chunks_exact(2).map(|frame| frame[0]).collect();
    assert_eq!(left.len(), 104_000);
    assert!(left[..16_000].iter().all(|sample| *sample == 1_000));
    assert!(left[16_000..96_000].iter().all(|sample| *sample == 0));
    assert!(left[96_000..].iter().all(|sample| *sample == 1_000));
}

#[test]
fn what_was_cleared_is_not_heard_and_what_comes_too_late_keeps_its_time() {
    let (mut recorder, mut out) = (StereoRecorder::new(RATE), Vec::new());
    recorder.agent(1_000_000, &[500; 16_000]);
    recorder.clear(1_500_000);
    recorder.agent(2_000_000, &[700; 8_000]);
    recorder.drain(8_500_000, &mut out);
    // Only the last quarter of this second is still to come.
    recorder.agent(4_750_000, &[900; 8_000]);
    recorder.finish(5_700_000, &mut out);
    let right: Vec<i16> = out.chunks_exact(2).map(|frame| frame[1]).collect();
    let spans = [(8_000, 0), (4_000, 500), (4_000, 0), (8_000, 700), (20_000, 0), (1_600, 900)];
    let expected: Vec<i16> =
        spans.iter().flat_map(|(count, value)| std::iter::repeat_n(*value, *count)).collect();
    assert_eq!(right.len(), expected.len());
    assert!(right == expected);
}

#[test]
fn memory_is_bounded_when_nobody_drains() {
    let mut recorder = StereoRecorder::new(RATE);
    for number in 0..10_000_u64 {
        recorder.caller(number * FRAME_US, &[1; FRAME]);
        recorder.agent(number * FRAME_US, &[1; FRAME]);
    }
    let mut out = Vec::new();
    recorder.finish(0, &mut out);
    assert!(out.len() <= 2 * RATE.samples(20_000_000), "{}", out.len());
}

/// A file that is written piece by piece, each at its place.
#[derive(Default)]
struct Written(Vec<i16>);

impl Written {
    fn put(&mut self, from: u64, piece: &[i16]) {
        let from = 2 * from as usize;
        self.0.resize(self.0.len().max(from + piece.len()), 0);
        self.0[from..from + piece.len()].copy_from_slice(piece);
    }
}

#[test]
fn what_is_shown_is_there_at_once_and_ends_as_what_is_drained() {
    for trouble in [false, true] {
        let caller = caller(60, 50.0, trouble);
        let drained = record(&caller, 60, |now, recorder| agent_turns(now, recorder, &mut Vec::new()));
        let (mut recorder, mut written, mut piece) =
            (StereoRecorder::new(RATE), Written::default(), Vec::new());
        let (mut arrivals, mut given) = (caller.arrivals.iter().peekable(), 0);
        let end = (60 * 50 + 200) * FRAME_US;
        for step in 0..60 * 50 + 200 {
            let now = step * FRAME_US;
            while let Some((at, samples)) = arrivals.next_if(|(at, _)| *at <= now) {
                recorder.caller(*at, samples);
            }
            agent_turns(now, &mut recorder, &mut Vec::new());
            if step % 5 == 0 {
                piece.clear();
                let from = recorder.show(now, &mut piece);
                given += piece.len();
                written.put(from, &piece);
                let there = written.0.len() / 2;
                assert!(there <= RATE.samples(now), "{there} frames at {now} us");
                assert!(there >= RATE.samples(now.saturating_sub(40_000)), "{there} frames at {now} us");
            }
        }
        piece.clear();
        let from = recorder.finish(end, &mut piece);
        written.put(from, &piece);
        assert!(written.0 == drained, "with trouble: {trouble}");
        // A steady line is written once; a bad one not much more often.
        let times = given as f64 / drained.len() as f64;
        assert!(times < if trouble { 12.0 } else { 2.0 }, "written {times} times, with trouble: {trouble}");
    }
}

#[test]
fn a_pause_is_silent_on_both_sides_and_moves_nothing() {
    let (mut recorder, mut written, mut piece) = (StereoRecorder::new(RATE), Written::default(), Vec::new());
    for number in 1..=300_u64 {
        let now = number * FRAME_US;
        match number {
            100 => recorder.pause(now),
            200 => recorder.resume(now),
            _ => {}
        }
        recorder.caller(now, &[1_000; FRAME]);
        recorder.agent(now + 400_000, &[500; FRAME]);
        if number % 5 == 0 {
            piece.clear();
            let from = recorder.show(now, &mut piece);
            written.put(from, &piece);
        }
    }
    piece.clear();
    let from = recorder.finish(6_000_000, &mut piece);
    written.put(from, &piece);
    let seconds: Vec<(i16, i16)> = [8_000, 15_800, 16_100, 24_000, 31_500, 32_500, 47_000]
        .map(|frame| (written.0[2 * frame], written.0[2 * frame + 1]))
        .to_vec();
    let (both, none) = ((1_000, 500), (0, 0));
    assert_eq!(seconds, [both, both, none, none, none, both, both]);
    assert_eq!(written.0.len(), 2 * 48_000);
    assert!(written.0[2 * 16_000..2 * 31_840].iter().all(|sample| *sample == 0));
}

#[test]
fn a_recording_that_begins_late_keeps_the_calls_time() {
    let (mut recorder, mut piece) = (StereoRecorder::beginning_at(RATE, 2_000_000), Vec::new());
    for number in 101..=200_u64 {
        recorder.caller(number * FRAME_US, &[1_000; FRAME]);
    }
    assert_eq!(recorder.show(4_000_000, &mut piece), 16_000);
    assert_eq!(piece.len(), 2 * 16_000);
    assert!(piece.chunks_exact(2).all(|frame| frame == [1_000, 0]));
}

proptest! {
    #[test]
    fn any_order_of_calls_keeps_the_length(
        calls in prop::collection::vec((0_u8..4, 0_u64..30_000_000, 0_usize..2_000), 0..60),
        end in 0_u64..30_000_000,
    ) {
        let (mut recorder, mut out) = (StereoRecorder::new(RATE), Vec::new());
        let mut latest = 0;
        for (kind, at, samples) in calls {
            latest = latest.max(at);
            match kind {
                0 => recorder.caller(at, &vec![9; samples]),
                1 => recorder.agent(at, &vec![7; samples]),
                2 => recorder.clear(at),
                _ => recorder.drain(at, &mut out),
            }
        }
        let _ = recorder.finish(end, &mut out);
        prop_assert!(out.len() % 2 == 0 && out.len() / 2 >= RATE.samples(end));
        // Nothing but the caller's own audio may reach past the last time named.
        prop_assert!(out.len() / 2 <= RATE.samples(latest.max(end)) + 60 * 2_000);
    }

    #[test]
    fn whatever_happens_the_file_ends_as_if_drained(
        calls in prop::collection::vec((0_u8..6, 0_u64..400_000, 0_usize..2_000), 0..80),
        more in 0_u64..2_000_000,
    ) {
        let (mut recorder, mut drained) = (StereoRecorder::new(RATE), StereoRecorder::new(RATE));
        let (mut written, mut out, mut piece, mut now) = (Written::default(), Vec::new(), Vec::new(), 0);
        for (kind, after, samples) in calls {
            now += after;
            for recorder in [&mut recorder, &mut drained] {
                match kind {
                    0 => recorder.caller(now, &vec![9; samples]),
                    1 => recorder.agent(now + 100_000, &vec![7; samples]),
                    2 => recorder.clear(now),
                    3 => recorder.pause(now),
                    4 => recorder.resume(now),
                    _ => {}
                }
            }
            if kind == 5 {
                piece.clear();
                let from = recorder.show(now, &mut piece);
                written.put(from, &piece);
                drained.drain(now, &mut out);
            }
        }
        let _ = drained.finish(now + more, &mut out);
        piece.clear();
        let from = recorder.finish(now + more, &mut piece);
        written.put(from, &piece);
        prop_assert_eq!(written.0, out);
    }
}

/// Callers' frames of a line that is in order come a little early and late all the time.
#[test]
fn a_line_that_is_in_order_is_hardly_written_twice() {
    const SECONDS: u64 = 60;
    for jitter_us in [400, 2_000, 8_000] {
        let (mut random, mut recorder) = (Line(7), StereoRecorder::new(SampleRate::HZ_8000));
        let (mut piece, mut written, mut next) = (Vec::new(), 0, 130_000);
        for n in 1..=SECONDS * 50 {
            let at = n * 20_000 + random.below(jitter_us);
            recorder.caller(at, &[1000; 160]);
            if at >= next {
                next = at + 130_000;
                piece.clear();
                recorder.show(at, &mut piece);
                written += piece.len() as u64 / 2;
            }
        }
        let once = SECONDS * 8_000;
        assert!(written * 100 <= once * 105, "jitter {jitter_us} us: {written} of {once}");
    }
}
