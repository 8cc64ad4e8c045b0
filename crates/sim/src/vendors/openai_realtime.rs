//! OpenAI's Realtime API's stand-in: conversations and transcription, `GET /v1/realtime` as a WebSocket. It hears by
//! level, not by words: a stretch of sound is the next text of the world, and the answer to it is the world's next
//! answer. Audio leaves five times faster than it plays. An instruction of the system is obeyed by saying its last
//! paragraph. An answer of several lines is several items.
//!
//! What goes wrong by key, beside what goes wrong everywhere: `x-session-expired` (in the first answer, with 1001),
//! `x-harmless-errors` (among everything), `x-fatal-error` (no credit, in the first answer), `x-failed-once` (the
//! first answer fails), `x-pcm-for-pcmu` (16-bit PCM where mu-law was agreed), `x-beta-names` (events as they were
//! called in the beta), `x-late-audio` (of a cancelled answer), `x-wrong-format` (the session holds a format that
//! nobody asked for), `x-no-transcript` (each fails), `x-never-ready` (the session's setup is not answered),
//! `x-cut-once` (the first connection breaks in the middle of its first answer), `x-cut-unheard` (it breaks once the
//! caller's first words were committed, before they are written down).

mod client;
mod playing;
mod session;
mod shape;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{Fault, Manner, Seen, World};
use session::{Session, Step};

/// Its path.
pub(super) fn routes(world: &World) -> Router {
    Router::new().route("/v1/realtime", get(open)).with_state(world.clone())
}

#[derive(Debug, Deserialize)]
struct Asked {
    model: Option<String>,
    intent: Option<String>,
}

async fn open(
    State(world): State<World>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = header("authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
    let transcribes = asked.intent.as_deref() == Some("transcription");
    let api = if transcribes { "openai/realtime-transcription" } else { "openai/realtime" };
    let target = format!("/v1/realtime?model={}", asked.model.as_deref().unwrap_or_default());
    let place = world.ledger.begin(Seen { api, target, key: key.clone(), ..Seen::default() });
    let breach = |what: &str| world.ledger.note(place, |seen| seen.breaches.push(what.to_owned()));
    let manner = world.manner(&key);
    tokio::time::sleep(Duration::from_millis(world.delays.upgrade_ms)).await;
    if key.is_empty() {
        breach("no bearer");
        return refusal(401, "invalid_api_key");
    }
    match &manner.fault {
        Some(Fault::Status(status)) => return refusal(*status, code_of(*status)),
        Some(Fault::NoCredit) => return refusal(429, "insufficient_quota"),
        Some(Fault::NoWebsocket) => return (StatusCode::FORBIDDEN, "<html>forbidden</html>").into_response(),
        Some(Fault::Html) => return (StatusCode::OK, "<html>welcome</html>").into_response(),
        Some(Fault::Hang | Fault::HangWebsocket) => std::future::pending().await,
        _ => {}
    }
    if asked.model.is_none() && !transcribes {
        breach("no model");
        return refusal(400, "missing_model");
    }
    let nth = world.ledger.of_key(api, &key);
    let is_beta = headers.contains_key("openai-beta");
    if is_beta {
        breach("the beta's header");
    }
    upgrade.on_upgrade(move |socket| async move {
        if is_beta {
            close(socket, 4000, "invalid_request_error.beta_api_shape_disabled").await;
            return;
        }
        let session = Session::new(world, (place, nth), manner, transcribes);
        serve(socket, session).await;
    })
}

const fn code_of(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        404 => "model_not_found",
        429 => "rate_limit_exceeded",
        _ => "server_error",
    }
}

/// A refusal in the shape of all of OpenAI's.
fn refusal(status: u16, code: &str) -> Response {
    let body = json!({ "error": { "message": "No.", "type": "invalid_request_error", "param": null, "code": code } });
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-request-id", "req_standin")
        .body(Body::from(body.to_string()))
        .expect("a status and two fixed headers make a response")
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    // Whether the other side still reads is its own affair.
    let _ = socket.send(Message::Close(Some(frame))).await;
    while let Some(Ok(_)) = socket.recv().await {}
}

/// Carries events across until either side has had enough.
async fn serve(mut socket: WebSocket, mut session: Session) {
    session.opened(Instant::now());
    loop {
        while let Some(step) = session.next(Instant::now()) {
            match step {
                Step::Send(text) => {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Step::Close(code, reason) => return close(socket, code, reason).await,
                // Without a closing handshake.
                Step::Break => return,
            }
        }
        let due = session.due();
        let wait = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => session.client(&text, Instant::now()),
                Some(Ok(Message::Binary(_))) => session.breach("a binary frame"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            () = wait => {}
        }
    }
}

/// Whether this manner is a fault of this vendor only, of this name.
fn has_own(manner: &Manner, name: &str) -> bool {
    matches!(&manner.fault, Some(Fault::Own(own)) if own == name)
}
