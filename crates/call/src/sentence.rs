//! Cuts a model's stream of words into sentences as they become complete, so that the voice can begin with the
//! first while the model still writes the second.

/// Words that end with a full stop without ending a sentence.
const ABBREVIATIONS: [&str; 38] = [
    "mr",
    "mrs",
    "ms",
    "dr",
    "prof",
    "sr",
    "jr",
    "st",
    "rs",
    "vs",
    "etc",
    "inc",
    "ltd",
    "dept",
    "approx",
    "ext",
    "smt",
    "shri",
    "rev",
    "hon",
    "gen",
    "capt",
    "col",
    "lt",
    "mt",
    "ave",
    "rd",
    "fig",
    "vol",
    "tel",
    "est",
    "min",
    "max",
    "डॉ",
    "श्री",
    "सुश्री",
    "प्रो",
    "रु",
];
/// The same, but only before a number: "No. 5".
const BEFORE_NUMBERS: [&str; 2] = ["no", "nos"];

/// Words before which a first clause may be cut.
const CONJUNCTIONS: [&str; 10] = ["and", "but", "because", "so", "which", "और", "लेकिन", "तो", "क्योंकि", "मगर"];

/// No sentence is held back for longer than this many bytes: a model that never ends one is cut at a word.
const LONGEST: usize = 400;

/// Cuts text into sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sentences {
    held: String,
    /// After how many letters the first sentence may be cut at a clause. 0: not at all.
    clause: usize,
}

impl Sentences {
    /// Cuts the first sentence at a clause once it has so many letters.
    pub(crate) fn with_first_clause(letters: usize) -> Self {
        Self { held: String::new(), clause: letters }
    }

    /// Takes more text and gives the sentences that it completes.
    pub(crate) fn push(&mut self, text: &str, mut each: impl FnMut(String)) {
        self.held.push_str(text);
        while let Some(end) = self.end() {
            let rest = self.held.split_off(end);
            let sentence = std::mem::replace(&mut self.held, rest);
            if emit(&sentence, &mut each) {
                self.clause = 0;
            }
        }
    }

    fn end(&self) -> Option<usize> {
        let sentence = first_end(&self.held);
        let clause = first_clause(&self.held, self.clause);
        let first = sentence.into_iter().chain(clause).min();
        first.or_else(|| too_long(&self.held))
    }

    /// Gives what is left.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(String)) {
        let sentence = std::mem::take(&mut self.held);
        emit(&sentence, &mut each);
    }
}

fn emit(sentence: &str, each: &mut impl FnMut(String)) -> bool {
    let sentence = sentence.trim();
    let says_something = sentence.chars().any(char::is_alphanumeric);
    // Rules and fences of markdown say nothing, and change how the next lines are read.
    if says_something || sentence.starts_with("```") {
        each(sentence.to_owned());
    }
    says_something
}

