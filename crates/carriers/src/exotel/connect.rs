//! The webhook that a Voicebot applet asks for its socket's URL, and the answer.
//!
//! Captured requests are GETs with a query; guides also show POST. Whatever comes, reading it can't fail: the
//! webhook must always be answered with a URL.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::form::{Fields, add_body, add_json, add_pairs, unwrapped};
use crate::{Address, UrlFault, text};

/// How many `key=value` pairs a URL may have (Exotel, "Working with the Stream and Voicebot applet": at most 3
/// custom parameters; whether `sample-rate` counts is not said, so it does here).
pub const MAX_PAIRS: usize = 3;
/// How many characters they may have in all.
pub const MAX_PARAMETER_CHARS: usize = 256;

/// What the webhook was told about the call. Numbers are as given.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectRequest {
    /// `CallSid`, the same as the start's `call_sid`.
    pub call_sid: Option<String>,
    /// `CallFrom` or `From`: the caller's number, national with a leading 0.
    pub from: Option<String>,
    /// `CallTo` or `To`: the number called.
    pub to: Option<String>,
    /// `Direction`: `incoming`, `outbound-dial`.
    pub direction: Option<String>,
    /// `CustomField` of the call that was placed.
    pub custom_field: Option<String>,
    /// `digits`, without the quotes in which they come.
    pub digits: Option<String>,
    /// The request that an earlier Passthru applet of the flow made, by name.
    pub passthru: BTreeMap<String, String>,
    /// Every parameter, by its name on the wire, `passthru` excepted.
    pub params: BTreeMap<String, String>,
}

impl ConnectRequest {
    /// Reads a request. `body` is empty for a GET. A parameter in the query wins over one in the body.
    pub fn parse(raw_query: &str, content_type: Option<&str>, body: &[u8]) -> Self {
        let mut params = Fields::new();
        add_pairs(&mut params, raw_query);
        add_body(&mut params, content_type, body);
        let passthru = params.remove("passthru").map(|raw| passthru(&raw)).unwrap_or_default();
        let first = |names: &[&str], most: usize| {
            let mut values = names.iter().filter_map(|name| params.get(*name));
            let value = values.find(|value| !value.trim().is_empty())?;
            Some(text::cleaned(&text::unquoted(value), most))
        };
        Self {
            call_sid: first(
                &["CallSid", "call_sid", "callSid", "CallLogId", "callLogId", "call_id"],
                text::ID,
            ),
            from: first(&["CallFrom", "From", "from"], text::ID),
            to: first(&["CallTo", "To", "to"], text::ID),
            direction: first(&["Direction", "direction"], text::ID),
            custom_field: first(&["CustomField", "custom_field"], text::NAME),
            digits: first(&["digits", "Digits"], text::ID),
            passthru,
            params,
        }
    }
}

impl fmt::Debug for ConnectRequest {
    /// Without numbers and values: they are private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("call_sid", &self.call_sid)
            .field("direction", &self.direction)
            .field("params", &self.params.keys())
            .field("passthru", &self.passthru.keys())
            .finish_non_exhaustive()
    }
}

/// The fields of an earlier request, kept as JSON, as JSON within a text, or as a query within a text.
fn passthru(raw: &str) -> Fields {
    let mut fields = Fields::new();
    if let Some(value) = unwrapped(raw) {
        add_json(&mut fields, &value);
        return fields;
    }
    let inner = serde_json::from_str::<String>(raw).unwrap_or_else(|_| text::unquoted(raw).into_owned());
    if let Some(value) = unwrapped(&inner) {
        add_json(&mut fields, &value);
    } else if inner.contains('=') {
        add_pairs(&mut fields, &inner);
    }
    fields
}

/// The webhook's answer: HTTP 200, `application/json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectAnswer {
    /// The socket's URL.
    pub url: String,
}

impl ConnectAnswer {
    /// The body.
    pub fn to_json(&self) -> String {
        format!("{{\"url\":{}}}", serde_json::Value::from(self.url.as_str()))
    }
}

