//! What a Passthru applet behind the Voicebot reports about the stream that has ended (Exotel, "Passthru applet":
//! a GET with bracketed keys or with one JSON text under `Stream`; one page shows a POST of JSON).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::form::{Fields, add_body, add_json, add_pairs, unwrapped};
use crate::text;

/// How a stream ended, in the carrier's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamStatus {
    /// The bot closed it.
    Completed,
    /// It never came about.
    Failed,
    /// The caller hung up.
    Cancelled,
    /// Another word.
    Other(String),
}

/// Who ended the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisconnectedBy {
    /// The caller.
    User,
    /// We.
    Bot,
    /// Nobody: it never came about (`NA`).
    Nobody,
    /// Another word.
    Other(String),
}

/// The report of one stream.
#[derive(Clone, Default, PartialEq)]
pub struct StreamReport {
    /// The call's id.
    pub call_sid: Option<String>,
    /// The stream's id.
    pub stream_sid: Option<String>,
    /// How it ended.
    pub status: Option<StreamStatus>,
    /// How long it lasted.
    pub duration: Option<Duration>,
    /// Who ended it.
    pub disconnected_by: Option<DisconnectedBy>,
    /// The carrier's words on a failure, and its finer status.
    pub error: Option<String>,
    /// Where the carrier's recording is.
    pub recording_url: Option<String>,
    /// All fields of the stream by name. The URL is without its query, which may hold a token.
    pub stream: BTreeMap<String, String>,
    /// The parameters of the flow by name: `CallSid`, `From`, `digits` and so on.
    pub params: BTreeMap<String, String>,
}

impl StreamReport {
    /// Reads a report. `body` is empty for a GET. Anything reads as something.
    pub fn parse(raw_query: &str, content_type: Option<&str>, body: &[u8]) -> Self {
        let mut params = Fields::new();
        add_pairs(&mut params, raw_query);
        add_body(&mut params, content_type, body);
        let mut stream = Fields::new();
        if let Some(value) = params.remove("Stream").as_deref().and_then(unwrapped) {
            add_json(&mut stream, &value);
        }
        params.retain(|key, value| {
            let inner = key.strip_prefix("Stream[").and_then(|rest| rest.strip_suffix(']'));
            if let Some(inner) = inner {
                stream.insert(inner.to_owned(), std::mem::take(value));
            }
            inner.is_none()
        });
        if let Some(url) = stream.get_mut("StreamUrl") {
            url.truncate(url.find('?').unwrap_or(url.len()));
        }
        if let Some(digits) = params.get_mut("digits") {
            *digits = text::unquoted(digits).into_owned();
        }
        let field = |name: &str| stream.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let id = |value: &str| text::cleaned(value, text::ID);
        Self {
            call_sid: params.get("CallSid").filter(|sid| !sid.is_empty()).map(|sid| id(sid)),
            stream_sid: field("StreamSID").or_else(|| field("StreamSid")).map(id),
            status: field("Status").map(status),
            duration: field("Duration").and_then(duration),
            disconnected_by: field("DisconnectedBy").map(disconnected_by),
            error: field("Error").or_else(|| field("DetailedStatus")).map(str::to_owned),
            recording_url: field("RecordingUrl").map(str::to_owned),
            stream,
            params,
        }
    }
}

impl fmt::Debug for StreamReport {
    /// Without the values of the flow's parameters: there are numbers among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReport")
            .field("call_sid", &self.call_sid)
            .field("stream_sid", &self.stream_sid)
            .field("status", &self.status)
            .field("duration", &self.duration)
            .field("disconnected_by", &self.disconnected_by)
            .field("error", &self.error)
            .field("params", &self.params.keys())
            .finish_non_exhaustive()
    }
}

fn status(word: &str) -> StreamStatus {
    match word.to_ascii_lowercase().as_str() {
        "completed" => StreamStatus::Completed,
        "failed" => StreamStatus::Failed,
        "cancelled" | "canceled" => StreamStatus::Cancelled,
        _ => StreamStatus::Other(word.to_owned()),
    }
}

fn disconnected_by(word: &str) -> DisconnectedBy {
    match word.to_ascii_lowercase().as_str() {
        "user" => DisconnectedBy::User,
        "bot" => DisconnectedBy::Bot,
        "na" => DisconnectedBy::Nobody,
        _ => DisconnectedBy::Other(word.to_owned()),
    }
}

fn duration(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRACKETS: &str = "CallSid=c&Direction=incoming&From=09800000001&flow_id=11754&Stream%5BStreamSID%5D=s\
        &Stream%5BStatus%5D=completed&Stream%5BDuration%5D=28&Stream%5BDisconnectedBy%5D=bot\
        &Stream%5BStreamUrl%5D=wss%3A%2F%2Fgw.example.com%2Fvoicebot%2Fws%3Fk%3Dcanary";

    #[test]
    fn both_encodings_give_the_same_report() {
        let brackets = StreamReport::parse(BRACKETS, None, b"");
        assert_eq!(brackets.status, Some(StreamStatus::Completed));
        assert_eq!(brackets.disconnected_by, Some(DisconnectedBy::Bot));
        assert_eq!(brackets.duration, Some(Duration::from_secs(28)));
        assert_eq!((brackets.call_sid.as_deref(), brackets.stream_sid.as_deref()), (Some("c"), Some("s")));
        assert_eq!(brackets.stream["StreamUrl"], "wss://gw.example.com/voicebot/ws");
        assert_eq!(brackets.params["flow_id"], "11754");
        let json = r#"{"StreamSID":"s","Status":"completed","Duration":"28","DisconnectedBy":"bot","StreamUrl":"wss://gw.example.com/voicebot/ws?k=canary"}"#;
        let flow = "CallSid=c&Direction=incoming&From=09800000001&flow_id=11754";
        let query = form_urlencoded::Serializer::new(flow.to_owned()).append_pair("Stream", json).finish();
        assert_eq!(StreamReport::parse(&query, None, b""), brackets);
        let posted = format!(
            r#"{{"CallSid":"c","Direction":"incoming","From":"09800000001","flow_id":11754,"Stream":{json}}}"#
        );
        assert_eq!(StreamReport::parse("", Some("application/json"), posted.as_bytes()), brackets);
        assert!(!format!("{brackets:?}").contains("0980000"));
    }

    #[test]
    fn the_documented_ends_are_told_apart() {
        for (query, status, by) in [
            (
                "Stream[Status]=cancelled&Stream[DisconnectedBy]=user",
                StreamStatus::Cancelled,
                DisconnectedBy::User,
            ),
            ("Stream[Status]=failed&Stream[DisconnectedBy]=NA", StreamStatus::Failed, DisconnectedBy::Nobody),
            (
                "Stream[Status]=odd&Stream[DisconnectedBy]=cat",
                StreamStatus::Other("odd".to_owned()),
                DisconnectedBy::Other("cat".to_owned()),
            ),
        ] {
            let read = StreamReport::parse(query, None, b"");
            assert_eq!((read.status, read.disconnected_by), (Some(status), Some(by)), "{query}");
        }
        let throttled = StreamReport::parse("Stream[DetailedStatus]=Streaming_call_throttled", None, b"");
        assert_eq!(throttled.error.as_deref(), Some("Streaming_call_throttled"));
    }

    #[test]
    fn durations_that_can_not_be_are_left_out() {
        for text in ["-1", "NaN", "inf", "1e300", "soon"] {
            assert_eq!(
                StreamReport::parse(&format!("Stream[Duration]={text}"), None, b"").duration,
                None,
                "{text}"
            );
        }
    }
}
