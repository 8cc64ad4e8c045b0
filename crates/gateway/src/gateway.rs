//! The data plane as a whole: what all calls share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use carriers::UrlFault;
use carriers::exotel::socket_url;
use jiff::Timestamp;
use providers::VoiceSpec;
use records::EndReason;
use store::{CallId, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Door};
use crate::agent::{Agent, Agents};
use crate::config::Config;
use crate::expected::Expected;
use crate::handover::Handovers;
use crate::metrics::Metrics;
use crate::prepared::Prepared;
use crate::sessions::{Control, Sessions};
use crate::socket::MediaSocket;

/// How long calls may take to end once they are told to.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often a drain looks whether calls are left.
const DRAIN_ROUND: Duration = Duration::from_millis(50);

/// The data plane.
pub struct Gateway {
    pub(crate) config: Config,
    pub(crate) store: Option<Store>,
    pub(crate) metrics: Metrics,
    pub(crate) sessions: Sessions,
    pub(crate) prepared: Prepared,
    pub(crate) door: Door,
    pub(crate) handovers: Handovers,
    pub(crate) expected: Expected,
    pub(crate) tasks: TaskTracker,
    agents: ArcSwap<Agents>,
    places: Arc<Semaphore>,
    draining: AtomicBool,
}

/// Why a data plane can't start, or agents can't be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The default agent is none of those configured.
    #[error("the default agent {wanted:?} is not configured; there are: {there}")]
    NoSuchAgent {
        /// What was asked for.
        wanted: String,
        /// The names that there are.
        there: String,
    },
    /// The public address or the socket's path can't be part of a URL.
    #[error(transparent)]
    Url(#[from] UrlFault),
    /// The system gives no randomness.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(getrandom::Error),
}

/// How full the data plane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Calls that run, and sockets that have not said yet whose call they are.
    pub calls: usize,
    /// How many may.
    pub max_calls: usize,
}

impl Gateway {
    /// A data plane with these agents. Install the metrics recorder before. Without a store nothing is kept.
    pub fn new(config: Config, agents: Agents, store: Option<Store>) -> Result<Arc<Self>, ConfigError> {
        check(&config, &agents)?;
        let mut token_secret = [0; 32];
        getrandom::fill(&mut token_secret).map_err(ConfigError::NoRandomness)?;
        let token_secret = config.auth.token_secret.unwrap_or(token_secret);
        Ok(Arc::new(Self {
            door: Door::new(&config, token_secret),
            store,
            metrics: Metrics::new(),
            sessions: Sessions::default(),
            prepared: Prepared::default(),
            handovers: Handovers::default(),
            expected: Expected::default(),
            tasks: TaskTracker::new(),
            agents: ArcSwap::from_pointee(agents),
            places: Arc::new(Semaphore::new(config.max_calls)),
            draining: AtomicBool::new(false),
            config,
        }))
    }

    /// Takes other agents over. Running calls keep the one they have.
    pub fn reload(&self, agents: Agents) -> Result<(), ConfigError> {
        check(&self.config, &agents)?;
        self.agents.store(Arc::new(agents));
        Ok(())
    }

    /// Has the voices speak what every call will want ahead of the first call. Needs a runtime.
    pub fn render_ahead(&self) {
        for agent in self.agents.load().values() {
            let spec = VoiceSpec { rate: self.config.stream_rate, language: agent.language.clone() };
            agent.voice.iter().for_each(|voice| voice.render_ahead(&spec));
        }
    }

    /// The agent that answers calls that ask for none.
    pub fn default_agent(&self) -> Option<Arc<Agent>> {
        self.agent(&self.config.default_agent)
    }

    /// The agent of a name.
    pub(crate) fn agent(&self, name: &str) -> Option<Arc<Agent>> {
        self.agents.load().get(name).cloned()
    }

    /// Whether there is an agent of this name.
    pub fn has_agent(&self, name: &str) -> bool {
        self.agent(name).is_some()
    }

    /// Where the carrier of a call that is about to be dialled opens its media socket; the URL lets it in for `holds`.
    /// `None` without a public address.
    pub fn media_url(&self, call: CallId, agent: &str, holds: Duration) -> Option<String> {
        admission::media_url(self, &call.to_string(), agent, holds)
    }

    /// How full it is.
    pub fn capacity(&self) -> Capacity {
        let max_calls = self.config.max_calls;
        Capacity { calls: max_calls - self.places.available_permits().min(max_calls), max_calls }
    }

