//! The conformance test as Twilio: the voice webhook's answer, signatures, the stream, and what a server may be sent.

mod rule;
mod scenario;
mod visit;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::StreamExt as _;

use super::law::Check;
use super::scenario::{Observed, breached};
use super::{LONGEST, Report, RuleResult, Target, Verdict};
use crate::breach::Breaches as _;
use crate::phone::TwilioLine;
use crate::wire;
use rule::Rule;
use scenario::Scenario;

/// The server to be tested.
#[derive(Debug, Clone)]
pub struct TwilioTarget {
    /// Its voice webhook or its socket, what it should be, and how to test. What is done with marks after a clear is
    /// Twilio's to say.
    pub server: Target,
    /// The token, the address that the server goes by, and for a socket the parameters. Its call is not used: each
    /// scenario is a call of its own.
    pub line: TwilioLine,
}

/// Tests a server. Takes under a minute, whatever the server does.
pub async fn run(target: &TwilioTarget) -> Report {
    let began = Instant::now();
    let (server, only) = (&target.server, &target.server.options.only);
    let rules: Vec<&Rule> = rule::all()
        .iter()
        .filter(|rule| {
            rule.applies_to(server.profile) && (only.is_empty() || only.iter().any(|id| *id == rule.id))
        })
        .collect();
    let wanted: BTreeSet<Scenario> =
        rules.iter().flat_map(|rule| rule.check.scenarios(server.profile)).copied().collect();
    let calls =
        futures_util::stream::iter(wanted.into_iter().enumerate().map(|(number, scenario)| async move {
            let observed = tokio::time::timeout(LONGEST, scenario.run(target, number as u64)).await;
            (scenario, observed.unwrap_or_else(|_| Observed::failed("the scenario did not end in time")))
        }));
    let observed: BTreeMap<Scenario, Observed> =
        calls.buffer_unordered(server.options.calls_at_once.max(1)).collect().await;
    let results = rules.into_iter().map(|rule| result(rule, target, &observed)).collect();
    let shown = wire::Target::parse(&server.url).map_or_else(|fault| fault.to_string(), |url| url.shown());
    Report { carrier: "twilio", target: shown, profile: server.profile, results, took: began.elapsed() }
}

fn result(rule: &Rule, target: &TwilioTarget, observed: &BTreeMap<Scenario, Observed>) -> RuleResult {
    let verdict = match rule.check {
        Check::Fact(scenario, fact) => match observed.get(&scenario) {
            Some(observed) => observed.fact(fact),
            None => Verdict::Skip("not run".to_owned()),
        },
        Check::Breach(breach) => breached(breach.id(), rule.check.scenarios(target.server.profile), observed),
    };
    RuleResult::of(rule.id, rule.title, rule.source, rule.expected, verdict)
}
