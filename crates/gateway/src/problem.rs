//! Errors over HTTP, as RFC 9457 has them. They say whose fault it is and what to do, never what is inside.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Why the data plane refuses, as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refusal {
    /// What to do.
    detail: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong, in a few words.
    title: &'static str,
}

/// An answer that says what is wrong.
pub(crate) fn problem(status: StatusCode, title: &'static str, detail: &str) -> Response {
    let body = Json(Refusal { detail: detail.to_owned(), status: status.as_u16(), title });
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