/// The socket's URL that the carrier is told: `base_url` is the operator's public address (`https://host`,
/// `http://host`, `wss://host`, `ws://host` or a bare host, with or without port and path prefix), never a
/// header of a request.
///
/// The scheme becomes `wss`, for a base of `http://` too, since a public plain address as a rule has TLS in front
/// of it. Only `ws://`, and `http://` on the loopback, where nothing is in front, give `ws`.
///
/// # Errors
/// When the base or the path can't be part of a URL, or the parameters break the carrier's limits.
pub fn socket_url(base_url: &str, ws_path: &str, params: &[(&str, &str)]) -> Result<String, UrlFault> {
    let url = Address::parse(base_url)?.socket(ws_path)?;
    if params.len() > MAX_PAIRS {
        return Err(UrlFault::TooMany);
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    if query.len() > MAX_PARAMETER_CHARS {
        return Err(UrlFault::TooLong);
    }
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(format!("{url}{mark}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &str = "CallSid=0f1e2d3c4b5a69788796a5b4c3d2e118&CallFrom=09800000001&CallTo=08000000002\
        &Direction=incoming&Created=Tue%2C+03+Sep+2024+11%3A44%3A54&DialWhomNumber=\
        &HangupLatencyStartTime=&From=09800000001&To=08000000002&CurrentTime=2024-09-03+11%3A44%3A59";

    #[test]
    fn the_captured_request_is_understood() {
        let read = ConnectRequest::parse(CAPTURED, None, b"");
        assert_eq!(read.call_sid.as_deref(), Some("0f1e2d3c4b5a69788796a5b4c3d2e118"));
        assert_eq!(read.from.as_deref(), Some("09800000001"));
        assert_eq!(read.to.as_deref(), Some("08000000002"));
        assert_eq!(read.direction.as_deref(), Some("incoming"));
        assert_eq!(read.params["Created"], "Tue, 03 Sep 2024 11:44:54");
        assert_eq!(read.params["DialWhomNumber"], "");
        assert!(!format!("{read:?}").contains("0980000"));
    }

    #[test]
    fn a_post_is_understood_in_every_encoding() {
        let query = ConnectRequest::parse("CallSid=c&From=1&digits=%225%22", None, b"");
        assert_eq!(query.digits.as_deref(), Some("5"));
        let form = Some("application/x-www-form-urlencoded");
        assert_eq!(ConnectRequest::parse("", form, b"CallSid=c&From=1&digits=%225%22"), query);
        assert_eq!(ConnectRequest::parse("", None, b"CallSid=c&From=1&digits=%225%22"), query);
        let json = br#"{"CallSid":"c","From":1,"digits":"\"5\""}"#;
        assert_eq!(ConnectRequest::parse("", Some("application/json; charset=utf-8"), json), query);
        assert_eq!(ConnectRequest::parse("", Some("text/plain"), json), query);
        assert_eq!(
            ConnectRequest::parse("CallSid=c", Some("application/json"), b"{\"CallSid\":\"other\"}")
                .call_sid
                .as_deref(),
            Some("c")
        );
    }

    #[test]
    fn passthru_is_opened_however_it_is_wrapped() {
        let inner = r#"{"CallSid":"c","digits":"\"7\"","tenant_id":5}"#;
        let quoted = serde_json::Value::from(inner).to_string();
        let as_query = serde_json::Value::from("CallSid=c&tenant_id=5").to_string();
        for raw in [inner, &quoted, &as_query, "CallSid=c&tenant_id=5"] {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("passthru", raw).finish();
            let read = ConnectRequest::parse(&query, None, b"");
            assert_eq!(
                (read.passthru["CallSid"].as_str(), read.passthru["tenant_id"].as_str()),
                ("c", "5"),
                "{raw}"
            );
        }
        assert!(ConnectRequest::parse("passthru=%7Bbroken", None, b"").passthru.is_empty());
    }

    #[test]
    fn urls_follow_the_base() {
        for (base, url) in [
            ("https://gw.example.com", "wss://gw.example.com/voicebot/ws"),
            ("https://gw.example.com/", "wss://gw.example.com/voicebot/ws"),
            ("http://gw.example.com", "wss://gw.example.com/voicebot/ws"),
            ("gw.example.com:8443", "wss://gw.example.com:8443/voicebot/ws"),
            ("HTTPS://gw.example.com/phone", "wss://gw.example.com/phone/voicebot/ws"),
            ("https://user:pass@gw.example.com", "wss://user:pass@gw.example.com/voicebot/ws"),
            ("ws://10.0.0.5:8080", "ws://10.0.0.5:8080/voicebot/ws"),
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/voicebot/ws"),
            ("http://[::1]:8080", "ws://[::1]:8080/voicebot/ws"),
            ("http://localhost:8080", "ws://localhost:8080/voicebot/ws"),
        ] {
            assert_eq!(socket_url(base, "/voicebot/ws", &[]).as_deref(), Ok(url), "{base}");
        }
        for base in [
            "",
            "https://",
            "ftp://host",
            "https://a b",
            "https://host?x",
            "https://host/#f",
            "https://\u{430}.com",
        ] {
            assert_eq!(socket_url(base, "/voicebot/ws", &[]), Err(UrlFault::Base), "{base}");
        }
        assert_eq!(socket_url("h", "voicebot", &[]), Err(UrlFault::Path));
    }

    #[test]
    fn parameters_are_encoded_and_bounded() {
        let url =
            socket_url("https://h", "/ws", &[("sample-rate", "8000"), ("call_id", "a&b=\"c d"), ("k", "x")]);
        assert_eq!(url.as_deref(), Ok("wss://h/ws?sample-rate=8000&call_id=a%26b%3D%22c+d&k=x"));
        let pair = ("a", "b");
        assert_eq!(socket_url("h", "/ws", &[pair; 4]), Err(UrlFault::TooMany));
        assert!(socket_url("h", "/ws", &[("k", &"x".repeat(254))]).is_ok());
        assert_eq!(socket_url("h", "/ws", &[("k", &"x".repeat(255))]), Err(UrlFault::TooLong));
    }

    #[test]
    fn the_answer_is_one_object() {
        let answer = ConnectAnswer { url: "wss://h/ws?a=\"".to_owned() };
        assert_eq!(answer.to_json(), r#"{"url":"wss://h/ws?a=\""}"#);
        assert_eq!(serde_json::to_string(&answer).unwrap(), answer.to_json());
    }
}
