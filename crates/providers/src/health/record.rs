//! What is remembered of one link. Pure: both times come in.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use call::{Fault, FaultClass, Micros, Tick};
use serde::Serialize;

use crate::chain::{Breaker, BreakerState};
use crate::{LinkId, Transport};

/// Of so many requests the latency is remembered.
const REMEMBERED: usize = 128;

/// The health of one link, for people and for the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkHealth {
    /// The vendor's name in the configuration.
    pub vendor: String,
    /// The role.
    pub role: crate::Role,
    /// The way.
    pub transport: Transport,
    /// What the breaker lets through.
    pub breaker: BreakerState,
    /// For how long the breaker stays open, in milliseconds.
    pub open_for_ms: Option<u64>,
    /// Requests of calls and probes since the process started.
    pub requests: u64,
    /// Failures since then, by class.
    pub failures: BTreeMap<FaultClass, u64>,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// When a request last succeeded: milliseconds since 1970 in UTC.
    pub last_success_ms: Option<u64>,
    /// The last failure.
    pub last_failure: Option<LastFailure>,
    /// The time to the first piece of an answer.
    pub latency_ms: Option<Latency>,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastFailure {
    /// When: milliseconds since 1970 in UTC.
    pub at_ms: u64,
    /// Its class.
    pub class: FaultClass,
    /// What happened, in words for an operator.
    pub why: String,
}

/// How long the first piece of an answer took over the last 128 requests, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half of them were faster.
    pub p50: f64,
    /// One in twenty was slower.
    pub p95: f64,
}

impl LinkHealth {
    /// Whether calls are let through.
    pub fn is_well(&self) -> bool {
        self.breaker == BreakerState::Closed
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) breaker: Breaker,
    requests: u64,
    failures: BTreeMap<FaultClass, u64>,
    last_request: Option<Tick>,
    last_success_ms: Option<u64>,
    last_failure: Option<LastFailure>,
    latencies_ms: VecDeque<f64>,
}

impl Record {
    pub(super) fn asked(&mut self, now: Tick) {
        self.requests += 1;
        self.last_request = Some(now);
    }

    pub(super) fn succeeded(&mut self, wall_ms: u64, took: Duration) {
        self.breaker.succeeded();
        self.last_success_ms = Some(wall_ms);
        if self.latencies_ms.len() >= REMEMBERED {
            self.latencies_ms.pop_front();
        }
        self.latencies_ms.push_back(took.as_secs_f64() * 1e3);
    }

    pub(super) fn failed(&mut self, now: Tick, wall_ms: u64, fault: &Fault) {
        self.breaker.failed(now, fault.class, fault.retry_after_ms.map(Micros::from_ms));
        *self.failures.entry(fault.class).or_default() += 1;
        self.last_failure = Some(LastFailure { at_ms: wall_ms, class: fault.class, why: fault.why.clone() });
    }

    pub(super) fn withdrawn(&mut self, now: Tick) {
        self.breaker.withdrawn(now);
    }

    /// A probe's answer says that the vendor is there, not that calls get on with it: the breaker lets one try.
    pub(super) fn probed(&mut self, now: Tick, wall_ms: u64) {
        self.breaker.answered_a_probe(now);
        self.last_success_ms = Some(wall_ms);
    }

    pub(super) fn is_idle(&self, now: Tick, for_at_least: Micros) -> bool {
        self.last_request.is_none_or(|last| now.since(last) >= for_at_least)
    }

    fn latency(&self) -> Option<Latency> {
        let mut sorted: Vec<f64> = self.latencies_ms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let ms = sorted.get(((sorted.len() as f64 * part) as usize).min(sorted.len().checked_sub(1)?))?;
            Some((ms * 10.0).round() / 10.0)
        };
        Some(Latency { p50: at(0.5)?, p95: at(0.95)? })
    }

    pub(super) fn health(&self, id: &LinkId, now: Tick) -> LinkHealth {
        LinkHealth {
            vendor: id.vendor.to_string(),
            role: id.role,
            transport: id.transport,
            breaker: self.breaker.state(now),
            open_for_ms: self.breaker.opens_in(now).map(|length| length.0 / 1000),
            requests: self.requests,
            failures: self.failures.clone(),
            failures_in_a_row: self.breaker.failures(),
            last_success_ms: self.last_success_ms,
            last_failure: self.last_failure.clone(),
            latency_ms: self.latency(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn what_happened_is_told_in_the_words_of_the_api() {
        let mut record = Record::default();
        let id = LinkId::new("deepgram", Role::SpeechToText, Transport::Websocket);
        record.asked(Tick(0));
        record.succeeded(1_000, Duration::from_millis(100));
        record.asked(Tick(10_000_000));
        record.failed(Tick(10_000_000), 2_000, &Fault::new(FaultClass::Auth, "HTTP 401: bad key"));
        assert!(!record.is_idle(Tick(10_000_001), Micros(2)));
        assert!(record.is_idle(Tick(10_000_002), Micros(2)));
        let health = record.health(&id, Tick(12_000_000));
        assert!(!health.is_well());
        let expected = serde_json::json!({
            "vendor": "deepgram", "role": "speech_to_text", "transport": "websocket", "breaker": "open",
            "open_for_ms": 58_000, "requests": 2, "failures": {"auth": 1}, "failures_in_a_row": 1,
            "last_success_ms": 1_000, "latency_ms": {"p50": 100.0, "p95": 100.0},
            "last_failure": {"at_ms": 2_000, "class": "auth", "why": "HTTP 401: bad key"},
        });
        assert_eq!(serde_json::to_value(&health).unwrap(), expected);
        for ms in 0..1_000 {
            record.succeeded(4_000, Duration::from_millis(ms));
        }
        let latency = record.health(&id, Tick(12_000_000)).latency_ms.unwrap();
        assert_eq!((latency.p50, latency.p95), (936.0, 993.0), "of the last 128");
        record.failed(Tick(12_000_000), 5_000, &Fault::new(FaultClass::Quota, "HTTP 402"));
        record.probed(Tick(12_000_000), 6_000);
        assert_eq!(record.health(&id, Tick(12_000_000)).breaker, BreakerState::HalfOpen);
    }
}
