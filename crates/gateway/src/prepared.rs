//! Vendors that are opened when a call is announced and wait for its socket: name, TCP, TLS and upgrade are then
//! behind the call instead of in its first second. Whoever can reach the webhook can announce calls that never
//! come, so few may wait, not for long, and a real call goes before them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audio::SampleRate;

use crate::agent::Agent;
use crate::gateway::Gateway;
use crate::metrics::prepared;
use crate::vendors::Vendors;

/// How many announced calls may have vendors waiting.
const ROOM: usize = 32;

/// What waits, by the call's key among all calls.
#[derive(Default)]
pub(crate) struct Prepared(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// Tells an announcement from a later one of the same call.
    announced: u64,
    calls: HashMap<String, Place>,
}

struct Place {
    number: u64,
    /// None while it is being opened.
    opened: Option<Opened>,
}

struct Opened {
    agent: Arc<Agent>,
    rate: SampleRate,
    vendors: Vendors,
}

impl Gateway {
    /// Opens what the call of this key will need, at the rate that its stream will have, in the background. Nobody waits for it.
    pub(crate) fn prepare(self: &Arc<Self>, call: String, agent: Arc<Agent>, rate: SampleRate) {
        let stay = self.config.timing.prepared_for;
        if stay.is_zero() || !agent.has_vendors() || self.is_draining() || self.sessions.is_live(&call) {
            return;
        }
        let Some(number) = self.prepared.place(&call) else { return prepared("full") };
        let gateway = self.clone();
        tokio::spawn(async move {
            let mut vendors = Vendors::new();
            // Without room now there may be some when the call comes; it asks again itself.
            if vendors.open(&agent, rate, None).is_err() {
                return gateway.prepared.leave(&call, number, "no_room");
            }
            gateway.prepared.seat(&call, number, Opened { agent, rate, vendors });
            tokio::time::sleep(stay).await;
            gateway.prepared.leave(&call, number, "expired");
        });
    }
}

impl Prepared {
    /// What waits for this call, if it was opened for the same agent and rate and is still sound.
    pub(crate) fn take(&self, call: &str, agent: &Arc<Agent>, rate: SampleRate) -> Option<Vendors> {
        let opened = self.waiting().calls.remove(call)?.opened?;
        if !Arc::ptr_eq(&opened.agent, agent) || opened.rate != rate {
            prepared("other");
            return None;
        }
        let mut vendors = opened.vendors;
        let sound = vendors.keep_early();
        prepared(if sound { "taken" } else { "lost" });
        sound.then_some(vendors)
    }

    /// Gives up everything that waits: a real call needs the room, or the server stops.
    pub(crate) fn give_up(&self) -> usize {
        let calls = std::mem::take(&mut self.waiting().calls);
        calls.values().for_each(|_| prepared("given_up"));
        calls.len()
    }

    /// A place for a call that has none yet.
    fn place(&self, call: &str) -> Option<u64> {
        let mut waiting = self.waiting();
        if waiting.calls.len() >= ROOM || waiting.calls.contains_key(call) {
            return None;
        }
        waiting.announced += 1;
        let number = waiting.announced;
        waiting.calls.insert(call.to_owned(), Place { number, opened: None });
        Some(number)
    }

    /// Puts what was opened into its place, unless the call has come meanwhile.
    fn seat(&self, call: &str, number: u64, opened: Opened) {
        if let Some(place) = self.waiting().calls.get_mut(call).filter(|place| place.number == number) {
            place.opened = Some(opened);
        }
    }

    fn leave(&self, call: &str, number: u64, why: &'static str) {
        let mut waiting = self.waiting();
        if waiting.calls.get(call).is_some_and(|place| place.number == number) {
            let gone = waiting.calls.remove(call);
            // Closing vendors is not to be waited for by those who want the lock.
            drop(waiting);
            drop(gone);
            prepared(why);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that holds the lock can leave half a change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
