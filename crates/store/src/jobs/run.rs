//! The runner: begins what is due, keeps it from others while it runs, and writes down how it ended. Each process has
//! one; on a database that several share they share the work.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::policy::spread;
use super::{Begun, End, Handler, Handlers, JobError, Policy, Running};
use crate::{Database, DatabaseError};

/// How jobs are run.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// How many at once in this process.
    pub at_once: u32,
    /// How long a job is kept from others without a sign of this process.
    pub lease: Duration,
    /// How long those that run may go on once the runner is to stop.
    pub grace: Duration,
    /// How a kind is tried again that has no way of its own.
    pub usual: Policy,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            at_once: 4,
            lease: Duration::from_secs(60),
            grace: Duration::from_secs(2),
            usual: Policy::default(),
        }
    }
}

/// How often to look for jobs although none is known to be due: another program may have asked for one.
const LOOK: Duration = Duration::from_secs(5);
/// How long after news it is looked, so that many news cost one look.
const PACE: Duration = Duration::from_millis(100);
/// How long to wait when the database is away.
const AWAY: Duration = Duration::from_secs(1);

/// How an attempt came to its end.
enum Ended {
    Told(Result<(), JobError>),
    Panicked,
    TookTooLong,
    /// Another has the job: there is nothing to say about it any more.
    Lost,
    /// The process stops. Not the job's fault.
    Interrupted,
}

/// What one attempt needs.
struct Attempt {
    database: Database,
    handler: Option<Handler>,
    policy: Policy,
    lease: Duration,
    /// Fires when nobody waits for it any more.
    hurry: CancellationToken,
}

