//! Both sides of a call in one stereo stream, in time with each other: the caller left, the agent right. Frames come
//! late, in bursts, with losses, and from a clock of their own; the agent's audio is queued ahead and cleared. Pure: the
//! caller of these functions says what time it is and writes what comes out.

use std::collections::VecDeque;

use crate::SampleRate;

/// How long audio is kept open to change. The caller's frames are placed by the quickest frame among those of this
/// time, so a delay shorter than this moves nothing.
const HORIZON_MICROS: u64 = 1_000_000;
/// How long the recording waits for a caller of whom nothing comes: a stalled connection gives all of it later.
const HOLD_MICROS: u64 = 3_000_000;
/// A hole at least this long is one (a frame of 20 ms was lost); less is clock drift and is made up little by little.
const HOLE_MICROS: u64 = 16_000;
/// How long frames must have come in steadily behind one to say so. One that lacks them waits for them up to 2.8
/// seconds, and only a delay beyond all jitter is then a hole.
const WITNESS_MICROS: u64 = 800_000;
const PATIENCE_MICROS: u64 = 2_800_000;
const JITTER_MICROS: u64 = 120_000;
/// Later than the quickest frame by less than this is nothing; to be ahead of it is a proven error, so less is let be.
const SLACK_MICROS: u64 = 6_000;
const AHEAD_MICROS: u64 = 1_500;
/// Agent audio that starts this near to the end of what is queued follows on it.
const FOLLOWS_MICROS: u64 = 10_000;
/// More than this is not kept on either side, whatever is sent.
const LIMIT_MICROS: u64 = 20_000_000;
/// By how much a queue grows that is too small. Doubling, which is usual, wastes up to 30 kB a call and side.
const STEP_MICROS: u64 = 250_000;
/// A frame with no sample above this (-42 dB) may be shortened without loss of a word.
const QUIET: u16 = 256;

/// A frame of the caller's that has no place yet.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    /// Where it would start if it had come without any delay.
    start: u64,
    samples: usize,
}

impl Arrived {
    fn arrived(self) -> u64 {
        self.start + self.samples as u64
    }
}

/// Keeps the two sides of a call in time. Positions are samples since the call began. Memory is bounded by 20 s of
/// either side, what comes beyond that is dropped, so [`StereoRecorder::drain`] is to be called every second or so: then
/// it is some 70 kB at 8 kHz. Times are the caller's own clock's, and trusted.
#[derive(Debug, Clone)]
pub struct StereoRecorder {
    rate: SampleRate,
    /// The first position that has not been drained; both sides' queues begin here.
    done: u64,
    /// The caller's audio from `done` on, and the frames, with their samples, that come after it.
    left: VecDeque<i16>,
    frames: VecDeque<Arrived>,
    waiting: VecDeque<i16>,
    /// The agent's audio from `done` on.
    right: VecDeque<i16>,
}

