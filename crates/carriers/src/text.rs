//! Text from outside made safe to keep, log and show: bounded, without control characters and without the marks
//! that turn the direction of what follows them.

use std::borrow::Cow;

/// How many characters an id keeps. Real ones have 32; Exotel names no limit.
pub(crate) const ID: usize = 64;
/// How many characters a name or a value keeps.
pub(crate) const NAME: usize = 256;

/// The first `most` safe characters of `text`, and whether that is less than all of it.
pub(crate) fn clean(text: &str, most: usize) -> (String, bool) {
    let mut kept = String::with_capacity(text.len().min(most));
    let mut count = 0;
    let mut cut = false;
    for c in text.chars() {
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

/// The same where a cut needs no finding.
pub(crate) fn cleaned(text: &str, most: usize) -> String {
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
    fn quotes_are_taken_off_once() {
        assert_eq!(unquoted("\"5\""), "5");
        assert_eq!(unquoted(" 5 "), "5");
        assert_eq!(unquoted("\""), "\"");
    }
}
