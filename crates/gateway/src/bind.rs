//! From an accepted socket to the call it belongs to. A URL that names the call settles it at once; a static URL
//! does not, and then the carrier's `start` does. Either way a call that is live gets the socket, else a new
//! call begins.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use call::CarrierEvent;
use carriers::Read;
use futures_util::FutureExt;
use records::EndReason;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, Instant, timeout_at};

use crate::agent::Agent;
use crate::call_task::CallTask;
use crate::gateway::Gateway;
use crate::line::Line;
use crate::metrics::rejected;
use crate::sessions::{Begun, Met};
use crate::socket::{MediaSocket, Received};

/// How long a socket without a call id in its URL may take to say whose call it is. A call's own start limit
/// counts from the socket's opening too, so nothing is added up.
const WHOSE: Duration = Duration::from_secs(10);
/// How many messages it may take for that.
const WHOSE_MESSAGES: usize = 8;

/// A socket that was accepted and has no task yet.
pub(crate) struct Arrival {
    pub(crate) socket: MediaSocket,
    pub(crate) line: Line,
    /// What was read of it while finding out whose call it is.
    pub(crate) early: Vec<Read>,
    pub(crate) opened: Instant,
    pub(crate) agent: Arc<Agent>,
    /// The place it takes up; none when it came for a live call, which has one.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Runs an accepted socket to its end.
pub(crate) async fn serve(gateway: Arc<Gateway>, mut arrival: Arrival, named: Option<String>) {
    let call = match named {
        Some(call) => call,
        None => match Box::pin(whose(&mut arrival)).await {
            Ok(call) => call.unwrap_or_else(|| gateway.anonymous()),
            Err(code) => {
                rejected("no_start");
                return Box::pin(arrival.socket.close(code, "no start")).await;
            }
        },
    };
    match gateway.sessions.meet(&call, arrival, gateway.random()) {
        Met::New(begun) => run(gateway, begun).await,
        Met::TakenOver => {}
        Met::Refused(arrival) => {
            rejected("takeovers");
            Box::pin(arrival.socket.close(1013, "too many sockets for one call")).await;
        }
    }
}

/// Reads on until the socket says whose call it is: the call id in its `start`. `None` when it starts without
/// saying; the close code when it does not start at all.
async fn whose(arrival: &mut Arrival) -> Result<Option<String>, u16> {
    let limit = arrival.opened + WHOSE;
    while arrival.early.len() < WHOSE_MESSAGES {
        let Ok(received) = timeout_at(limit, arrival.socket.next()).await else { return Err(1008) };
        match &received {
            Received::Gone { .. } => return Err(1000),
            Received::Broken { code, .. } => return Err(*code),
            _ => {}
        }
        let Some(read) = arrival.line.read(&received) else { continue };
        let settled = match &read.event {
            Some(CarrierEvent::Start(start)) => Some(start.call.clone()),
            None | Some(CarrierEvent::Connected) => None,
            Some(_) => Some(None),
        };
        arrival.early.push(read);
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
