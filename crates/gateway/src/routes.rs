//! The data plane's HTTP: the connect webhook, the stream's report, the list of sessions, and the media socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use carriers::Carrier;
use carriers::exotel::{ConnectAnswer, ConnectRequest, StreamReport};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::{OpenApi, ToSchema};

use crate::gateway::Gateway;
use crate::handover::Handover;
use crate::problem::problem;
use crate::sessions::{SessionView, key};
use crate::strangers::client;
use crate::{admission, masked, seen, twilio, upgrade};

/// The largest body of a webhook that is looked at.
const BODY: usize = 64 * 1024;
/// How long a webhook's body may take. The answer does not depend on it.
const BODY_WAIT: Duration = Duration::from_millis(500);

impl Gateway {
    /// The data plane's routes.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/api/v1/exotel/voice/connect", get(connect).post(connect))
            .route("/api/v1/exotel/passthru", get(passthru).post(passthru))
            .route("/voicebot/sessions", get(sessions))
            .route("/voicebot/seen", get(seen::seen))
            .merge(twilio::routes())
            .route(&self.config.ws_path, get(upgrade::upgrade))
            .with_state(self.clone())
    }
}

/// The data plane's routes as the API's document describes them. The media socket is none of them: its path is
/// configured and its wire the carrier's.
pub fn documented() -> utoipa::openapi::OpenApi {
    Documented::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(
    connect,
    passthru,
    twilio::voice,
    twilio::after,
    twilio::onward::dialled,
    sessions,
    seen::seen
))]
struct Documented;

/// The answer to the connect webhook, as [`ConnectAnswer`] writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what another crate writes, which knows no documents")]
struct Connect {
    /// The media socket, `wss://..`.
    url: String,
}

/// Exotel asks where the media socket is
///
/// Always 200: whatever was asked, a URL that works is the best answer.
#[utoipa::path(
    method(get, post), path = "/api/v1/exotel/voice/connect", tag = "carriers",
    responses((status = 200, description = "Where the media socket is.", body = Connect)),
)]
async fn connect(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let began = Instant::now();
    // Never refused, since nothing tells the carrier from a stranger: beyond the limit it opens and writes nothing.
    let may_cost = gateway.door.strangers.may_cost(client(request.extensions()));
    let asked = Asked::read(request).await;
    let request = ConnectRequest::parse(&asked.query, asked.content_type(), &asked.body);
    let invitation = admission::invite(&gateway, &request, &asked.headers);
    let answer = ConnectAnswer { url: invitation.url };
    if may_cost {
        asked.log("connect webhook", began);
    }
    if let Some(agent) = invitation.agent.filter(|_| may_cost) {
        let rate = gateway.config.stream_rate;
        gateway.prepare(key(Carrier::Exotel, &invitation.call), agent, rate);
    }
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Exotel tells how a stream ended
///
/// The report joins the call's record. 200 steers the flow to its first branch. With `?transfer=NAME` in the applet's URL
/// it does so only for a call that its agent handed on to NAME (`*`: to anybody), and 302 steers all others to the second.
#[utoipa::path(
    method(get, post), path = "/api/v1/exotel/passthru", tag = "carriers",
    params(("transfer" = Option<String>, Query, description = "Asks whether the call was handed on to this name.")),
    responses(
        (status = 200, description = "Taken; nothing is said."),
        (status = 302, description = "Taken; the call was not handed on to this name."),
    ),
)]
async fn passthru(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let began = Instant::now();
    // The answer stays what it is, or a true carrier's flow would be led astray.
    let may_cost = gateway.door.strangers.may_cost(client(request.extensions()));
    let asked = Asked::read(request).await;
    if may_cost {
        asked.log("stream report", began);
    }
    let report = StreamReport::parse(&asked.query, asked.content_type(), &asked.body);
    let wanted = form_urlencoded::parse(asked.query.as_bytes()).find(|(name, _)| name == "transfer");
    let answer = wanted.map_or(StatusCode::OK, |(_, wanted)| {
        let call = report.call_sid.as_ref();
        let handover = call.and_then(|call| gateway.handovers.asked(&key(Carrier::Exotel, call)));
        let fits = |handover: Handover| wanted == "*" || handover.target.eq_ignore_ascii_case(&wanted);
        if handover.is_some_and(fits) { StatusCode::OK } else { StatusCode::FOUND }
    });
    match (gateway.store.as_ref().filter(|_| may_cost), report.call_sid) {
        (Some(store), Some(call)) => store.report(Carrier::Exotel.as_str(), &call, report.stream),
        (Some(_), None) => tracing::warn!("a stream report names no call"),
        (None, _) => {}
    }
    answer.into_response()
}

/// The live calls.
#[derive(Debug, Serialize, ToSchema)]
struct Sessions {
    /// Oldest first.
    sessions: Vec<SessionView>,
    /// How many.
    total: usize,
}

/// The live calls
#[utoipa::path(
    get, path = "/voicebot/sessions", tag = "calls", security(("key" = [])),
    responses(
        (status = 200, description = "The calls that run in this process.", body = Sessions),
        (
            status = 401, description = "A key is needed.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json",
        ),
    ),
)]
async fn sessions(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if !admission::may_see(&gateway, &headers).await {
        return problem(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "Send a key as `Authorization: Bearer <key>`.",
        );
    }
    let sessions = gateway.sessions.view();
    Json(Sessions { total: sessions.len(), sessions }).into_response()
}

/// What a webhook was asked.
pub(crate) struct Asked {
    method: Method,
    /// Path and query, byte for byte.
    pub(crate) target: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) async fn read(request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let has_body = parts.method != Method::GET;
        let read = async { axum::body::to_bytes(body, BODY).await.unwrap_or_default() };
        let body = if has_body { timeout(BODY_WAIT, read).await.unwrap_or_default() } else { Bytes::new() };
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Self { method: parts.method, target, query, headers: parts.headers, body }
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn log(&self, what: &str, began: Instant) {
        tracing::info!(
            method = %self.method,
            query = masked::query(&self.query),
            body = masked::query(&String::from_utf8_lossy(&self.body)),
            headers = masked::headers(&self.headers),
            micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "{what}"
        );
    }
}
