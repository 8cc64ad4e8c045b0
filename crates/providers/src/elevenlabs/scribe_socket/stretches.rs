//! Which stretch of the caller's speech a transcript belongs to, and when a stretch is settled.

use std::collections::VecDeque;

use call::{Fault, Heard, SpeechId};

/// The stretches of one call, and what was heard and not given yet.
#[derive(Debug)]
pub(super) struct Stretches {
    /// Whether the vendor commits by its own ear.
    commits_itself: bool,
    /// The stretch that was begun last.
    last: Option<SpeechId>,
    /// Whether that one is still being spoken.
    is_open: bool,
    /// Whether all that was committed of it was given before it was finished.
    is_given: bool,
    /// Finished stretches that wait for their text, in order.
    waiting: VecDeque<Waiting>,
    /// What was committed unasked, and what goes on after it and may still change.
    committed: String,
    partial: String,
}

#[derive(Debug)]
struct Waiting {
    speech: SpeechId,
    /// It was settled without its text. The text may still come, and is nobody's then.
    is_given_up: bool,
}

impl Stretches {
    pub(super) const fn new(commits_itself: bool) -> Self {
        Self {
            commits_itself,
            last: None,
            is_open: false,
            is_given: false,
            waiting: VecDeque::new(),
            committed: String::new(),
            partial: String::new(),
        }
    }

    /// Our own voice activity began.
    pub(super) fn began(&mut self, speech: SpeechId) {
        self.last = Some(speech);
        self.is_open = true;
        self.is_given = false;
    }

    /// Our own voice activity ended. Says whether a commit is to be asked for.
    pub(super) fn finish(&mut self, speech: SpeechId) -> bool {
        if self.last != Some(speech) {
            self.began(speech);
        }
        self.is_open = false;
        if !self.is_given {
            self.waiting.push_back(Waiting { speech, is_given_up: false });
        }
        !self.commits_itself
    }

    /// What the vendor guesses. Until it has answered for a finished stretch, it is of that one.
    pub(super) fn partial(&mut self, text: &str, out: &mut Vec<(SpeechId, Heard)>) {
        text.clone_into(&mut self.partial);
        // They speak again.
        self.is_given &= text.is_empty();
        let asked = self.waiting.iter().find(|waiting| !waiting.is_given_up && !self.commits_itself);
        if let Some(speech) = asked.map(|waiting| waiting.speech).or(self.last).filter(|_| !text.is_empty()) {
            out.push((speech, Heard::Partial(joined(&self.committed, text))));
        }
    }

    /// The vendor has committed a text, asked or not.
    pub(super) fn committed(&mut self, text: &str, out: &mut Vec<(SpeechId, Heard)>) {
        self.partial.clear();
        let text = joined(&std::mem::take(&mut self.committed), text);
        if self.commits_itself {
            self.committed_by_itself(text, out);
        } else if let Some(waiting) = self.waiting.pop_front() {
            if !waiting.is_given_up {
                out.push((waiting.speech, Heard::Final(text)));
            }
        } else {
            // It does so by itself when a stretch grows long: the rest comes when the stretch is over.
            if let Some(speech) = self.last.filter(|_| !text.is_empty()) {
                out.push((speech, Heard::Partial(text.clone())));
            }
            self.committed = text;
        }
    }

    /// The vendor says that there was too little to hear for a commit.
    pub(super) fn nothing_to_commit(&mut self, out: &mut Vec<(SpeechId, Heard)>) {
        if !self.waiting.is_empty() {
            let text = std::mem::take(&mut self.partial);
            self.committed(&text, out);
        }
    }

    /// The vendor took too long about this stretch. Its last guess may lack words, which somebody else may still
    /// find in the audio, so it does not stand for the text.
    pub(super) fn give_up(&mut self, speech: SpeechId, out: &mut Vec<(SpeechId, Heard)>) {
        let is_this = |waiting: &Waiting| waiting.speech == speech && !waiting.is_given_up;
        if !self.waiting.iter().any(is_this) {
            return;
        }
        // It did not answer for the one before either: nothing will come for that any more.
        self.waiting.retain(|waiting| !waiting.is_given_up);
        let is_first = self.waiting.front().is_some_and(is_this);
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.speech == speech) {
            waiting.is_given_up = true;
        }
        let what = if self.commits_itself && self.is_open {
            // The vendor has heard no pause since: what was said comes with the stretch that is spoken now.
            Heard::Final(String::new())
        } else {
            if is_first {
                self.committed.clear();
                self.partial.clear();
            }
            Heard::Failed(Fault::slow())
        };
        out.push((speech, what));
    }

    /// The vendor heard a pause. One text may be of several stretches of ours, whose ends it took for no pause.
    fn committed_by_itself(&mut self, text: String, out: &mut Vec<(SpeechId, Heard)>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let last = if self.is_open { None } else { waiting.pop_back() };
        let missed = waiting.iter().filter(|waiting| !waiting.is_given_up);
        out.extend(missed.map(|waiting| (waiting.speech, Heard::Final(String::new()))));
        match (last, self.last) {
            (Some(Waiting { is_given_up: true, .. }), _) => {}
            (Some(Waiting { speech, .. }), _) => out.push((speech, Heard::Final(text))),
            (None, _) if text.is_empty() => {}
            (None, Some(speech)) => {
                self.is_given = true;
                out.push((speech, Heard::Pause(text)));
            }
            // Our own ear has heard nothing yet: it is of the first stretch.
            (None, None) => self.committed = text,
        }
    }
}

/// Two pieces of text, one after the other.
fn joined(first: &str, second: &str) -> String {
    let space = if first.is_empty() || second.is_empty() { "" } else { " " };
    format!("{first}{space}{second}")
}
