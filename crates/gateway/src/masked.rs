//! What of a request may be seen in a log: everything but phone numbers and secrets.

use std::fmt::Write as _;

/// Names of parameters and headers whose values are secret.
const SECRET: [&str; 9] = [
    "k",
    "token",
    "access_token",
    "authorization",
    "cookie",
    "proxy-authorization",
    "secret",
    "key",
    "signature",
];
/// A run of digits this long is a phone number.
const NUMBER: usize = 7;
/// How many digits of a number stay.
const SHOWN: usize = 4;
/// How much of a text is shown.
const MAX_CHARS: usize = 2_000;

/// A query string or form body with its secrets and numbers masked, and cut to a bounded length.
pub(crate) fn query(text: &str) -> String {
    let mut shown = String::new();
    for (index, pair) in text.split('&').enumerate() {
        if index > 0 {
            shown.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                let _ = write!(shown, "{name}=***");
            }
            _ => shown.push_str(&numbers(pair)),
        }
        if shown.len() > MAX_CHARS {
            break;
        }
    }
    shown.chars().take(MAX_CHARS).collect()
}

/// Headers with their secrets and numbers masked.
pub(crate) fn headers(headers: &http::HeaderMap) -> String {
    let mut shown = String::new();
    for (name, value) in headers {
        let value = match value.to_str() {
            _ if is_secret(name.as_str()) => "***".to_owned(),
            Ok(value) => numbers(value),
            Err(_) => "(not text)".to_owned(),
        };
        let _ = write!(shown, "{}{name}: {value}", if shown.is_empty() { "" } else { "; " });
    }
    shown.chars().take(MAX_CHARS).collect()
}

fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// Masks runs of digits that look like phone numbers: not those inside a word, such as a hexadecimal id.
pub(crate) fn numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (head, tail) = rest.split_at(start);
        shown.push_str(head);
        before = head.chars().next_back().unwrap_or(before);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (digits, after) = tail.split_at(end);
        // `%2B919...`: the letters of an escaped plus sign are no word.
        let escaped = shown.ends_with('%') || shown.to_ascii_lowercase().ends_with("%2b");
        let in_word = (before.is_alphabetic() && !escaped) || after.starts_with(char::is_alphabetic);
        let digits_shown = digits.len().saturating_sub(SHOWN);
        if digits.len() >= NUMBER && !in_word {
            shown.extend(std::iter::repeat_n('*', digits_shown));
            shown.push_str(&digits[digits_shown..]);
        } else {
            shown.push_str(digits);
        }
        before = '0';
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_secrets_are_masked_and_ids_are_not() {
        let shown = query(
            "CallSid=0f1e2d3c4b5a69788796a5b4c3d2e118&From=09800000001&To=%2B919876543210&k=abc.def&Token=s&n=12",
        );
        assert_eq!(
            shown,
            "CallSid=0f1e2d3c4b5a69788796a5b4c3d2e118&From=*******0001&To=%2B********3210&k=***&Token=***&n=12"
        );
    }

    #[test]
    fn a_credential_in_a_header_is_masked() {
        let mut map = http::HeaderMap::new();
        map.insert("authorization", http::HeaderValue::from_static("Basic dTpw"));
        map.insert("x-caller", http::HeaderValue::from_static("+919876543210"));
        assert_eq!(headers(&map), "authorization: ***; x-caller: +********3210");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(query(&"a=b&".repeat(10_000)).len(), MAX_CHARS);
    }
}
