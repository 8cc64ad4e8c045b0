//! What was dialled within a day, counted from the tables under the lock of all writes: so that no restart forgets it,
//! and no two dials, in whichever processes, can both be the last one that is allowed.

use jiff::Timestamp;
use records::{Quota, Refusal, Spent};

use super::apply::known;
use super::{Connection, Db, Result};
use crate::database::operation::{Intend, IntendWithin, On};
use crate::database::values::Intent;

/// A second, a minute and a day, in microseconds.
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// Every dial of the last day: when, and how long it took; one that is not over took as long as it may.
macro_rules! dials {
    ($whose:literal) => {
        concat!(
            "SELECT COUNT(CASE WHEN at > $3 THEN 1 END), COUNT(*), CAST(COALESCE(SUM(
                 CASE WHEN is_final = 0 THEN $4
                      WHEN answered_at IS NULL THEN 0
                      WHEN ended_at IS NULL THEN $4
                      WHEN ended_at > answered_at THEN ended_at - answered_at
                      ELSE 0 END
             ), 0) AS BIGINT)
             FROM attempts JOIN calls ON id = call WHERE at > $2 AND call <> $1",
            $whose
        )
    };
}

impl On<Db> for IntendWithin {
    async fn run(&self, connection: &mut Connection) -> Result<std::result::Result<Intent, Refusal>> {
        let Intend { call, once, .. } = &self.intend;
        if let Some(once) = once
            && let Some(known) = known(connection, once, &call.id).await?
        {
            return Ok(Ok(known));
        }
        let owner = once.as_ref().map_or("", |once| &once.owner);
        let spent = |whose| spent(whose, &call.id, call.started_at, self.quota);
        let key = if self.quota.key.is_limited() {
            spent(Some(owner)).run(connection).await?
        } else {
            Spent::default()
        };
        let server = if self.quota.server.is_limited() {
            spent(None).run(connection).await?
        } else {
            Spent::default()
        };
        if let Err(refusal) = self.quota.allows(key, server) {
            return Ok(Err(refusal));
        }
        Ok(Ok(On::<Db>::run(&self.intend, connection).await?))
    }
}

/// What one owner, or all of them, have used, but for this call.
struct Look<'a> {
    owner: Option<&'a str>,
    but: &'a str,
    now: i64,
    longest: i64,
}

fn spent<'a>(owner: Option<&'a str>, but: &'a str, now: Timestamp, quota: Quota) -> Look<'a> {
    Look { owner, but, now: now.as_microsecond(), longest: i64::from(quota.longest_s) * SECOND }
}

impl Look<'_> {
    async fn run(&self, connection: &mut Connection) -> Result<Spent> {
        let query = match self.owner {
            Some(_) => sqlx::query_as(dials!(" AND asked_by = $5")),
            None => sqlx::query_as(dials!("")),
        };
        let query = query.bind(self.but).bind(self.now - DAY).bind(self.now - MINUTE).bind(self.longest);
        let query = if let Some(owner) = self.owner { query.bind(owner) } else { query };
        let (minute, day, micros): (i64, i64, i64) = query.fetch_one(connection).await?;
        Ok(Spent {
            calls_last_minute: u32::try_from(minute).unwrap_or(u32::MAX),
            calls_last_day: u32::try_from(day).unwrap_or(u32::MAX),
            // A second begun is a second.
            seconds_last_day: u64::try_from(micros / SECOND + i64::from(micros % SECOND > 0)).unwrap_or(0),
        })
    }
}
