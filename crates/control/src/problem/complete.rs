//! What every request and every answer goes through: an id, a bound for the head, a panic that ends one answer and no
//! more, and the one form of all that is not well, whoever answered it.

use std::panic::AssertUnwindSafe;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use store::CallId;
use tracing::Instrument as _;
use ulid::Ulid;

use super::{Code, Problem};
use crate::asked::Asked;

/// Under which header an answer carries the id that the log knows the request by.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What a request's head may hold: 16 KiB and 64 lines, far above any carrier's.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_LINES: usize = 64;
/// How much of a path an answer repeats.
const PATH: usize = 512;
/// The longest problem of somebody else's that is read.
const FOREIGN: usize = 16 * 1024;

/// Marks an answer whose text is for other eyes than a program's that knows the API: a health check's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsItIs;

/// Answers a request, and completes what is wrong with it.
pub(crate) async fn complete(request: Request, next: Next) -> Response {
    let id = request_id();
    let instance: String = request.uri().path().chars().take(PATH).collect();
    let span = tracing::info_span!("request", request_id = id);
    let asked = Asked::by(&request);
    let (mut response, left) = asked.answered(answer(request, next)).instrument(span).await;
    if let Some(mut problem) = problem_of(&mut response).await {
        if response.status().is_server_error() {
            tracing::warn!(
                request_id = id,
                path = shown(&instance),
                code = problem.code.as_str(),
                "a request fails"
            );
        }
        (problem.instance, problem.request_id) = (instance.into(), id.clone().into());
        if let Ok(body) = serde_json::to_vec(&problem) {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(super::KIND));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            *response.body_mut() = Body::from(body);
        }
    }
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

async fn answer(request: Request, next: Next) -> Response {
    let lines = request.headers();
    let bytes: usize = lines.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if lines.len() > HEAD_LINES || bytes + target > HEAD_BYTES {
        let what = format!("A request's head has at most {HEAD_LINES} lines and {HEAD_BYTES} bytes.");
        return Problem::new(Code::HeadTooLarge, what).into_response();
    }
    // What a handler leaves behind is its own: the store and the database are behind their own tasks.
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        metrics::counter!("trunkline_request_panics_total").increment(1);
        tracing::error!("answering a request panicked; that is a fault of ours");
        Problem::new(Code::Internal, "The request could not be answered; the log says why.").into_response()
    })
}

/// The problem that an answer is, if it is one: its own, or made of what somebody else answered.
async fn problem_of(response: &mut Response) -> Option<Problem> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error()
        || response.extensions().get::<AsItIs>().is_some()
    {
        return None;
    }
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let usual = Code::of_status(status)?;
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == super::KIND);
    let body = std::mem::take(response.body_mut());
    let body = to_bytes(body, FOREIGN).await.unwrap_or_default();
    // A library's own words may tell what is inside.
    let told: Option<Told> = serde_json::from_slice(&body).ok().filter(|_| is_problem);
    let code = told.as_ref().and_then(|told| Code::of_word(&told.code));
    let code = code.filter(|code| code.status() == status).unwrap_or(usual);
    let detail = told.map_or_else(|| code.about().to_owned(), |told| told.detail);
    Some(Problem { retry_after: None, ..Problem::new(code, detail) })
}

/// A problem of the data plane, as far as it is of use.
#[derive(Debug, Deserialize)]
struct Told {
    detail: String,
    #[serde(default)]
    code: String,
}

/// A path as a log may have it: ids of ours and plain words, since anything may stand in the rest.
fn shown(path: &str) -> String {
    let is_plain = |part: &str| {
        part.len() <= 24 && part.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_'))
            || matches!(part, "v1")
            || part.parse::<CallId>().is_ok()
    };
    let parts: Vec<&str> = path.split('/').map(|part| if is_plain(part) { part } else { "*" }).collect();
    parts.join("/")
}

/// `req_` and 26 characters that sort by time.
fn request_id() -> String {
    let mut random = [0; 16];
    // Two equal ids would only make a log harder to read.
    let _ = getrandom::fill(&mut random);
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    format!("req_{}", Ulid::from_parts(now, u128::from_le_bytes(random)))
}

impl Code {
    /// The kind of an answer that says no more than its status.
    fn of_status(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            400 => Self::BadRequest,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::TooSlow,
            409 => Self::Conflict,
            413 => Self::BodyTooLarge,
            415 => Self::UnsupportedMediaType,
            416 => Self::RangeNotSatisfiable,
            422 => Self::Unprocessable,
            426 => Self::UpgradeNeeded,
            429 => Self::TooManyRequests,
            431 => Self::HeadTooLarge,
            500 => Self::Internal,
            503 => Self::Unavailable,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_what_may_be_somebodys() {
        for (path, seen) in [
            ("/api/v1/calls", "/api/v1/calls"),
            (
                "/api/v1/calls/call_01JD3V6W0Z8Q4T1F5N9R2X7KBM",
                "/api/v1/calls/call_01JD3V6W0Z8Q4T1F5N9R2X7KBM",
            ),
            ("/api/v1/calls/+919876543210", "/api/v1/calls/*"),
            ("/tlk_secret/secretsecretsecretsecretsecret", "/tlk_secret/*"),
            ("/%00/..%2f", "/*/*"),
        ] {
            assert_eq!(shown(path), seen);
        }
    }

    #[test]
    fn the_kind_of_a_status_has_that_status() {
        for status in (400..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            assert!(Code::of_status(status).is_none_or(|code| code.status() == status), "{status}");
        }
    }
}
