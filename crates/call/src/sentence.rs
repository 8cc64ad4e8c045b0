//! Cuts a model's stream of words into sentences as they become complete, so that the voice can begin with the
//! first while the model still writes the second.

/// Words that end with a full stop without ending a sentence.
const ABBREVIATIONS: [&str; 22] = [
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "rs", "no", "vs", "etc", "inc", "ltd", "dept",
    "approx", "ext", "e.g", "i.e", "a.m", "p.m", "smt",
];

/// No sentence is held back for longer than this many bytes: a model that never ends one is cut at a word.
const LONGEST: usize = 400;

/// Cuts text into sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sentences {
    held: String,
}

impl Sentences {
    /// Takes more text and gives the sentences that it completes.
    pub(crate) fn push(&mut self, text: &str, mut each: impl FnMut(String)) {
        self.held.push_str(text);
        while let Some(end) = first_end(&self.held).or_else(|| too_long(&self.held)) {
            let rest = self.held.split_off(end);
            let sentence = std::mem::replace(&mut self.held, rest);
            emit(&sentence, &mut each);
        }
    }

    /// Gives what is left.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(String)) {
        let sentence = std::mem::take(&mut self.held);
        emit(&sentence, &mut each);
    }
}

fn emit(sentence: &str, each: &mut impl FnMut(String)) {
    let sentence = sentence.trim();
    if sentence.chars().any(char::is_alphanumeric) {
        each(sentence.to_owned());
    }
}

/// Where the first complete sentence ends, in bytes. It is complete when something follows its stop.
fn first_end(text: &str) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let end = at + letter.len_utf8();
        match letter {
            '\n' => return Some(end),
            '।' | '؟' | '。' | '？' | '！' => return Some(end),
            '!' | '?' | '.' => {
                // Quotes and brackets belong to the sentence they close.
                let mut end = end;
                while let Some((at, closing)) =
                    letters.peek().copied().filter(|(_, next)| ".!?\"')”’".contains(*next))
                {
                    end = at + closing.len_utf8();
                    letters.next();
                }
                let follows = letters.peek().is_some_and(|(_, next)| next.is_whitespace());
                if follows && !(letter == '.' && is_abbreviation(&text[..at])) {
                    return Some(end);
                }
            }
            _ => {}
        }
    }
    None
}

fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(|letter: char| letter.is_whitespace() || letter == '(').next().unwrap_or("");
    let lower = word.to_lowercase();
    // A single capital is an initial: "J. Smith".
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase) && word != "I";
    initial || ABBREVIATIONS.contains(&lower.as_str())
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
        let cases: [(&str, &[&str]); 7] = [
            ("We open at nine. Anything else?", &["We open at nine.", "Anything else?"]),
            ("Dr. Rao is in. Ask J. Smith.", &["Dr. Rao is in.", "Ask J. Smith."]),
            ("It costs 3.50 rupees. Fine!", &["It costs 3.50 rupees.", "Fine!"]),
            ("Come at 9 a.m. on Monday.", &["Come at 9 a.m. on Monday."]),
            ("नमस्ते। आप कैसे हैं?", &["नमस्ते।", "आप कैसे हैं?"]),
            ("He said \"no.\" Then he left...  ", &["He said \"no.\"", "Then he left..."]),
            (" \n ... ", &[]),
        ];
        for (text, wanted) in cases {
            for piece in [1, 3, 7, 1000] {
                assert_eq!(cut(text, piece), wanted, "{text} in pieces of {piece}");
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
