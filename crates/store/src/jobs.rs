//! Slow work that must be done although the process may die: fetching, uploading, telling others. A job lies in the
//! database until it is done; it is begun again after a fault, later each time, and after its process's death. So a
//! handler may see the same job twice and must do it so that this does no harm; a job that is done is not begun again,
//! and asking for it once more, by its kind and key, changes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Database, DatabaseError};

/// A job that has been begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What is to be done.
    pub kind: String,
    /// What tells it from others of its kind.
    pub key: String,
    /// What the handler needs to know, as JSON.
    pub payload: String,
    /// 1 for the first time.
    pub attempt: u32,
}

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It may be done later.
    #[error("{0}")]
    Again(String),
    /// It never will be.
    #[error("{0}")]
    Never(String),
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Waits or runs.
    Open {
        /// When it is begun; for one that runs, when it would be begun again if its process died.
        due_at: Timestamp,
    },
    /// Done.
    Done,
    /// Failed too often, or for good.
    GivenUp,
}

/// How a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// Where it is.
    pub state: JobState,
    /// How often it was begun.
    pub attempts: u32,
    /// Why it was not done the last time.
    pub last_error: Option<String>,
}

/// How jobs are run.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// How many at once in this process.
    pub at_once: u32,
    /// How long a job is kept from others without a sign of this process.
    pub lease: Duration,
    /// How long to wait after the first fault; twice as long after each further one.
    pub first_wait: Duration,
    /// The longest that is waited.
    pub longest_wait: Duration,
    /// How often a job is begun before it is given up.
    pub attempts: u32,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            at_once: 4,
            lease: Duration::from_secs(60),
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_secs(3600),
            attempts: 20,
        }
    }
}

impl JobOptions {
    /// How long to wait after this attempt.
    fn wait(&self, attempt: u32) -> Duration {
        let times = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_wait.saturating_mul(times).min(self.longest_wait)
    }
}

/// A job with its row.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) seq: i64,
    pub(crate) job: Job,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Done,
    Again { at: Timestamp, error: String },
    GivenUp { error: String },
}

type Running = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;
type Handler = Arc<dyn Fn(Job) -> Running + Send + Sync>;

/// Who does what.
#[derive(Clone, Default)]
pub struct Handlers(BTreeMap<String, Handler>);

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Handlers {
    /// Nobody does anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has jobs of this kind done so.
    #[must_use]
    pub fn on<F, R>(mut self, kind: &str, handler: F) -> Self
    where
        F: Fn(Job) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.0.insert(kind.to_owned(), Arc::new(move |job| Box::pin(handler(job))));
        self
    }
}

/// How often to look for jobs although none is known to be due: another program may have asked for one.
const LOOK: Duration = Duration::from_secs(5);
/// How long to wait when the database is away.
const AWAY: Duration = Duration::from_secs(1);

/// Runs jobs until `stop`, and then until those that run have ended. Whoever can't wait so long drops this: their
/// leases end and they are begun again.
pub async fn run(database: Database, handlers: Handlers, options: JobOptions, stop: CancellationToken) {
    let kinds: Vec<String> = handlers.0.keys().cloned().collect();
    let mut news = database.subscribe();
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        news.mark_unchanged();
        let free = options.at_once.saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
        let pause = match begin(&database, &kinds, &options, free).await {
            Ok((begun, pause)) => {
                for begun in begun {
                    let handler = handlers.0.get(&begun.job.kind).cloned();
                    running.spawn(attempt(database.clone(), handler, options.clone(), begun));
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
            Ok(()) = news.changed(), if free > 0 => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    running.join_all().await;
}

/// Begins what is due. Says how long to wait for the next, at most.
async fn begin(
    database: &Database,
    kinds: &[String],
    options: &JobOptions,
    free: u32,
) -> Result<(Vec<Begun>, Duration), DatabaseError> {
    let now = Timestamp::now();
    if free == 0 || kinds.is_empty() {
        return Ok((Vec::new(), LOOK));
    }
    let Some(due) = database.next_job(kinds).await? else { return Ok((Vec::new(), LOOK)) };
    if let Ok(wait) = Duration::try_from(due.duration_since(now))
        && !wait.is_zero()
    {
        return Ok((Vec::new(), wait.min(LOOK)));
    }
    let begun = database.begin_jobs(kinds, now, later(now, options.lease), free).await?;
    let is_all = begun.len() < free as usize;
    Ok((begun, if is_all { Duration::from_millis(50) } else { LOOK }))
}

/// One attempt at one job, to its end in the database.
async fn attempt(database: Database, handler: Option<Handler>, options: JobOptions, begun: Begun) {
    let Begun { seq, job } = begun;
    let (kind, attempt) = (job.kind.clone(), job.attempt);
    let ended = if attempt > options.attempts {
        // Its processes died each time: it may be what kills them.
        Err(JobError::Never("it was begun too often and never ended".to_owned()))
    } else {
        match handler {
            Some(handler) => held(&database, &options, seq, attempt, handler(job)).await,
            None => Err(JobError::Again("nobody does jobs of this kind".to_owned())),
        }
    };
    let now = Timestamp::now();
    let end = match ended {
        Ok(()) => End::Done,
        Err(JobError::Again(error)) if attempt < options.attempts => {
            let wait = options.wait(attempt);
            tracing::warn!(kind, attempt, error, wait_s = wait.as_secs(), "a job failed and is tried again");
            End::Again { at: later(now, wait), error }
        }
        Err(JobError::Again(error) | JobError::Never(error)) => {
            tracing::error!(kind, attempt, error, "a job is given up");
            End::GivenUp { error }
        }
    };
    // After the lease another may have begun it: then there is nothing left to say.
    let told = async {
        while let Err(error) = database.end_job(seq, attempt, end.clone(), now).await {
            tracing::warn!(kind, %error, "the end of a job waits for the database");
            tokio::time::sleep(AWAY).await;
        }
    };
    if tokio::time::timeout(options.lease, told).await.is_err() {
        tracing::error!(kind, attempt, "the end of a job could not be kept; it will be begun again");
    }
}

/// Runs a handler and keeps the job from others meanwhile. A panic is a fault like any other.
async fn held(
    database: &Database,
    options: &JobOptions,
    seq: i64,
    attempt: u32,
    running: Running,
) -> Result<(), JobError> {
    // Of its own, so that a panic ends nothing else; it ends with this.
    let mut task = JoinSet::new();
    task.spawn(running);
    let mut signs = tokio::time::interval(options.lease / 3);
    signs.tick().await;
    loop {
        tokio::select! {
            ended = task.join_next() => {
                return match ended {
                    Some(Ok(ended)) => ended,
                    _ => Err(JobError::Again("it panicked".to_owned())),
                };
            }
            _ = signs.tick() => {
                match database.hold_job(seq, attempt, later(Timestamp::now(), options.lease)).await {
                    Ok(true) => {}
                    // Another has it: two must not do it at once.
                    Ok(false) => return Err(JobError::Again("its lease ended".to_owned())),
                    Err(error) => tracing::warn!(%error, "the lease of a job can't be made longer"),
                }
            }
        }
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let options = JobOptions::default();
        let waits: Vec<u64> = [1, 2, 3, 11, 12, 40, u32::MAX].map(|n| options.wait(n).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 2048, 3600, 3600, 3600]);
    }
}
