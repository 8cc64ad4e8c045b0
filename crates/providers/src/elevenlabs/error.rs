//! What ElevenLabs' refusals and closings mean. A refusal's body is `{"detail":{"status","message"}}`, newer ones with
//! `code` in it; a request that fails validation gets `{"detail":[{"loc","msg","type"}]}` with 422. Over a WebSocket
//! it is `{"message","error","code"}` and then a close with that code.

use call::{Fault, FaultClass};
use serde_json::Value;

use crate::dialect::{Refusal, one_line};

/// What a refused request or upgrade means.
pub(super) fn refused(refusal: &Refusal<'_>) -> Fault {
    let body: Value = serde_json::from_slice(refusal.body).unwrap_or_default();
    let detail = body.get("detail").unwrap_or(&Value::Null);
    let text = |field: &str| detail.get(field).and_then(Value::as_str).unwrap_or_default();
    match detail {
        Value::Object(_) => {
            let word = if text("status").is_empty() { text("code") } else { text("status") };
            let message = in_words(word, text("message"));
            // `status` may also be a number or a general word: then the other one tells more.
            match class_of(word).or_else(|| class_of(text("code"))) {
                Some(class) => refusal.of_class(class, &message),
                None => refusal.usual(&message),
            }
        }
        Value::Array(faults) => refusal.usual(&faults.first().map(invalid).unwrap_or_default()),
        Value::String(message) => refusal.usual(message),
        _ => refusal.usual(""),
    }
}

/// What an error message on a voice's socket means.
pub(super) fn in_stream(word: &str, message: &str, code: Option<u16>) -> Fault {
    let class = class_of(word).or_else(|| class_of_text(message)).unwrap_or(match code {
        Some(1008 | 1009) | None => FaultClass::Config,
        Some(_) => FaultClass::Busy,
    });
    Fault::new(class, in_words(word, message))
}

/// What it means that ElevenLabs closed a socket.
pub(super) fn closed(code: Option<u16>, reason: &str) -> Fault {
    let class = class_of_text(reason).unwrap_or(match code {
        // A wrong pair of voice and model has been seen to end in 1009, "message too big".
        Some(1007..=1009) => FaultClass::Config,
        Some(1000 | 1001) => FaultClass::Lifetime,
        Some(1011..=1014) => FaultClass::Busy,
        _ => FaultClass::Network,
    });
    let code = code.map_or_else(|| "without a code".to_owned(), |code| format!("with {code}"));
    let reason = one_line(reason);
    Fault::new(class, format!("it closed {code}{}{reason}", if reason.is_empty() { "" } else { ": " }))
}

/// What it means that ElevenLabs closed an agent's socket, which it does with 1002 for what went wrong on its side
/// and with 1008 for what it was sent.
pub(super) fn agent_closed(code: Option<u16>, reason: &str) -> Fault {
    let fault = closed(code, reason);
    match (code, class_of_text(reason)) {
        (Some(1002), None) => Fault { class: FaultClass::Busy, ..fault },
        _ => fault,
    }
}

/// The class of one of ElevenLabs' words for an error.
pub(super) fn class_of(word: &str) -> Option<FaultClass> {
    Some(match word {
        "invalid_api_key"
        | "missing_api_key"
        | "missing_permissions"
        | "needs_authorization"
        | "only_for_creator+"
        | "unaccepted_terms"
        | "auth_error"
        | "detected_unusual_activity" => FaultClass::Auth,
        "quota_exceeded" => FaultClass::Quota,
        "too_many_concurrent_requests" | "rate_limited" | "commit_throttled" | "max_active_conversations" => {
            FaultClass::Rate
        }
        "system_busy" | "queue_overflow" | "resource_exhausted" | "transcriber_error" => FaultClass::Busy,
        "max_character_limit_exceeded"
        | "voice_not_found"
        | "model_not_found"
        | "invalid_request"
        | "input_error"
        | "chunk_size_exceeded"
        | "invalid_input_message" => FaultClass::Config,
        // Of an agent's socket.
        "override_error"
        | "missing_dynamic_variable"
        | "invalid_message"
        | "missing_fields"
        | "value_error"
        | "safety_violation"
        | "agent_not_found" => FaultClass::Config,
        "llm_timeout" | "asr_transcription_error" | "tts_cascade_error" | "unknown_websocket_crash" => {
            FaultClass::Busy
        }
        "transport_receive_timeout" => FaultClass::Idle,
        "session_time_limit_exceeded" => FaultClass::Lifetime,
        "insufficient_audio_activity" | "input_timeout_exceeded" => FaultClass::Idle,
        _ => return None,
    })
}

/// The class of a sentence, where no word says it: a close has room for a reason only.
fn class_of_text(text: &str) -> Option<FaultClass> {
    let text = text.to_ascii_lowercase();
    let has = |part: &str| text.contains(part);
    if let Some(class) =
        text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).find_map(class_of)
    {
        Some(class)
    } else if has("have not received a new text input") || has("inactivity") {
        Some(FaultClass::Idle)
    } else if has("quota") {
        Some(FaultClass::Quota)
    } else if has("api key") || has("unauthorized") {
        Some(FaultClass::Auth)
    } else if has("simultaneous contexts") || has("concurrent") {
        Some(FaultClass::Rate)
    } else {
        None
    }
}

fn in_words(word: &str, message: &str) -> String {
    match (one_line(word), one_line(message)) {
        (word, message) if message.is_empty() => word,
        (word, message) if word.is_empty() => message,
        (word, message) => format!("{word}: {message}"),
    }
}

/// One entry of a 422: where and what.
fn invalid(fault: &Value) -> String {
    let place = fault.get("loc").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let place = place.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".");
    in_words(&place, fault.get("msg").and_then(Value::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Refused {
        status: u16,
        body: Value,
        class: FaultClass,
        why: String,
    }

    #[derive(Deserialize)]
    struct Closed {
        code: Option<u16>,
        reason: String,
        class: FaultClass,
    }

    #[test]
    fn each_refusal_of_the_documents_has_its_class() {
        let cases: Vec<Refused> =
            serde_json::from_str(include_str!("../../../../fixtures/elevenlabs/refusals.json")).unwrap();
        assert!(cases.len() > 8);
        for Refused { status, body, class, why } in cases {
            let (status, text) = (StatusCode::from_u16(status).unwrap(), body.to_string());
            let refusal = Refusal { status, headers: &HeaderMap::new(), body: text.as_bytes() };
            assert_eq!(refused(&refusal), Fault::new(class, why), "{body}");
        }
        let html =
            Refusal { status: StatusCode::BAD_GATEWAY, headers: &HeaderMap::new(), body: b"<html>x</html>" };
        assert_eq!(refused(&html), Fault::new(FaultClass::Busy, "HTTP 502"));
    }

    #[test]
    fn each_close_has_its_class() {
        let cases: Vec<Closed> =
            serde_json::from_str(include_str!("../../../../fixtures/elevenlabs/closes.json")).unwrap();
        assert!(cases.len() > 5);
        for Closed { code, reason, class } in cases {
            assert_eq!(closed(code, &reason).class, class, "{code:?} {reason}");
        }
    }
}
