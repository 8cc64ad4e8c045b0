//! Who may come in, and how refusals look (`google.rpc.Status`).

use std::io;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::token;
use crate::vendors::{Fault, Seen, World};

/// Somebody with a key or a token.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) world: World,
    place: usize,
    pub(super) fault: Option<Fault>,
}

impl Guest {
    /// Lets them in, or refuses as their key or the lack of one says.
    pub(super) async fn admit(
        world: World,
        api: &'static str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Self, Response> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let key = text("x-goog-api-key").or_else(|| bearer.and_then(token::manner_of)).unwrap_or_default();
        let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let place = world.ledger.begin(Seen { api, target, key: key.to_owned(), ..Seen::default() });
        let guest = Self { fault: world.manner(key).fault, world, place };
        if key.is_empty() {
            guest.note(|seen| seen.breaches.push("neither a key nor a token of ours".to_owned()));
            return Err(refuse(401, "Request had invalid authentication credentials.", &Value::Null));
        }
        guest.by_key().await?;
        Ok(guest)
    }

    async fn by_key(&self) -> Result<(), Response> {
        match &self.fault {
            Some(Fault::Status(status)) => Err(by_status(*status)),
            Some(Fault::NoCredit) => {
                let detail = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "BILLING_DISABLED", "domain": "googleapis.com"}]);
                Err(refuse(403, "This API method requires billing to be enabled.", &detail))
            }
            Some(Fault::Own(own)) if own == "bad-key" => {
                let detail = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
                Err(refuse(400, "API key not valid. Please pass a valid API key.", &detail))
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Html) => {
                Err(([(header::CONTENT_TYPE, "text/html")], "<html><body>Sign in.</body></html>")
                    .into_response())
            }
            _ => Ok(()),
        }
    }

    /// Whether the key asks for this fault of Google's own.
    pub(super) fn has(&self, own: &str) -> bool {
        matches!(&self.fault, Some(Fault::Own(word)) if word == own)
    }

    /// Changes their line in the ledger.
    pub(super) fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.world.ledger.note(self.place, change);
    }

    /// Refuses what the documents forbid.
    pub(super) fn forbid(&self, message: &str) -> Response {
        self.note(|seen| seen.breaches.push(message.to_owned()));
        refuse(400, message, &Value::Null)
    }

    /// The answer, as the key wants it.
    pub(super) async fn answer(&self, delay_ms: u64, answer: &Value) -> Response {
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        let text = answer.to_string();
        let half = Bytes::from(text[..text.len() / 2].to_owned());
        let broken = io::Error::from(io::ErrorKind::ConnectionReset);
        let body = match self.fault {
            Some(Fault::Mute) => Body::from_stream(stream::pending::<io::Result<Bytes>>()),
            Some(Fault::Stall) => {
                Body::from_stream(stream::iter([Ok::<_, io::Error>(half)]).chain(stream::pending()))
            }
            // One answer has no room for a report: a failure is a connection that breaks.
            Some(Fault::Cut | Fault::InStream) => Body::from_stream(stream::iter([Ok(half), Err(broken)])),
            Some(Fault::Drip) => {
                Body::from_stream(stream::unfold(text.into_bytes().into_iter(), |mut bytes| async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    bytes.next().map(|byte| (Ok::<_, io::Error>(Bytes::from(vec![byte])), bytes))
                }))
            }
            Some(Fault::Garbage) => Body::from("\u{1}{no answer"),
            _ => Body::from(text),
        };
        ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
    }
}

/// `GET /v1/voices`, `GET /v1/operations`: lists.
pub(super) async fn listing(State(world): State<World>, uri: Uri, headers: HeaderMap) -> Response {
    match Guest::admit(world, "google/list", &uri, &headers).await {
        Ok(guest) if uri.path().ends_with("voices") => {
            let voices = json!({"voices": [{"languageCodes": ["en-IN"], "name": "en-IN-Neural2-A",
                "ssmlGender": "FEMALE", "naturalSampleRateHertz": 24_000}]});
            guest.answer(0, &voices).await
        }
        Ok(guest) => guest.answer(0, &json!({})).await,
        Err(refusal) => refusal,
    }
}

/// A refusal in Google's shape.
pub(super) fn refuse(status: u16, message: &str, details: &Value) -> Response {
    let word = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    let mut error = json!({"code": status, "message": message, "status": word});
    if !details.is_null() {
        error["details"] = details.clone();
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"error": error}))).into_response()
}

fn by_status(status: u16) -> Response {
    let details = match status {
        429 => json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}]),
        _ => Value::Null,
    };
    refuse(status, "As the key asks.", &details)
}
