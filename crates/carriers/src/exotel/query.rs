//! What the media socket's URL says about the call (Exotel, "Working with the Stream and Voicebot applet":
//! `sample-rate` stays in the query; Exotel's own servers also take `sample_rate`).

use std::fmt;

use audio::SampleRate;

use super::rate_of;
use crate::form::{Fields, add_pairs};
use crate::text;

/// The query of a media socket's upgrade request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SocketQuery {
    /// The call's id: `call_id`, `callSid`, `callLogId` or `CallSid`.
    pub call_id: Option<String>,
    /// The stream's id: `stream_sid` or `streamSid`.
    pub stream_sid: Option<String>,
    /// The rate: `sample-rate` or `sample_rate`, if it is one that a stream can have.
    pub rate: Option<SampleRate>,
    /// The signed token: `k` or `token`. A secret: never logged.
    pub token: Option<String>,
    /// All else, by name.
    pub others: Fields,
}

impl SocketQuery {
    /// Reads the raw query, without or with its question mark. Anything reads as something.
    pub fn parse(raw_query: &str) -> Self {
        let mut fields = Fields::new();
        add_pairs(&mut fields, raw_query);
        let mut take = |names: &[&str]| {
            let values: Vec<String> = names.iter().filter_map(|name| fields.remove(*name)).collect();
            values.into_iter().find(|value| !value.is_empty())
        };
        let call_id = take(&["call_id", "callSid", "callLogId", "CallSid", "call_sid"]);
        let stream_sid = take(&["stream_sid", "streamSid"]);
        let rate = take(&["sample-rate", "sample_rate"]);
        let token = take(&["k", "token"]);
        Self {
            call_id: call_id.map(|id| text::cleaned(&id, text::ID)),
            stream_sid: stream_sid.map(|id| text::cleaned(&id, text::ID)),
            rate: rate.and_then(|rate| rate_of(&rate)),
            token,
            others: fields,
        }
    }
}

impl fmt::Debug for SocketQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketQuery")
            .field("call_id", &self.call_id)
            .field("stream_sid", &self.stream_sid)
            .field("rate", &self.rate)
            .field("token", &self.token.as_ref().map(|_| "(kept secret)"))
            .field("others", &self.others.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_spelling_is_taken() {
        for (query, call, rate) in [
            ("call_id=c1&sample-rate=16000", Some("c1"), Some(16000)),
            ("?callSid=c2&sample_rate=24000", Some("c2"), Some(24000)),
            ("callLogId=c3&sample-rate=8kHz", Some("c3"), Some(8000)),
            ("call_id=&callSid=c4&sample-rate=44100", Some("c4"), None),
            ("call_id=a%20b%2Fc&sample-rate=", Some("a b/c"), None),
            ("", None, None),
            ("%%%=&&&=%zz&call_id", None, None),
        ] {
            let read = SocketQuery::parse(query);
            assert_eq!(read.call_id.as_deref(), call, "{query}");
            assert_eq!(read.rate.map(SampleRate::hz), rate, "{query}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let read = SocketQuery::parse("k=canary&call_id=c&agent=desk");
        assert_eq!(read.token.as_deref(), Some("canary"));
        assert_eq!(read.others["agent"], "desk");
        assert!(!format!("{read:?}").contains("canary"));
    }
}
