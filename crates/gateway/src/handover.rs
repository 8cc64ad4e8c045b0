//! Calls that were handed on by their agent and wait for their carrier to ask to whom. In memory: a carrier asks at once,
//! and where it does not, or this process is gone, the call is over when its carrier says so.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use records::{CallEvent, CallStatus, EndReason, Fact, Witness};
use store::{CallId, InboxEntry, Which};
use tokio::time::Instant;

use crate::agent::Agent;
use crate::gateway::Gateway;

/// How many calls may wait at once. They wait for one request of their carrier's, so this is far more than there are.
const ROOM: usize = 4_096;
/// How long a carrier may take to ask.
const ASKED_WITHIN: Duration = Duration::from_secs(60);

/// To whom an agent may hand callers on.
#[derive(Clone)]
pub struct Transfers {
    /// Numbers (E.164) and SIP addresses, by the names that the model knows them by.
    pub to: BTreeMap<String, String>,
    /// The number that is shown to them; `None`: the caller's own, or that of a call which we placed.
    pub caller_id: Option<String>,
    /// How long they are rung.
    pub ring: Duration,
    /// What the caller hears when nobody answers. Empty: nothing, the call ends.
    pub unreached: String,
}

impl Default for Transfers {
    fn default() -> Self {
        Self { to: BTreeMap::new(), caller_id: None, ring: Duration::from_secs(25), unreached: String::new() }
    }
}

impl fmt::Debug for Transfers {
    /// Without numbers: they are private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers")
            .field("to", &self.to.keys().collect::<Vec<_>>())
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

/// A call that is to be handed on.
#[derive(Clone)]
pub(crate) struct Handover {
    /// Our id of it.
    pub(crate) id: CallId,
    /// Whose configuration says who stands behind the name.
    pub(crate) agent: Arc<Agent>,
    /// The name.
    pub(crate) target: String,
}

/// The calls that wait, by their keys among all calls.
#[derive(Default)]
pub(crate) struct Handovers(Mutex<HashMap<String, Waiting>>);

struct Waiting {
    handover: Handover,
    since: Instant,
    asked: bool,
}

impl Handovers {
    /// The call of this key, if it was handed on a moment ago. Asking again gives the same.
    pub(crate) fn asked(&self, key: &str) -> Option<Handover> {
        let mut waiting = self.waiting();
        let found = waiting.get_mut(key)?;
        found.asked = true;
        Some(found.handover.clone())
    }

    /// Whether the carrier of a call that was handed on within this time has not asked yet.
    pub(crate) fn are_awaited(&self, within: Duration) -> bool {
        self.waiting().values().any(|waiting| !waiting.asked && waiting.since.elapsed() < within)
    }

    /// The call of this key has ended otherwise: what an earlier agent of it wanted is over.
    pub(crate) fn forget(&self, key: &str) {
        self.waiting().remove(key);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        // Nothing that holds the lock can leave half a change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Has a call wait to be handed on. Says whether it lives on at its carrier: not where there is nobody of this name
    /// to be dialled, or where the carrier's own flow goes on.
    pub(crate) fn hand_on(self: &Arc<Self>, key: String, may_dial: bool, handover: Handover) -> bool {
        let id = handover.id;
        let there = handover.agent.transfers.to.contains_key(&handover.target);
        let lives_on = may_dial && there;
        if may_dial && !there {
            // Not the name: where none is configured it is whatever the caller said.
            tracing::warn!(call_id = %handover.id, "there is nobody of the wanted name to hand the caller to");
            return false;
        }
        {
            let mut waiting = self.handovers.waiting();
            if waiting.len() >= ROOM {
                tracing::error!("too many calls wait to be handed on; this one ends");
                return false;
            }
            waiting.insert(key.clone(), Waiting { handover, since: Instant::now(), asked: false });
        }
        let gateway = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(ASKED_WITHIN).await;
            let gone = {
                // Another agent of the same call may have handed it on since.
                let mut waiting = gateway.handovers.waiting();
                let is_this = waiting.get(&key).is_some_and(|waiting| waiting.handover.id == id);
                is_this.then(|| waiting.remove(&key)).flatten()
            };
            if let Some(gone) = gone.filter(|gone| lives_on && !gone.asked) {
                let detail = "its carrier never asked to whom".to_owned();
                gateway.handed_on(gone.handover.id, Vec::new(), detail, None).await;
            }
        });
        lives_on
    }

    /// Keeps how a call ended that was handed on, with what its carrier told of it. By way of the spool: the data plane
    /// knows no database.
    pub(crate) async fn handed_on(
        &self,
        id: CallId,
        mut events: Vec<CallEvent>,
        detail: String,
        callback: Option<InboxEntry>,
    ) {
        let Some(store) = &self.store else { return };
        let fact =
            Fact::Status { status: CallStatus::Completed, reason: Some(EndReason::Transferred), detail };
        events.push(CallEvent { at: Timestamp::now(), from: Witness::Socket, fact });
        if let Err(error) = store.spool().put(&Which::Id(id), events, callback).await {
            tracing::error!(%error, call_id = %id, "how a call ended that was handed on can't be kept");
        }
    }
}
