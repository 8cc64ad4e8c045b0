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

/// [`StereoRecorder::show`] waits this long for the caller's newest frames before it shows silence in their place.
const LAG_MICROS: u64 = 40_000;

/// A frame of the caller's that has no place yet.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    /// Where it would start if it had come without any delay.
    start: u64,
    samples: usize,
    /// Where it was shown.
    at: u64,
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
    /// Up to here what was given out is what would be given out now.
    shown: u64,
    /// Stretches, from and up to a position, in which neither side is kept. An open one reaches to the end of time.
    paused: Vec<(u64, u64)>,
}

impl StereoRecorder {
    /// For two sides at `rate`, beginning at time 0.
    pub fn new(rate: SampleRate) -> Self {
        Self::beginning_at(rate, 0)
    }

    /// The same for a recording that begins in the middle of a call. Positions still count from the call's beginning;
    /// the first frame that is given out is the one at `at_us`.
    pub fn beginning_at(rate: SampleRate, at_us: u64) -> Self {
        let mut recorder = Self {
            rate,
            done: 0,
            left: VecDeque::new(),
            frames: VecDeque::new(),
            waiting: VecDeque::new(),
            right: VecDeque::new(),
            shown: 0,
            paused: Vec::new(),
        };
        recorder.done = recorder.position(at_us);
        recorder.shown = recorder.done;
        recorder
    }

    /// From `at_us` on neither side is kept: silence takes its place, so that the time line stays right.
    pub fn pause(&mut self, at_us: u64) {
        let at = self.position(at_us);
        if !self.is_paused() {
            self.paused.push((at, u64::MAX));
            self.changed_from(at);
        }
    }

    /// Ends a pause.
    pub fn resume(&mut self, at_us: u64) {
        let at = self.position(at_us);
        if let Some((from, until)) = self.paused.last_mut().filter(|(_, until)| *until == u64::MAX) {
            *until = at.max(*from);
            self.changed_from(at);
        }
    }

    /// Whether neither side is kept now.
    pub fn is_paused(&self) -> bool {
        self.paused.last().is_some_and(|(_, until)| *until == u64::MAX)
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
        self.frames.push_back(Arrived { start, samples: samples.len(), at: u64::MAX });
        make_room(&mut self.waiting, samples.len(), self.rate);
        if self.is_paused() {
            // Wherever it finds its place, it came during the pause.
            self.waiting.extend(std::iter::repeat_n(0, samples.len()));
        } else {
            self.waiting.extend(samples);
        }
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
        self.changed_from(self.done + self.right.len() as u64);
        let room = self.rate.samples(LIMIT_MICROS).saturating_sub(self.right.len());
        let samples = &samples[..samples.len().min(room)];
        make_room(&mut self.right, samples.len(), self.rate);
        self.right.extend(samples);
    }

    /// Drops what of the agent's audio was to be heard after `at_us`: the caller interrupted.
    pub fn clear(&mut self, at_us: u64) {
        let heard = self.position(at_us).saturating_sub(self.done);
        let kept = usize::try_from(heard).unwrap_or(usize::MAX).min(self.right.len());
        if kept < self.right.len() {
            self.right.truncate(kept);
            self.changed_from(self.done + kept as u64);
        }
    }

    /// Appends the frames (left, right) that can no longer change: those older than a second, but while nothing
    /// comes from the caller, those older than 3 s. For whoever can't write twice to the same place; not to be mixed with
    /// [`StereoRecorder::show`].
    pub fn drain(&mut self, now_us: u64, interleaved: &mut Vec<i16>) {
        let settled = self.settle(now_us);
        self.give((self.done, settled), interleaved);
        self.forget(settled);
        self.shown = self.done;
    }

    /// Appends all that is known by `now_us` and was not given out yet, or was given out otherwise: to be written from
    /// the position that is given back on, in frames since the call began, over what is there. So whatever is lost later,
    /// all but the last moment has been written, and what is written at last is what [`StereoRecorder::drain`] gives.
    pub fn show(&mut self, now_us: u64, interleaved: &mut Vec<i16>) -> u64 {
        let settled = self.settle(now_us);
        let known = self.lay_out(settled);
        let waited = self.position(now_us.saturating_sub(LAG_MICROS));
        let end = known.clamp(waited, self.position(now_us).max(waited)).max(settled);
        let from = self.shown;
        self.give((from, end), interleaved);
        self.shown = self.shown.max(end);
        self.forget(settled);
        from
    }

    /// Appends all that is left up to `end_us`, when the call ended, and says where it belongs, in frames since the call
    /// began. Agent audio after the end was never heard.
    pub fn finish(&mut self, end_us: u64, interleaved: &mut Vec<i16>) -> u64 {
        self.clear(end_us);
        self.place(u64::MAX, u64::MAX);
        let end = self.position(end_us).max(self.done + self.left.len() as u64);
        let from = self.shown;
        self.give((from, end), interleaved);
        self.shown = self.shown.max(end);
        self.forget(end);
        from
    }

