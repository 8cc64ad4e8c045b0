//! Small questions about words: is this only listening, does it look unfinished, how much of it was heard.

/// Words that a sentence rarely ends with: the caller is likely to go on.
const UNFINISHED: [&str; 24] = [
    "and",
    "or",
    "but",
    "so",
    "because",
    "if",
    "the",
    "a",
    "an",
    "to",
    "of",
    "for",
    "with",
    "my",
    "is",
    "um",
    "uh",
    "er",
    "और",
    "या",
    "लेकिन",
    "कि",
    "aur",
    "lekin",
];

/// The words in lower case, without punctuation.
pub(crate) fn normalised(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let bare =
            word.trim_matches(|letter: char| letter.is_ascii_punctuation() || "।…“”‘’".contains(letter));
        if !bare.is_empty() {
            if !plain.is_empty() {
                plain.push(' ');
            }
            plain.extend(bare.chars().flat_map(char::to_lowercase));
        }
    }
    plain
}

/// How many words `text` has.
pub(crate) fn count(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

/// Whether `text` is made of nothing but back-channel phrases. No words at all are not.
pub(crate) fn is_back_channel(text: &str, phrases: &[String]) -> bool {
    let plain = normalised(text);
    let words: Vec<&str> = plain.split(' ').filter(|word| !word.is_empty()).collect();
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let taken = phrases
            .iter()
            .map(|phrase| normalised(phrase))
            .filter_map(|phrase| {
                let wanted: Vec<&str> = phrase.split(' ').collect();
                rest.starts_with(&wanted).then_some(wanted.len())
            })
            .max();
        match taken {
            Some(length) => rest = &rest[length..],
            None => return false,
        }
    }
    !words.is_empty()
}

/// Whether the caller is likely to go on: the text ends with a comma or with a word that wants another.
pub(crate) fn looks_unfinished(text: &str) -> bool {
    let text = text.trim_end();
    if text.ends_with([',', '-', '…']) || text.ends_with("...") {
        return true;
    }
    if text.ends_with(['.', '?', '!', '।']) {
        return false;
    }
    let plain = normalised(text);
    plain.rsplit(' ').next().is_some_and(|last| UNFINISHED.contains(&last))
}

/// Splits `text` into what was heard and what was not, when `heard` of `total` samples were. Never credits a
/// word that was not played to its end.
pub(crate) fn split_heard(text: &str, heard: usize, total: usize) -> (&str, &str) {
    if heard == 0 || total == 0 {
        return ("", text);
    }
    if heard >= total {
        return (text, "");
    }
    let letters = text.chars().count();
    let reached = letters * heard / total;
    let cut = text.char_indices().nth(reached).map_or(text.len(), |(at, _)| at);
    // Up to the last gap between words that the playing has passed.
    let whole = match text[cut..].chars().next() {
        None => text.len(),
        Some(next) if next.is_whitespace() => cut,
        Some(_) => text[..cut].rfind(char::is_whitespace).unwrap_or(0),
    };
    (text[..whole].trim_end(), text[whole..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_channels_are_told_from_answers() {
        let phrases = crate::BargeIn::default().back_channel;
        for text in ["Mhm.", "haan ji", "Okay, okay", "yeah right", "हाँ जी", "uh huh"] {
            assert!(is_back_channel(text, &phrases), "{text}");
        }
        for text in ["", "no", "yes but", "okay stop", "haan lekin"] {
            assert!(!is_back_channel(text, &phrases), "{text}");
        }
    }

    #[test]
    fn unfinished_sentences_are_waited_for() {
        for text in ["I want to", "Monday,", "tell me the", "मैं और"] {
            assert!(looks_unfinished(text), "{text}");
        }
        for text in ["", "I want to.", "Monday", "is it open?"] {
            assert!(!looks_unfinished(text), "{text}");
        }
    }

    #[test]
    fn heard_text_ends_at_a_whole_word() {
        let text = "We are open from nine";
        assert_eq!(split_heard(text, 0, 100), ("", text));
        assert_eq!(split_heard(text, 100, 100), (text, ""));
        assert_eq!(split_heard(text, 1, 100), ("", text));
        assert_eq!(split_heard(text, 50, 100), ("We are", "open from nine"));
        assert_eq!(split_heard(text, 53, 100), ("We are open", "from nine"));
        assert_eq!(split_heard("हम नौ बजे", 60, 100), ("हम नौ", "बजे"));
    }
}
