//! What carriers tell about calls: checked first, understood, kept with the callback that it came by, and answered at
//! once. Nothing of a callback that is not the carrier's is kept but that there was one.

mod body;
pub(crate) mod health;
pub(crate) mod routes;

use carriers::Address;
use carriers::rest::Callback;
use jiff::Timestamp;
use records::{CallEvent, Fact, Witness};
use secrecy::SecretString;
use store::{CallId, DatabaseError, InboxEntry, Which};

use crate::Control;
use crate::problem::Problem;

/// What callbacks are checked against. Without its secret a carrier's callbacks are not taken.
#[derive(Clone, Default)]
pub struct CallbackSecrets {
    /// The public address, which carriers sign; without it that of the request's `Host`, for trials.
    pub address: Option<Address>,
    /// The key of the signatures, for a carrier that signs.
    pub signing: Option<SecretString>,
    /// What must stand in the URL, for a carrier that does not.
    pub in_url: Option<SecretString>,
}

/// A callback that is the carrier's, understood.
struct Told {
    carrier: &'static str,
    kind: &'static str,
    /// Our id of the call, where the URL or the body gives it back.
    call: Option<CallId>,
    callback: Callback,
    body: String,
}

impl Told {
    /// Whose call it is, what is said of it, and what is kept.
    fn parts(&self, now: Timestamp) -> (Which, Vec<CallEvent>, InboxEntry) {
        let Callback { carrier_call_id, key, events, .. } = &self.callback;
        let mut events = events.clone();
        let which = match self.call {
            // The carrier's id is news where the answer to the dial was lost.
            Some(id) => {
                let fact = Fact::CarrierCall { id: carrier_call_id.clone() };
                events.insert(0, CallEvent { at: now, from: Witness::Carrier, fact });
                Which::Id(id)
            }
            None => Which::Carrier { carrier: self.carrier.to_owned(), id: carrier_call_id.clone() },
        };
        let entry = InboxEntry {
            carrier: self.carrier.to_owned(),
            kind: self.kind.to_owned(),
            key: key.clone(),
            received_at: now,
            body: self.body.clone(),
        };
        (which, events, entry)
    }
}

/// Takes a callback in. Never fails: a carrier that is answered an error sends the same again, to a database that is
/// still away.
async fn take(control: &Control, told: Told) {
    let now = Timestamp::now();
    let (carrier, kind) = (told.carrier, told.kind);
    for finding in &told.callback.findings {
        tracing::warn!(carrier, kind, finding, "an odd callback");
        count(carrier, kind, "odd");
    }
    if told.callback.carrier_call_id.is_empty() && told.call.is_none() {
        tracing::warn!(carrier, kind, "a callback names no call");
        return count(carrier, kind, "no_call");
    }
    let (which, events, entry) = told.parts(now);
    let call = match control.database.apply(&which, events.clone(), Some(entry.clone())).await {
        Ok(applied) => {
            count(carrier, kind, if applied.is_repeated { "repeated" } else { "taken" });
            if let Some(record) = applied.record.as_ref().filter(|_| tells_of_life(&told.callback.events)) {
                control.outbound.end_given_up(record);
            }
            applied.record.and_then(|record| record.id.parse().ok())
        }
        Err(DatabaseError::Unavailable(why)) => {
            tracing::warn!(carrier, kind, why, "a callback waits for the database");
            let kept = control.store.spool().put(&which, events, Some(entry)).await;
            if let Err(error) = &kept {
                tracing::error!(%error, carrier, kind, "a callback is lost: the disk does not take it either");
            }
            count(carrier, kind, if kept.is_ok() { "waiting" } else { "lost" });
            None
        }
        Err(error @ DatabaseError::Failed(_)) => {
            tracing::error!(%error, carrier, kind, "a callback is lost");
            count(carrier, kind, "lost");
            None
        }
    };
    if let (Some(by), Some(call)) = (told.callback.answered_by, call.or(told.call)) {
        control.data_plane.answered_by(call, by);
    }
}

/// Whether somebody says that a call goes on.
fn tells_of_life(events: &[CallEvent]) -> bool {
    events.iter().any(|event| matches!(event.fact, Fact::Status { status, .. } if !status.is_final()))
}

/// Notes that a callback was refused, and nothing of it. Gives what to answer instead of the usual, where its address has
/// had enough: then not even that is noted.
async fn refuse(control: &Control, carrier: &'static str, kind: &'static str) -> Option<Problem> {
    count(carrier, kind, "refused");
    if let Some(wait) = control.access.refuse() {
        return Some(wait);
    }
    tracing::warn!(carrier, kind, "a callback is refused");
    if let Err(error) = control.database.refused(carrier, kind, Timestamp::now()).await {
        tracing::warn!(%error, carrier, kind, "a refused callback can't be noted");
    }
    None
}

fn count(carrier: &'static str, kind: &'static str, outcome: &'static str) {
    metrics::counter!("trunkline_callbacks_total", "carrier" => carrier, "kind" => kind, "outcome" => outcome)
        .increment(1);
}
