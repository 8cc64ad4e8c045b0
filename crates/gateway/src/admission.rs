//! Who is let in, and the URL that lets them in.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use carriers::exotel::auth::{Auth, Denied, Granted, Knock};
use carriers::exotel::{ConnectRequest, DEFAULT_RATE, SocketQuery, socket_url};
use carriers::token::{TokenUses, mint};
use http::{HeaderMap, header};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::agent::Agent;
use crate::config::{self, Config};
use crate::gateway::Gateway;
use crate::reference::{PARAMETER, References};
use crate::strangers::Strangers;

/// What lets callers' sockets in.
pub(crate) struct Door {
    auth: Auth,
    token_secret: [u8; 32],
    token_uses: Mutex<TokenUses>,
    pub(crate) references: References,
    pub(crate) strangers: Strangers,
    also: OnceLock<Look>,
}

/// Says whether a request with these headers may see the sessions.
pub type Look = Box<dyn Fn(HeaderMap) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

impl Gateway {
    /// Lets those see the sessions whom `look` lets, beside those who may open a socket; an open door shows them to nobody
    /// else then.
    pub fn show_sessions_to(&self, look: Look) {
        // The first one stays; there is no reason to ask twice.
        let _ = self.door.also.set(look);
    }
}

impl Door {
    pub(crate) fn new(config: &Config, token_secret: [u8; 32]) -> Self {
        Self {
            auth: checks(&config.auth, &token_secret),
            references: References::new(&token_secret, config.timing.token_ttl),
            token_secret,
            token_uses: Mutex::new(TokenUses::default()),
            strangers: Strangers::default(),
            also: OnceLock::new(),
        }
    }
}

/// The checks that a configuration asks for. Tokens open the socket only where something else does too: without
/// any check they would open nothing that is closed.
fn checks(auth: &config::Auth, token_secret: &[u8; 32]) -> Auth {
    let mut checks = Auth::new();
    if let Some(token) = &auth.bearer {
        checks = checks.with_bearer(token.expose_secret());
    }
    if let Some((user, password)) = &auth.basic {
        checks = checks.with_basic(user, password.expose_secret());
    }
    if auth.is_required() { checks.with_token_secret(token_secret.to_vec()) } else { checks }
}

/// What a connect webhook is answered.
pub(crate) struct Invitation {
    /// The media socket's URL.
    pub(crate) url: String,
    /// The id under which the call will come.
    pub(crate) call: String,
    /// The agent that will answer it.
    pub(crate) agent: Option<Arc<Agent>>,
}

/// The media socket's URL for the call that a connect webhook is about. Nothing it is asked can make it fail.
pub(crate) fn invite(gateway: &Gateway, asked: &ConnectRequest, headers: &HeaderMap) -> Invitation {
    let config = &gateway.config;
    let base = match &config.public_url {
        Some(url) => url.clone(),
        None => format!("http://{}", text(headers, &header::HOST).unwrap_or("localhost")),
    };
    let call = asked.call_sid.clone().unwrap_or_else(|| gateway.anonymous());
    let rate = config.stream_rate.hz().to_string();
    let token = (!gateway.door.auth.is_open()).then(|| {
        let expires = now_unix_s().saturating_add(config.timing.token_ttl.as_secs());
        mint(&gateway.door.token_secret, &call, expires)
    });
    let agent = asked.params.get("agent").filter(|name| gateway.agent(name).is_some());
    let mut pairs = Vec::new();
    // The carrier passes three pairs on at most; the default rate need not be said.
    if agent.is_none() || config.stream_rate != DEFAULT_RATE {
        pairs.push(("sample-rate", rate.as_str()));
    }
    pairs.push(("call_id", call.as_str()));
    if let Some(token) = &token {
        pairs.push(("k", token.as_str()));
    }
    let agent = agent.filter(|_| pairs.len() < 3);
    if let Some(agent) = agent {
        pairs.push(("agent", agent.as_str()));
    }
    let made = socket_url(&base, &config.ws_path, &pairs).or_else(|fault| {
        tracing::warn!(%fault, "the webhook's URL can't be made as asked");
        socket_url("http://localhost", &config.ws_path, &pairs)
    });
    let url = made.unwrap_or_else(|_| format!("wss://localhost{}", config.ws_path));
    let agent = agent.map_or_else(|| gateway.default_agent(), |name| gateway.agent(name));
    Invitation { url, call, agent }
}

/// The media socket's URL for a call that is about to be dialled. The request to dial adds our id of the call to it, and
/// the carrier passes three pairs on at most.
pub(crate) fn media_url(gateway: &Gateway, call: &str, agent: &str, holds: Duration) -> Option<String> {
    let config = &gateway.config;
    let base = config.public_url.as_ref()?;
    let token = (!gateway.door.auth.is_open())
        .then(|| mint(&gateway.door.token_secret, call, now_unix_s().saturating_add(holds.as_secs())));
    let mut pairs = vec![("agent", agent)];
    pairs.extend(token.as_deref().map(|token| ("k", token)));
    socket_url(base, &config.ws_path, &pairs).ok()
}

/// Whether a media socket may be opened.
pub(crate) fn may_connect(
    gateway: &Gateway,
    query: &SocketQuery,
    headers: &HeaderMap,
) -> Result<Granted, Denied> {
    let knock = Knock {
        authorization: text(headers, &header::AUTHORIZATION),
        token: query.token.as_deref(),
        // For a call that we placed, the token was made before the carrier had an id for it.
        call_id: query
            .call_id
            .as_deref()
            .or(query.others.get(PARAMETER).map(String::as_str))
            .unwrap_or_default(),
        now_unix_s: now_unix_s(),
    };
    let mut uses = gateway.door.token_uses.lock().unwrap_or_else(PoisonError::into_inner);
    gateway.door.auth.check(&knock, &mut uses)
}

/// Lets the carrier come back with the same token for a call whose socket broke.
pub(crate) fn reopen(gateway: &Gateway, call: &str, token: &str, for_ms: u64) {
    let until = now_unix_s().saturating_add(for_ms.div_ceil(1000));
    let mut uses = gateway.door.token_uses.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(fault) = uses.reopen(&gateway.door.token_secret, call, token, until) {
        tracing::debug!(%fault, "the call's token can't be used again");
    }
}

/// Whether the sessions may be seen: with the same header that opens the socket, or as the control plane says.
pub(crate) async fn may_see(gateway: &Gateway, headers: &HeaderMap) -> bool {
    let authorization = text(headers, &header::AUTHORIZATION);
    let knock = Knock { authorization, token: None, call_id: "", now_unix_s: now_unix_s() };
    let granted = gateway.door.auth.check(&knock, &mut TokenUses::with_room(0));
    match (&gateway.door.also, granted) {
        (also, Ok(Granted::Open)) if also.get().is_none() => true,
        (_, Ok(Granted::Bearer | Granted::Basic)) => true,
        (also, _) => match also.get() {
            Some(look) => look(headers.clone()).await,
            None => false,
        },
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(crate) fn now_unix_s() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or(0)
}
