//! Words that go into errors, keys and URLs, the same for every carrier.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{RestAnswer, RestFault, RestFaultKind};
use crate::text;

/// How many characters of a carrier's words are kept.
const WORDS: usize = 200;
/// A carrier's words without what may be a phone number, which is any `shortest` digits in a row: Twilio's 21211 quotes
/// the number that it does not like, and people write numbers in groups.
pub(crate) fn masked(words: &str, shortest: usize) -> String {
    let mut kept = String::new();
    let mut run = String::new();
    for c in text::cleaned(words, WORDS).chars().chain(['\0']) {
        if c.is_numeric() {
            run.push(c);
            continue;
        }
        kept.push_str(if run.chars().count() < shortest { &run } else { "***" });
        run.clear();
        kept.extend(Some(c).filter(|c| *c != '\0'));
    }
    kept
}

/// What differs between two messages that say different things, and is the same for one that comes twice.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `url` with one more parameter in its query.
pub(crate) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    let (url, fragment) = url.split_once('#').map_or((url, ""), |(url, rest)| (url, rest));
    let mark = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let hash = if fragment.is_empty() { "" } else { "#" };
    format!("{url}{mark}{pair}{hash}{fragment}")
}

/// What an HTTP status that is not a success calls for, where the body says no more.
pub(crate) fn status_fault(answer: RestAnswer<'_>, words: &str) -> RestFault {
    let kind = match answer.status {
        401..=403 => RestFaultKind::Auth,
        404 => RestFaultKind::NoCall,
        429 => RestFaultKind::Busy,
        // The server gave up waiting for the request. It says nothing about what it did with it.
        408 | 500.. => RestFaultKind::Server,
        400..=499 => RestFaultKind::Request,
        _ => RestFaultKind::Garbage,
    };
    let words = masked(words, 3);
    let between = if words.is_empty() { "" } else { ": " };
    RestFault {
        kind,
        why: format!("HTTP {}{between}{words}", answer.status),
        retry_after: answer.retry_after.filter(|wait| *wait < Duration::from_secs(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_get_into_errors() {
        assert_eq!(masked("The 'To' number 12345 is not valid", 3), "The 'To' number *** is not valid");
        assert_eq!(masked("from (202) 555-0123, leg 12", 3), "from (***) ***-***, leg 12");
        assert_eq!(masked("31920 - handshake, 2025550123", 7), "31920 - handshake, ***");
        assert_eq!(masked("९८७६५", 3), "***");
        assert_eq!(masked(&"x".repeat(5000), 3).len(), WORDS);
    }

    #[test]
    fn a_parameter_goes_where_the_query_is() {
        let with = |url: &str| with_parameter(url, "call", "call_1&2");
        assert_eq!(with("https://gw/x"), "https://gw/x?call=call_1%262");
        assert_eq!(with("https://gw/x?k=1"), "https://gw/x?k=1&call=call_1%262");
        assert_eq!(with("https://gw/x?"), "https://gw/x?call=call_1%262");
        assert_eq!(with("https://gw/x#top"), "https://gw/x?call=call_1%262#top");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
