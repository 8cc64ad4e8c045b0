//! What is known of calls before their sockets come: who picked up, where the carrier says so before the stream starts,
//! and what a placed call brings along, where the carrier can't be given it. Bounded, and forgotten after a while: a call
//! that comes without it goes on by what the store knows, or by its defaults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use carriers::Carrier;
use futures_util::future::BoxFuture;
use records::AnsweredBy;
use store::CallId;
use tokio::time::Instant;

use crate::gateway::Gateway;
use crate::sessions::{Control, Told, key};

/// How many calls may be expected at once; the oldest makes room.
const ROOM: usize = 8_192;
/// How long a call may be on its way: the longest ringing, and an hour in a carrier's queue.
const HOLDS: Duration = Duration::from_secs(4_200);
/// How long a call that nobody here expects waits for what is kept of it elsewhere. It begins with its defaults then.
const LOOKS: Duration = Duration::from_millis(250);

/// Finds what a placed call brings along, where this process did not place it: another node did, or an earlier process.
pub type Lookup = Arc<dyn Fn(CallId) -> BoxFuture<'static, Option<BTreeMap<String, String>>> + Send + Sync>;

/// What is known of calls that are on their way.
#[derive(Default)]
pub(crate) struct Expected {
    known: Mutex<Known>,
    lookup: OnceLock<Lookup>,
}

#[derive(Default)]
struct Known {
    calls: BTreeMap<CallId, Expectation>,
    /// In the order in which they were first heard of.
    order: VecDeque<(Instant, CallId)>,
    /// Our ids by the calls' keys among all calls, for a carrier whose socket does not bring ours.
    named: BTreeMap<String, CallId>,
}

/// What is known of one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) answered_by: Option<AnsweredBy>,
    pub(crate) variables: Option<BTreeMap<String, String>>,
    /// Its key among all calls, once its carrier has taken it.
    key: Option<String>,
}

impl Expected {
    /// Adds to what is known of a call.
    fn add(&self, call: CallId, now: Instant, tell: impl FnOnce(&mut Expectation)) {
        let mut known = self.known();
        known.forget(now);
        if !known.calls.contains_key(&call) {
            if known.calls.len() >= ROOM
                && let Some((_, oldest)) = known.order.pop_front()
            {
                known.let_go(oldest);
            }
            known.order.push_back((now, call));
        }
        tell(known.calls.entry(call).or_default());
    }

    /// What is known of a call, which has come.
    fn take(&self, call: CallId) -> Option<Expectation> {
        let mut known = self.known();
        known.order.retain(|(_, id)| *id != call);
        known.let_go(call)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that holds the lock can leave half a change behind.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget(&mut self, now: Instant) {
        while let Some((_, call)) = self.order.pop_front_if(|(since, _)| *since + HOLDS < now) {
            self.let_go(call);
        }
    }

    fn let_go(&mut self, call: CallId) -> Option<Expectation> {
        let dropped = self.calls.remove(&call);
        if let Some(key) = dropped.as_ref().and_then(|dropped| dropped.key.as_ref()) {
            self.named.remove(key);
        }
        dropped
    }
}

impl Gateway {
    /// Says where to look for what a placed call brings along when this process was not told. Only the first counts.
    pub fn looks_up(&self, lookup: Lookup) {
        // A second one would be a mistake of the caller's that harms nobody.
        let _ = self.expected.lookup.set(lookup);
    }

    /// Says what a call brings along that is about to be dialled.
    pub fn expect(&self, call: CallId, variables: BTreeMap<String, String>) {
        self.expected.add(call, Instant::now(), |known| known.variables = Some(variables));
    }

    /// Says under which id a carrier took a call. It counts only for a call that is expected.
    pub fn known_as(&self, call: CallId, carrier: &str, carrier_call_id: &str) {
        let Some(carrier) = Carrier::ALL.into_iter().find(|known| known.as_str() == carrier) else { return };
        let key = key(carrier, carrier_call_id);
        let mut known = self.expected.known();
        let Some(expectation) = known.calls.get_mut(&call) else { return };
        expectation.key = Some(key.clone());
        known.named.insert(key, call);
    }

    /// Our id of the call of this key, where it is one that we placed and that has not come yet.
    pub(crate) fn expected_as(&self, key: &str) -> Option<CallId> {
        self.expected.known().named.get(key).copied()
    }

    /// Tells a call who picked up. One that has not started here yet is told when it does. False when none of this id is
    /// live.
    pub fn answered_by(&self, call: CallId, by: AnsweredBy) -> bool {
        let keep = || {
            self.expected
                .add(call, Instant::now(), |known| known.answered_by = known.answered_by.max(Some(by)));
        };
        self.sessions.tell_or(call, Control::AnsweredBy(by), keep) == Told::Live
    }

    /// What is known of a call that has just come by our id of it.
    pub(crate) fn known_of(&self, call: CallId) -> Expectation {
        self.expected.take(call).unwrap_or_default()
    }

    /// Finds what a placed call brings along that nobody here expects, for as long as a caller would not notice.
    pub(crate) async fn looked_up(&self, call: CallId) -> Option<BTreeMap<String, String>> {
        if self.expected.known().calls.get(&call).is_some_and(|known| known.variables.is_some()) {
            return None;
        }
        let lookup = self.expected.lookup.get()?;
        match tokio::time::timeout(LOOKS, lookup(call)).await {
            Ok(found) => found,
            Err(_) => {
                tracing::warn!(call_id = %call, "what the call brings along is not known in time; it begins without");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn id(n: u16) -> CallId {
        let mut random = [0; 10];
        random[..2].copy_from_slice(&n.to_be_bytes());
        CallId::new(Timestamp::UNIX_EPOCH, random)
    }

    #[tokio::test]
    async fn what_is_known_comes_together_and_is_taken_once() {
        let (expected, now) = (Expected::default(), Instant::now());
        for by in [AnsweredBy::MachineBeep, AnsweredBy::Machine, AnsweredBy::MachineBeep] {
            expected.add(id(1), now, |known| known.answered_by = known.answered_by.max(Some(by)));
        }
        let variables = BTreeMap::from([("name".to_owned(), "Asha".to_owned())]);
        expected.add(id(1), now, |known| known.variables = Some(variables.clone()));
        let taken = expected.take(id(1)).unwrap();
        assert_eq!(taken.answered_by, Some(AnsweredBy::MachineBeep));
        assert_eq!(taken.variables, Some(variables));
        assert_eq!(expected.take(id(1)), None);
        assert!(expected.known().order.is_empty());
    }

    #[tokio::test]
    async fn it_is_bounded_and_forgotten() {
        let (expected, now) = (Expected::default(), Instant::now());
        for n in 0..=u16::try_from(ROOM).unwrap() {
            expected.add(id(n), now, |known| known.answered_by = Some(AnsweredBy::Human));
        }
        assert_eq!(expected.known().calls.len(), ROOM);
        assert_eq!(expected.known().order.len(), ROOM);
        assert_eq!(expected.take(id(0)), None);
        assert!(expected.take(id(1)).is_some());
        expected.add(id(1), now + HOLDS + Duration::from_secs(1), |_| {});
        assert_eq!(expected.known().calls.len(), 1);
    }
}
