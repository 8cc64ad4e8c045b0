//! What the caller hears: a play-out queue consumed in real time, with marks between its samples, and the
//! measurements that only the ear can make (onset, silence, holes).

use audio::{SampleRate, level_db};
use call::{Micros, Tick};

use crate::exotel::{AfterClear, CarrierLine, Heard};

/// The quietest frame that counts as sound, in dB below full scale.
const AUDIBLE_DB: f32 = -45.0;
/// A hole is something that more audio ends within this time; what lasts longer is a pause.
const LONGEST_GAP: Micros = Micros::from_ms(1_000);
/// Less is rounding: a chunk at 24 kHz is no whole number of microseconds.
const SHORTEST_GAP: Micros = Micros::from_ms(1);

/// The carrier's play-out queue and the ear at its end. Its clock counts frames: what comes during a frame is
/// played from the next one on, as behind a small jitter buffer.
#[derive(Debug)]
pub(super) struct Ear {
    rate: SampleRate,
    line: CarrierLine,
    clock: Tick,
    heard: Vec<Heard>,
    /// When what was played last ended; absent before the first audio, after a clear, and when turns changed.
    ended: Option<Tick>,
    gaps: Vec<f64>,
    queued: u64,
    audible_frames: u64,
}

/// What one frame of play-out brought.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Played {
    /// The frame, silence where there was nothing to play.
    pub(super) frame: Vec<i16>,
    /// Whether it can be heard.
    pub(super) audible: bool,
    /// Whether there was nothing to play.
    pub(super) empty: bool,
    /// Marks that were reached.
    pub(super) marks: Vec<String>,
}

impl Ear {
    pub(super) fn new(rate: SampleRate, after_clear: AfterClear) -> Self {
        Self {
            rate,
            line: CarrierLine::new(rate, after_clear),
            clock: Tick::default(),
            heard: Vec::new(),
            ended: None,
            gaps: Vec::new(),
            queued: 0,
            audible_frames: 0,
        }
    }

    /// Audio that came from the server.
    pub(super) fn audio(&mut self, samples: &[i16]) {
        self.queued += samples.len() as u64;
        self.line.audio(self.clock, samples, &mut self.heard);
    }

    /// A mark that came from the server. It is reached with the next frame when nothing is queued.
    pub(super) fn mark(&mut self, name: &str) {
        self.line.mark(self.clock, name, &mut self.heard);
    }

    /// Drops what is queued and gives its length. Marks behind it are given up, or reached with the next frame, as the
    /// carrier does it.
    pub(super) fn clear(&mut self) -> Micros {
        let dropped = self.line.waiting();
        self.line.clear(self.clock, &mut self.heard);
        self.ended = None;
        dropped
    }

    /// The caller's turn came in between: what follows is an answer, not the rest of something.
    pub(super) fn turn_changed(&mut self) {
        self.ended = None;
    }

    /// Plays the next frame of so many samples.
    pub(super) fn play(&mut self, samples: usize) -> Played {
        let began = self.clock;
        self.clock = began + Micros(self.rate.micros(samples));
        self.line.advance(self.clock, &mut self.heard);
        let mut played = Played { empty: true, ..Played::default() };
        for heard in std::mem::take(&mut self.heard) {
            match heard {
                Heard::Mark { name, .. } => played.marks.push(name),
                Heard::Audio { at, samples: more } => {
                    self.note_gap(at);
                    self.ended = Some(at + Micros(self.rate.micros(more.len())));
                    played.empty = false;
                    let at = self.rate.samples(at.since(began).0).max(played.frame.len());
                    played.frame.resize(at, 0);
                    played.frame.extend(more);
                }
            }
        }
        played.frame.resize(samples, 0);
        played.audible = level_db(&played.frame) > AUDIBLE_DB;
        self.audible_frames += u64::from(played.audible);
        played
    }

