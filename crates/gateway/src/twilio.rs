//! Twilio's routes: the voice webhook, what it asks when a stream is over, and the media socket. Nothing of a request is
//! read or logged before its signature is found right.

pub(crate) mod onward;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use carriers::twilio::signature::{self, Pairs, SignatureFault};
use carriers::twilio::{VoiceRequest, twiml};
use carriers::{Address, Carrier};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use jiff::Timestamp;
use records::Direction;
use secrecy::ExposeSecret;
use store::CallId;

use crate::bind::{self, Fresh};
use crate::gateway::Gateway;
use crate::line::Line;
use crate::listener::Peer;
use crate::metrics::{rejected, webhook_refused};
use crate::origin;
use crate::problem::problem;
use crate::reference::PARAMETER;
use crate::routes::Asked;
use crate::sessions::key;
use crate::socket::{MediaSocket, configure};
use crate::strangers::client;
use crate::upgrade::no_upgrade;

const VOICE: &str = "/twilio/voice";
const AFTER: &str = "/twilio/after";
const MEDIA: &str = "/twilio/media";
/// Where the control plane hears how streams go.
const STREAM_STATUS: &str = "/twilio/stream-status";

/// What stands before the name of a variable in the voice webhook's query.
const VARIABLE: &str = "v.";
/// Parameters of the stream that are ours.
const OWN: &[&str] = &[PARAMETER, "direction", "from", "to", "answered_by"];

/// The routes.
pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route(VOICE, get(voice).post(voice))
        .route(AFTER, get(after).post(after))
        .route(onward::DIALLED, get(onward::dialled).post(onward::dialled))
        .route(MEDIA, get(media))
}

