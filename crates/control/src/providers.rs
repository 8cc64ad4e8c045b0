//! How the vendors do, over HTTP: `GET /api/v1/providers`, and the lines of `/readyz?verbose`. An outage of a
//! vendor is shown and never makes the server unready: calls are still answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;
use store::Scope;
use utoipa::ToSchema;

use crate::Control;
use crate::auth::may;
use crate::problem::{Forbidden, Problem, ServerFault, Unauthorized, Unavailable};

/// What the control plane asks about vendors. None of it waits.
pub trait Vendors: Send + Sync {
    /// What each vendor can do, in the order of its role and name.
    fn capabilities(&self) -> Vec<Capability>;
    /// How each link to a vendor does, in the order of vendor, role and transport.
    fn links(&self) -> Vec<Link>;
}

/// What a vendor can do in one role by one transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Capability {
    /// The name in the configuration.
    pub vendor: String,
    /// `speech_to_text`, `language_model`, `text_to_speech` or `speech_to_speech`.
    pub role: &'static str,
    /// `websocket`, `http` or `local`.
    pub transport: &'static str,
    /// Samples per second that it gives or takes without conversion; empty for a model.
    pub rates: Vec<u32>,
    /// The encodings that are asked of it; empty for a model.
    pub encodings: Vec<&'static str>,
    /// Whether it answers in parts.
    pub streams: bool,
    /// Whether it says when each word was spoken.
    pub word_times: bool,
    /// Whether it lies somewhere else.
    pub needs_network: bool,
    /// One line for people.
    pub about: String,
}

/// One way to one vendor in one role.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Link {
    /// The name in the configuration.
    pub vendor: String,
    /// `speech_to_text`, `language_model`, `text_to_speech` or `speech_to_speech`.
    pub role: &'static str,
    /// `websocket`, `http` or `local`.
    pub transport: &'static str,
    /// How it does.
    pub state: LinkState,
    /// `closed` (requests go through), `open` (none does) or `half_open` (one at a time).
    pub breaker: &'static str,
    /// For how long the breaker stays open, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_for_ms: Option<u64>,
    /// Requests of calls and probes since the process started.
    pub requests: u64,
    /// Failures since then, by class.
    pub failures: BTreeMap<String, u64>,
    /// When a request last succeeded, RFC 3339; absent when none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<String>,
    /// The last failure; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// Time to the first piece of an answer; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Latency>,
}

/// How a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Nothing was asked of it yet.
    Unused,
    /// It works.
    Up,
    /// It failed lately and is being tried.
    Degraded,
    /// It is left alone for a while.
    Down,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastFailure {
    /// When, RFC 3339.
    pub at: String,
    /// `auth`, `rate`, `network`, `slow` and so on.
    pub class: String,
    /// What happened, in words for an operator.
    pub why: String,
}

/// How long the first piece of an answer takes, in milliseconds, over the last requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Latency {
    /// Half of them are faster.
    pub p50: f64,
    /// One in twenty is slower.
    pub p95: f64,
}

impl LinkState {
    /// Whether calls get what they ask for.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Unused | Self::Up)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// What the vendors can do and how they do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Providers {
    capabilities: Vec<Capability>,
    links: Vec<Link>,
    /// `ok`, or `degraded` when a link is not well.
    status: &'static str,
}

/// How the vendors do
///
/// What each vendor can do, and how each link to it does: its breaker, its failures, its latency.
#[utoipa::path(
    get, path = "/api/v1/providers", tag = "health", security(("key" = [])),
    responses(
        (status = 200, description = "The vendors.", body = Providers),
        Unauthorized, Forbidden, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn providers(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
) -> Result<Json<Providers>, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let (capabilities, links) = match &control.vendors {
        Some(vendors) => (vendors.capabilities(), vendors.links()),
        None => Default::default(),
    };
    let status = if links.iter().all(|link| link.state.is_well()) { "ok" } else { "degraded" };
    Ok(Json(Providers { capabilities, links, status }))
}

/// Appends a line for each link, and says whether all are well.
pub(crate) fn describe(control: &Control, text: &mut String) -> bool {
    let links = control.vendors.iter().flat_map(|vendors| vendors.links());
    let mut all_well = true;
    for link in links {
        let Link { vendor, role, transport, state, .. } = &link;
        all_well &= state.is_well();
        let sign = if state.is_well() { '+' } else { '!' };
        let _ = write!(text, "[{sign}]provider {vendor} {role} ({transport}) {}", state.as_str());
        if let Some(failure) = link.last_failure.as_ref().filter(|_| !state.is_well()) {
            let _ = write!(text, ": {} at {}", failure.class, failure.at);
        }
        text.push('\n');
    }
    all_well
}

/// Sets the gauge of links that are not well. To be called before the metrics are read.
pub(crate) fn measure(control: &Control) {
    let links = control.vendors.iter().flat_map(|vendors| vendors.links());
    let unwell = links.filter(|link| !link.state.is_well()).count();
    metrics::gauge!("trunkline_providers_degraded").set(unwell as f64);
}
