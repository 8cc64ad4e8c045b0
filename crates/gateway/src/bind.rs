//! From an accepted socket to the call it belongs to. A URL that names the call settles it at once; a static URL
//! does not, and then the carrier's `start` does. Either way a call that is live gets the socket, else a new
//! call begins.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use call::CarrierEvent;
use carriers::Read;
use futures_util::FutureExt;
use records::{AnsweredBy, Direction, EndReason};
use store::CallId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, Instant, timeout_at};

use crate::agent::Agent;
use crate::call_task::CallTask;
use crate::gateway::Gateway;
use crate::line::Line;
use crate::metrics::rejected;
use crate::reference::PARAMETER;
use crate::sessions::{Begun, Met, key};
use crate::socket::{MediaSocket, Received};

/// How long a socket without a call id in its URL may take to say whose call it is. A call's own start limit
/// counts from the socket's opening too, so nothing is added up.
const WHOSE: Duration = Duration::from_secs(10);
/// How many messages it may take for that.
const WHOSE_MESSAGES: usize = 8;
/// The same where only a `start` can say it: a second of audio may come before.
const START_MESSAGES: usize = 60;

/// A socket that was accepted and of which nothing more is known.
pub(crate) struct Fresh {
    pub(crate) socket: MediaSocket,
    pub(crate) line: Line,
    /// What was read of it while finding out whose call it is.
    pub(crate) early: Vec<Read>,
    pub(crate) opened: Instant,
}

/// A socket that was accepted and has no task yet.
pub(crate) struct Arrival {
    pub(crate) fresh: Fresh,
    pub(crate) agent: Arc<Agent>,
    /// The place it takes up; none when it came for a live call, which has one.
    pub(crate) place: Option<OwnedSemaphorePermit>,
    pub(crate) known: Known,
}

/// What was known of a call before its socket came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Our id, where it has one already.
    pub(crate) id: Option<CallId>,
    pub(crate) direction: Direction,
    pub(crate) answered_by: Option<AnsweredBy>,
    /// What it brings along beside what its stream says, where we placed it.
    pub(crate) variables: BTreeMap<String, String>,
}

/// Runs a socket to its end that was accepted for the call that its URL names, if it names one.
pub(crate) async fn serve(gateway: Arc<Gateway>, mut arrival: Arrival, named: Option<String>) {
    let call = match named {
        Some(call) => call,
        None => match Box::pin(whose(&mut arrival.fresh, Needs::Anything)).await {
            Ok(call) => call.unwrap_or_else(|| gateway.anonymous()),
            Err(code) => return Box::pin(refuse(arrival.fresh, "no_start", code, "no start")).await,
        },
    };
    meet(gateway, &call, arrival).await;
}

/// Runs a socket to its end whose start must bring the reference that our webhook gave out for its call.
pub(crate) async fn serve_referred(gateway: Arc<Gateway>, mut fresh: Fresh) {
    let call = match Box::pin(whose(&mut fresh, Needs::Start)).await {
        Ok(Some(call)) => call,
        Ok(None) => return Box::pin(refuse(fresh, "no_start", 1008, "no start")).await,
        Err(code) => return Box::pin(refuse(fresh, "no_start", code, "no start")).await,
    };
    let (reference, known) = taken(&mut fresh);
    let referred = match gateway.referred(&reference, &call) {
        Ok(referred) => referred,
        Err(fault) => {
            tracing::warn!(
                carrier_call_id = call,
                why = fault.as_str(),
                "a stream's call reference is refused"
            );
            return Box::pin(refuse(fresh, fault.as_str(), 1008, "call reference")).await;
        }
    };
    // A live call has its place; a new one needs one.
    let live = gateway.sessions.is_live(&key(fresh.line.carrier, &call));
    let place = match if live { Ok(None) } else { gateway.place().map(Some) } {
        Ok(place) => place,
        Err(reason) => return Box::pin(refuse(fresh, reason, 1013, "no capacity")).await,
    };
    let known = Known { id: Some(referred.id), ..known };
    meet(gateway, &call, Arrival { fresh, agent: referred.agent, place, known }).await;
}

