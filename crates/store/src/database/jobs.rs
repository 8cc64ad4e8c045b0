//! What the database does for jobs.

use jiff::Timestamp;

use super::{Database, DatabaseError, operation};
use crate::jobs::{Begun, End, JobStatus};

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
        self.write(operation::Enqueue { kind, key, payload, run_at }).await
    }

    /// How a job does; `None` when nobody asked for it.
    pub async fn job(&self, kind: &str, key: &str) -> Result<Option<JobStatus>, DatabaseError> {
        self.read(operation::ReadJob { kind: kind.to_owned(), key: key.to_owned() }).await
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
        attempt: u32,
        until: Timestamp,
    ) -> Result<bool, DatabaseError> {
        self.write(operation::HoldJob { seq, attempt, until }).await
    }

    pub(crate) async fn end_job(
        &self,
        seq: i64,
        attempt: u32,
        end: End,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        self.write(operation::EndJob { seq, attempt, end, now }).await
    }
}
