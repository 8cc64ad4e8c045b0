//! What a reply's audio is made of: one piece for each utterance, its way to the caller's ear, and what was
//! heard of it.

use std::collections::VecDeque;
use std::ops::Range;

use audio::{Pcm, Resampler, SampleRate};

use crate::{Evidence, Micros, Tick, UtteranceId};

/// Between a mark's name and how often it was taken back.
const TAKEN_BACK: char = '~';

/// One utterance of the reply.
pub(super) struct Piece {
    pub(super) utterance: UtteranceId,
    pub(super) text: String,
    pub(super) mark: Mark,
    pub(super) resampler: Option<(SampleRate, Resampler)>,
    /// The audio, shared with whoever made it: where each run of samples begins, and the run. What was heard for
    /// certain is let go.
    runs: VecDeque<(usize, Pcm)>,
    /// How many samples were made in all.
    made: usize,
    /// Everything before this was sent.
    pub(super) sent: usize,
    /// Everything before this was heard by the clock.
    pub(super) heard: usize,
    pub(super) done: bool,
    /// It is heard while an answer is late, and is no part of it.
    pub(super) filler: bool,
    /// It was stopped and is not taken up again.
    pub(super) cut: bool,
}

/// The mark behind an utterance, by which the carrier tells that all before it was played.
pub(super) struct Mark {
    pub(super) name: String,
    pub(super) sent: bool,
    /// How often it was taken back.
    times: u32,
    /// When it comes back if the carrier takes no time.
    pub(super) due: Tick,
    /// It came back, or one behind it did.
    pub(super) back: bool,
}

impl Mark {
    /// What it is for, without the times that it was taken back.
    pub(super) fn is_for(&self, name: &str) -> bool {
        self.name.split(TAKEN_BACK).next() == Some(name)
    }

    /// The stream that it was sent on is gone and returns nothing more: on the next it has its own name again.
    pub(super) fn forget(&mut self) {
        self.sent = false;
        self.times = 0;
        self.name.truncate(self.name.find(TAKEN_BACK).unwrap_or(self.name.len()));
    }

    /// The audio before it is dropped. Some carriers send the mark back all the same (Twilio's `clear` returns all
    /// that wait), which then means that it is gone and not that it was played: it goes by another name from now on.
    pub(super) fn take_back(&mut self) {
        if std::mem::take(&mut self.sent) {
            self.times += 1;
            let base = self.name.split(TAKEN_BACK).next().unwrap_or_default();
            self.name = format!("{base}{TAKEN_BACK}{}", self.times);
        }
    }
}

impl Piece {
    pub(super) fn new(utterance: UtteranceId, text: String, mark: String) -> Self {
        Self {
            utterance,
            text,
            mark: Mark { name: mark, sent: false, times: 0, due: Tick::default(), back: false },
            resampler: None,
            runs: VecDeque::new(),
            made: 0,
            sent: 0,
            heard: 0,
            done: false,
            filler: false,
            cut: false,
        }
    }

    pub(super) fn made(&self) -> usize {
        self.made
    }

    /// More audio, at the stream's rate.
    pub(super) fn push(&mut self, pcm: Pcm) {
        if !pcm.is_empty() {
            let start = self.made;
            self.made += pcm.len();
            self.runs.push_back((start, pcm));
        }
    }

    /// Appends the samples of this range, which must not have been let go.
    pub(super) fn copy(&self, range: Range<usize>, to: &mut Vec<i16>) {
        for (start, run) in &self.runs {
            let from = range.start.max(*start);
            let until = range.end.min(start + run.len());
            if from < until {
                to.extend_from_slice(&run[from - start..until - start]);
            }
        }
    }

    /// Takes back what was made from `position` on.
    pub(super) fn truncate(&mut self, position: usize) {
        self.made = self.made.min(position);
        self.runs.retain(|(start, _)| *start < position);
        if let Some((start, run)) = self.runs.back_mut()
            && *start + run.len() > position
        {
            *run = run[..position - *start].to_vec().into();
        }
    }

    /// Lets go of the runs that lie before `position`.
    pub(super) fn let_go(&mut self, position: usize) {
        while self.runs.front().is_some_and(|(start, run)| start + run.len() <= position) {
            self.runs.pop_front();
        }
    }

    pub(super) fn unsent(&self) -> usize {
        self.made() - self.sent
    }

    pub(super) fn is_all_sent(&self) -> bool {
        self.done && self.unsent() == 0
    }
}

/// How many samples could be sent: up to the end of the last complete utterance, and all.
pub(super) struct Ready {
    pub(super) whole: usize,
    pub(super) all: usize,
}

/// A run of samples on its way to the caller's ear.
pub(super) struct Flight {
    pub(super) plays_at: Tick,
    pub(super) utterance: UtteranceId,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What the caller heard of a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) heard: String,
    pub(crate) unheard: String,
    pub(crate) by_mark: bool,
}

impl Ledger {
    pub(crate) fn evidence(&self) -> Evidence {
        if self.by_mark { Evidence::Mark } else { Evidence::Clock }
    }
}

/// What a mark that came back shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marked {
    /// How much later it came than the audio before it lasts.
    pub(crate) late: Micros,
    /// It is the mark of a filler.
    pub(crate) filler: bool,
}

/// A gap that the caller heard inside an utterance.
pub(crate) struct Gap {
    pub(crate) utterance: UtteranceId,
    pub(crate) length: Micros,
}

pub(super) fn append(text: &mut String, more: &str) {
    if !more.is_empty() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(more);
    }
}
