//! What is known about every link to every vendor, shared by all calls of the process: what real requests did,
//! what probes did, and whether the breaker lets calls through.

mod record;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use call::{Fault, FaultClass, Micros, Tick};
use futures_util::future::join_all;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::Instant;

use crate::chain::budget::Budget;
use crate::driver::Probe;
use crate::inject::Dice;
use crate::{Answers, LinkId, Note};

use record::Record;
pub use record::{LastFailure, Latency, LinkHealth};

/// The health of all links. One for each process.
pub struct Health {
    began: Instant,
    links: Mutex<BTreeMap<LinkId, Arc<Tracked>>>,
    budget: Mutex<Budget>,
    pub(crate) dice: Dice,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// Nothing that panics holds these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Health {
    /// Nothing is known yet.
    pub fn new() -> Self {
        describe();
        Self { began: Instant::now(), links: Mutex::default(), budget: Mutex::default(), dice: Dice::new() }
    }

    /// The link of `probe` is probed when nobody uses it.
    pub fn watch(&self, probe: Arc<dyn Probe>) {
        let tracked = self.link(probe.link());
        *lock(&tracked.probe) = Some(probe);
    }

    /// Forgets the links that calls are kept from, so that they are tried at once: somebody has changed something
    /// about them. Calls that run keep what they know.
    pub fn forgive(&self) {
        lock(&self.links).retain(|_, link| link.is_well());
    }

    /// What is known about each link, in the order of vendor, role and transport.
    pub fn snapshot(&self) -> Vec<LinkHealth> {
        let links: Vec<Arc<Tracked>> = lock(&self.links).values().cloned().collect();
        links.iter().map(|link| lock(&link.record).health(&link.id, link.now())).collect()
    }

    /// Probes every link that has a probe and had no request for `idle_for`. For a task that calls this now and
    /// then; it returns when all have answered or failed.
    pub async fn probe_idle(&self, idle_for: Duration) {
        let links: Vec<Arc<Tracked>> = lock(&self.links).values().cloned().collect();
        let idle_for = Micros(idle_for.as_micros() as u64);
        let idle = links.iter().filter(|link| lock(&link.record).is_idle(link.now(), idle_for));
        join_all(idle.map(|link| link.probe())).await;
    }

    pub(crate) fn link(&self, id: &LinkId) -> Arc<Tracked> {
        let mut links = lock(&self.links);
        let make = || Arc::new(Tracked::new(id.clone(), self.began));
        Arc::clone(links.entry(id.clone()).or_insert_with(make))
    }

    /// A call has asked something, which pays for a part of an extra request.
    pub(crate) fn asked(&self) {
        lock(&self.budget).asked();
    }

    /// Whether an extra request may be made.
    pub(crate) fn take_extra(&self) -> bool {
        lock(&self.budget).take(tick(self.began))
    }
}

fn tick(began: Instant) -> Tick {
    Tick(began.elapsed().as_micros() as u64)
}

/// One link.
pub(crate) struct Tracked {
    pub(crate) id: LinkId,
    began: Instant,
    record: Mutex<Record>,
    probe: Mutex<Option<Arc<dyn Probe>>>,
}

impl Tracked {
    fn new(id: LinkId, began: Instant) -> Self {
        let tracked = Self { id, began, record: Mutex::default(), probe: Mutex::default() };
        tracked.show_breaker(&lock(&tracked.record));
        tracked
    }

    fn now(&self) -> Tick {
        tick(self.began)
    }

    /// A request, if the breaker lets it through.
    pub(crate) fn try_now(self: &Arc<Self>, call: &Answers) -> Option<Attempt> {
        let may = lock(&self.record).breaker.try_now(self.now());
        may.then(|| self.attempt(call))
    }

    /// A request where there is nobody else to ask.
    pub(crate) fn try_for_want_of_others(self: &Arc<Self>, call: &Answers) -> Option<Attempt> {
        let may = lock(&self.record).breaker.try_for_want_of_others();
        may.then(|| self.attempt(call))
    }

    /// A request on a connection that is open already.
    pub(crate) fn attempt(self: &Arc<Self>, call: &Answers) -> Attempt {
        lock(&self.record).asked(self.now());
        let (tracked, call) = (Arc::clone(self), call.clone());
        Attempt { tracked, call, began: Instant::now(), is_open: true, is_heard: false }
    }

    /// Whether calls are let through.
    pub(crate) fn is_well(&self) -> bool {
        lock(&self.record).breaker.state(self.now()) == crate::chain::BreakerState::Closed
    }

