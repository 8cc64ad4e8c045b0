//! Who may come in, and how refusals look.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::json;

use crate::vendors::{Fault, Seen, World};

/// The parameters of a request.
pub(super) type Parameters = BTreeMap<String, String>;

/// The query of a request; empty where it is none.
pub(super) fn parameters(uri: &Uri) -> Parameters {
    Query::try_from_uri(uri).map(|Query(parameters)| parameters).unwrap_or_default()
}

/// Somebody with a key.
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
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let key = headers.get("xi-api-key").map(text).unwrap_or_default();
        let guest = Self::known(world, api, uri, &key);
        if key.is_empty() {
            guest.breach("no xi-api-key");
            return Err(refuse(
                401,
                "needs_authorization",
                "Neither authorization header nor xi-api-key received",
            ));
        }
        guest.by_key().await?;
        Ok(guest)
    }

    /// Somebody whose key is known without being shown.
    pub(super) fn known(world: World, api: &'static str, uri: &Uri, key: &str) -> Self {
        let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let fault = world.manner(key).fault;
        let place = world.ledger.begin(Seen { api, target, key: key.to_owned(), ..Seen::default() });
        Self { world, place, fault }
    }

    async fn by_key(&self) -> Result<(), Response> {
        match &self.fault {
            Some(Fault::Status(status)) => Err(by_status(*status)),
            Some(Fault::NoCredit) => Err(refuse(401, "quota_exceeded", "This request exceeds your quota.")),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Html) => {
                Err(([(header::CONTENT_TYPE, "text/html")], "<html><body>Sign in.</body></html>")
                    .into_response())
            }
            Some(Fault::Own(own)) => match own.as_str() {
                "concurrent" => {
                    Err(refuse(429, "too_many_concurrent_requests", "Too many requests at a time"))
                }
                "busy" => Err(refuse(429, "system_busy", "We are experiencing heavy traffic")),
                "validation" => Err(by_status(422)),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What happens to a WebSocket before its upgrade is answered.
    pub(super) async fn before_upgrade(&self) -> Result<(), Response> {
        match &self.fault {
            Some(Fault::HangWebsocket) => std::future::pending().await,
            Some(Fault::NoWebsocket) => {
                return Err((StatusCode::FORBIDDEN, "No WebSockets here.").into_response());
            }
            _ => {}
        }
        pause(self.world.delays.upgrade_ms).await;
        Ok(())
    }

    /// Whether the key asks for this fault of ElevenLabs' own.
    pub(super) fn has(&self, own: &str) -> bool {
        matches!(&self.fault, Some(Fault::Own(word)) if word == own)
    }

    /// Notes what the documents forbid.
    pub(super) fn breach(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(|seen| seen.breaches.push(what));
    }

    /// Changes their line in the ledger.
    pub(super) fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.world.ledger.note(self.place, change);
    }

    /// Refuses what the documents forbid.
    pub(super) fn forbid(&self, status: u16, word: &str, message: &str) -> Response {
        self.breach(message);
        refuse(status, word, message)
    }
}

/// `GET /v1/user`.
pub(super) async fn user(
    State(world): State<World>,
    Query(_): Query<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match Guest::admit(world, "elevenlabs/user", &uri, &headers).await {
        Ok(guest) if guest.fault == Some(Fault::Garbage) => "\u{1}\u{2}".into_response(),
        Ok(_) => Json(json!({"user_id": "u1", "subscription": {"tier": "creator", "character_count": 7,
            "character_limit": 100_000}}))
        .into_response(),
        Err(refusal) => refusal,
    }
}

/// A refusal in the vendor's usual shape.
pub(super) fn refuse(status: u16, word: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"detail": {"status": word, "message": message}}))).into_response()
}

fn by_status(status: u16) -> Response {
    match status {
        401 => refuse(401, "invalid_api_key", "Invalid API key"),
        403 => refuse(403, "only_for_creator+", "Your plan does not include this"),
        404 => refuse(404, "voice_not_found", "A voice with that id was not found"),
        422 => {
            let body = json!({"detail": [{"loc": ["body", "text"], "msg": "field required",
                "type": "value_error.missing"}]});
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
        429 => {
            let mut response = refuse(429, "too_many_concurrent_requests", "Too many requests at a time");
            response.headers_mut().insert(header::RETRY_AFTER, http::HeaderValue::from_static("1"));
            response
        }
        503 => refuse(503, "system_busy", "We are experiencing heavy traffic"),
        400..=499 => refuse(status, "invalid_request", "The request is not valid"),
        _ => refuse(status, "internal_server_error", "Something went wrong"),
    }
}

/// Waits so many milliseconds; no time at all for none.
pub(super) async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