/// Takes what our webhook gave the stream out of its start: the reference, which is nobody else's to see, and what it
/// told of the call.
fn taken(fresh: &mut Fresh) -> (String, Known) {
    let Some(CarrierEvent::Start(start)) = fresh.early.last_mut().and_then(|read| read.event.as_mut()) else {
        return Default::default();
    };
    let mut take = |name: &str| start.custom.remove(name).unwrap_or_default();
    let outbound = take("direction") == Direction::Outbound.as_str();
    let word = take("answered_by");
    let answered_by = AnsweredBy::ALL.into_iter().find(|by| by.as_str() == word);
    let direction = if outbound { Direction::Outbound } else { Direction::Inbound };
    (take(PARAMETER), Known { direction, answered_by, ..Known::default() })
}

async fn refuse(fresh: Fresh, reason: &'static str, code: u16, why: &'static str) {
    rejected(reason);
    fresh.socket.close(code, why).await;
}

async fn meet(gateway: Arc<Gateway>, call: &str, mut arrival: Arrival) {
    if arrival.known.id.is_none()
        && let Some(id) = gateway.expected_as(&key(arrival.fresh.line.carrier, call))
    {
        (arrival.known.id, arrival.known.direction) = (Some(id), Direction::Outbound);
    }
    let is_outbound = arrival.known.direction == Direction::Outbound;
    if let Some(id) = arrival.known.id.filter(|_| is_outbound && arrival.fresh.line.brings_nothing())
        && !gateway.sessions.is_live(&key(arrival.fresh.line.carrier, call))
        && let Some(found) = Box::pin(gateway.looked_up(id)).await
    {
        arrival.known.variables = found;
    }
    let begins = |id: CallId, known: &mut Known| {
        let expectation = gateway.known_of(id);
        known.answered_by = known.answered_by.max(expectation.answered_by);
        if let Some(variables) = expectation.variables {
            known.variables = variables;
        }
    };
    match gateway.sessions.meet(call, arrival, gateway.random(), begins) {
        Met::New(begun) => run(gateway, begun).await,
        Met::TakenOver => {}
        Met::Refused(arrival) => {
            let fresh = arrival.fresh;
            Box::pin(refuse(fresh, "takeovers", 1013, "too many sockets for one call")).await;
        }
    }
}

/// What settles whose call a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Its `start`, or anything that comes instead: then it does not say.
    Anything,
    /// Its `start` alone. What comes before it is kept, and does no harm.
    Start,
}

/// Reads on until the socket says whose call it is: the call id in its `start`. `None` when it starts without
/// saying; the close code when it does not start at all.
async fn whose(fresh: &mut Fresh, needs: Needs) -> Result<Option<String>, u16> {
    let limit = fresh.opened + WHOSE;
    let most = if needs == Needs::Start { START_MESSAGES } else { WHOSE_MESSAGES };
    while fresh.early.len() < most {
        let Ok(received) = timeout_at(limit, fresh.socket.next()).await else { return Err(1008) };
        match &received {
            Received::Gone { .. } => return Err(1000),
            Received::Broken { code, .. } => return Err(*code),
            _ => {}
        }
        let Some(read) = fresh.line.read(&received) else { continue };
        let settled = match &read.event {
            Some(CarrierEvent::Start(start)) => Some(start.call.clone()),
            None | Some(CarrierEvent::Connected) => None,
            Some(_) if needs == Needs::Start => None,
            Some(_) => Some(None),
        };
        fresh.early.push(read);
        if let Some(call) = settled {
            return Ok(call);
        }
    }
    Ok(None)
}

/// Runs one call. Whatever goes wrong inside it ends this call and no other.
async fn run(gateway: Arc<Gateway>, begun: Box<Begun>) {
    let (task, early) = CallTask::new(gateway, *begun);
    let mut task = Box::new(task);
    let span = task.span();
    let body = async {
        let ran = AssertUnwindSafe(task.run(early)).catch_unwind().await;
        if ran.is_err() {
            task.panicked();
        }
        let (socket, ended) = task.finish();
        // The call's state is of no more use while the peer is waited for.
        drop(task);
        if let Some(socket) = socket {
            Box::pin(socket.close(close_code(ended), ended.as_str())).await;
        }
    };
    tracing::Instrument::instrument(body, span).await;
}

/// What the carrier is told (RFC 6455, 7.4.1; 1013 of the IANA registry).
const fn close_code(reason: EndReason) -> u16 {
    match reason {
        EndReason::NoCapacity | EndReason::PeerStalled => 1013,
        EndReason::InternalError => 1011,
        EndReason::Drained => 1001,
        EndReason::StartTimeout => 1008,
        EndReason::ProtocolError => 1007,
        _ => 1000,
    }
}
