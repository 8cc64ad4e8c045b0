//! What the database does for jobs.

use jiff::Timestamp;

use super::{Database, DatabaseError, operation};
use crate::jobs::{Begun, End, JobCount, JobRow, JobStatus, NewJob, Retried};

impl Database {
    /// Asks for a job to be done at `run_at` or later. Says whether it is a new one: one of the same kind and key, open
    /// or done, stays as it is. `payload` is JSON.
    pub async fn enqueue(
        &self,
        kind: &str,
        key: &str,
        payload: &str,
        run_at: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let (kind, key, payload) = (kind.to_owned(), key.to_owned(), payload.to_owned());
        self.ask_for(NewJob { kind, key, payload, run_at, asked_at: Timestamp::now() }).await
    }

    /// The same, said in one value.
    pub async fn ask_for(&self, job: NewJob) -> Result<bool, DatabaseError> {
        self.write(operation::Enqueue { job }).await
    }

    /// How a job does; `None` when nobody asked for it.
    pub async fn job(&self, kind: &str, key: &str) -> Result<Option<JobStatus>, DatabaseError> {
        self.read(operation::ReadJob { kind: kind.to_owned(), key: key.to_owned() }).await
    }

    /// Jobs that are open or given up, newest first, of those with a number below `before`.
    pub async fn jobs(&self, before: Option<i64>, limit: u32) -> Result<Vec<JobRow>, DatabaseError> {
        self.read(operation::ListJobs { before, limit }).await
    }

    /// How many jobs wait, run, or were given up since `since`, by kind.
    pub async fn job_counts(&self, since: Timestamp) -> Result<Vec<JobCount>, DatabaseError> {
        self.read(operation::CountJobs { since }).await
    }

    /// Has a job that was given up begun again, as often as a new one.
    pub async fn retry_job(&self, id: i64, now: Timestamp) -> Result<Retried, DatabaseError> {
        self.write(operation::RetryJob { seq: id, now }).await
    }

    pub(crate) async fn next_job(&self, kinds: &[String]) -> Result<Option<Timestamp>, DatabaseError> {
        self.read(operation::NextJob { kinds: kinds.to_vec() }).await
    }

    pub(crate) async fn begin_jobs(
        &self,
        kinds: &[String],
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Begun>, DatabaseError> {
        self.write(operation::BeginJobs { kinds: kinds.to_vec(), now, until, limit }).await
    }

    pub(crate) async fn hold_job(
        &self,
        seq: i64,
        turn: i64,
        until: Timestamp,
    ) -> Result<bool, DatabaseError> {
        self.write(operation::HoldJob { seq, turn, until }).await
    }

    pub(crate) async fn end_job(
        &self,
        seq: i64,
        turn: i64,
        end: End,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        self.write(operation::EndJob { seq, turn, end, now }).await
    }
}
