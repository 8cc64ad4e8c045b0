//! The carrier's play-out queue: the server's audio consumed in real time, marks returned when all before them was
//! played, cleared when told (Exotel, "Working with the Stream and Voicebot applet": mark, clear).

use std::collections::VecDeque;

use audio::SampleRate;
use call::{Micros, Tick};

/// What happens to marks that wait when the queue is cleared. Exotel's documents do not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AfterClear {
    /// They are lost.
    #[default]
    DropMarks,
    /// They are returned, as Twilio does.
    ReturnMarks,
}

/// What comes out of the queue at the caller's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The caller hears these samples from this moment on.
    Audio {
        /// When the first sample is heard.
        at: Tick,
        /// The samples.
        samples: Vec<i16>,
    },
    /// The mark goes back to the server.
    Mark {
        /// When.
        at: Tick,
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Clone)]
enum Item {
    Audio(VecDeque<i16>),
    Mark(String),
}

/// The queue of one stream.
#[derive(Debug, Clone)]
pub struct CarrierLine {
    rate: SampleRate,
    after_clear: AfterClear,
    items: VecDeque<Item>,
    queued: usize,
    /// When the run of audio that plays now began, and how much of it was played.
    began: Tick,
    played: usize,
    longest: Micros,
}

impl CarrierLine {
    /// An empty queue.
    pub fn new(rate: SampleRate, after_clear: AfterClear) -> Self {
        Self {
            rate,
            after_clear,
            items: VecDeque::new(),
            queued: 0,
            began: Tick::default(),
            played: 0,
            longest: Micros::default(),
        }
    }

    /// Audio came. Gives what was heard up to now.
    pub fn audio(&mut self, at: Tick, samples: &[i16], heard: &mut Vec<Heard>) {
        self.advance(at, heard);
        if self.queued == 0 {
            (self.began, self.played) = (at, 0);
        }
        self.queued += samples.len();
        self.longest = self.longest.max(self.waiting());
        self.items.push_back(Item::Audio(samples.iter().copied().collect()));
    }

    /// A mark came: with nothing before it, it goes back at once.
    pub fn mark(&mut self, at: Tick, name: &str, heard: &mut Vec<Heard>) {
        self.advance(at, heard);
        self.items.push_back(Item::Mark(name.to_owned()));
        self.return_marks(at, heard);
    }

    /// A clear came: audio that waits is never heard.
    pub fn clear(&mut self, at: Tick, heard: &mut Vec<Heard>) {
        self.advance(at, heard);
        self.queued = 0;
        for item in self.items.drain(..) {
            if let (Item::Mark(name), AfterClear::ReturnMarks) = (item, self.after_clear) {
                heard.push(Heard::Mark { at, name });
            }
        }
    }

    /// Time passes. Gives what was heard up to now; ticks never go backwards.
    pub fn advance(&mut self, to: Tick, heard: &mut Vec<Heard>) {
        while self.queued > 0 {
            let due = self.rate.samples(to.since(self.began).0).saturating_sub(self.played).min(self.queued);
            if due == 0 {
                return;
            }
            let at = self.now_playing();
            let Some(Item::Audio(samples)) = self.items.front_mut() else {
                self.return_marks(at, heard);
                continue;
            };
            let count = due.min(samples.len());
            let played: Vec<i16> = samples.drain(..count).collect();
            if samples.is_empty() {
                self.items.pop_front();
            }
            self.queued -= count;
            self.played += count;
            if count > 0 {
                heard.push(Heard::Audio { at, samples: played });
            }
            let at = self.now_playing();
            self.return_marks(at, heard);
        }
    }

    /// How much audio waits to be heard.
    pub const fn waiting(&self) -> Micros {
        Micros(self.rate.micros(self.queued))
    }

    /// The most that ever waited.
    pub const fn longest_wait(&self) -> Micros {
        self.longest
    }

    /// When the next mark or the end of the audio is due, if any audio waits.
    pub fn empty_at(&self) -> Option<Tick> {
        (self.queued > 0).then(|| self.began + Micros(self.rate.micros(self.played + self.queued)))
    }

    fn now_playing(&self) -> Tick {
        self.began + Micros(self.rate.micros(self.played))
    }

    fn return_marks(&mut self, at: Tick, heard: &mut Vec<Heard>) {
        loop {
            match self.items.front() {
                Some(Item::Mark(_)) => {
                    if let Some(Item::Mark(name)) = self.items.pop_front() {
                        heard.push(Heard::Mark { at, name });
                    }
                }
                Some(Item::Audio(samples)) if samples.is_empty() => {
                    self.items.pop_front();
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Tick {
        Tick(ms * 1000)
    }

    fn told(heard: &[Heard]) -> Vec<String> {
        heard
            .iter()
            .map(|heard| match heard {
                Heard::Audio { at, samples } => format!("{} audio {}", at.0 / 1000, samples.len()),
                Heard::Mark { at, name } => format!("{} mark {name}", at.0 / 1000),
            })
            .collect()
    }

    #[test]
    fn marks_come_back_when_all_before_them_was_heard() {
        let mut line = CarrierLine::new(SampleRate::HZ_8000, AfterClear::DropMarks);
        let mut heard = Vec::new();
        line.mark(ms(5), "early", &mut heard);
        line.audio(ms(10), &[1; 1600], &mut heard);
        line.mark(ms(10), "a", &mut heard);
        line.audio(ms(20), &[2; 800], &mut heard);
        line.mark(ms(20), "b", &mut heard);
        assert_eq!((line.waiting(), line.empty_at()), (Micros::from_ms(290), Some(ms(310))));
        line.advance(ms(1000), &mut heard);
        assert_eq!(
            told(&heard),
            ["5 mark early", "10 audio 80", "20 audio 1520", "210 mark a", "210 audio 800", "310 mark b"]
        );
        assert_eq!(
            (line.waiting(), line.longest_wait(), line.empty_at()),
            (Micros(0), Micros::from_ms(290), None)
        );
    }

    #[test]
    fn a_gap_in_the_servers_audio_is_a_gap_for_the_caller() {
        let mut line = CarrierLine::new(SampleRate::HZ_8000, AfterClear::DropMarks);
        let mut heard = Vec::new();
        line.audio(ms(0), &[1; 160], &mut heard);
        line.audio(ms(50), &[2; 160], &mut heard);
        line.advance(ms(60), &mut heard);
        assert_eq!(told(&heard), ["0 audio 160", "50 audio 80"]);
    }

    #[test]
    fn a_clear_drops_audio_and_loses_or_returns_marks() {
        for (after, end) in [(AfterClear::DropMarks, vec![]), (AfterClear::ReturnMarks, vec!["50 mark a"])] {
            let mut line = CarrierLine::new(SampleRate::HZ_8000, after);
            let mut heard = Vec::new();
            line.audio(ms(0), &[1; 1600], &mut heard);
            line.mark(ms(0), "a", &mut heard);
            line.clear(ms(50), &mut heard);
            line.advance(ms(500), &mut heard);
            let mut wanted = vec!["0 audio 400"];
            wanted.extend(end);
            assert_eq!(told(&heard), wanted);
            line.audio(ms(600), &[1; 160], &mut heard);
            line.advance(ms(700), &mut heard);
            assert_eq!(told(&heard).last().unwrap(), "600 audio 160");
        }
    }
}
