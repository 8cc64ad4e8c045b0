//! Errors over HTTP, as RFC 9457 has them. They say whose fault it is and what to do, never what is inside.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Why the data plane refuses, as `application/problem+json`, in the form that all of the API's problems have. What only
/// the whole server knows (the path, the request's id) is put in where all routes are one.
#[derive(Debug, Serialize)]
struct Refusal<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'static str,
    code: &'static str,
    request_id: &'static str,
}

/// An answer that says what is wrong and what to do.
pub(crate) fn problem(status: StatusCode, title: &'static str, detail: &str) -> Response {
    let code = code(status);
    let kind = format!("/docs/errors#{code}");
    let (instance, request_id) = ("", "");
    let body = Json(Refusal { kind, title, status: status.as_u16(), detail, instance, code, request_id });
    let mut response = (status, body).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::UNAUTHORIZED {
        let ask = HeaderValue::from_static("Basic realm=\"trunkline\", Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// The word for programs, the same that the control plane has for the status.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        429 => "too_many_requests",
        503 => "unavailable",
        400..500 => "bad_request",
        _ => "internal",
    }
}
