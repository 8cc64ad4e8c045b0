//! Who may come in, and how refusals look.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::json;

use crate::vendors::{Fault, Manner, Seen, World};

use super::query::{Query, Refused};

/// An answer that ends it, before anything has begun.
pub(super) type Refusal = Box<Response>;

/// Somebody with a key.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) world: World,
    /// Their line in the ledger.
    pub(super) place: usize,
    pub(super) fault: Option<Fault>,
    /// The id of the request, as the vendor gives it with every answer.
    pub(super) id: String,
}

impl Guest {
    /// Lets them in, or refuses as their key or the lack of one says.
    pub(super) async fn admit(
        world: World,
        api: &'static str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        let (scheme, key) = credentials(headers);
        let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let place = world.ledger.begin(Seen { api, target, key: key.clone(), ..Seen::default() });
        let Manner { fault } = world.manner(&key);
        let guest = Self { world, place, fault, id: request_id() };
        // A key as a bearer is refused, and so is a short-lived token as a key.
        let is_jwt = key.split('.').count() == 3;
        if key.is_empty() || scheme != if is_jwt { "Bearer" } else { "Token" } {
            guest.breach(&format!("credentials as {scheme:?}"));
            return Err(guest
                .refuse(StatusCode::UNAUTHORIZED, "INVALID_AUTH", "Invalid credentials.")
                .into());
        }
        guest.by_key().await?;
        Ok(guest)
    }

    async fn by_key(&self) -> Result<(), Refusal> {
        match &self.fault {
            Some(Fault::Status(status)) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let (code, message) = words_of(status);
                Err(self.refuse(status, code, message).into())
            }
            Some(Fault::NoCredit) => {
                let message = "Project does not have enough credits for an ASR request.";
                Err(self.refuse(StatusCode::PAYMENT_REQUIRED, "ASR_PAYMENT_REQUIRED", message).into())
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Html) => {
                let html = [(header::CONTENT_TYPE, "text/html")];
                Err((html, "<html><body>Welcome to the hotel.</body></html>").into_response().into())
            }
            Some(Fault::Own(own)) => match own.as_str() {
                "shape-plain" => {
                    Err((StatusCode::BAD_REQUEST, "Bad Request: no such model").into_response().into())
                }
                "shape-category" => {
                    let body = json!({"category": "INVALID_QUERY_PARAMETER", "message": "No such model.",
                        "details": "It is not in the list.", "request_id": self.id});
                    Err((StatusCode::BAD_REQUEST, axum::Json(body)).into_response().into())
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What happens to a WebSocket before its upgrade is answered.
    pub(super) async fn before_upgrade(&self) -> Result<(), Refusal> {
        match &self.fault {
            Some(Fault::HangWebsocket) => std::future::pending().await,
            Some(Fault::NoWebsocket) => {
                return Err((StatusCode::FORBIDDEN, "WebSockets are not allowed here.")
                    .into_response()
                    .into());
            }
            _ => {}
        }
        pause(self.world.delays.upgrade_ms).await;
        Ok(())
    }

    /// How many milliseconds the key adds to the first answer.
    pub(super) fn slowness_ms(&self) -> u64 {
        match &self.fault {
            Some(Fault::Own(own)) => {
                let seconds = own.strip_prefix("slow-").and_then(|own| own.strip_suffix('s'));
                seconds.and_then(|seconds| seconds.parse::<u64>().ok()).map_or(0, |seconds| seconds * 1_000)
            }
            _ => 0,
        }
    }

    /// Whether the key asks for this fault of Deepgram's own.
    pub(super) fn has(&self, own: &str) -> bool {
        matches!(&self.fault, Some(Fault::Own(word)) if word == own)
    }

    /// Notes what the documents forbid.
    pub(super) fn breach(&self, what: &str) {
        self.world.ledger.note(self.place, |seen| seen.breaches.push(what.to_owned()));
    }

    /// The parameters of the request, or the refusal of what the documents don't know.
    pub(super) fn query(&self, uri: &Uri, known: &[&str]) -> Result<Query, Refusal> {
        Query::parse(uri.query().unwrap_or_default(), known).map_err(|refused| self.refuse_query(&refused))
    }

    /// Refuses a parameter.
    pub(super) fn refuse_query(&self, refused: &Refused) -> Refusal {
        self.breach(&refused.0);
        self.refuse(StatusCode::BAD_REQUEST, "INVALID_QUERY_PARAMETER", &refused.0).into()
    }

    /// A refusal in today's usual shape, with its text in a header too.
    pub(super) fn refuse(&self, status: StatusCode, code: &str, message: &str) -> Response {
        let body = json!({"err_code": code, "err_msg": message, "request_id": self.id});
        let mut response = (status, axum::Json(body)).into_response();
        if let Ok(message) = HeaderValue::from_str(message) {
            response.headers_mut().insert("dg-error", message);
        }
        self.signed(response)
    }

    /// The same answer with the id of the request.
    pub(super) fn signed(&self, mut response: Response) -> Response {
        let id = HeaderValue::from_str(&self.id).expect("an id is of letters and digits");
        response.headers_mut().insert("dg-request-id", id);
        response
    }
}

/// `GET /v1/projects`: the projects of the key.
pub(super) async fn projects(State(world): State<World>, uri: Uri, headers: HeaderMap) -> Response {
    let guest = match Guest::admit(world, "deepgram/projects", &uri, &headers).await {
        Ok(guest) => guest,
        Err(refusal) => return *refusal,
    };
    let body = match guest.fault {
        Some(Fault::Garbage) => Body::from("\u{1}\u{2}"),
        _ => Body::from(json!({"projects": [{"project_id": "p1", "name": "Reception"}]}).to_string()),
    };
    let kind = [(header::CONTENT_TYPE, "application/json")];
    guest.signed((kind, body).into_response())
}

fn credentials(headers: &HeaderMap) -> (String, String) {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, key) = value.split_once(' ').unwrap_or((value, ""));
    (scheme.to_owned(), key.trim().to_owned())
}

fn words_of(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("Bad Request", "Bad Request: failed to process audio: corrupt or unsupported data"),
        401 => ("INVALID_AUTH", "Invalid credentials."),
        402 => ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
        403 => ("INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions."),
        404 => ("PROJECT_NOT_FOUND", "Project not found."),
        413 => ("PAYLOAD_TOO_LARGE", "Payload too large."),
        429 => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later."),
        503 => ("SERVICE_UNAVAILABLE", "Service is temporarily unavailable."),
        504 => ("GATEWAY_TIMEOUT", "The request timed out."),
        _ => ("INTERNAL_SERVER_ERROR", "Something went wrong."),
    }
}

/// Waits so many milliseconds; no time at all for none.
pub(super) async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:08x}-0000-4000-8000-000000000000", NEXT.fetch_add(1, Ordering::Relaxed))
}
