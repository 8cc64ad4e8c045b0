//! What is taken out of the tables once it is old, beside the calls themselves, which have their own retention.

use jiff::Timestamp;

use super::{Database, DatabaseError, operation};

/// How many rows of a table are taken out in one write.
const SOME: u32 = 500;

/// What is older than these goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld {
    /// Keys of requests that must not be repeated.
    pub idempotency_keys: Timestamp,
    /// Words and callbacks that found no call.
    pub waiting: Timestamp,
    /// Jobs that were done.
    pub done_jobs: Timestamp,
    /// Jobs that were given up.
    pub given_up_jobs: Timestamp,
    /// Counts of refused callbacks.
    pub refusals: Timestamp,
}

/// How many rows went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Keys of requests.
    pub idempotency_keys: u64,
    /// Words and callbacks that found no call.
    pub waiting: u64,
    /// Jobs.
    pub jobs: u64,
    /// Counts of refused callbacks.
    pub refusals: u64,
}

impl Database {
    /// Takes out what is too old, in several short writes.
    pub async fn purge(&self, old: TooOld) -> Result<Purged, DatabaseError> {
        let mut all = Purged::default();
        loop {
            let some = self.write(operation::Purge { old, limit: SOME }).await?;
            all.idempotency_keys += some.idempotency_keys;
            all.waiting += some.waiting;
            all.jobs += some.jobs;
            all.refusals += some.refusals;
            let most = some.idempotency_keys.max(some.waiting).max(some.jobs);
            if most < u64::from(SOME) {
                return Ok(all);
            }
        }
    }
}
