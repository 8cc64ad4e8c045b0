//! Who may come in, and how OpenAI words its refusals.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::vendors::World;
use crate::vendors::script::Script;
use crate::vendors::visit::Visit;

/// Lets a request in, or refuses it as its key or the lack of one says.
pub(super) async fn admit(
    world: &World,
    api: &'static str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Visit, Response> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = value.strip_prefix("Bearer ").unwrap_or_default();
    let visit = Visit::begin(world, api, uri, key);
    if key.is_empty() {
        visit.breach("no `Authorization: Bearer`");
        return Err(refuse(
            StatusCode::UNAUTHORIZED,
            &error("You didn't provide an API key.", "invalid_request_error", None, None),
        ));
    }
    visit.by_key(by_status).await?;
    Ok(visit)
}

/// The list of models.
pub(in crate::vendors) async fn models(world: &World, uri: &Uri, headers: &HeaderMap) -> Response {
    match admit(world, "openai/models", uri, headers).await {
        Ok(visit) => {
            let list = json!({"object": "list", "data": [
                {"id": "gpt-4o-mini", "object": "model", "created": 1_700_000_000, "owned_by": "system"},
            ]});
            let mut script = Script::of("application/json");
            script.send(list.to_string());
            script.answer(&visit, None)
        }
        Err(refusal) => refusal,
    }
}

/// What the documents forbid: noted, and refused with status 400.
pub(super) fn forbid(visit: &Visit, message: &str, param: Option<&str>, code: Option<&str>) -> Response {
    visit.breach(message);
    refuse(StatusCode::BAD_REQUEST, &error(message, "invalid_request_error", param, code))
}

/// An error's body.
pub(super) fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

/// The failure inside an answer that began well.
pub(super) fn failure() -> Value {
    error(
        "The server had an error while processing your request. Sorry about that!",
        "server_error",
        None,
        None,
    )
}

pub(super) fn refuse(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert("x-request-id", HeaderValue::from_static("req_0123456789abcdef"));
    if matches!(status.as_u16(), 429 | 503) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        headers.insert("retry-after-ms", HeaderValue::from_static("1000"));
        headers.insert("x-ratelimit-remaining-requests", HeaderValue::from_static("0"));
        headers.insert("x-ratelimit-reset-requests", HeaderValue::from_static("1s"));
    }
    response
}

/// A refusal with this status, or for want of credit.
fn by_status(status: Option<u16>) -> Response {
    let Some(status) = status else {
        let message = "You exceeded your current quota, please check your plan and billing details.";
        let body = error(message, "insufficient_quota", None, Some("insufficient_quota"));
        return (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
    };
    let (message, kind, code) = match status {
        401 => ("Incorrect API key provided: test****.", "invalid_request_error", Some("invalid_api_key")),
        403 => (
            "Country, region, or territory not supported",
            "request_forbidden",
            Some("unsupported_country_region_territory"),
        ),
        404 => (
            "The model does not exist or you do not have access to it.",
            "invalid_request_error",
            Some("model_not_found"),
        ),
        429 => ("Rate limit reached for requests per min (RPM).", "requests", Some("rate_limit_exceeded")),
        503 => ("The engine is currently overloaded, please try again later.", "server_error", None),
        500..=599 => ("The server had an error while processing your request.", "server_error", None),
        _ => ("The request is not valid.", "invalid_request_error", None),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refuse(status, &error(message, kind, None, code))
}
