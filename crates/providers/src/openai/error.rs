//! OpenAI's error body, `{"error":{"message","type","param","code"}}`, and what compatible servers make of it.

use call::{Fault, FaultClass};
use http::StatusCode;
use serde_json::Value;

use crate::dialect::{Refusal, class_of, one_line};

/// What a refused request means: by the error's code where it says more than the status, else by the status.
pub(super) fn refused(refusal: &Refusal<'_>) -> Fault {
    let body: Value = serde_json::from_slice(refusal.body).unwrap_or_default();
    let error = inner(&body);
    let class = named(error).unwrap_or_else(|| class_of(refusal.status));
    refusal.of_class(class, &in_words(class, error))
}

/// What an `error` object means that came inside an answer, where there is no status.
pub(super) fn in_stream(error: &Value) -> Fault {
    let class = named(error).unwrap_or_else(|| match text(error, "type") {
        "invalid_request_error" => FaultClass::Config,
        _ => FaultClass::Busy,
    });
    let words = in_words(class, error);
    Fault::new(class, if words.is_empty() { "the vendor reported a failure".to_owned() } else { words })
}

/// The object that holds `message` and `code`, wherever a server puts it.
fn inner(body: &Value) -> &Value {
    // A proxy to several vendors may wrap its answer in a list.
    let body = body.get(0).unwrap_or(body);
    body.get("error").unwrap_or(body)
}

/// The class that the code or the type names. Some of these come as 429 or 400, so the status can't tell.
fn named(error: &Value) -> Option<FaultClass> {
    by_word(text(error, "code")).or_else(|| by_word(text(error, "type"))).or_else(|| {
        // OpenRouter and vLLM put the status into `code`.
        let status = error.get("code")?.as_u64()?;
        let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
        (status.is_client_error() || status.is_server_error()).then(|| class_of(status))
    })
}

fn by_word(word: &str) -> Option<FaultClass> {
    Some(match word {
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "access_terminated"
        | "insufficient_balance" => FaultClass::Quota,
        "invalid_api_key" | "account_deactivated" | "invalid_organization" | "authentication_error" => {
            FaultClass::Auth
        }
        "rate_limit_exceeded" | "slow_down" => FaultClass::Rate,
        "server_error" | "overloaded" | "overloaded_error" | "service_unavailable" => FaultClass::Busy,
        "model_not_found" | "context_length_exceeded" | "content_policy_violation" => FaultClass::Config,
        "session_expired" => FaultClass::Lifetime,
        _ => return None,
    })
}

/// The error in words for an operator. What is said about a key may hold a part of it, so it is not repeated.
fn in_words(class: FaultClass, error: &Value) -> String {
    if class == FaultClass::Auth {
        return match text(error, "code") {
            "" => "the key is refused".to_owned(),
            code => format!("the key is refused ({})", one_line(code)),
        };
    }
    // A list of validation errors repeats the request, so only its first reason is taken.
    let detail = error.get("detail");
    let message = [error.get("message"), detail, detail.and_then(|list| list.get(0)?.get("msg"))]
        .into_iter()
        .flatten()
        .chain([error])
        .find_map(Value::as_str);
    one_line(message.unwrap_or_default())
}

fn text<'a>(error: &'a Value, field: &str) -> &'a str {
    error.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn fault(status: u16, body: &str) -> Fault {
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, "2".parse().unwrap())]);
        let status = StatusCode::from_u16(status).unwrap();
        refused(&Refusal { status, headers: &headers, body: body.as_bytes() })
    }

    #[test]
    fn the_code_goes_before_the_status() {
        let error =
            |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code":"{code}"}}}}"#);
        assert_eq!(fault(429, &error("insufficient_quota")).class, FaultClass::Quota);
        assert_eq!(fault(429, &error("billing_hard_limit_reached")).class, FaultClass::Quota);
        assert_eq!(fault(429, &error("rate_limit_exceeded")).class, FaultClass::Rate);
        assert_eq!(fault(429, &error("rate_limit_exceeded")).retry_after_ms, Some(2_000));
        assert_eq!(fault(401, &error("invalid_api_key")).class, FaultClass::Auth);
        assert_eq!(fault(404, &error("model_not_found")).class, FaultClass::Config);
        assert_eq!(fault(500, &error("server_error")).class, FaultClass::Busy);
        assert_eq!(fault(503, &error("new_word")).class, FaultClass::Busy);
    }

    #[test]
    fn other_servers_shapes_are_read() {
        for (status, body, class, why) in [
            (
                402,
                r#"{"error":{"code":402,"message":"no credits"}}"#,
                FaultClass::Quota,
                "HTTP 402: no credits",
            ),
            (404, r#"{"error":"model not found"}"#, FaultClass::Config, "HTTP 404: model not found"),
            (404, r#"{"detail":"Not Found"}"#, FaultClass::Config, "HTTP 404: Not Found"),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"wrong","input":{"messages":"secret"}}]}"#,
                FaultClass::Config,
                "HTTP 422: wrong",
            ),
            (
                400,
                r#"{"object":"error","message":"too long","code":400}"#,
                FaultClass::Config,
                "HTTP 400: too long",
            ),
            (502, "<html>bad gateway</html>", FaultClass::Busy, "HTTP 502"),
            (429, "", FaultClass::Rate, "HTTP 429"),
        ] {
            let fault = fault(status, body);
            assert_eq!((fault.class, fault.why.as_str()), (class, why), "{body}");
        }
    }

    #[test]
    fn a_key_is_never_repeated() {
        let body =
            r#"{"error":{"message":"Incorrect API key provided: sk-real-key","code":"invalid_api_key"}}"#;
        assert_eq!(fault(401, body).why, "HTTP 401: the key is refused (invalid_api_key)");
    }

    #[test]
    fn a_failure_inside_an_answer_has_no_status() {
        let class = |error: Value| in_stream(&error).class;
        assert_eq!(class(serde_json::json!({"message": "m", "type": "server_error"})), FaultClass::Busy);
        assert_eq!(class(serde_json::json!({"message": "m", "code": 429})), FaultClass::Rate);
        assert_eq!(class(serde_json::json!({"type": "invalid_request_error"})), FaultClass::Config);
        assert_eq!(class(serde_json::json!("it broke")), FaultClass::Busy);
        assert_eq!(in_stream(&serde_json::json!("it broke")).why, "it broke");
    }
}
