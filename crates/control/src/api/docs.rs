//! The documentation that the server carries: `/openapi.json`, a page that shows it, and a page that explains every
//! problem. All of it works without any other host: the pages bring their own script and style, so that a content
//! policy of `'self'` holds.

use std::fmt::Write as _;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::problem::Code;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The documentation's routes, over this document.
pub(crate) fn router(document: &OpenApi) -> Router {
    // A document that can't be written would be a fault in the handlers' descriptions, which a test reads.
    let text = Bytes::from(document.to_json().unwrap_or_default());
    Router::new()
        .route("/openapi.json", get(move || async move { served("application/json", text.clone()) }))
        .route("/docs", get(page))
        .route("/docs/page.js", get(script))
        .route("/docs/page.css", get(style))
        .route("/docs/errors", get(errors))
}

/// What the document says about itself.
pub(crate) fn documented() -> OpenApi {
    Documented::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(openapi_json, page, script, style, errors))]
struct Documented;

/// This document
///
/// OpenAPI 3.1, made from the handlers. Needs no key.
#[utoipa::path(
    get, path = "/openapi.json", tag = "docs",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json")),
)]
#[expect(dead_code, reason = "the route serves a ready text; this carries its description")]
fn openapi_json() {}

/// The API for people
///
/// A page that shows this document. Works without any other host.
#[utoipa::path(
    get, path = "/docs", tag = "docs",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
async fn page() -> Response {
    served("text/html; charset=utf-8", Bytes::from_static(include_bytes!("page.html")))
}

/// The page's script
#[utoipa::path(
    get, path = "/docs/page.js", tag = "docs",
    responses((status = 200, description = "The script.", body = String, content_type = "text/javascript")),
)]
async fn script() -> Response {
    served("text/javascript; charset=utf-8", Bytes::from_static(include_bytes!("page.js")))
}

/// The page's style
#[utoipa::path(
    get, path = "/docs/page.css", tag = "docs",
    responses((status = 200, description = "The style.", body = String, content_type = "text/css")),
)]
async fn style() -> Response {
    served("text/css; charset=utf-8", Bytes::from_static(include_bytes!("page.css")))
}

/// Every problem, explained
///
/// Where the `type` of a problem leads: what it means and what to do about it.
#[utoipa::path(
    get, path = "/docs/errors", tag = "docs",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
async fn errors() -> Response {
    let mut list = String::new();
    for code in Code::ALL {
        let (word, status) = (code.as_str(), code.status().as_u16());
        let _ = writeln!(
            list,
            "<section id=\"{word}\"><h2>{}</h2><p><code>{word}</code>, status {status}</p><p>{}</p></section>",
            escaped(code.title()),
            escaped(code.about())
        );
    }
    let text = include_str!("errors.html").replace("<!-- list -->", &list);
    served("text/html; charset=utf-8", Bytes::from(text))
}

fn served(kind: &'static str, body: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