    async fn probe(&self) {
        let Some(probe) = lock(&self.probe).clone() else { return };
        lock(&self.record).asked(self.now());
        let outcome = probe.probe().await;
        let now = self.now();
        match outcome {
            Ok(took) => {
                lock(&self.record).probed(now, wall_ms());
                tracing::debug!(
                    vendor = &*self.id.vendor,
                    role = self.id.role.as_str(),
                    transport = self.id.transport.as_str(),
                    ?took,
                    "a probe was answered"
                );
            }
            Err(fault) => {
                lock(&self.record).failed(now, wall_ms(), &fault);
                tracing::warn!(vendor = &*self.id.vendor, role = self.id.role.as_str(),
                    transport = self.id.transport.as_str(), class = fault.class.as_str(), %fault, "a probe failed");
            }
        }
        self.show_breaker(&lock(&self.record));
    }

    fn show_breaker(&self, record: &Record) {
        let state = record.breaker.state(self.now());
        gauge!("trunkline_breaker_state", "provider" => self.id.vendor.to_string(),
            "role" => self.id.role.as_str(), "transport" => self.id.transport.as_str())
        .set(f64::from(state.as_number()));
    }

    fn count(&self, outcome: &'static str) {
        counter!("trunkline_provider_requests_total", "provider" => self.id.vendor.to_string(),
            "role" => self.id.role.as_str(), "transport" => self.id.transport.as_str(), "outcome" => outcome)
        .increment(1);
    }
}

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |length| length.as_millis() as u64)
}

/// One request. Dropping it without an outcome means that it was withdrawn.
pub(crate) struct Attempt {
    pub(crate) tracked: Arc<Tracked>,
    /// Whose record it is noted in.
    call: Answers,
    began: Instant,
    is_open: bool,
    is_heard: bool,
}

impl Attempt {
    /// The first piece of an answer came: the link works.
    pub(crate) fn heard(&mut self) {
        if !std::mem::replace(&mut self.is_heard, true) {
            let took = self.began.elapsed();
            self.call.note(Note::Served(self.tracked.id.clone()));
            histogram!("trunkline_provider_latency_seconds", "provider" => self.tracked.id.vendor.to_string(),
                "role" => self.tracked.id.role.as_str(), "transport" => self.tracked.id.transport.as_str())
            .record(took);
            let mut record = lock(&self.tracked.record);
            record.succeeded(wall_ms(), took);
            self.tracked.show_breaker(&record);
        }
    }

    /// The answer is complete.
    pub(crate) fn succeeded(mut self) {
        self.heard();
        self.is_open = false;
        self.tracked.count("ok");
    }

    /// It failed.
    pub(crate) fn failed(mut self, fault: &Fault) {
        self.is_open = false;
        self.tracked.count(fault.class.as_str());
        self.call.note(Note::Failed { link: self.tracked.id.clone(), class: fault.class });
        let mut record = lock(&self.tracked.record);
        record.failed(self.tracked.now(), wall_ms(), fault);
        self.tracked.show_breaker(&record);
    }

    /// The time from which its latency is counted is now.
    pub(crate) fn begins_now(&mut self) {
        self.began = Instant::now();
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_open {
            self.tracked.count(if self.is_heard { "ok" } else { "withdrawn" });
            if !self.is_heard {
                lock(&self.tracked.record).withdrawn(self.tracked.now());
            }
        }
    }
}

/// Tells that one link takes another's place, and why.
pub(crate) fn switched(call: &Answers, from: &LinkId, to: &LinkId, class: FaultClass) {
    call.note(Note::Switched { from: from.clone(), to: to.clone(), class });
    tracing::warn!(vendor = &*from.vendor, role = from.role.as_str(), transport = from.transport.as_str(),
        class = class.as_str(), to = %to, "another vendor or transport goes on");
    counter!("trunkline_provider_fallback_total", "role" => from.role.as_str(),
        "from" => format!("{}/{}", from.vendor, from.transport.as_str()),
        "to" => format!("{}/{}", to.vendor, to.transport.as_str()), "reason" => class.as_str())
    .increment(1);
}

fn describe() {
    describe_counter!("trunkline_provider_requests_total", "requests to vendors that ended");
    describe_counter!(
        "trunkline_provider_fallback_total",
        "requests that another vendor or transport took over"
    );
    describe_gauge!("trunkline_breaker_state", "0 closed, 1 half open, 2 open");
    describe_histogram!(
        "trunkline_provider_latency_seconds",
        metrics::Unit::Seconds,
        "from a request to the first piece of its answer"
    );
}
