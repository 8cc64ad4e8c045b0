//! The control plane: whether the server lives and is ready, what it measures, and the calls that it keeps.
//! It sees the data plane only through [`DataPlane`], so that the two can run as one process or as several.

mod auth;
mod calls;
mod health;
mod heartbeat;
mod problem;
mod providers;
mod recorder;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use records::AnsweredBy;
use secrecy::SecretString;
use store::{CallId, Store};

pub use heartbeat::Heartbeat;
pub use providers::{Capability, LastFailure, Latency, Link, LinkState, Vendors};
pub use recorder::{Recorder, RecorderError, measure_store};

/// What the control plane asks the data plane. None of it waits.
pub trait DataPlane: Send + Sync {
    /// The kind of the agent that answers by default: `echo`, `assistant`, ...
    fn mode(&self) -> String;
    /// How many calls take up a place.
    fn calls(&self) -> usize;
    /// How many places there are.
    fn max_calls(&self) -> usize;
    /// Whether no more calls are taken because the server is about to stop.
    fn is_draining(&self) -> bool;
    /// The calls that run here.
    fn live(&self) -> Vec<Alive>;
    /// Ends a call that runs here; its record then has the reason `operator`. False when none of this id runs here.
    fn end(&self, call: CallId) -> bool;
    /// Tells a call that runs here who picked up. False when none of this id runs here.
    fn answered_by(&self, call: CallId, by: AnsweredBy) -> bool;
}

/// A call that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alive {
    /// Our id.
    pub call: CallId,
    /// When something last came from the carrier for it: audio, a message, the answer to a ping.
    pub seen: Timestamp,
}

/// What the control plane works with.
#[derive(Clone)]
pub struct Control {
    /// The calls.
    pub store: Store,
    /// The data plane.
    pub data_plane: Arc<dyn DataPlane>,
    /// The vendors; without them there is nothing to show of any.
    pub vendors: Option<Arc<dyn Vendors>>,
    /// The runtime's pulse.
    pub heartbeat: Heartbeat,
    /// The metrics; without it `/metrics` is 404.
    pub recorder: Option<Recorder>,
    /// What `Authorization: Bearer` must hold for everything but the health checks. `None`: nothing is asked.
    pub token: Option<SecretString>,
}

/// The control plane's routes.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/health", get(health::health))
        .route("/metrics", get(recorder::metrics))
        .route("/api/v1/providers", get(providers::providers))
        .route("/api/v1/calls", get(calls::list))
        .route("/api/v1/calls/{id}", get(calls::load))
        .with_state(Arc::new(control))
}
