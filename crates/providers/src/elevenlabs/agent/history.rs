//! What was said so far, for an agent that has to go on over another connection: at ElevenLabs that is a new
//! conversation, which knows nothing of the one before.

/// So much is told: the last minutes of a talk.
const MOST_LINES: usize = 40;
const MOST_BYTES: usize = 8_000;

/// Both sides' words.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: Vec<(Who, String)>,
    /// The agent spoke before it was spoken to.
    pub(super) greets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Caller,
    Agent,
}

impl History {
    /// The caller said or pressed this.
    pub(super) fn caller(&mut self, words: &str) {
        self.add(Who::Caller, words);
    }

    /// The agent says this.
    pub(super) fn agent(&mut self, words: &str) {
        self.greets |= self.lines.is_empty();
        self.add(Who::Agent, words);
    }

    /// The agent was interrupted, and said only this of its last words.
    pub(super) fn corrected(&mut self, words: &str) {
        let last = self.lines.iter_mut().rev().find(|(who, _)| *who == Who::Agent);
        if let Some((_, said)) = last {
            words.clone_into(said);
        }
    }

    /// What the caller said last, if the agent has not answered it.
    pub(super) fn unanswered(&self) -> Option<&str> {
        self.lines.last().filter(|(who, _)| *who == Who::Caller).map(|(_, words)| words.as_str())
    }

    /// What the new conversation is told; `None` where nothing was said.
    pub(super) fn note(&self) -> Option<String> {
        let told = self.lines.len() - usize::from(self.unanswered().is_some());
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for (who, words) in self.lines[..told].iter().rev() {
            bytes += words.len();
            if bytes > MOST_BYTES {
                break;
            }
            let who = if *who == Who::Caller { "Caller" } else { "You" };
            lines.push(format!("{who}: {words}"));
        }
        if lines.is_empty() {
            return None;
        }
        lines.reverse();
        let intro = "The connection was lost for a moment. This is the same call; do not greet again, go on where \
                     it stopped. What was said so far:";
        Some(format!("{intro}\n{}", lines.join("\n")))
    }

    fn add(&mut self, who: Who, words: &str) {
        let words = words.trim();
        if words.is_empty() {
            return;
        }
        if self.lines.len() >= MOST_LINES {
            self.lines.remove(0);
        }
        self.lines.push((who, words.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_a_question_until_they_are_answered() {
        let mut history = History::default();
        assert_eq!((history.note(), history.unanswered()), (None, None));
        history.agent("Hello.");
        assert!(history.greets);
        history.caller("when are you open");
        assert_eq!(history.unanswered(), Some("when are you open"));
        assert!(history.note().is_some_and(|note| note.ends_with("so far:\nYou: Hello.")));
        history.agent("We open at nine and close at five.");
        history.corrected("We open at nine");
        assert_eq!(history.unanswered(), None);
        let note = history.note().unwrap();
        assert!(note.ends_with("You: Hello.\nCaller: when are you open\nYou: We open at nine"), "{note}");
    }

    #[test]
    fn a_long_talk_is_told_from_its_end() {
        let mut history = History::default();
        for turn in 0..500 {
            history.caller(&format!("question {turn} {}", "x".repeat(900)));
            history.agent("answer");
        }
        let note = history.note().unwrap();
        assert!(note.len() < MOST_BYTES + 2_000 && note.contains("question 499"), "{}", note.len());
        assert!(!note.contains("question 480"));
    }
}
