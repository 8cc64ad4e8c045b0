//! The carrier's end of a line in virtual time: a queue that plays in real time, marks that come back when they
//! reach its head, and an echo of what was played.

use std::collections::VecDeque;

use audio::{Pcm, SampleRate};
use call::{Micros, Tick};

enum Item {
    Audio(Pcm),
    Mark(String),
}

/// What plays at the caller's ear.
pub(super) struct Line {
    rate: SampleRate,
    queue: VecDeque<Item>,
    /// Until when what has left the queue plays.
    free: Tick,
    /// What the caller heard, from the call's start.
    pub(super) heard: Vec<i16>,
}

impl Line {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, queue: VecDeque::new(), free: Tick::default(), heard: Vec::new() }
    }

    pub(super) fn audio(&mut self, at: Tick, pcm: Pcm) {
        self.free = self.free.max(at);
        self.queue.push_back(Item::Audio(pcm));
    }

    pub(super) fn mark(&mut self, name: String) {
        self.queue.push_back(Item::Mark(name));
    }

    /// Drops all that has not begun to play, and gives the marks that were dropped.
    pub(super) fn clear(&mut self, at: Tick) -> Vec<String> {
        let dropped = self.queue.drain(..).filter_map(|item| match item {
            Item::Mark(name) => Some(name),
            Item::Audio(_) => None,
        });
        let marks = dropped.collect();
        self.free = self.free.min(at);
        self.heard.truncate(self.rate.samples(at.0));
        marks
    }

    /// Plays up to `at` and gives the marks that were reached, each with its moment.
    pub(super) fn play(&mut self, at: Tick) -> Vec<(Tick, String)> {
        let mut reached = Vec::new();
        while self.free <= at {
            match self.queue.pop_front() {
                Some(Item::Audio(pcm)) => {
                    self.heard.resize(self.rate.samples(self.free.0), 0);
                    self.heard.extend(pcm.iter());
                    self.free = self.free + Micros(self.rate.micros(pcm.len()));
                }
                Some(Item::Mark(name)) => reached.push((self.free, name)),
                None => break,
            }
        }
        reached
    }

    /// When the next mark can be reached, at the earliest.
    pub(super) fn due(&self) -> Option<Tick> {
        (!self.queue.is_empty()).then_some(self.free)
    }

    /// What the caller heard in `count` samples up to `at`.
    pub(super) fn played(&self, at: Tick, count: usize) -> impl Iterator<Item = i16> {
        let from = self.rate.samples(at.0).saturating_sub(count);
        (from..from + count).map(|index| self.heard.get(index).copied().unwrap_or(0))
    }
}
