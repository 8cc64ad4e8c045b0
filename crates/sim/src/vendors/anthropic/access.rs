//! Who may come in, and how Anthropic words its refusals.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::vendors::World;
use crate::vendors::script::Script;
use crate::vendors::visit::Visit;

const REQUEST_ID: &str = "req_011CSHoEeqs5C35K2UUqR7Fy";

/// Lets a request in, or refuses it as its key, the lack of one or a missing version says.
pub(super) async fn admit(
    world: &World,
    api: &'static str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Visit, Response> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = text("x-api-key");
    let visit = Visit::begin(world, api, uri, key);
    if key.is_empty() {
        visit.breach("no `x-api-key`");
        return Err(refuse(
            StatusCode::UNAUTHORIZED,
            &error("authentication_error", "x-api-key header is required"),
        ));
    }
    if text("anthropic-version") != "2023-06-01" {
        return Err(forbid(&visit, "anthropic-version: header is required"));
    }
    visit.by_key(by_status).await?;
    if visit.has("spend-limit") {
        let mut body = error("rate_limit_error", "This workspace has reached its spend limit.");
        body["error"]["details"] = json!({"error_code": "enforced_spend_limit_reached"});
        return Err((StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response());
    }
    if visit.has("low-credit") {
        let message = "Your credit balance is too low to access the Anthropic API.";
        return Err(refuse(StatusCode::BAD_REQUEST, &error("invalid_request_error", message)));
    }
    Ok(visit)
}

/// The list of models.
pub(in crate::vendors) async fn models(world: &World, uri: &Uri, headers: &HeaderMap) -> Response {
    match admit(world, "anthropic/models", uri, headers).await {
        Ok(visit) => {
            let list = json!({"data": [{"type": "model", "id": "claude-haiku-4-5", "display_name": "Claude",
                "created_at": "2025-10-01T00:00:00Z"}], "has_more": false, "first_id": null, "last_id": null});
            let mut script = Script::of("application/json");
            script.send(list.to_string());
            script.answer(&visit, None)
        }
        Err(refusal) => refusal,
    }
}

/// What the documents forbid: noted, and refused with status 400.
pub(super) fn forbid(visit: &Visit, message: &str) -> Response {
    visit.breach(message);
    refuse(StatusCode::BAD_REQUEST, &error("invalid_request_error", message))
}

/// An error's body, which is also the data of an `error` event.
pub(super) fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": REQUEST_ID})
}

fn refuse(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert("request-id", HeaderValue::from_static(REQUEST_ID));
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        headers.insert("anthropic-ratelimit-requests-remaining", HeaderValue::from_static("0"));
    }
    response
}

/// A refusal with this status, or for want of credit.
fn by_status(status: Option<u16>) -> Response {
    let status = status.unwrap_or(402);
    let (kind, message) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "There is a problem with your billing."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "model: no such model"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => ("rate_limit_error", "This request would exceed your rate limit of requests per minute."),
        504 => ("timeout_error", "The request timed out."),
        529 => ("overloaded_error", "Overloaded"),
        500..=599 => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The request is not valid."),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refuse(status, &error(kind, message))
}
