//! The conformance test: plays a carrier against any server, ours or a stranger's, and judges it rule by rule. Exotel's
//! is here; Twilio's, over the same sessions, in `twilio`.
//!
//! Rules are data (`rule.rs`): an id, a title, the document that asks for it, and where its answer is found. The
//! answers come from scenarios (`scenario.rs`, `calls.rs`): small calls over real sockets, several at a time, each bounded in
//! time. One scenario may answer several rules.

mod calls;
mod law;
mod report;
mod rule;
mod scenario;
mod session;
mod twilio;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audio::SampleRate;
use futures_util::StreamExt as _;

use crate::breach::Breaches as _;
use crate::exotel::AfterClear;
use crate::wire;
use law::Check;
pub use report::{Report, RuleResult, Status};
use rule::Rule;
use scenario::{Observed, Scenario};
pub use twilio::{TwilioTarget, run as run_twilio};

/// The longest that one scenario may take, whatever the server does.
const LONGEST: Duration = Duration::from_secs(45);

/// What kind of server is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// It plays back the caller's own audio, payload unchanged.
    Echo,
    /// It greets the caller and converses.
    Agent,
}

impl Profile {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Agent => "agent",
        }
    }
}

/// The server to be tested.
#[derive(Debug, Clone)]
pub struct Target {
    /// `ws://` or `wss://`: the socket; `http://` or `https://`: the connect webhook, asked for the URL of each
    /// socket. `user:password@` becomes HTTP Basic.
    pub url: String,
    /// What it should be.
    pub profile: Profile,
    /// Headers for webhook and upgrade, such as `Authorization`.
    pub headers: Vec<(String, String)>,
    /// How to test.
    pub options: Options,
}

impl Target {
    /// This server with the default options.
    pub fn new(url: impl Into<String>, profile: Profile) -> Self {
        Self { url: url.into(), profile, headers: Vec::new(), options: Options::default() }
    }
}

/// How to test.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many calls run at the same time.
    pub calls_at_once: usize,
    /// Only the rules of these ids; empty means all.
    pub only: Vec<String>,
    /// What the caller says to interrupt, and its rate. Without it a built-in recording is used.
    pub speech: Option<(SampleRate, Vec<i16>)>,
    /// What the carrier does with marks after a clear.
    pub after_clear: AfterClear,
    /// Trust for `wss` and `https`. Without it the public roots hold.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for Options {
    /// Four calls at once, all rules.
    fn default() -> Self {
        Self {
            calls_at_once: 4,
            only: Vec::new(),
            speech: None,
            after_clear: AfterClear::default(),
            tls: None,
        }
    }
}

/// Tests a server. Takes under a minute, whatever the server does.
pub async fn run(target: &Target) -> Report {
    let began = Instant::now();
    let only = &target.options.only;
    let rules: Vec<&Rule> = rule::all()
        .iter()
        .filter(|rule| {
            rule.applies_to(target.profile) && (only.is_empty() || only.iter().any(|id| *id == rule.id))
        })
        .collect();
    let wanted: BTreeSet<Scenario> =
        rules.iter().flat_map(|rule| rule.check.scenarios(target.profile)).copied().collect();
    let calls =
        futures_util::stream::iter(wanted.into_iter().enumerate().map(|(number, scenario)| async move {
            let observed = tokio::time::timeout(LONGEST, scenario.run(target, number as u64)).await;
            (scenario, observed.unwrap_or_else(|_| Observed::failed("the scenario did not end in time")))
        }));
    let observed: BTreeMap<Scenario, Observed> =
        calls.buffer_unordered(target.options.calls_at_once.max(1)).collect().await;
    let results = rules.into_iter().map(|rule| result(rule, target.profile, &observed)).collect();
    let shown = wire::Target::parse(&target.url).map_or_else(|fault| fault.to_string(), |url| url.shown());
    Report { carrier: "exotel", target: shown, profile: target.profile, results, took: began.elapsed() }
}

fn result(rule: &Rule, profile: Profile, observed: &BTreeMap<Scenario, Observed>) -> RuleResult {
    let verdict = match rule.check {
        Check::Fact(scenario, fact) => match observed.get(&scenario) {
            Some(observed) => observed.fact(fact),
            None => Verdict::Skip("not run".to_owned()),
        },
        Check::Breach(breach) => scenario::breached(breach.id(), rule.check.scenarios(profile), observed),
    };
    RuleResult::of(rule.id, rule.title, rule.source, rule.expected, verdict)
}

/// The answer to one question, with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass(String),
    Fail(String),
    Skip(String),
}
