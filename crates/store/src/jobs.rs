//! Slow work that must be done although the process may die: fetching, uploading, telling others. A job lies in the
//! database until it is done; it is begun again after a fault, later each time, and after its process's death. So a
//! handler may see the same job twice and must do it so that this does no harm; a job that is done is not begun again,
//! and asking for it once more, by its kind and key, changes nothing.

mod policy;
mod run;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;

pub use policy::{Policy, Waits};
pub use run::{JobOptions, run};

/// A job that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What is to be done.
    pub kind: String,
    /// What tells it from others of its kind.
    pub key: String,
    /// What the handler needs to know, as JSON. Ids, never a phone number.
    pub payload: String,
    /// When it may be begun.
    pub run_at: Timestamp,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

/// A job that has been begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What is to be done.
    pub kind: String,
    /// What tells it from others of its kind.
    pub key: String,
    /// What the handler needs to know, as JSON.
    pub payload: String,
    /// 1 for the first time, and again for the first time after somebody had it tried again.
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

/// A job as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its number: a later one is greater.
    pub id: i64,
    /// What is to be done.
    pub kind: String,
    /// What tells it from others of its kind.
    pub key: String,
    /// How it does.
    pub status: JobStatus,
    /// When it was asked for; 1970 where that was before it was noted.
    pub asked_at: Timestamp,
    /// Since when an attempt runs; absent while it waits.
    pub begun_at: Option<Timestamp>,
    /// When it was done or given up.
    pub ended_at: Option<Timestamp>,
}

/// How many jobs of one kind are in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    /// The kind.
    pub kind: String,
    /// `waiting`, `running` or `given_up`. The done ones are not counted.
    pub state: String,
    /// How many.
    pub count: u64,
    /// When the latest of them was given up.
    pub last_ended_at: Option<Timestamp>,
}

/// What came of having a job tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It is begun again now.
    Open(JobRow),
    /// It was not given up, and stays as it is.
    NotGivenUp,
    /// There is no such job.
    Unknown,
}

/// A job with its row.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) seq: i64,
    /// How often it was begun in all: what this attempt's end is told apart by.
    pub(crate) turn: i64,
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
type Work = Arc<dyn Fn(Job) -> Running + Send + Sync>;

/// Who does one kind, and how it is tried again.
#[derive(Clone)]
struct Handler {
    work: Work,
    /// `None`: the usual way.
    policy: Option<Policy>,
}

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
    pub fn on<F, R>(self, kind: &str, handler: F) -> Self
    where
        F: Fn(Job) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.with(kind, None, handler)
    }

    /// The same, tried again in a way of its own.
    #[must_use]
    pub fn on_by<F, R>(self, kind: &str, policy: Policy, handler: F) -> Self
    where
        F: Fn(Job) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.with(kind, Some(policy), handler)
    }

    /// Does one job now, without the database: nothing is tried again or written down. `None` where nobody does its kind.
    pub fn attempt(&self, job: Job) -> Option<impl Future<Output = Result<(), JobError>> + Send + use<>> {
        self.0.get(&job.kind).map(|handler| (handler.work)(job))
    }

    fn with<F, R>(mut self, kind: &str, policy: Option<Policy>, handler: F) -> Self
    where
        F: Fn(Job) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let work: Work = Arc::new(move |job| Box::pin(handler(job)));
        self.0.insert(kind.to_owned(), Handler { work, policy });
        self
    }
}
