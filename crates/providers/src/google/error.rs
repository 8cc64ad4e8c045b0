//! The error body of every Google API over REST: `{"error":{"code","message","status","details"}}` (google.rpc.Status;
//! the words of `status` are those of google.rpc.Code).

use call::{Fault, FaultClass};
use serde_json::Value;

use crate::dialect::{Refusal, class_of, one_line};

/// What a refused request means.
pub(super) fn refused(refusal: &Refusal<'_>) -> Fault {
    let body: Value = serde_json::from_slice(refusal.body).unwrap_or_default();
    let error = inner(&body);
    let class = named(error).unwrap_or_else(|| class_of(refusal.status));
    let mut fault = refusal.of_class(class, &in_words(class, error));
    fault.retry_after_ms = fault.retry_after_ms.or_else(|| retry_delay_ms(error));
    fault
}

/// What an `error` object means that came inside an answer, where there is no status.
pub(super) fn in_stream(error: &Value) -> Fault {
    let class = named(error).unwrap_or(FaultClass::Busy);
    let words = in_words(class, error);
    let mut fault =
        Fault::new(class, if words.is_empty() { "the vendor reported a failure".to_owned() } else { words });
    fault.retry_after_ms = retry_delay_ms(error);
    fault
}

/// The object inside `error`; an answer that was to be streamed may hold it in a list.
fn inner(body: &Value) -> &Value {
    let body = body.get(0).unwrap_or(body);
    body.get("error").unwrap_or(body)
}

/// The class by `status` and `details`.
fn named(error: &Value) -> Option<FaultClass> {
    if let Some(class) = details(error, "ErrorInfo").find_map(by_reason) {
        return Some(class);
    }
    Some(match error.get("status")?.as_str()? {
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => FaultClass::Auth,
        // A day's share that is used up does not come back within a call.
        "RESOURCE_EXHAUSTED" if is_day_used_up(error) => FaultClass::Quota,
        "RESOURCE_EXHAUSTED" => FaultClass::Rate,
        "ABORTED" | "CANCELLED" | "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "UNAVAILABLE"
        | "DEADLINE_EXCEEDED" => FaultClass::Busy,
        "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "OUT_OF_RANGE"
        | "NOT_FOUND"
        | "ALREADY_EXISTS"
        | "UNIMPLEMENTED" => FaultClass::Config,
        _ => return None,
    })
}

fn by_reason(detail: &Value) -> Option<FaultClass> {
    Some(match detail.get("reason")?.as_str()? {
        // A bad key is INVALID_ARGUMENT by its status.
        "API_KEY_INVALID" | "API_KEY_SERVICE_BLOCKED" | "API_KEY_EXPIRED" | "ACCESS_TOKEN_EXPIRED" => {
            FaultClass::Auth
        }
        "BILLING_DISABLED" => FaultClass::Quota,
        _ => return None,
    })
}

fn is_day_used_up(error: &Value) -> bool {
    details(error, "QuotaFailure")
        .filter_map(|failure| failure.get("violations")?.as_array())
        .flatten()
        .filter_map(|violation| violation.get("quotaId")?.as_str())
        .any(|id| id.contains("PerDay"))
}

/// `RetryInfo`'s wish, which is written as seconds with an `s` behind them: `34s`, `0.5s`.
fn retry_delay_ms(error: &Value) -> Option<u64> {
    let delay = details(error, "RetryInfo").find_map(|info| info.get("retryDelay")?.as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    (0.0..=86_400.0).contains(&seconds).then_some((seconds * 1e3) as u64)
}

/// The details of one type, `type.googleapis.com/google.rpc.` and `kind`.
fn details<'a>(error: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let list = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter(move |detail| {
        let name = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        name.rsplit('.').next() == Some(kind)
    })
}

/// The error in words for an operator. What is said about a key may hold a part of it, so it is not repeated.
fn in_words(class: FaultClass, error: &Value) -> String {
    let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
    if class == FaultClass::Auth {
        let reason = details(error, "ErrorInfo").find_map(|info| info.get("reason")?.as_str());
        return match reason.unwrap_or_else(|| text("status")) {
            "" => "the key is refused".to_owned(),
            reason => format!("the key is refused ({})", one_line(reason)),
        };
    }
    one_line(text("message"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn fault(status: u16, body: &str) -> Fault {
        let status = StatusCode::from_u16(status).unwrap();
        refused(&Refusal { status, headers: &HeaderMap::new(), body: body.as_bytes() })
    }

    #[test]
    fn the_status_word_and_the_details_say_what_it_is() {
        let rate = r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":
            [{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
        assert_eq!(
            fault(429, rate),
            Fault::new(FaultClass::Rate, "HTTP 429: slow down").with_retry_after_ms(34_500)
        );
        let day = r#"[{"error":{"code":429,"message":"used up","status":"RESOURCE_EXHAUSTED","details":
            [{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":
              [{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}]"#;
        assert_eq!(fault(429, day).class, FaultClass::Quota);
        let key = r#"{"error":{"code":400,"message":"API key not valid: AIza","status":"INVALID_ARGUMENT","details":
            [{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
        assert_eq!(
            fault(400, key),
            Fault::new(FaultClass::Auth, "HTTP 400: the key is refused (API_KEY_INVALID)")
        );
        let of = |status: &str| format!(r#"{{"error":{{"message":"m","status":"{status}"}}}}"#);
        assert_eq!(fault(499, &of("CANCELLED")).class, FaultClass::Busy);
        assert_eq!(fault(503, &of("UNAVAILABLE")).class, FaultClass::Busy);
        assert_eq!(fault(403, &of("PERMISSION_DENIED")).class, FaultClass::Auth);
        assert_eq!(fault(404, &of("NOT_FOUND")).class, FaultClass::Config);
        assert_eq!(fault(502, "<html>").class, FaultClass::Busy);
        assert_eq!(in_stream(&serde_json::json!({"status": "UNAVAILABLE"})).class, FaultClass::Busy);
    }
}