    fn note_gap(&mut self, at: Tick) {
        let gap = self.ended.map_or(Micros(0), |ended| at.since(ended));
        if gap >= SHORTEST_GAP && gap < LONGEST_GAP {
            self.gaps.push(gap.as_ms());
        }
    }

    /// How much lies queued.
    pub(super) fn waiting(&self) -> Micros {
        self.line.waiting()
    }

    pub(super) fn gaps(&self) -> &[f64] {
        &self.gaps
    }

    pub(super) fn longest_queue_ms(&self) -> u64 {
        self.line.longest_wait().0 / 1000
    }

    pub(super) fn queued_ms(&self) -> u64 {
        self.queued * 1000 / u64::from(self.rate.hz())
    }

    pub(super) fn audible_frames(&self) -> u64 {
        self.audible_frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud(samples: usize) -> Vec<i16> {
        (0..samples).map(|index| if index % 2 == 0 { 8_000 } else { -8_000 }).collect()
    }

    #[test]
    fn a_mark_is_reached_when_all_before_it_was_played() {
        let mut ear = Ear::new(SampleRate::HZ_8000, AfterClear::DropMarks);
        ear.audio(&loud(320));
        ear.mark("half");
        ear.audio(&loud(160));
        assert_eq!(ear.play(160).marks, Vec::<String>::new());
        assert_eq!(ear.play(160).marks, ["half"]);
        assert!(ear.play(160).audible);
        assert!(!ear.play(160).audible);
    }

    #[test]
    fn a_mark_on_an_empty_queue_comes_back_with_the_next_frame() {
        let mut ear = Ear::new(SampleRate::HZ_8000, AfterClear::DropMarks);
        ear.mark("now");
        assert_eq!(ear.play(160).marks, ["now"]);
    }

    #[test]
    fn clear_empties_and_gives_up_marks() {
        let mut ear = Ear::new(SampleRate::HZ_8000, AfterClear::DropMarks);
        ear.audio(&loud(800));
        ear.mark("never");
        ear.play(160);
        assert_eq!(ear.clear(), Micros::from_ms(80));
        assert_eq!(ear.play(160), Played { frame: vec![0; 160], audible: false, empty: true, marks: vec![] });
    }

    #[test]
    fn where_the_carrier_returns_marks_a_clear_does_so_at_once() {
        let mut ear = Ear::new(SampleRate::HZ_8000, AfterClear::ReturnMarks);
        ear.audio(&loud(800));
        ear.mark("a");
        ear.audio(&loud(800));
        ear.mark("b");
        ear.play(160);
        assert_eq!(ear.clear(), Micros::from_ms(180));
        let played = ear.play(160);
        assert_eq!((played.empty, played.marks), (true, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(ear.play(160).marks, Vec::<String>::new());
    }

    #[test]
    fn a_hole_is_measured_in_samples_and_a_pause_is_none() {
        let mut ear = Ear::new(SampleRate::HZ_8000, AfterClear::DropMarks);
        ear.audio(&loud(200));
        ear.play(160);
        ear.play(160); // 40 samples, then 120 missing
        ear.play(160); // 160 more
        ear.audio(&loud(160));
        ear.play(160);
        assert_eq!(ear.gaps(), [35.0]);
        for _ in 0..60 {
            ear.play(160);
        }
        ear.audio(&loud(160));
        ear.play(160);
        assert_eq!(ear.gaps(), [35.0], "1.2 s of quiet is a pause");
        ear.play(160);
        ear.turn_changed();
        ear.audio(&loud(160));
        ear.play(160);
        assert_eq!(ear.gaps().len(), 1, "an answer is not the rest of something");
    }

    #[test]
    fn chunks_of_no_whole_microseconds_make_no_holes() {
        let mut ear = Ear::new(SampleRate::HZ_24000, AfterClear::DropMarks);
        for _ in 0..50 {
            ear.audio(&loud(1600));
        }
        while !ear.play(480).empty {}
        assert!(ear.gaps().is_empty(), "{:?}", ear.gaps());
    }
}