/// Runs jobs until `stop`, and then those that run until they have ended, or for `grace`: what still runs is put back
/// and may be begun elsewhere at once. Whoever can't wait so long drops this: then the leases end first.
pub async fn run(database: Database, handlers: Handlers, options: JobOptions, stop: CancellationToken) {
    let kinds: Vec<String> = handlers.0.keys().cloned().collect();
    let mut news = database.subscribe();
    let mut running = JoinSet::new();
    let hurry = CancellationToken::new();
    while !stop.is_cancelled() {
        news.mark_unchanged();
        let free = options.at_once.saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
        let pause = match begin(&database, &kinds, &options, free, &stop).await {
            Ok((begun, pause)) => {
                for begun in begun {
                    let handler = handlers.0.get(&begun.job.kind).cloned();
                    let policy = handler.as_ref().and_then(|handler| handler.policy);
                    let attempt = Attempt {
                        database: database.clone(),
                        handler,
                        policy: policy.unwrap_or(options.usual),
                        lease: options.lease,
                        hurry: hurry.clone(),
                    };
                    running.spawn(attempt.run(begun));
                }
                pause
            }
            Err(error) => {
                tracing::warn!(%error, "jobs wait for the database");
                AWAY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            Some(_) = running.join_next() => {}
            // With all hands full, news of jobs change nothing.
            Ok(()) = news.changed(), if free > 0 => {
                // Each word about a call is news, and few of them ask for work that is due now.
                stop.run_until_cancelled(tokio::time::sleep(PACE)).await;
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
    let ended = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(options.grace, ended).await.is_err() {
        hurry.cancel();
    }
    running.join_all().await;
}

/// Begins what is due. Says how long to wait for the next, at most.
async fn begin(
    database: &Database,
    kinds: &[String],
    options: &JobOptions,
    free: u32,
    stop: &CancellationToken,
) -> Result<(Vec<Begun>, Duration), DatabaseError> {
    let now = Timestamp::now();
    if free == 0 || kinds.is_empty() {
        return Ok((Vec::new(), LOOK));
    }
    // Nobody who wants to stop waits for a database that is away.
    let due = stop.run_until_cancelled(database.next_job(kinds)).await.transpose()?.flatten();
    let Some(due) = due else { return Ok((Vec::new(), LOOK)) };
    if let Ok(wait) = Duration::try_from(due.duration_since(now))
        && !wait.is_zero()
    {
        return Ok((Vec::new(), wait.min(LOOK)));
    }
    let begun = database.begin_jobs(kinds, now, later(now, options.lease), free).await?;
    let is_all = begun.len() < free as usize;
    Ok((begun, if is_all { Duration::from_millis(50) } else { LOOK }))
}

impl Attempt {
    /// One attempt at one job, to its end in the database.
    async fn run(self, begun: Begun) {
        let Begun { seq, turn, job } = begun;
        let (kind, attempt) = (job.kind.clone(), job.attempt);
        let ended = if attempt > self.policy.attempts {
            // Its processes died each time: it may be what kills them.
            Ended::Told(Err(JobError::Never("it was begun too often and never ended".to_owned())))
        } else {
            match &self.handler {
                Some(handler) => self.held(seq, turn, (handler.work)(job)).await,
                None => Ended::Told(Err(JobError::Again("nobody does jobs of this kind".to_owned()))),
            }
        };
        let (outcome, end) = self.end(&kind, attempt, ended);
        counter!("trunkline_jobs_total", "kind" => kind.clone(), "outcome" => outcome).increment(1);
        let Some(end) = end else { return };
        // After the lease another may have begun it: then there is nothing left to say.
        let told = async {
            while let Err(error) = self.database.end_job(seq, turn, end.clone(), Timestamp::now()).await {
                tracing::warn!(kind, %error, "the end of a job waits for the database");
                tokio::select! {
                    () = tokio::time::sleep(AWAY) => {}
                    () = self.hurry.cancelled() => return,
                }
            }
        };
        if tokio::time::timeout(self.lease, told).await.is_err() {
            tracing::error!(kind, attempt, "the end of a job could not be kept; it will be begun again");
        }
    }

    /// What is counted, and what is written down.
    fn end(&self, kind: &str, attempt: u32, ended: Ended) -> (&'static str, Option<End>) {
        let now = Timestamp::now();
        let (outcome, fault) = match ended {
            Ended::Told(Ok(())) => return ("done", Some(End::Done)),
            Ended::Lost => {
                tracing::warn!(kind, attempt, "the lease of a job ended, and another process has it");
                return ("lost", None);
            }
            Ended::Interrupted => {
                let error = "the server stopped meanwhile".to_owned();
                return ("interrupted", Some(End::Again { at: now, error }));
            }
            Ended::Told(Err(fault)) => ("failed", fault),
            Ended::Panicked => ("panicked", JobError::Again("it panicked".to_owned())),
            Ended::TookTooLong => {
                let longest = self.policy.longest.as_secs_f64();
                ("too_long", JobError::Again(format!("it took longer than {longest} s")))
            }
        };
        match fault {
            JobError::Again(error) if attempt < self.policy.attempts => {
                let chance = getrandom::u32().unwrap_or(0).to_le_bytes()[0];
                let wait = spread(self.policy.waits.after(attempt), chance);
                tracing::warn!(
                    kind,
                    attempt,
                    error,
                    wait_s = wait.as_secs(),
                    "a job failed and is tried again"
                );
                (outcome, Some(End::Again { at: later(now, wait), error }))
            }
            JobError::Again(error) | JobError::Never(error) => {
                tracing::error!(kind, attempt, error, "a job is given up");
                ("given_up", Some(End::GivenUp { error }))
            }
        }
    }

    /// Runs a handler and keeps the job from others meanwhile. A panic is a fault like any other, and so is taking too
    /// long.
    async fn held(&self, seq: i64, turn: i64, running: Running) -> Ended {
        // Of its own, so that a panic ends nothing else; it ends with this.
        let mut task = JoinSet::new();
        task.spawn(running);
        let mut signs = tokio::time::interval(self.lease / 3);
        signs.tick().await;
        let longest = tokio::time::sleep(self.policy.longest);
        tokio::pin!(longest);
        loop {
            tokio::select! {
                ended = task.join_next() => {
                    return match ended {
                        Some(Ok(ended)) => Ended::Told(ended),
                        _ => Ended::Panicked,
                    };
                }
                () = &mut longest => return Ended::TookTooLong,
                () = self.hurry.cancelled() => return Ended::Interrupted,
                _ = signs.tick() => {
                    match self.database.hold_job(seq, turn, later(Timestamp::now(), self.lease)).await {
                        Ok(true) => {}
                        // Two must not do it at once.
                        Ok(false) => return Ended::Lost,
                        Err(error) => tracing::warn!(%error, "the lease of a job can't be made longer"),
                    }
                }
            }
        }
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(now)
}
