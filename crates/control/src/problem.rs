//! Errors over HTTP, as RFC 9457 has them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// An answer that says what is wrong and what to do about it, never what is inside.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = Json(json!({ "title": title, "status": status.as_u16(), "detail": detail }));
    let mut response = (status, body).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The answer to a request without the token.
pub(crate) fn unauthorized() -> Response {
    problem(StatusCode::UNAUTHORIZED, "Send the token as `Authorization: Bearer <token>`.")
}