/// Twilio asks what to do with a call
///
/// Answered with TwiML that connects the call to the media socket. No database, vendor or file is asked.
#[utoipa::path(
    method(get, post), path = "/twilio/voice", tag = "carriers",
    responses(
        (status = 200, description = "TwiML.", body = String, content_type = "text/xml"),
        (status = 400, description = "There is no signature.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
        (status = 403, description = "The signature is wrong.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
        (status = 404, description = "Twilio is not configured.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn voice(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let began = Instant::now();
    let (asked, signed) = match genuine(&gateway, request).await {
        Ok(genuine) => genuine,
        Err(refused) => return *refused,
    };
    asked.log("voice webhook", began);
    let voice = VoiceRequest::of(&signed.pairs);
    let Some(call) = &voice.call else {
        return problem(StatusCode::BAD_REQUEST, "No call", "The request names no CallSid.");
    };
    if let Some(reason) = gateway.closed_to_new() {
        tracing::warn!(carrier_call_id = call, reason, "there is no place for a call");
        let rings = voice.is_ringing && voice.direction == Direction::Inbound;
        return answer(if rings { twiml::busy() } else { twiml::hang_up() });
    }
    let agent =
        signed.query("agent").and_then(|name| gateway.agent(name)).or_else(|| gateway.default_agent());
    let Some(agent) = agent else { return answer(twiml::hang_up()) };
    let dialled = signed.query("call").and_then(|id| id.parse().ok());
    let id = dialled.unwrap_or_else(|| CallId::new(Timestamp::now(), gateway.random()));
    let direction = if dialled.is_some() { Direction::Outbound } else { voice.direction };
    let mut parameters = vec![("direction", direction.as_str())];
    parameters.extend(voice.from.as_deref().map(|from| ("from", from)));
    parameters.extend(voice.to.as_deref().map(|to| ("to", to)));
    parameters.extend(voice.answered_by.map(|by| ("answered_by", by.as_str())));
    parameters.extend(signed.variables());
    let text = connect(&gateway, &signed.address, (id, call, &agent.name), &parameters);
    if text.is_some() {
        gateway.prepare(key(Carrier::Twilio, call), agent, Carrier::Twilio.usual_rate());
    }
    answer(text.unwrap_or_else(twiml::hang_up))
}

/// Twilio asks how a call goes on whose stream is over
///
/// A call that lost its socket is given a new one, one that its agent handed on is put through, any other is over.
#[utoipa::path(
    method(get, post), path = "/twilio/after", tag = "carriers",
    responses(
        (status = 200, description = "TwiML.", body = String, content_type = "text/xml"),
        (status = 400, description = "There is no signature.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
        (status = 403, description = "The signature is wrong.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
        (status = 404, description = "Twilio is not configured.", body = ref("#/components/schemas/Problem"),
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn after(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let began = Instant::now();
    let (asked, signed) = match genuine(&gateway, request).await {
        Ok(genuine) => genuine,
        Err(refused) => return *refused,
    };
    asked.log("webhook after a stream", began);
    let call = VoiceRequest::of(&signed.pairs).call;
    let live = call.as_ref().and_then(|call| gateway.sessions.find(&key(Carrier::Twilio, call)));
    let text = match (&call, live) {
        (Some(call), Some((id, agent))) => {
            tracing::info!(call_id = %id, "the call has lost its stream and is given a new one");
            connect(&gateway, &signed.address, (id, call, &agent), &[])
        }
        (Some(call), None) => {
            let handover = gateway.handovers.asked(&key(Carrier::Twilio, call));
            handover.and_then(|handover| onward::dial(&gateway, &signed, &handover))
        }
        (None, _) => None,
    };
    answer(text.unwrap_or_else(twiml::hang_up))
}

/// Opens a media socket. Whose call it is, its start says.
async fn media(
    State(gateway): State<Arc<Gateway>>,
    peer: Option<Extension<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Some(token) = &gateway.config.twilio else { return unconfigured() };
    let client = peer.as_ref().map(|Extension(peer)| peer.client);
    let peer = peer.map(|Extension(peer)| peer.address);
    let query = uri.query().unwrap_or_default();
    let signature = header_text(&headers, signature::HEADER);
    let mut checked = Err(SignatureFault::Missing);
    for address in origin::addresses(&gateway.config, peer, &headers) {
        let Ok(url) = address.socket(MEDIA) else { continue };
        checked = signature::check_upgrade(token.expose_secret().as_bytes(), &url, query, signature);
        if !matches!(checked, Err(SignatureFault::Wrong)) {
            break;
        }
    }
    match checked {
        Ok(read_as) => {
            tracing::info!(
                peer = peer.map(|peer| peer.to_string()),
                signed = read_as.as_str(),
                "a media socket is asked for"
            );
        }
        Err(fault) => {
            rejected(if fault == SignatureFault::Missing { "no_signature" } else { "wrong_signature" });
            return gateway.door.strangers.refuse(client).unwrap_or_else(|| refused(fault, peer));
        }
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return no_upgrade(&rejection);
        }
    };
    configure(upgrade).on_upgrade(move |socket| {
        let fresh = Fresh {
            opened: tokio::time::Instant::now(),
            socket: MediaSocket::new(socket, gateway.config.timing.send_limit),
            line: Line::of(Carrier::Twilio),
            early: Vec::new(),
        };
        let tasks = gateway.tasks.clone();
        tasks.track_future(Box::pin(bind::serve_referred(gateway, fresh)))
    })
}

/// A request whose signature is right.
struct Signed {
    /// Under which address it was made.
    address: Address,
    /// The pairs of its query and then of its form.
    pairs: Pairs,
    /// How many of them are the query's.
    query: usize,
}

impl Signed {
    fn query(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs[..self.query].iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// What whoever placed the call wants its agent to know. Nothing of it takes the place of what we say ourselves.
    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs[..self.query].iter();
        pairs.filter_map(|(key, value)| {
            let name = key.strip_prefix(VARIABLE).filter(|name| !OWN.contains(name))?;
            Some((name, value.as_str()))
        })
    }
}

/// Reads a request and checks whose it is; the answer when it is not Twilio's.
async fn genuine(gateway: &Gateway, request: Request) -> Result<(Asked, Signed), Box<Response>> {
    let Some(token) = &gateway.config.twilio else { return Err(Box::new(unconfigured())) };
    let peer = request.extensions().get::<Peer>().map(|peer| peer.address);
    let who = client(request.extensions());
    let asked = Asked::read(request).await;
    let given = header_text(&asked.headers, signature::HEADER);
    let mut fault = SignatureFault::Missing;
    for address in origin::addresses(&gateway.config, peer, &asked.headers) {
        let url = address.http(&asked.target);
        let request = signature::Request { url: &url, content_type: asked.content_type(), body: &asked.body };
        match signature::check(token.expose_secret().as_bytes(), request, given) {
            Ok(form) => {
                let mut pairs = signature::pairs(&asked.query);
                let query = pairs.len();
                pairs.extend(form);
                return Ok((asked, Signed { address, pairs, query }));
            }
            Err(why) => fault = why,
        }
    }
    webhook_refused(Carrier::Twilio, fault == SignatureFault::Missing);
    Err(Box::new(gateway.door.strangers.refuse(who).unwrap_or_else(|| refused(fault, peer))))
}

/// TwiML that connects a call to the media socket: our id, the carrier's and the agent's name.
fn connect(
    gateway: &Gateway,
    asked_at: &Address,
    (id, call, agent): (CallId, &str, &str),
    parameters: &[(&str, &str)],
) -> Option<String> {
    let public = gateway.config.public_url.as_deref().and_then(|url| Address::parse(url).ok());
    let address = public.as_ref().unwrap_or(asked_at);
    let once = gateway.random().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
    let reference = gateway.door.references.mint(id, call, agent, once);
    let parameters: Vec<(&str, &str)> =
        [(PARAMETER, reference.as_str())].into_iter().chain(parameters.iter().copied()).collect();
    let stream = twiml::Stream {
        url: &address.socket(MEDIA).ok()?,
        status_url: &address.http(&format!("{STREAM_STATUS}?call={id}")),
        after_url: &address.http(&format!("{AFTER}?call={id}")),
        parameters: &parameters,
    };
    match twiml::connect(&stream) {
        Ok(text) => Some(text),
        Err(fault) => {
            tracing::error!(%fault, "the call can't be connected to a stream");
            None
        }
    }
}

fn answer(text: String) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(twiml::CONTENT_TYPE));
    ([kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text).into_response()
}

fn refused(fault: SignatureFault, peer: Option<SocketAddr>) -> Response {
    tracing::warn!(peer = peer.map(|peer| peer.to_string()), %fault, "a request that should be Twilio's is refused");
    match fault {
        SignatureFault::Missing => {
            problem(StatusCode::BAD_REQUEST, "No signature", "X-Twilio-Signature is missing.")
        }
        SignatureFault::Wrong => problem(
            StatusCode::FORBIDDEN,
            "Wrong signature",
            "X-Twilio-Signature does not fit. Check server.public_url, server.trusted_proxies and twilio.auth_token.",
        ),
    }
}

fn unconfigured() -> Response {
    let detail = "Set twilio.auth_token (or TWILIO_AUTH_TOKEN) to answer calls of Twilio.";
    problem(StatusCode::NOT_FOUND, "Twilio is not configured", detail)
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