impl StereoRecorder {
    /// For two sides at `rate`, beginning at time 0.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            done: 0,
            left: VecDeque::new(),
            frames: VecDeque::new(),
            waiting: VecDeque::new(),
            right: VecDeque::new(),
        }
    }

    /// Takes a frame of the caller's that has come at `at_us`, which is when its last sample was heard at the earliest.
    /// Frames come in order. Late ones and bursts keep their place; a hole that later frames confirm becomes silence.
    pub fn caller(&mut self, at_us: u64, samples: &[i16]) {
        let room = self.rate.samples(LIMIT_MICROS).saturating_sub(self.waiting.len());
        let samples = &samples[..samples.len().min(room)];
        if samples.is_empty() {
            return;
        }
        let start = self.position(at_us).saturating_sub(samples.len() as u64);
        self.frames.push_back(Arrived { start, samples: samples.len() });
        make_room(&mut self.waiting, samples.len(), self.rate);
        self.waiting.extend(samples);
    }

    /// Takes audio of the agent's that is expected to be heard from `plays_at_us` on, now or ahead. Where it falls into
    /// what is queued already, it replaces that from there on.
    pub fn agent(&mut self, plays_at_us: u64, samples: &[i16]) {
        let starts = self.position(plays_at_us);
        let end = self.done + self.right.len() as u64;
        let mut samples = samples;
        if starts.abs_diff(end) > self.rate.samples(FOLLOWS_MICROS) as u64 {
            let late = self.done.saturating_sub(starts).min(samples.len() as u64) as usize;
            samples = &samples[late..];
            let offset = starts.saturating_sub(self.done);
            let offset = offset.min(self.rate.samples(LIMIT_MICROS) as u64) as usize;
            let more = offset.saturating_sub(self.right.len());
            make_room(&mut self.right, more, self.rate);
            self.right.resize(offset, 0);
        }
        let room = self.rate.samples(LIMIT_MICROS).saturating_sub(self.right.len());
        let samples = &samples[..samples.len().min(room)];
        make_room(&mut self.right, samples.len(), self.rate);
        self.right.extend(samples);
    }

    /// Drops what of the agent's audio was to be heard after `at_us`: the caller interrupted.
    pub fn clear(&mut self, at_us: u64) {
        let heard = self.position(at_us).saturating_sub(self.done);
        self.right.truncate(usize::try_from(heard).unwrap_or(usize::MAX));
    }

    /// Appends the frames (left, right) that can no longer change: those older than a second, but while nothing
    /// comes from the caller, those older than 3 s.
    pub fn drain(&mut self, now_us: u64, interleaved: &mut Vec<i16>) {
        let horizon = self.position(now_us.saturating_sub(HORIZON_MICROS));
        self.place(horizon, self.position(now_us.saturating_sub(PATIENCE_MICROS)));
        let left_end = self.done + self.left.len() as u64;
        let given_up = self.position(now_us.saturating_sub(HOLD_MICROS));
        let settled = horizon.min(left_end.max(given_up));
        self.emit(settled, interleaved);
    }

    /// Appends all that is left up to `end_us`, when the call ended. Agent audio after it was never heard.
    pub fn finish(&mut self, end_us: u64, interleaved: &mut Vec<i16>) {
        self.clear(end_us);
        self.place(u64::MAX, u64::MAX);
        let end = self.position(end_us).max(self.done + self.left.len() as u64);
        self.emit(end, interleaved);
    }

    fn position(&self, at_us: u64) -> u64 {
        (u128::from(at_us) * u128::from(self.rate.hz()) / 1_000_000) as u64
    }

    /// Gives a place to every frame that had come by `arrived`, if enough came since to tell how late it was, and to
    /// those that had come by `long_ago` in any case.
    fn place(&mut self, arrived: u64, long_ago: u64) {
        while let (Some(frame), Some(wanted)) = (self.frames.front().copied(), self.next_start()) {
            let known = self.witnessed() >= self.samples(WITNESS_MICROS);
            if frame.arrived() > if known { arrived } else { long_ago } {
                return;
            }
            self.frames.pop_front();
            let end = self.done + self.left.len() as u64;
            // Without witnesses (the line has stalled, or the call is ending) it follows on, if that may be.
            let behind = self.samples(if known { SLACK_MICROS } else { JITTER_MICROS });
            let hole = self.samples(if known { HOLE_MICROS } else { JITTER_MICROS });
            if wanted >= end + hole {
                let silence = (wanted - end).min(self.samples(LIMIT_MICROS)) as usize;
                self.left.extend(std::iter::repeat_n(0, silence));
                self.append(frame.samples, frame.samples);
            } else if wanted > end + behind {
                // The sender's clock is slow: one sample twice.
                self.append(frame.samples, frame.samples);
                self.left.extend(self.left.back().copied());
            } else {
                let ahead = end.saturating_sub(wanted);
                let kept = frame.samples - self.excess(ahead, frame.samples);
                self.append(frame.samples, kept);
            }
        }
    }

    /// Where the next waiting frame starts: no frame can have been heard before it was spoken, so the quickest of
    /// those that follow without a break tells.
    fn next_start(&self) -> Option<u64> {
        let mut before = 0;
        self.frames
            .iter()
            .map(|frame| {
                let start = frame.start.saturating_sub(before);
                before += frame.samples as u64;
                start
            })
            .min()
    }

    /// For how long frames have come in steadily after the next one to be placed; those of a burst count once.
    fn witnessed(&self) -> u64 {
        self.frames
            .iter()
            .zip(self.frames.iter().skip(1))
            .map(|(last, next)| next.arrived().saturating_sub(last.arrived()).min(next.samples as u64))
            .sum()
    }

    /// How many samples of the next frame to leave out, when the audio is `ahead` of the caller's time.
    fn excess(&self, ahead: u64, frame: usize) -> usize {
        if ahead <= self.samples(AHEAD_MICROS) {
            return 0;
        }
        let quiet = self.waiting.iter().take(frame).all(|sample| sample.unsigned_abs() <= QUIET);
        let far = ahead > self.samples(HOLD_MICROS);
        if quiet || far { (ahead as usize).min(frame) } else { 1 }
    }

    /// Moves a frame's samples to their place: the first `kept` of `all`.
    fn append(&mut self, all: usize, kept: usize) {
        self.left.extend(self.waiting.drain(..all).take(kept));
    }

    fn emit(&mut self, end: u64, interleaved: &mut Vec<i16>) {
        let count = end.saturating_sub(self.done) as usize;
        interleaved.reserve(2 * count);
        for _ in 0..count {
            interleaved.push(self.left.pop_front().unwrap_or(0));
            interleaved.push(self.right.pop_front().unwrap_or(0));
        }
        self.done += count as u64;
    }

    fn samples(&self, micros: u64) -> u64 {
        self.rate.samples(micros) as u64
    }
}

/// Room for `more` samples.
fn make_room(queue: &mut VecDeque<i16>, more: usize, rate: SampleRate) {
    if queue.capacity() - queue.len() < more {
        queue.reserve_exact(more.max(rate.samples(STEP_MICROS)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides talk without a pause, the agent 400 ms ahead, and the recording is drained every 450 ms.
    #[test]
    fn a_call_that_talks_all_the_time_holds_little() {
        let mut recorder = StereoRecorder::new(SampleRate::HZ_8000);
        let mut written = Vec::new();
        for ms in (20..120_000).step_by(20) {
            recorder.caller(ms * 1_000, &[1000; 160]);
            if ms % 200 == 0 {
                recorder.agent((ms + 400) * 1_000, &[1000; 1600]);
            }
            if ms % 460 == 0 {
                recorder.drain(ms * 1_000, &mut written);
            }
        }
        let samples = [&recorder.left, &recorder.waiting, &recorder.right].map(VecDeque::capacity);
        assert!(samples.iter().sum::<usize>() * 2 < 75_000, "{samples:?} samples");
        assert!(written.len() > 2 * 8_000 * 117);
    }
}
