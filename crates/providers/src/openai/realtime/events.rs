//! The server's events, as far as they are used, and what its errors mean.

use call::{Fault, FaultClass};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::error;

/// One server event. All have a `type`; each has a few of the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct ServerEvent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(deserialize_with = "or_empty")]
    pub(in super::super) item_id: String,
    #[serde(deserialize_with = "or_empty")]
    pub(in super::super) response_id: String,
    #[serde(deserialize_with = "or_empty")]
    pub(in super::super) delta: String,
    #[serde(deserialize_with = "or_empty")]
    pub(in super::super) transcript: String,
    #[serde(deserialize_with = "or_empty")]
    pub(in super::super) call_id: String,
    #[serde(deserialize_with = "or_empty")]
    pub(in super::super) name: String,
    #[serde(deserialize_with = "or_empty")]
    pub(in super::super) arguments: String,
    pub(in super::super) session: Value,
    pub(in super::super) response: Value,
    pub(in super::super) item: Value,
    pub(in super::super) error: Value,
}

/// Servers write null where there is nothing to say.
fn or_empty<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl ServerEvent {
    /// Reads a text frame.
    pub(in super::super) fn read(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|error| {
            // The error's own words may quote the frame.
            let what = if error.is_data() { "an event of another shape" } else { "no JSON" };
            Fault::new(FaultClass::Garbage, format!("the vendor sent {what}"))
        })
    }

    /// Its name of today. Compatible servers still send the beta's.
    pub(in super::super) fn kind(&self) -> &str {
        match self.kind.as_str() {
            "response.audio.delta" => "response.output_audio.delta",
            "response.audio.done" => "response.output_audio.done",
            "response.audio_transcript.delta" => "response.output_audio_transcript.delta",
            "response.audio_transcript.done" => "response.output_audio_transcript.done",
            "response.text.delta" => "response.output_text.delta",
            "response.text.done" => "response.output_text.done",
            "conversation.item.created" => "conversation.item.added",
            today => today,
        }
    }
}

/// What an `error` event means.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Trouble {
    /// Nothing: most errors leave the session as it is.
    Harmless,
    /// An answer was under way already: the one that was asked for is still owed.
    Busy,
    /// The session can't go on.
    Fatal(Fault),
}

/// Judges an `error` event. Before the session is set up every error ends it: it is the answer to our setup.
pub(in super::super) fn judge(what: &Value, is_ready: bool) -> Trouble {
    let code = what.get("code").and_then(Value::as_str).unwrap_or_default();
    if code == "conversation_already_has_active_response" {
        return Trouble::Busy;
    }
    let fault = error::in_stream(what);
    let ends = match fault.class {
        FaultClass::Auth | FaultClass::Quota | FaultClass::Lifetime => true,
        _ => !is_ready || code == "beta_api_shape_disabled",
    };
    if ends { Trouble::Fatal(fault) } else { Trouble::Harmless }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let judged = |code: &str, is_ready| {
            judge(&json!({"type": "invalid_request_error", "code": code, "message": "m"}), is_ready)
        };
        for harmless in ["response_cancel_not_active", "input_audio_buffer_commit_empty", "new_word"] {
            assert_eq!(judged(harmless, true), Trouble::Harmless, "{harmless}");
        }
        assert_eq!(judged("conversation_already_has_active_response", true), Trouble::Busy);
        let class = |code: &str, is_ready| match judged(code, is_ready) {
            Trouble::Fatal(fault) => fault.class,
            other => panic!("{code}: {other:?}"),
        };
        assert_eq!(class("insufficient_quota", true), FaultClass::Quota);
        assert_eq!(class("billing_hard_limit_reached", true), FaultClass::Quota);
        assert_eq!(class("invalid_api_key", true), FaultClass::Auth);
        assert_eq!(class("account_deactivated", true), FaultClass::Auth);
        assert_eq!(class("session_expired", true), FaultClass::Lifetime);
        assert_eq!(class("invalid_value", false), FaultClass::Config);
    }

    #[test]
    fn the_betas_names_are_those_of_today() {
        for (old, today) in [
            ("response.audio.delta", "response.output_audio.delta"),
            ("response.audio_transcript.delta", "response.output_audio_transcript.delta"),
            ("conversation.item.created", "conversation.item.added"),
        ] {
            let event = ServerEvent::read(&json!({ "type": old }).to_string()).unwrap();
            assert_eq!(event.kind(), today);
        }
    }
}
