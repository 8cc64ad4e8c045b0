//! What the caller has said so far, put together from a recogniser's texts so that each word counts once, in
//! whatever order the texts of the same words come.

use crate::{SpeechId, words};

/// A text and the stretch of speech that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    speech: SpeechId,
    text: String,
    /// The recogniser has given no sign since: a sign may hold these words again.
    open: bool,
}

/// The words of one turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    texts: Vec<Text>,
}

impl Said {
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// All words as one text.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self.texts.iter().map(|text| text.text.as_str()).collect();
        texts.join(" ")
    }

    pub(crate) fn clear(&mut self) {
        self.texts.clear();
    }

    /// Words that belong to no stretch: those of a turn that goes on, or keys.
    pub(crate) fn push(&mut self, speech: SpeechId, text: &str) {
        self.texts.push(Text { speech, text: text.to_owned(), open: false });
    }

    /// The text of a stretch. What came of the same stretch before is part of it, or followed by it.
    pub(crate) fn add(&mut self, speech: SpeechId, text: &str) {
        if let Some(place) = self.merge(speech, text, |known| known.speech == speech) {
            self.texts[place].open = true;
        }
    }

    /// Whether there is a text of this stretch.
    pub(crate) fn is_of(&self, speech: SpeechId) -> bool {
        self.texts.iter().any(|text| text.speech == speech)
    }

    /// The text of a pause that the recogniser found.
    pub(crate) fn add_pause(&mut self, speech: SpeechId, text: &str) {
        self.merge(speech, text, |known| known.speech == speech);
        self.close();
    }

    /// The text of a whole turn as the recogniser sees it: it may hold again what came since its last sign.
    pub(crate) fn add_turn(&mut self, speech: SpeechId, text: &str) {
        self.merge(speech, text, |known| known.speech == speech || known.open);
        self.close();
    }

    /// Of `text`, which may begin with words of this turn, what is new.
    pub(crate) fn beyond<'a>(&self, speech: SpeechId, text: &'a str) -> &'a str {
        let of_stretch: Vec<&Text> = self.texts.iter().filter(|known| known.speech == speech).collect();
        if of_stretch.iter().any(|known| holds(&known.text, text)) {
            return "";
        }
        let before: Vec<&str> = self
            .texts
            .iter()
            .filter(|known| known.open || known.speech == speech)
            .map(|known| known.text.as_str())
            .collect();
        let before = before.join(" ");
        let count = words::count(&before);
        if count == 0 {
            return text;
        }
        let (head, rest) = split_words(text, count);
        if holds(&before, head) { rest } else { text }
    }

    /// The recogniser gave a sign: what comes after it holds none of these words.
    pub(crate) fn close(&mut self) {
        self.texts.iter_mut().for_each(|text| text.open = false);
    }

    fn merge(&mut self, speech: SpeechId, text: &str, may_hold: impl Fn(&Text) -> bool) -> Option<usize> {
        if words::count(text) == 0 {
            return None;
        }
        let count = words::count(text);
        let is_known = |known: &Text| {
            known.speech == speech && words::count(&known.text) > count && holds(&known.text, text)
        };
        if self.texts.iter().any(is_known) {
            return None;
        }
        let place = self.texts.iter().position(|known| may_hold(known) && holds(text, &known.text));
        self.texts.retain(|known| !(may_hold(known) && holds(text, &known.text)));
        let place = place.unwrap_or(self.texts.len()).min(self.texts.len());
        self.texts.insert(place, Text { speech, text: text.to_owned(), open: false });
        Some(place)
    }
}

/// Whether `long` holds the words of `short`, in their order and perhaps spelled otherwise here and there: at least
/// half of them.
fn holds(long: &str, short: &str) -> bool {
    let (long, short) = (words::normalised(long), words::normalised(short));
    let long: Vec<&str> = long.split(' ').filter(|word| !word.is_empty()).collect();
    let short: Vec<&str> = short.split(' ').filter(|word| !word.is_empty()).collect();
    if long.len() < short.len() {
        return false;
    }
    2 * in_common(&long, &short) >= short.len().max(1)
}

/// The length of the longest row of words that both have in this order.
fn in_common(one: &[&str], other: &[&str]) -> usize {
    let mut row = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (index, candidate) in other.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if word == candidate { diagonal + 1 } else { above.max(row[index]) };
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Splits `text` behind its first `count` words.
fn split_words(text: &str, count: usize) -> (&str, &str) {
    let mut left = count;
    let mut end = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        if left == 0 {
            break;
        }
        end += word.len();
        left -= usize::from(words::count(word) > 0);
    }
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SpeechId = SpeechId(1);
    const TWO: SpeechId = SpeechId(2);

    fn said(steps: &[(&str, SpeechId, &str)]) -> String {
        let mut said = Said::default();
        for (kind, speech, text) in steps {
            match *kind {
                "final" => said.add(*speech, text),
                "pause" => said.add_pause(*speech, text),
                _ => said.add_turn(*speech, text),
            }
        }
        said.text()
    }

    #[test]
    fn the_same_words_count_once_in_whatever_order_they_come() {
        for steps in [
            [("pause", ONE, "a table"), ("final", ONE, "a table")],
            [("final", ONE, "A table."), ("pause", ONE, "a table")],
            [("final", ONE, "a table"), ("turn", ONE, "a table")],
            [("turn", ONE, "a table"), ("final", ONE, "a cable")],
            [("pause", ONE, "a"), ("final", ONE, "a table")],
        ] {
            let words = words::normalised(&said(&steps));
            assert!(words == "a table" || words == "a cable", "{steps:?} gave {words}");
        }
    }

    #[test]
    fn new_words_are_added() {
        assert_eq!(said(&[("pause", ONE, "a table"), ("pause", ONE, "for two")]), "a table for two");
        assert_eq!(said(&[("final", ONE, "a table"), ("final", TWO, "for two")]), "a table for two");
        assert_eq!(said(&[("final", ONE, "no"), ("final", TWO, "no")]), "no no");
        assert_eq!(said(&[("final", ONE, "no"), ("pause", TWO, "no")]), "no no");
        let turn = "I want a table for two";
        assert_eq!(said(&[("final", ONE, "I want a table"), ("turn", TWO, turn)]), turn);
        assert_eq!(said(&[("pause", ONE, "I want"), ("turn", TWO, "a table")]), "I want a table");
    }

    #[test]
    fn words_that_were_answered_are_told_from_new_ones() {
        let mut said = Said::default();
        said.add(ONE, "I want a table");
        assert_eq!(said.beyond(ONE, "I want a table."), "");
        assert_eq!(said.beyond(TWO, "I want a table for two"), "for two");
        assert_eq!(said.beyond(TWO, "and a chair too please"), "and a chair too please");
    }
}
