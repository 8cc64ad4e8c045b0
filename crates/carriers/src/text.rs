//! Text from outside made safe to keep, log and show: bounded, without control characters and without the marks
//! that turn the direction of what follows them.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// How many characters an id keeps. Real ones have 32; Exotel names no limit.
pub(crate) const ID: usize = 64;
/// How many characters a name or a value keeps.
pub(crate) const NAME: usize = 256;

/// How many marks one letter may carry. Scripts of India need four; towers of them cover what stands around.
const MARKS: usize = 6;

/// The first `most` safe characters of `text`, and whether that is less than all of it. Letters and marks come composed
/// (Unicode's form C), so that one name is always the same text.
pub(crate) fn clean(text: &str, most: usize) -> (String, bool) {
    if text.is_ascii() {
        return cut(text.chars(), most);
    }
    // Composing has to look at a whole run of marks, so runs are bounded before; decomposed, a letter is one longer.
    let (bounded, was_cut) = cut(text.chars(), most.saturating_mul(MARKS + 1));
    let mut marks = 0;
    let mut too_many = false;
    let few_marks = bounded.chars().filter(|c| {
        marks = if is_combining_mark(*c) { marks + 1 } else { 0 };
        too_many |= marks > MARKS;
        marks <= MARKS
    });
    let composed: String = few_marks.nfc().collect();
    let (kept, is_cut) = cut(composed.chars(), most);
    (kept, was_cut || is_cut || too_many)
}

fn cut(text: impl Iterator<Item = char>, most: usize) -> (String, bool) {
    let mut kept = String::new();
    let mut count = 0;
    let mut cut = false;
    for c in text {
        if is_unsafe(c) {
            cut = true;
        } else if count == most {
            return (kept, true);
        } else {
            kept.push(c);
            count += 1;
        }
    }
    (kept, cut)
}

/// Text from outside made safe to keep, log and show: its first `most` characters, composed, without control characters,
/// marks of direction and towers of accents.
pub fn cleaned(text: &str, most: usize) -> String {
    clean(text, most).0
}

/// Control characters, the bidirectional controls (Unicode TR 9), line and paragraph separators, the byte order
/// mark. Joiners stay: Indian scripts need them.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// `text` without a pair of double quotes round it: Exotel wraps `digits` in them.
pub(crate) fn unquoted(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Cow::Owned(inner.replace("\\\"", "\"")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dangerous_characters_go_and_scripts_stay() {
        assert_eq!(clean("a\u{0}b\u{202E}c\nd", 10), ("abcd".to_owned(), true));
        assert_eq!(clean("क्\u{200D}ष", 10), ("क्\u{200D}ष".to_owned(), false));
        assert_eq!(clean("abcdef", 3), ("abc".to_owned(), true));
        assert_eq!(clean("abc", 3), ("abc".to_owned(), false));
    }

    #[test]
    fn one_name_is_one_text() {
        assert_eq!(clean("e\u{301}", 10), ("é".to_owned(), false));
        assert_eq!(clean("é", 10), ("é".to_owned(), false));
        assert_eq!(cleaned("e\u{301}", 1), "é");
        // A tower of accents, a chain of joiners, a megabyte of either.
        let (tower, cut) = clean(&format!("a{}b", "\u{301}".repeat(1 << 20)), 256);
        assert!(cut && tower.chars().count() <= 256, "{}", tower.len());
        let (tower, cut) = clean(&format!("a{}b", "\u{335}".repeat(50)), 256);
        assert_eq!((tower.chars().count(), cut), (2 + MARKS, true));
        let chain = "\u{1F468}\u{200D}".repeat(1 << 18);
        assert_eq!(clean(&chain, 256).0.chars().count(), 256);
        // What grows when it is composed (the Arabic ligatures do so in other forms) is still cut.
        assert!(cleaned(&"\u{FB2C}".repeat(1000), 256).chars().count() <= 256);
    }

    #[test]
    fn quotes_are_taken_off_once() {
        assert_eq!(unquoted("\"5\""), "5");
        assert_eq!(unquoted(" 5 "), "5");
        assert_eq!(unquoted("\""), "\"");
    }
}
