//! The acting side: calls are placed, ended, looked for and closed here. Its first rule is that the intent of a call
//! is kept before the carrier is asked, and that a call is never dialled twice: what is not known is found out by
//! asking the carrier.

mod answer;
mod ask;
mod details;
mod follow;
mod hang_up;
mod homes;
mod node;
mod place;
pub(crate) mod request;
pub(crate) mod routes;
pub(crate) mod sweep;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as Lock};
use std::time::Duration;

use carriers::rest::{Dial, MachineDetection};
use jiff::{SignedDuration, Timestamp};
use records::{CallRecord, DialRules, StaleRule};
use store::{CallId, Database};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::DataPlane;
use crate::carrier::Client;

pub(crate) use details::Late;
pub use sweep::{SweepReport, SweptCall};

/// What the operator set about placing calls and closing dead ones.
#[derive(Debug, Clone)]
pub struct OutboundOptions {
    /// Which numbers may be dialled, and how often.
    pub rules: DialRules,
    /// The carrier of calls that ask for none.
    pub carrier: Option<String>,
    /// How long a call may ring.
    pub ring: Duration,
    /// How long a call may take.
    pub longest: Duration,
    /// Whether carriers listen for an answering machine.
    pub machine: MachineDetection,
    /// After how long a silence a call is looked after.
    pub stale_after: Duration,
    /// This process's name among those that share the database; `None` for one on which no call can live.
    pub node: Option<String>,
    /// After how long a silence another process counts as dead. Each tells of itself every 15 s.
    pub node_after: Duration,
}

impl Default for OutboundOptions {
    fn default() -> Self {
        Self {
            rules: DialRules::default(),
            carrier: None,
            ring: Duration::from_secs(45),
            longest: Duration::from_secs(3600),
            machine: MachineDetection::Off,
            stale_after: Duration::from_secs(1800),
            node: None,
            node_after: Duration::from_secs(60),
        }
    }
}

/// A carrier that calls can be placed over.
#[derive(Clone)]
pub struct CarrierLine {
    /// The way to it.
    pub client: Client,
    /// The number that calls show when they ask for none.
    pub from: Option<String>,
    /// Where it reaches this server; `None` while the server's public address is not configured.
    pub urls: Option<CarrierUrls>,
}

/// Where a carrier reaches this server, without the call's id.
#[derive(Clone, Default)]
pub struct CarrierUrls {
    /// Where it asks what to do with a call.
    pub answer: String,
    /// Where it tells how a call goes.
    pub status: String,
    /// Where it tells who picked up.
    pub machine: String,
}

/// What stands before the name of a variable in the answer URL.
const VARIABLE: &str = "v.";

/// The acting side. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

struct Shared {
    options: OutboundOptions,
    lines: Vec<CarrierLine>,
    database: Database,
    data_plane: Arc<dyn DataPlane>,
    /// Held by the sweep that runs.
    sweeping: Mutex<()>,
    /// The calls that are being dialled, until what came of it is kept.
    dialling: Lock<BTreeSet<CallId>>,
}

impl Outbound {
    /// Places calls over these lines.
    pub fn new(
        options: OutboundOptions,
        lines: Vec<CarrierLine>,
        database: Database,
        data_plane: Arc<dyn DataPlane>,
    ) -> Self {
        let (sweeping, dialling) = (Mutex::default(), Lock::default());
        Self(Arc::new(Shared { options, lines, database, data_plane, sweeping, dialling }))
    }

    /// Sweeps now and then until told to stop, after it has found out about what an earlier process left. `every` zero:
    /// only the first time.
    pub async fn keep_sweeping(self, every: Duration, stop: CancellationToken) {
        let mut is_caught_up = false;
        loop {
            let round = async {
                if !is_caught_up {
                    self.catch_up(self.left_open().await?);
                    is_caught_up = true;
                }
                self.sweep(false).await
            };
            let swept = tokio::select! {
                () = stop.cancelled() => return,
                swept = round => swept,
            };
            let wait = match swept {
                Err(error) => {
                    tracing::warn!(%error, "silent calls can't be looked for now");
                    if is_caught_up { every.max(Duration::from_secs(1)) } else { Duration::from_secs(1) }
                }
                Ok(_) if every.is_zero() => return,
                Ok(_) => every,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn line(&self, carrier: &str) -> Option<&CarrierLine> {
        self.0.lines.iter().find(|line| line.client.rest().name() == carrier)
    }

    fn rule(&self) -> StaleRule {
        let signed = |length| SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        let options = &self.0.options;
        StaleRule { after: signed(options.stale_after), node_after: signed(options.node_after) }
    }

    /// The dial of a call, as it was or will be made.
    fn dial(&self, record: &CallRecord, line: &CarrierLine, machine: MachineDetection) -> Dial {
        let options = &self.0.options;
        let urls = line.urls.clone().unwrap_or_default();
        let mut dial = Dial {
            call: record.id.clone(),
            to: record.to.clone().unwrap_or_default(),
            from: record.from.clone().unwrap_or_default(),
            ring_s: whole_seconds(options.ring),
            longest_s: whole_seconds(options.longest),
            answer_url: answer_url(&urls.answer, record),
            media_url: String::new(),
            status_url: urls.status,
            machine,
            machine_url: urls.machine,
        };
        // The URL lets the carrier in for as long as the call is not given up, and no longer.
        let age = Timestamp::now().duration_since(record.started_at);
        let age = Duration::try_from(age).unwrap_or_default();
        let holds = line.client.rest().settles_after(&dial).saturating_sub(age);
        let call = record.id.parse().ok();
        let media = call.and_then(|call| self.0.data_plane.media_url(call, &record.agent, holds));
        dial.media_url = media.unwrap_or_default();
        dial
    }
}

/// A length as carriers are told it: whole seconds, at least one.
fn whole_seconds(length: Duration) -> u32 {
    u32::try_from(length.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// Where the carrier asks what to do with this call: who is to talk, and what they are told of it. It comes back signed,
/// so that whichever node is asked needs no database to answer.
fn answer_url(url: &str, record: &CallRecord) -> String {
    if url.is_empty() {
        return String::new();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("agent", &record.agent);
    for (name, value) in &record.custom {
        query.append_pair(&format!("{VARIABLE}{name}"), value);
    }
    format!("{url}?{}", query.finish())
}
