//! What the control plane shows of the vendors: what the registry says that they can do, and what is known of how
//! each link does.

use std::sync::{Arc, PoisonError, RwLock};

use control::{Capability, LastFailure, Latency, Link, LinkState};
use jiff::Timestamp;
use providers::chain::BreakerState;
use providers::{Health, LinkHealth, Providers, Streams, VendorTable};

/// The vendors of this process as the control plane sees them.
pub(crate) struct Board {
    health: Arc<Health>,
    vendors: RwLock<VendorTable>,
}

impl Board {
    pub(crate) fn new(health: Arc<Health>, vendors: VendorTable) -> Self {
        Self { health, vendors: RwLock::new(vendors) }
    }

    /// From now on these vendors are configured.
    pub(crate) fn configure(&self, vendors: VendorTable) {
        *self.vendors.write().unwrap_or_else(PoisonError::into_inner) = vendors;
    }
}

impl control::Vendors for Board {
    fn capabilities(&self) -> Vec<Capability> {
        let vendors = self.vendors.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Capability> =
            Providers::capabilities(&vendors).into_iter().map(capability).collect();
        all.sort_by(|a, b| (a.role, &a.vendor).cmp(&(b.role, &b.vendor)));
        all
    }

    fn links(&self) -> Vec<Link> {
        self.health.snapshot().into_iter().map(link).collect()
    }
}

fn capability(of: providers::Capabilities) -> Capability {
    Capability {
        vendor: of.name,
        role: of.role.as_str(),
        transport: of.transport.as_str(),
        rates: of.rates.iter().map(|rate| rate.hz()).collect(),
        encodings: of.encodings,
        streams: of.streams == Streams::Yes,
        word_times: of.word_times,
        needs_network: of.needs_network,
        about: of.about.to_owned(),
    }
}

fn link(of: LinkHealth) -> Link {
    let state = match of.breaker {
        _ if of.requests == 0 => LinkState::Unused,
        BreakerState::Open => LinkState::Down,
        BreakerState::Closed if of.failures_in_a_row == 0 => LinkState::Up,
        BreakerState::Closed | BreakerState::HalfOpen => LinkState::Degraded,
    };
    Link {
        role: of.role.as_str(),
        transport: of.transport.as_str(),
        state,
        breaker: match of.breaker {
            BreakerState::Closed => "closed",
            BreakerState::HalfOpen => "half_open",
            BreakerState::Open => "open",
        },
        open_for_ms: of.open_for_ms,
        requests: of.requests,
        failures: of.failures.into_iter().map(|(class, count)| (class.as_str().to_owned(), count)).collect(),
        last_success_at: of.last_success_ms.map(moment),
        last_failure: of.last_failure.map(|failure| LastFailure {
            at: moment(failure.at_ms),
            class: failure.class.as_str().to_owned(),
            why: failure.why,
        }),
        latency_ms: of.latency_ms.map(|latency| Latency { p50: latency.p50, p95: latency.p95 }),
        vendor: of.vendor,
    }
}

/// Milliseconds since 1970 as RFC 3339.
fn moment(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |moment| format!("{moment:.3}"))
}
