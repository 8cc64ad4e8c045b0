//! How a session is opened and set up, whether it converses or only transcribes.

use call::{Fault, FaultClass};
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::super::error;
use super::format::Format;
use crate::DialectOptions;
use crate::dialect::{Frame, HeaderText, SocketRequest, one_line};

/// The socket, with the key as a bearer and no other header of ours: the beta's header closes it.
pub(in super::super) fn connect(options: &DialectOptions, query: (&str, &str)) -> SocketRequest {
    let url = options.socket_url("realtime", &[(query.0, query.1.to_owned())]);
    let key = options.key.as_ref().map(|key| {
        let bearer = SecretString::from(format!("Bearer {}", key.expose_secret()));
        (AUTHORIZATION, HeaderText::Secret(bearer))
    });
    SocketRequest { url, headers: options.with_own_headers(key.into_iter().collect()) }
}

/// A BCP 47 tag as the transcriber takes it: ISO 639-1, the tag's first part.
pub(in super::super) fn language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// Detection of turns by level, with its numbers named: the reference and its examples disagree about the
/// defaults.
pub(in super::super) fn server_vad(more: &[(&str, bool)]) -> Value {
    let mut detection = json!({
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    });
    for (name, value) in more {
        detection[*name] = json!(value);
    }
    detection
}

/// `session` with the operator's fields over it. An object is laid over an object, and a `turn_detection` goes as
/// a whole, since its fields depend on its `type`.
pub(in super::super) fn overlaid(mut session: Value, fields: &Map<String, Value>) -> Value {
    lay(&mut session, fields);
    session
}

fn lay(under: &mut Value, fields: &Map<String, Value>) {
    for (name, value) in fields {
        let place = &mut under[name.as_str()];
        match value {
            Value::String(none) if name == "turn_detection" && none == "none" => *place = Value::Null,
            Value::Object(_) if name == "turn_detection" => *place = value.clone(),
            Value::Object(inner) if place.is_object() => lay(place, inner),
            other => *place = other.clone(),
        }
    }
}

/// A session's setup: said once the vendor has said hello, and over when it has said it back.
#[derive(Debug)]
pub(in super::super) struct Setup {
    wanted: Value,
    /// It was said.
    told: bool,
    ready: bool,
    /// This is the second connection.
    is_again: bool,
}

impl Setup {
    pub(in super::super) const fn new(wanted: Value) -> Self {
        Self { wanted, told: false, ready: false, is_again: false }
    }

    /// A new connection is set up as the one before was.
    pub(in super::super) const fn begin_again(&mut self) {
        (self.told, self.ready, self.is_again) = (false, false, true);
    }

    /// Whether this is the second connection.
    pub(in super::super) const fn is_again(&self) -> bool {
        self.is_again
    }

    pub(in super::super) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// `session.created` came.
    pub(in super::super) fn created(&mut self, send: &mut Vec<Frame>) {
        if !std::mem::replace(&mut self.told, true) {
            send.push(frame(&json!({ "type": "session.update", "session": self.wanted })));
        }
    }

    /// `session.updated` came, which says what holds from here on. Whether it is the answer to ours.
    pub(in super::super) fn updated(&mut self) -> bool {
        let is_first = !self.ready && self.told;
        self.ready |= is_first;
        is_first
    }

    /// The format that the session holds for `side` (`input` or `output`), by its answer; `usual` where it does
    /// not say.
    pub(in super::super) fn format(session: &Value, side: &str, usual: Format) -> Result<Format, Fault> {
        let flat = session.get(format!("{side}_audio_format"));
        let nested = session.pointer(&format!("/audio/{side}/format"));
        match nested.or(flat) {
            None | Some(Value::Null) => Ok(usual),
            Some(said) => Format::from_json(said).ok_or_else(|| {
                let said = one_line(&said.to_string());
                Fault::new(FaultClass::Config, format!("the session's {side} format is {said}"))
            }),
        }
    }
}

/// A client event as a frame.
pub(in super::super) fn frame(event: &Value) -> Frame {
    Frame::Text(event.to_string())
}

/// What it means that the vendor closed with this code and reason.
pub(in super::super) fn closed(code: Option<u16>, reason: &str) -> Fault {
    // Such as `invalid_request_error.beta_api_shape_disabled`.
    let word = reason.rsplit('.').next().unwrap_or(reason);
    let named = error::in_stream(&json!({ "type": "invalid_request_error", "code": word })).class;
    let class = match code {
        _ if named != FaultClass::Config => named,
        // 60 minutes are over.
        Some(1001) => FaultClass::Lifetime,
        Some(1011..=1013) => FaultClass::Busy,
        Some(1003 | 1007 | 1008 | 3000..=4999) => FaultClass::Config,
        _ => FaultClass::Network,
    };
    let code = code.map_or_else(|| "without a code".to_owned(), |code| format!("with {code}"));
    let reason = one_line(reason);
    let colon = if reason.is_empty() { "" } else { ": " };
    Fault::new(class, format!("the vendor closed the session {code}{colon}{reason}"))
}
