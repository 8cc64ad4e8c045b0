//! What is old goes out of the tables, once an hour.

use jiff::{SignedDuration, Timestamp};
use store::jobs::JobError;
use store::{Database, Purged, TooOld};

use super::fault;

/// For how long the answer to a request with an `Idempotency-Key` is kept: what its documentation promises.
const IDEMPOTENCY_KEYS: SignedDuration = SignedDuration::from_hours(24);
/// For how long words wait for their call. Carriers repeat theirs for a day at most.
const WAITING: SignedDuration = SignedDuration::from_hours(3 * 24);
/// For how long a job that was done is known, so that it is not done again.
const DONE_JOBS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// For how long one that was given up is shown and can be tried again.
const GIVEN_UP_JOBS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// For how long it is known how many callbacks were refused.
const REFUSALS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The hour, as the key of its purge.
pub(super) fn period(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H").to_string()
}

/// Takes out what is too old now.
pub(super) async fn run(database: &Database, now: Timestamp) -> Result<(), JobError> {
    let purged = database.purge(too_old(now)).await.map_err(fault)?;
    if purged == Purged::default() {
        return Ok(());
    }
    tracing::info!(
        idempotency_keys = purged.idempotency_keys,
        waiting = purged.waiting,
        jobs = purged.jobs,
        refusals = purged.refusals,
        "old rows are taken out"
    );
    Ok(())
}

fn too_old(now: Timestamp) -> TooOld {
    let before = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
    TooOld {
        idempotency_keys: before(IDEMPOTENCY_KEYS),
        waiting: before(WAITING),
        done_jobs: before(DONE_JOBS),
        given_up_jobs: before(GIVEN_UP_JOBS),
        refusals: before(REFUSALS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_in_an_hour() {
        let at = |text: &str| period(text.parse().unwrap());
        assert_eq!(at("2026-11-21T09:00:00Z"), "2026-11-21T09");
        assert_eq!(at("2026-11-21T09:59:59Z"), at("2026-11-21T09:00:00Z"));
        assert_ne!(at("2026-11-21T10:00:00Z"), at("2026-11-21T09:59:59Z"));
    }

    #[test]
    fn a_request_is_known_for_a_day() {
        let old = too_old("2026-11-21T12:00:00Z".parse().unwrap());
        assert_eq!(old.idempotency_keys, "2026-11-20T12:00:00Z".parse().unwrap());
        assert!(old.waiting < old.idempotency_keys && old.given_up_jobs < old.done_jobs);
    }
}