    /// How many calls are live.
    pub fn calls(&self) -> usize {
        self.sessions.len()
    }

    /// Our ids of the live calls, and when something last came from the carrier for each.
    pub fn live(&self) -> Vec<(CallId, Timestamp)> {
        self.sessions.live()
    }

    /// Ends a live call. False when none of this id is live.
    pub fn end(&self, call: CallId, reason: EndReason) -> bool {
        self.sessions.tell(call, Control::End(reason))
    }

    /// Whether it takes no more calls because the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Why no new call is taken, as a word; `None` when one would be.
    pub(crate) fn closed_to_new(&self) -> Option<&'static str> {
        let is_full = self.store.as_ref().is_some_and(|store| !store.health().writable);
        let capacity = self.capacity();
        if self.is_draining() {
            Some("draining")
        } else if is_full {
            // A call whose record can't be kept is not begun; those that run go on.
            Some("disk")
        } else {
            (capacity.calls >= capacity.max_calls).then_some("capacity")
        }
    }

    /// Takes no more calls from now on.
    pub fn close(&self) {
        self.draining.store(true, Relaxed);
        self.prepared.give_up();
    }

    /// Takes no more calls, and waits for those that run to end by themselves, for at most `limit`; then ends
    /// them. Gives how many had to be ended.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.close();
        let until = Instant::now() + limit;
        while self.sessions.len() > 0 && Instant::now() < until {
            tokio::time::sleep(DRAIN_ROUND.min(until - Instant::now())).await;
        }
        let cut = self.sessions.len();
        if cut > 0 {
            tracing::warn!(calls = cut, "the drain is over; the calls that still run are ended");
        }
        let last = Instant::now() + LAST_WORDS;
        while self.sessions.len() > 0 && Instant::now() < last {
            self.sessions.end_all(EndReason::Drained);
            tokio::time::sleep(DRAIN_ROUND).await;
        }
        self.tasks.close();
        // A peer that does not say goodbye is left.
        let _ = tokio::time::timeout_at(last, self.tasks.wait()).await;
        self.carriers_ask().await;
        cut
    }

    /// Waits until the carriers of calls that were handed on just now have asked to whom, which they do once our socket is
    /// closed: nobody is there to tell them afterwards.
    async fn carriers_ask(&self) {
        if !self.handovers.are_awaited(LAST_WORDS) {
            return;
        }
        let last = Instant::now() + LAST_WORDS;
        while self.handovers.are_awaited(LAST_WORDS) && Instant::now() < last {
            tokio::time::sleep(DRAIN_ROUND).await;
        }
        // So that the last answer gets out.
        tokio::time::sleep(DRAIN_ROUND).await;
    }

    /// A place for one more call; or, as a word, why there is none.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, &'static str> {
        match self.closed_to_new() {
            Some(reason) => Err(reason),
            None => self.places.clone().try_acquire_owned().map_err(|_| "capacity"),
        }
    }

    /// Closes a socket that no call wants any more, without anyone waiting for it.
    pub(crate) fn dismiss(&self, socket: MediaSocket) {
        self.dismiss_with(socket, 1000, "replaced");
    }

    /// The same with a close code.
    pub(crate) fn dismiss_with(&self, socket: MediaSocket, code: u16, why: &'static str) {
        self.tasks.spawn(socket.close(code, why));
    }

    /// An id for a call that the carrier gave none.
    pub(crate) fn anonymous(&self) -> String {
        let random = self.random().iter().fold(0u128, |all, byte| all << 8 | u128::from(*byte));
        format!("unnamed-{random:020x}")
    }

    /// What keeps ids apart that are made in the same millisecond.
    pub(crate) fn random(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        if getrandom::fill(&mut bytes).is_err() {
            // It gave some at the start. The address of a local keeps two threads apart, the clock two moments.
            let here = (&raw const bytes) as usize as u64 ^ u64::from(std::process::id());
            bytes[..8].copy_from_slice(&here.to_le_bytes());
        }
        bytes
    }
}

fn check(config: &Config, agents: &Agents) -> Result<(), ConfigError> {
    socket_url(config.public_url.as_deref().unwrap_or("http://localhost"), &config.ws_path, &[])?;
    if agents.contains_key(&config.default_agent) {
        return Ok(());
    }
    let there = agents.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(ConfigError::NoSuchAgent { wanted: config.default_agent.clone(), there })
}
