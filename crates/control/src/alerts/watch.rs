//! The task that looks: it gathers what the rules judge, shows what they find, and tells of what begins and ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use metrics::{Unit, describe_gauge, gauge};
use records::EndReason;
use store::jobs::{JobCount, JobError, NewJob};
use store::{CallFilter, Database, DatabaseError, Store};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::board::{Board, Turn};
use super::rules::{AlertKind, Name, Seen, Severity, Told, judge};
use super::{Alerts, message};
use crate::callbacks::health::silent_calls;
use crate::jobs::Receiver;
use crate::{LinkState, Vendors};

/// Over how long callbacks and calls are looked at, and jobs that were given up.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(24);
/// How long the database may take to count as there.
const ANSWERS: Duration = Duration::from_secs(2);
/// How many calls that the sweep closed are looked at.
const STALE: u32 = 200;
/// How much may wait to be told while neither database nor receiver take it.
const UNTOLD: usize = 64;

/// What is looked at, and where what is found goes.
pub struct Watch {
    /// The calls as files.
    pub store: Store,
    /// The calls as tables.
    pub database: Database,
    /// The vendors.
    pub vendors: Option<Arc<dyn Vendors>>,
    /// Whom alerts are told.
    pub receiver: Option<Arc<Receiver>>,
    /// Where they are shown.
    pub alerts: Alerts,
    /// What this server is called in what is told: its public address.
    pub server: Option<String>,
}

/// What the task remembers from look to look.
#[derive(Default)]
struct Memory {
    board: Board,
    /// Since when the database has not answered.
    away: Option<Instant>,
    /// Whether the alerts of the table were taken over.
    has_begun: bool,
    untold: Vec<NewJob>,
    /// The gauges of jobs that were set, to be set to nothing when there are no more.
    gauges: BTreeMap<(String, String), u64>,
}

