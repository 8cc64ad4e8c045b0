//! Errors over HTTP, as RFC 9457 (Problem Details for HTTP APIs) has them. They say what is wrong and what to do about
//! it, never what is inside. A handler gives a [`Problem`]; `complete` adds what only the request knows.

mod answers;
mod code;
mod complete;

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use store::DatabaseError;
use utoipa::ToSchema;

pub(crate) use answers::{
    BadRequest, Conflict, Forbidden, NotFound, RangeNotSatisfiable, ServerFault, Storage, TooMany,
    Unauthorized, Unavailable, Unprocessable, Upstream,
};
pub use code::Code;
pub(crate) use complete::{AsItIs, complete};

/// The media type of a problem.
const KIND: &str = "application/problem+json";
/// How many characters of a reader's words on a body are told: they may repeat what was sent.
const READER: usize = 300;
/// After how long to ask again when nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What went wrong with a request, as `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Where this kind of problem is explained, relative to the server's address.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/docs/errors#invalid_parameters")]
    kind: Box<str>,
    /// The kind of problem in a few words, the same each time.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: Box<str>,
    /// The path that was asked.
    #[schema(format = "uri-reference")]
    instance: Box<str>,
    /// The kind of problem as a word for programs.
    code: Code,
    /// Each fault that was found in what was sent.
    #[serde(skip_serializing_if = "<[Mistake]>::is_empty")]
    errors: Box<[Mistake]>,
    /// The id that the server's log knows this request by.
    request_id: Box<str>,
    /// After how long to ask again, in seconds; also in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// One fault in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mistake {
    /// Where in the body: a JSON pointer as a URI fragment (RFC 6901), `#/to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which parameter of the path or the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Which header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What is wrong with it.
    pub detail: String,
}

impl Mistake {
    /// A fault at a place of the JSON body, given as a JSON pointer without the `#`: `/to`.
    pub fn at(pointer: &str, detail: impl Into<String>) -> Self {
        Self { pointer: Some(format!("#{pointer}")), ..Self::unplaced(detail.into()) }
    }

    /// A fault in a parameter of the path or the query.
    pub fn of(parameter: &str, detail: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::unplaced(detail.into()) }
    }

    /// A fault in a header.
    pub fn header(name: &str, detail: impl Into<String>) -> Self {
        Self { header: Some(name.to_owned()), ..Self::unplaced(detail.into()) }
    }

    const fn unplaced(detail: String) -> Self {
        Self { pointer: None, parameter: None, header: None, detail }
    }
}

impl Problem {
    /// A problem of this kind. `detail` says what is wrong with this very request, without secrets or phone numbers.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status().as_u16();
        Self {
            kind: format!("/docs/errors#{code}").into(),
            title: code.title(),
            status,
            detail: detail.into().into(),
            instance: Box::default(),
            code,
            errors: Box::default(),
            request_id: Box::default(),
            retry_after: matches!(status, 429 | 503).then_some(RETRY_AFTER.as_secs()),
        }
    }

    /// Bad parameters or a bad body, each fault named.
    pub fn of_mistakes(code: Code, errors: Vec<Mistake>) -> Self {
        let details: Vec<&str> = errors.iter().map(|mistake| mistake.detail.as_str()).collect();
        let detail = details.join(" ");
        Self { errors: errors.into(), ..Self::new(code, detail) }
    }

    /// With another time to ask again than the usual.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        self
    }

    /// After how many seconds to ask again.
    pub(crate) const fn waits(&self) -> Option<u64> {
        self.retry_after
    }

    /// Its kind.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// What is wrong, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// The answer to a request without a key, or with none that holds.
pub(crate) fn unauthorized() -> Problem {
    Problem::new(
        Code::Unauthorized,
        "Send a key as `Authorization: Bearer <key>`; `trunkline keys create` makes one.",
    )
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Unavailable(_) => {
                tracing::warn!(%error, "a request finds no database");
                Self::new(
                    Code::DatabaseUnavailable,
                    "The database does not answer now; calls go on without it.",
                )
            }
            DatabaseError::Failed(_) => {
                tracing::error!(%error, "the database fails");
                Self::new(Code::Internal, "The database failed; the log says why.")
            }
        }
    }
}

/// A reader's words, within a bound.
fn told(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(READER).collect()
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => {
                Self::new(Code::UnsupportedMediaType, "Send the body as `Content-Type: application/json`.")
            }
            JsonRejection::JsonDataError(error) => Self::new(Code::MalformedBody, told(&error.body_text())),
            JsonRejection::JsonSyntaxError(error) => Self::new(Code::MalformedBody, told(&error.body_text())),
            error if error.status() == http::StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(Code::BodyTooLarge, "The body is too large.")
            }
            _ => Self::new(Code::MalformedBody, "The body could not be read."),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// What is answered where there is no route.
pub(crate) async fn no_route() -> Problem {
    Problem::new(Code::NotFound, "There is nothing at this path; /docs lists what there is.")
}

/// What is answered where there is a route for other methods.
pub(crate) async fn no_method() -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        "This path has other methods; the header `Allow` and /docs list them.",
    )
}