/// Where the first complete sentence ends, in bytes. It is complete when something follows its stop.
fn first_end(text: &str) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let end = at + letter.len_utf8();
        match letter {
            '\n' => return Some(end),
            '।' | '॥' | '؟' | '۔' | '。' | '？' | '！' => return Some(end),
            '!' | '?' | '.' | '…' => {
                // Quotes and brackets belong to the sentence they close.
                let mut end = end;
                while let Some((at, closing)) =
                    letters.peek().copied().filter(|(_, next)| ".!?…\"')”’*_".contains(*next))
                {
                    end = at + closing.len_utf8();
                    letters.next();
                }
                let follows = letters.peek().is_some_and(|(_, next)| next.is_whitespace());
                if follows && (letter != '.' || ends_sentence(&text[..at], &text[end..])?) {
                    return Some(end);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a full stop between these two ends a sentence; `None` while that depends on what comes.
fn ends_sentence(before: &str, after: &str) -> Option<bool> {
    let word = before
        .rsplit(|letter: char| letter.is_whitespace() || "([\"*_".contains(letter))
        .next()
        .unwrap_or("");
    let lower = word.to_lowercase();
    // The number of a list's item: "1. Tables".
    let is_item =
        before.trim_start().len() <= 2 && !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    // Single letters are initials: "J. Smith", "U.S.", "e.g.".
    let parts = || word.split('.');
    let initials = parts().all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic))
        && (parts().count() > 1 || word.chars().all(char::is_uppercase))
        && word != "I";
    if BEFORE_NUMBERS.contains(&lower.as_str()) {
        let next = after.trim_start().chars().next()?;
        return Some(!next.is_numeric());
    }
    Some(!(is_item || initials || ABBREVIATIONS.contains(&lower.as_str())))
}

/// Where the first clause of at least so many letters ends, in bytes: behind a comma or a dash, or before an "and".
fn first_clause(text: &str, letters: usize) -> Option<usize> {
    if letters == 0 {
        return None;
    }
    let mut count = 0;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let end = at + letter.len_utf8();
        let next = text[end..].chars().next();
        if count >= letters {
            match letter {
                '，' | '、' => return Some(end),
                ',' | ';' | ':' | '،' | '—' | '–' if next.is_some_and(char::is_whitespace) => {
                    return Some(end);
                }
                '-' if before == ' ' && next.is_some_and(char::is_whitespace) => return Some(end),
                ' ' => {
                    let (word, _) = text[end..].split_once(char::is_whitespace).unwrap_or_default();
                    if CONJUNCTIONS.contains(&word) {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        count += usize::from(letter.is_alphanumeric());
        before = letter;
    }
    None
}

fn too_long(text: &str) -> Option<usize> {
    if text.len() <= LONGEST {
        return None;
    }
    let limit = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at))?;
    Some(text[..limit].rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, piece: usize) -> Vec<String> {
        let mut sentences = Sentences::default();
        let mut found = Vec::new();
        let letters: Vec<char> = text.chars().collect();
        for part in letters.chunks(piece) {
            sentences.push(&part.iter().collect::<String>(), |sentence| found.push(sentence));
        }
        sentences.finish(|sentence| found.push(sentence));
        found
    }

    #[test]
    fn sentences_are_the_same_however_the_words_arrive() {
        let cases: [(&str, &[&str]); 16] = [
            ("We open at nine. Anything else?", &["We open at nine.", "Anything else?"]),
            ("Dr. Rao is in. Ask J. Smith.", &["Dr. Rao is in.", "Ask J. Smith."]),
            ("It costs 3.50 rupees. Fine!", &["It costs 3.50 rupees.", "Fine!"]),
            ("Come at 9 a.m. on Monday.", &["Come at 9 a.m. on Monday."]),
            ("नमस्ते। आप कैसे हैं?", &["नमस्ते।", "आप कैसे हैं?"]),
            ("He said \"no.\" Then he left...  ", &["He said \"no.\"", "Then he left..."]),
            (" \n ... ", &[]),
            ("Is it open? No. It is shut.", &["Is it open?", "No.", "It is shut."]),
            ("Take bus No. 5 now. Good.", &["Take bus No. 5 now.", "Good."]),
            ("He lives in the U.S. now. Yes.", &["He lives in the U.S. now.", "Yes."]),
            ("1. Soup\n2. Rice\nThat is all.", &["1. Soup", "2. Rice", "That is all."]),
            (
                "See https://a.example/b?c=d. Or mail a.b@c.example. Bye.",
                &["See https://a.example/b?c=d.", "Or mail a.b@c.example.", "Bye."],
            ),
            ("ॐ शान्ति॥ डॉ. राव आए हैं।", &["ॐ शान्ति॥", "डॉ. राव आए हैं।"]),
            ("Well… I see. آپ کیسے ہیں؟ ٹھیک۔", &["Well…", "I see.", "آپ کیسے ہیں؟", "ٹھیک۔"]),
            ("It is 1,000.50 in all. **Yes.** Fine.", &["It is 1,000.50 in all.", "**Yes.**", "Fine."]),
            ("At 9.30 p.m. we close. Bye.", &["At 9.30 p.m. we close.", "Bye."]),
        ];
        for (text, wanted) in cases {
            for piece in [1, 3, 7, 1000] {
                assert_eq!(cut(text, piece), wanted, "{text} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn the_first_clause_may_go_ahead_and_only_the_first() {
        for (text, wanted) in [
            (
                "We are open today, from nine, to five. Come, please.",
                vec!["We are open today,", "from nine, to five.", "Come, please."],
            ),
            ("We open at nine and close at five.", vec!["We open at nine", "and close at five."]),
            ("Yes, we do. So there.", vec!["Yes, we do.", "So there."]),
            ("It costs 1,000,000 rupees here, I think.", vec!["It costs 1,000,000 rupees here,", "I think."]),
        ] {
            for piece in [1, 3, 1000] {
                let mut sentences = Sentences::with_first_clause(10);
                let mut found = Vec::new();
                let letters: Vec<char> = text.chars().collect();
                for part in letters.chunks(piece) {
                    sentences.push(&part.iter().collect::<String>(), |sentence| found.push(sentence));
                }
                sentences.finish(|sentence| found.push(sentence));
                assert_eq!(found, wanted, "{text} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_sentence_without_end_is_cut_at_a_word() {
        let text = "word ".repeat(500);
        let found = cut(&text, 11);
        assert!(found.len() > 4);
        assert!(found.iter().all(|sentence| sentence.len() <= LONGEST && !sentence.contains("wordw")));
        assert_eq!(found.join(" "), text.trim_end());
    }
}
