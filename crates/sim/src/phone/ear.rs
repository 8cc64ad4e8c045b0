//! What the caller hears: a play-out queue consumed in real time, with marks between its samples, and the
//! measurements that only the ear can make (onset, silence, holes).

use std::collections::VecDeque;

use audio::SampleRate;

/// The quietest frame that counts as sound, in dB below full scale.
const AUDIBLE_DB: f64 = -45.0;
/// A hole is something that more audio ends within this time; what lasts longer is a pause.
const LONGEST_GAP_MS: u64 = 1_000;

/// The carrier's play-out queue and the ear at its end.
#[derive(Debug)]
pub(super) struct Ear {
    rate: SampleRate,
    queue: VecDeque<i16>,
    /// Marks by the count of samples that must have been played before them.
    marks: VecDeque<(u64, String)>,
    queued: u64,
    played: u64,
    /// Samples of silence since the queue ran empty; absent before the first audio and after a clear.
    empty_for: Option<u64>,
    gaps: Vec<f64>,
    longest_queue: usize,
    audible_frames: u64,
}

/// What one frame of play-out brought.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Played {
    /// The frame, silence where there was nothing to play.
    pub(super) frame: Vec<i16>,
    /// Whether it can be heard.
    pub(super) audible: bool,
    /// Marks that were reached.
    pub(super) marks: Vec<String>,
}

impl Ear {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            queue: VecDeque::new(),
            marks: VecDeque::new(),
            queued: 0,
            played: 0,
            empty_for: None,
            gaps: Vec::new(),
            longest_queue: 0,
            audible_frames: 0,
        }
    }

    /// Audio that came from the server.
    pub(super) fn audio(&mut self, samples: impl ExactSizeIterator<Item = i16>) {
        if samples.len() == 0 {
            return;
        }
        self.queued += samples.len() as u64;
        self.queue.extend(samples);
        self.longest_queue = self.longest_queue.max(self.queue.len());
        if let Some(gap) = self.empty_for.take().filter(|gap| *gap > 0) {
            let ms = gap as f64 * 1000.0 / f64::from(self.rate.hz());
            if ms < LONGEST_GAP_MS as f64 {
                self.gaps.push(ms);
            }
        }
    }

    /// A mark that came from the server. It is reached at the next frame when nothing is queued.
    pub(super) fn mark(&mut self, name: String) {
        self.marks.push_back((self.queued, name));
    }

    /// Drops what is queued and gives its length in samples. Marks behind it are given up, as nothing shows
    /// that Exotel returns them.
    pub(super) fn clear(&mut self) -> usize {
        let dropped = self.queue.len();
        self.queue.clear();
        self.marks.clear();
        self.played = self.queued;
        self.empty_for = None;
        dropped
    }

    /// The caller's turn came in between: what follows is an answer, not the rest of something.
    pub(super) fn turn_changed(&mut self) {
        self.empty_for = None;
    }

    /// Plays the next `samples`.
    pub(super) fn play(&mut self, samples: usize) -> Played {
        let ready = samples.min(self.queue.len());
        let mut frame: Vec<i16> = self.queue.drain(..ready).collect();
        frame.resize(samples, 0);
        self.played += ready as u64;
        if self.queue.is_empty() {
            let missing = (samples - ready) as u64;
            if ready > 0 {
                self.empty_for = Some(missing);
            } else if let Some(empty) = &mut self.empty_for {
                *empty += missing;
            }
        }
        let mut marks = Vec::new();
        while self.marks.front().is_some_and(|(at, _)| *at <= self.played) {
            marks.extend(self.marks.pop_front().map(|(_, name)| name));
        }
        let audible = level_db(&frame) > AUDIBLE_DB;
        self.audible_frames += u64::from(audible);
        Played { frame, audible, marks }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn gaps(&self) -> &[f64] {
        &self.gaps
    }

    pub(super) fn longest_queue_ms(&self) -> u64 {
        self.rate.micros(self.longest_queue) / 1000
    }

    pub(super) fn queued_ms(&self) -> u64 {
        self.queued * 1000 / u64::from(self.rate.hz())
    }

    pub(super) fn audible_frames(&self) -> u64 {
        self.audible_frames
    }
}

/// The root mean square, in dB below full scale.
fn level_db(frame: &[i16]) -> f64 {
    if frame.is_empty() {
        return f64::NEG_INFINITY;
    }
    let energy: f64 = frame.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum();
    10.0 * (energy / frame.len() as f64 / (32_768.0 * 32_768.0)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud(samples: usize) -> impl ExactSizeIterator<Item = i16> {
        (0..samples).map(|index| if index % 2 == 0 { 8_000 } else { -8_000 })
    }

    #[test]
    fn a_mark_is_reached_when_all_before_it_was_played() {
        let mut ear = Ear::new(SampleRate::HZ_8000);
        ear.audio(loud(320));
        ear.mark("half".to_owned());
        ear.audio(loud(160));
        assert_eq!(ear.play(160).marks, Vec::<String>::new());
        assert_eq!(ear.play(160).marks, ["half"]);
        assert!(ear.play(160).audible);
        assert!(!ear.play(160).audible);
    }

    #[test]
    fn a_mark_on_an_empty_queue_comes_back_with_the_next_frame() {
        let mut ear = Ear::new(SampleRate::HZ_8000);
        ear.mark("now".to_owned());
        assert_eq!(ear.play(160).marks, ["now"]);
    }

    #[test]
    fn clear_empties_and_gives_up_marks() {
        let mut ear = Ear::new(SampleRate::HZ_8000);
        ear.audio(loud(800));
        ear.mark("never".to_owned());
        ear.play(160);
        assert_eq!(ear.clear(), 640);
        assert_eq!(ear.play(160), Played { frame: vec![0; 160], audible: false, marks: vec![] });
    }

    #[test]
    fn a_hole_is_measured_in_samples_and_a_pause_is_none() {
        let mut ear = Ear::new(SampleRate::HZ_8000);
        ear.audio(loud(200));
        ear.play(160);
        ear.play(160); // 40 samples, then 120 missing
        ear.play(160); // 160 more
        ear.audio(loud(160));
        assert_eq!(ear.gaps(), [35.0]);
        ear.play(160);
        for _ in 0..60 {
            ear.play(160);
        }
        ear.audio(loud(160));
        assert_eq!(ear.gaps(), [35.0], "1.2 s of quiet is a pause");
        ear.play(160);
        ear.play(160);
        ear.turn_changed();
        ear.audio(loud(160));
        assert_eq!(ear.gaps().len(), 1, "an answer is not the rest of something");
    }
}