impl Watch {
    /// Looks now and each `every` until told to stop.
    pub async fn run(self, every: Duration, stop: CancellationToken) {
        describe();
        let mut memory = Memory::default();
        let mut looks = tokio::time::interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            stop.run_until_cancelled(self.look(&mut memory)).await;
        }
    }

    async fn look(&self, memory: &mut Memory) {
        let now = Timestamp::now();
        let told = match tokio::time::timeout(ANSWERS, self.database.ping()).await {
            Ok(Ok(())) => self.ask(memory, now).await.inspect_err(|error| {
                tracing::debug!(%error, "the database answers and does not tell what alerts go by");
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(DatabaseError::Unavailable("no answer in time".to_owned())),
        };
        let is_away = matches!(told, Err(DatabaseError::Unavailable(_)));
        memory.away = is_away.then(|| memory.away.unwrap_or_else(Instant::now));
        let seen = self.gather(told.ok(), memory).await;
        let findings = judge(&seen, &memory.board.raised());
        let turns = memory.board.look(now, findings);
        // Before anyone is told: who is told may look.
        self.alerts.show(now, memory.board.active().into_iter().map(Into::into).collect());
        for kind in AlertKind::ALL {
            gauge!("trunkline_alert_active", "alert" => kind.as_str()).set(memory.board.count(kind) as f64);
        }
        self.tell_late(memory).await;
        for turn in turns {
            self.turn(&turn, memory, now).await;
        }
    }

    async fn gather(&self, told: Option<Told>, memory: &Memory) -> Seen {
        let health = self.store.health();
        let links = self.vendors.iter().flat_map(|vendors| vendors.links());
        // One failure is none yet: the breaker says when calls are kept from it.
        let failing = links.filter(|link| link.breaker != "closed");
        let failing = failing.map(|link| {
            let why = link.last_failure.as_ref().map_or_else(String::new, |last| format!(": {}", last.class));
            let state = if link.state == LinkState::Down {
                "is left alone for a while"
            } else {
                "is being tried again"
            };
            (
                format!("{} {} ({})", link.vendor, link.role, link.transport),
                format!("It {state}{why}. GET /api/v1/providers says more."),
            )
        });
        let backlog = self.store.backlog().await.unwrap_or_default();
        let backlog = (backlog.records + backlog.callbacks) as u64;
        Seen {
            told,
            away_s: memory.away.map_or(0, |since| since.elapsed().as_secs()),
            backlog,
            disk_free: Some(health.disk_free_bytes).filter(|free| *free > 0),
            unwritable: !health.writable,
            failing: failing.collect(),
        }
    }

    /// What the database tells.
    async fn ask(&self, memory: &mut Memory, now: Timestamp) -> Result<Told, DatabaseError> {
        if !memory.has_begun {
            for (name, since) in self.database.raised_alerts().await? {
                if let Some(name) = Name::of_text(&name) {
                    memory.board.take_over(name, since);
                }
            }
            memory.has_begun = true;
        }
        let since = now.checked_sub(WINDOW).unwrap_or(now);
        let counts = self.database.job_counts(now.checked_sub(GIVEN_UP).unwrap_or(now)).await?;
        measure(&counts, &mut memory.gauges);
        let given_up = counts.into_iter().filter(|count| count.state == "given_up");
        let mut silent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for call in silent_calls(&self.database, since, now).await? {
            silent.entry(call.carrier).or_default().push(call.id);
        }
        let callbacks = self.database.callback_health(since).await?;
        let filter = CallFilter { end_reason: Some(EndReason::Stale), ..CallFilter::default() };
        let stale = self.database.calls(&filter, None, STALE).await?;
        Ok(Told {
            silent,
            callbacks: callbacks
                .into_iter()
                .map(|kind| (format!("{}/{}", kind.carrier, kind.kind), kind.received, kind.refused))
                .collect(),
            given_up: given_up.map(|count| (count.kind, count.count)).collect(),
            stale: stale
                .into_iter()
                .filter(|call| call.ended_at.is_some_and(|at| at >= since))
                .map(|call| call.id)
                .collect(),
        })
    }

    /// An alert begins or ends: the log has it, and whoever is to be told is.
    async fn turn(&self, turn: &Turn, memory: &mut Memory, now: Timestamp) {
        log(turn);
        let job = self.receiver.as_ref().and_then(|_| message::tell(turn, self.server.as_deref(), now));
        let (Turn::Raised(alert) | Turn::Cleared(alert)) = turn;
        if alert.name.kind.is_shared() {
            let name = alert.name.text();
            let kept = match turn {
                Turn::Raised(_) => self.database.raise_alert(&name, alert.since, job.clone()).await,
                Turn::Cleared(_) => self.database.clear_alert(&name, job.clone()).await,
            };
            match kept {
                // Where another process was first, that one tells.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, name, "an alert can't be kept");
                    memory.untold.extend(job);
                }
            }
        } else if let Some(job) = job {
            self.tell(job, memory).await;
        }
        let over = memory.untold.len().saturating_sub(UNTOLD);
        memory.untold.drain(..over);
    }

    /// Has a job tell it; where the database does not take one, it is told from here, once.
    async fn tell(&self, job: NewJob, memory: &mut Memory) {
        let Err(error) = self.database.ask_for(job.clone()).await else { return };
        tracing::debug!(%error, "an alert is told without a job");
        let Some(receiver) = &self.receiver else { return };
        match receiver.take(&job.key, &job.payload).await {
            Ok(()) | Err(JobError::Never(_)) => {}
            Err(JobError::Again(why)) => {
                tracing::warn!(why, "an alert could not be told; it waits for the database");
                memory.untold.push(job);
            }
        }
    }

    /// Has told what could not be before.
    async fn tell_late(&self, memory: &mut Memory) {
        while let Some(job) = memory.untold.first() {
            if self.database.ask_for(job.clone()).await.is_err() {
                return;
            }
            memory.untold.remove(0);
        }
    }
}

fn log(turn: &Turn) {
    match turn {
        Turn::Raised(alert) => {
            let (kind, subject, detail) = (alert.name.kind.as_str(), &*alert.name.subject, &*alert.detail);
            match alert.name.kind.severity() {
                Severity::Critical => tracing::error!(alert = kind, subject, detail, "an alert is raised"),
                Severity::Warning => tracing::warn!(alert = kind, subject, detail, "an alert is raised"),
            }
        }
        Turn::Cleared(alert) => {
            let (kind, subject) = (alert.name.kind.as_str(), &*alert.name.subject);
            tracing::info!(alert = kind, subject, since = %alert.since, "an alert is over");
        }
    }
}

/// Sets the gauges of jobs; those that were set before and have none now, to nothing.
fn measure(counts: &[JobCount], gauges: &mut BTreeMap<(String, String), u64>) {
    gauges.values_mut().for_each(|count| *count = 0);
    for count in counts {
        gauges.insert((count.kind.clone(), count.state.clone()), count.count);
    }
    for ((kind, state), count) in gauges {
        gauge!("trunkline_jobs", "kind" => kind.clone(), "state" => state.clone()).set(*count as f64);
    }
}

fn describe() {
    describe_gauge!("trunkline_alert_active", Unit::Count, "Alerts that are raised, by what they are about.");
    describe_gauge!(
        "trunkline_jobs",
        Unit::Count,
        "Jobs that wait, run, or were given up within a day, by kind."
    );
    metrics::describe_counter!("trunkline_jobs_total", Unit::Count, "Attempts at jobs, by how they ended.");
}
