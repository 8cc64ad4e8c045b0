//! The media socket's upgrade: everything that can be refused is refused here, over HTTP, before a socket is
//! open. The carrier tries once more after a refusal, so a refusal has to be cheap.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;
use carriers::Carrier;
use carriers::exotel::SocketQuery;
use http::{HeaderMap, StatusCode};
use records::Direction;
use tokio::time::Instant;

use crate::agent::Agent;
use crate::bind::{self, Arrival, Fresh, Known};
use crate::gateway::Gateway;
use crate::line::Line;
use crate::listener::Peer;
use crate::metrics::rejected;
use crate::problem::problem;
use crate::reference::PARAMETER;
use crate::sessions::key;
use crate::socket::{MediaSocket, configure};
use crate::{admission, masked};

/// What whoever does not ask for a WebSocket hears: a proxy that takes `Upgrade` out is found by these words.
pub(crate) fn no_upgrade(rejection: &WebSocketUpgradeRejection) -> Response {
    rejected("no_upgrade");
    let detail = format!("This path takes WebSocket upgrades alone. {}", rejection.body_text());
    problem(rejection.status(), "No WebSocket upgrade", &detail)
}

/// Opens a media socket.
pub(crate) async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    peer: Option<Extension<Peer>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let raw_query = query.unwrap_or_default();
    let query = SocketQuery::parse(&raw_query);
    let client = peer.as_ref().map(|Extension(peer)| peer.client);
    let peer = peer.map(|Extension(peer)| peer.address.to_string());
    match admission::may_connect(&gateway, &query, &headers) {
        Ok(granted) => {
            tracing::info!(query = masked::query(&raw_query), peer, ?granted, "a media socket is asked for");
        }
        Err(denied) => {
            rejected(denied.as_str());
            if let Some(answer) = gateway.door.strangers.refuse(client) {
                return answer;
            }
            tracing::warn!(peer, why = denied.as_str(), "a media socket is refused");
            let detail = "Send the token as Authorization: Bearer, user and password as Basic, or connect with \
                          the URL that the connect webhook gives, once and within a minute.";
            return problem(StatusCode::UNAUTHORIZED, "Unauthorized", detail);
        }
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return no_upgrade(&rejection);
        }
    };
    // A live call has its place; a new one needs one.
    let live =
        query.call_id.as_ref().is_some_and(|call| gateway.sessions.is_live(&key(Carrier::Exotel, call)));
    let place = match if live { Ok(None) } else { gateway.place().map(Some) } {
        Ok(place) => place,
        Err(reason) => {
            rejected(reason);
            tracing::warn!(peer, reason, "a media socket is refused");
            let detail = "No more calls are taken now; try again later.";
            return problem(StatusCode::SERVICE_UNAVAILABLE, "No capacity", detail);
        }
    };
    let agent = agent(&gateway, &query);
    let Some(agent) = agent else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "No agent", "No agent is configured.");
    };
    configure(upgrade).on_upgrade(move |socket| {
        let opened = Instant::now();
        let fresh = Fresh {
            socket: MediaSocket::new(socket, gateway.config.timing.send_limit),
            line: Line::new(&query),
            early: Vec::new(),
            opened,
        };
        let arrival = Arrival { fresh, agent, place, known: known(&query) };
        let tasks = gateway.tasks.clone();
        // Boxed: the upgrade's own task keeps its whole future for as long as the call lives.
        tasks.track_future(Box::pin(bind::serve(gateway, arrival, query.call_id)))
    })
}

/// A call that we placed comes with our id of it.
fn known(query: &SocketQuery) -> Known {
    let id = query.others.get(PARAMETER).and_then(|id| id.parse().ok());
    let direction = if id.is_some() { Direction::Outbound } else { Direction::Inbound };
    Known { id, direction, ..Known::default() }
}

/// The agent that the URL names, else the default one.
fn agent(gateway: &Gateway, query: &SocketQuery) -> Option<Arc<Agent>> {
    let asked = query.others.get("agent");
    let found = asked.and_then(|name| gateway.agent(name));
    if asked.is_some() && found.is_none() {
        tracing::warn!("the URL names an agent that is not configured; the default one answers");
    }
    found.or_else(|| gateway.default_agent())
}