    /// What was shown from this position on does not hold any more.
    fn changed_from(&mut self, at: u64) {
        self.shown = self.shown.min(at.max(self.done));
    }

    /// Gives a place to what can no longer change, and says up to where nothing can.
    fn settle(&mut self, now_us: u64) -> u64 {
        let horizon = self.position(now_us.saturating_sub(HORIZON_MICROS));
        self.place(horizon, self.position(now_us.saturating_sub(PATIENCE_MICROS)));
        let left_end = self.done + self.left.len() as u64;
        let given_up = self.position(now_us.saturating_sub(HOLD_MICROS));
        horizon.min(left_end.max(given_up)).max(self.done)
    }

    /// Says of every frame that has no place yet where it would go by what is known now, and where the last one ends.
    fn lay_out(&mut self, settled: u64) -> u64 {
        let hole = self.samples(HOLE_MICROS);
        // No frame starts later than one behind it allows: the quickest tells, as for those that get their place.
        let mut latest = u64::MAX;
        let mut wanted: Vec<u64> = Vec::with_capacity(self.frames.len());
        for frame in self.frames.iter().rev() {
            latest = latest.saturating_sub(frame.samples as u64).min(frame.start);
            wanted.push(latest);
        }
        let left_end = self.done + self.left.len() as u64;
        let (mut end, mut changed) = (left_end.max(settled), u64::MAX);
        for (frame, wanted) in self.frames.iter_mut().zip(wanted.into_iter().rev()) {
            let at = if wanted >= end + hole { wanted } else { end };
            if at != frame.at {
                changed = changed.min(at).min(frame.at);
                frame.at = at;
            }
            end = at + frame.samples as u64;
        }
        self.changed_from(changed);
        end
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
            let mut kept = frame.samples;
            if wanted >= end + hole {
                let silence = (wanted - end).min(self.samples(LIMIT_MICROS)) as usize;
                self.left.extend(std::iter::repeat_n(0, silence));
            } else if wanted <= end + behind {
                kept -= self.excess(end.saturating_sub(wanted), frame.samples);
            }
            let at = self.done + self.left.len() as u64;
            self.left.extend(self.waiting.drain(..frame.samples).take(kept));
            let is_slow = wanted > end + behind && wanted < end + hole;
            if is_slow {
                // The sender's clock is slow: one sample twice.
                self.left.extend(self.left.back().copied());
            }
            if at != frame.at || kept < frame.samples || is_slow {
                self.changed_from(at.min(frame.at));
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

    /// Appends what is known of the frames from one position up to another.
    fn give(&self, (from, end): (u64, u64), interleaved: &mut Vec<i16>) {
        let count = end.saturating_sub(from) as usize;
        let begun = interleaved.len();
        interleaved.resize(begun + 2 * count, 0);
        let given = &mut interleaved[begun..];
        let offset = (from - self.done) as usize;
        put(given, 0, part(&self.left, offset, self.left.len()));
        put(given, 1, part(&self.right, offset, self.right.len()));
        let mut before = 0;
        for frame in &self.frames {
            let late = from.saturating_sub(frame.at).min(frame.samples as u64) as usize;
            let at = frame.at.saturating_sub(from).min(count as u64) as usize;
            put(&mut given[2 * at..], 0, part(&self.waiting, before + late, before + frame.samples));
            before += frame.samples;
        }
        for (start, until) in &self.paused {
            let place =
                |position: u64| 2 * position.clamp(from, from + count as u64).saturating_sub(from) as usize;
            given[place(*start)..place(*until)].fill(0);
        }
    }

    /// Lets go of what lies before a position.
    fn forget(&mut self, until: u64) {
        let count = until.saturating_sub(self.done) as usize;
        self.left.drain(..count.min(self.left.len()));
        self.right.drain(..count.min(self.right.len()));
        self.done += count as u64;
        let done = self.done;
        self.shown = self.shown.max(done);
        self.paused.retain(|(_, until)| *until > done);
    }

    fn samples(&self, micros: u64) -> u64 {
        self.rate.samples(micros) as u64
    }
}

/// The samples of a queue from one up to another, as far as there are any, as the two runs in which they lie.
fn part(queue: &VecDeque<i16>, from: usize, until: usize) -> [&[i16]; 2] {
    let (first, second) = queue.as_slices();
    let run = |samples: &[i16], begins: usize| {
        let place = |at: usize| at.saturating_sub(begins).min(samples.len());
        place(from)..place(until.max(from))
    };
    [&first[run(first, 0)], &second[run(second, first.len())]]
}

/// Puts samples into one side of interleaved ones.
fn put(interleaved: &mut [i16], side: usize, samples: [&[i16]; 2]) {
    let mut frames = interleaved.as_chunks_mut::<2>().0.iter_mut();
    for run in samples {
        for (sample, frame) in run.iter().zip(frames.by_ref()) {
            frame[side] = *sample;
        }
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
