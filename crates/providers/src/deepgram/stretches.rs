//! Which stretch of the caller's speech a text belongs to, and which of them are still owed one.

use std::collections::VecDeque;

use call::SpeechId;

/// How far the vendor's idea of where an utterance ends may lie before ours for both to mean the same end, in
/// seconds: the vendor ends it after its endpointing, we after our own silence, and neither is longer than this
/// over the other in any sensible setting. Words need more time than that to follow.
pub(super) const SAME_END: f64 = 0.5;

/// How much audio lies between two reports of a vendor that keeps up, in seconds.
const REPORT: f64 = 0.3;

/// As many answers are waited for at most. More only when the vendor never answers.
const MOST_ASKED: usize = 16;

/// A stretch that was finished, so that its text is wanted now.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) speech: SpeechId,
    /// How much audio there was when it was finished, in seconds.
    pub(super) at: f64,
    /// Its text was given, or it had none.
    pub(super) settled: bool,
    /// How many messages had come from the vendor when it began.
    messages: u64,
}

/// A stretch that was begun and not finished.
#[derive(Debug, Clone, Copy)]
struct Open {
    speech: SpeechId,
    /// How much audio there was when it began, in seconds.
    at: f64,
    messages: u64,
    /// Up to where its text was given already.
    given: Option<f64>,
}

/// All stretches that matter still.
#[derive(Debug, Default)]
pub(super) struct Stretches {
    open: Option<Open>,
    last: Option<SpeechId>,
    asked: VecDeque<Asked>,
    messages: u64,
    looked_at: f64,
}

impl Stretches {
    /// A message came: the vendor is alive.
    pub(super) fn message(&mut self) {
        self.messages += 1;
    }

    pub(super) fn began(&mut self, speech: SpeechId, at: f64) {
        self.open = Some(Open { speech, at, messages: self.messages, given: None });
        self.last = Some(speech);
    }

    /// Up to where text of the open stretch was given, in seconds.
    pub(super) fn given(&self) -> Option<f64> {
        self.open.and_then(|open| open.given)
    }

    /// It is finished, and `settled` where all of its text was given before.
    pub(super) fn finish(&mut self, speech: SpeechId, at: f64, settled: bool) {
        let open = self.open.take_if(|open| open.speech == speech);
        let messages = open.map_or(self.messages, |open| open.messages);
        if self.asked.len() >= MOST_ASKED {
            self.asked.retain(|asked| !asked.settled);
        }
        self.asked.push_back(Asked { speech, at, settled: settled && open.is_some(), messages });
        self.last = Some(speech);
    }

    /// Whether the caller speaks or an answer is awaited: then nothing may be held back.
    pub(super) fn is_busy(&self) -> bool {
        self.open.is_some() || self.first_owed().is_some()
    }

    /// The stretch that was begun last.
    pub(super) const fn last(&self) -> Option<SpeechId> {
        self.last
    }

    /// The open stretch and how much audio there was when it began.
    pub(super) fn open(&self) -> Option<(SpeechId, f64)> {
        self.open.map(|open| (open.speech, open.at))
    }

    /// The text of the open stretch was given up to this place.
    pub(super) fn gave_open(&mut self, end: f64) {
        if let Some(open) = &mut self.open {
            open.given = Some(end);
        }
    }

    /// The first stretch that is owed a text.
    pub(super) fn first_owed(&self) -> Option<usize> {
        self.asked.iter().position(|asked| !asked.settled)
    }

    /// The stretch at this place, which is settled with this.
    pub(super) fn settle(&mut self, index: usize) -> SpeechId {
        let asked = &mut self.asked[index];
        asked.settled = true;
        asked.speech
    }

    /// The place of this stretch while it is owed a text.
    pub(super) fn owed(&self, speech: SpeechId) -> Option<usize> {
        self.asked.iter().position(|asked| asked.speech == speech && !asked.settled)
    }

    /// Whether the vendor has said anything since the stretch at this place began.
    pub(super) fn was_alive(&self, index: usize) -> bool {
        self.messages > self.asked[index].messages
    }

    /// The vendor has looked at the audio up to `end`.
    pub(super) fn looked_at(&mut self, end: Option<f64>) {
        self.looked_at = end.map_or(self.looked_at, |end| end.max(self.looked_at));
    }

    /// Whether it has looked at all of the stretch at this place, but for a report's length.
    pub(super) fn is_seen(&self, index: usize) -> bool {
        self.looked_at + REPORT >= self.asked[index].at
    }

    /// Whether audio up to `end` is all of the stretch at this place.
    pub(super) fn is_covered(&self, index: usize, end: Option<f64>) -> bool {
        end.is_none_or(|end| end + SAME_END >= self.asked[index].at)
    }

    /// Where the stretch at this place was finished, in seconds.
    pub(super) fn finished_at(&self, index: usize) -> f64 {
        self.asked[index].at
    }

    /// Takes out the stretch that an answer to "finish now" is for, with those before it, whose answers will not
    /// come any more. The vendor answers in order but not always, so where several wait it is the one whose end
    /// is the nearest.
    pub(super) fn answered(&mut self, end: Option<f64>) -> impl Iterator<Item = Asked> {
        let distance = |asked: &Asked, end: f64| (asked.at - end).abs();
        let index = match end {
            Some(end) => {
                let places = self.asked.iter().enumerate();
                places
                    .min_by(|(_, a), (_, b)| distance(a, end).total_cmp(&distance(b, end)))
                    .map(|(index, _)| index)
            }
            None => self.first_owed().or((!self.asked.is_empty()).then_some(0)),
        };
        self.asked.drain(..index.map_or(0, |index| index + 1))
    }

    /// Settles all that are owed a text, in order, and keeps none: for a vendor that answers no single one.
    pub(super) fn settle_all(&mut self) -> Vec<SpeechId> {
        let owed = self.asked.drain(..).filter(|asked| !asked.settled);
        owed.map(|asked| asked.speech).collect()
    }

    /// Forgets those that were settled.
    pub(super) fn forget_settled(&mut self) {
        self.asked.retain(|asked| !asked.settled);
    }
}
