//! Anthropic's error body: `{"type":"error","error":{"type","message"},"request_id"}`.

use call::{Fault, FaultClass};
use serde_json::Value;

use crate::dialect::{Refusal, class_of, one_line, retry_after};

/// What a refused request means.
pub(super) fn refused(refusal: &Refusal<'_>) -> Fault {
    let body: Value = serde_json::from_slice(refusal.body).unwrap_or_default();
    let error = body.get("error").unwrap_or(&body);
    let mut class = named(error).unwrap_or_else(|| class_of(refusal.status));
    // A limit on rate says when to come back; one on spending does not, and asking again only adds to it.
    if class == FaultClass::Rate && (is_spent(error) || retry_after(refusal.headers).is_none()) {
        class = FaultClass::Quota;
    }
    refusal.of_class(class, &in_words(class, error))
}

/// What the `error` of an `error` event means, where there is no status.
pub(super) fn in_stream(error: &Value) -> Fault {
    let class = named(error).unwrap_or(FaultClass::Busy);
    let class = if class == FaultClass::Rate && is_spent(error) { FaultClass::Quota } else { class };
    let words = in_words(class, error);
    Fault::new(class, if words.is_empty() { "the vendor reported a failure".to_owned() } else { words })
}

fn named(error: &Value) -> Option<FaultClass> {
    Some(match text(error, "type") {
        "authentication_error" | "permission_error" => FaultClass::Auth,
        "billing_error" => FaultClass::Quota,
        "rate_limit_error" => FaultClass::Rate,
        "overloaded_error" | "api_error" | "timeout_error" => FaultClass::Busy,
        // An empty account is an invalid request by its type.
        "invalid_request_error" if text(error, "message").contains("credit balance is too low") => {
            FaultClass::Quota
        }
        "invalid_request_error" | "not_found_error" | "request_too_large" => FaultClass::Config,
        _ => return None,
    })
}

fn is_spent(error: &Value) -> bool {
    error.pointer("/details/error_code").and_then(Value::as_str) == Some("enforced_spend_limit_reached")
}

/// The error in words for an operator. What is said about a key may hold a part of it, so it is not repeated.
fn in_words(class: FaultClass, error: &Value) -> String {
    if class == FaultClass::Auth {
        return match text(error, "type") {
            "" => "the key is refused".to_owned(),
            kind => format!("the key is refused ({})", one_line(kind)),
        };
    }
    one_line(text(error, "message"))
}

fn text<'a>(error: &'a Value, field: &str) -> &'a str {
    error.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn fault(status: u16, kind: &str, retry_after: Option<&str>) -> Fault {
        let mut headers = HeaderMap::new();
        if let Some(length) = retry_after {
            headers.insert(http::header::RETRY_AFTER, length.parse().unwrap());
        }
        let body =
            format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"m"}},"request_id":"req_1"}}"#);
        let status = StatusCode::from_u16(status).unwrap();
        refused(&Refusal { status, headers: &headers, body: body.as_bytes() })
    }

    #[test]
    fn each_type_has_its_class() {
        for (status, kind, class) in [
            (400, "invalid_request_error", FaultClass::Config),
            (401, "authentication_error", FaultClass::Auth),
            (402, "billing_error", FaultClass::Quota),
            (403, "permission_error", FaultClass::Auth),
            (404, "not_found_error", FaultClass::Config),
            (413, "request_too_large", FaultClass::Config),
            (500, "api_error", FaultClass::Busy),
            (504, "timeout_error", FaultClass::Busy),
            (529, "overloaded_error", FaultClass::Busy),
            (529, "a_new_word", FaultClass::Busy),
        ] {
            assert_eq!(fault(status, kind, None).class, class, "{kind}");
        }
    }

    #[test]
    fn a_limit_that_does_not_say_when_to_come_back_is_one_on_spending() {
        let rate = fault(429, "rate_limit_error", Some("3"));
        assert_eq!((rate.class, rate.retry_after_ms), (FaultClass::Rate, Some(3_000)));
        assert_eq!(fault(429, "rate_limit_error", None).class, FaultClass::Quota);
        let spent = serde_json::json!({"type": "rate_limit_error", "message": "m",
            "details": {"error_code": "enforced_spend_limit_reached"}});
        assert_eq!(in_stream(&spent).class, FaultClass::Quota);
        let low = serde_json::json!({"type": "invalid_request_error",
            "message": "Your credit balance is too low to access the API."});
        assert_eq!(in_stream(&low).class, FaultClass::Quota);
    }
}
