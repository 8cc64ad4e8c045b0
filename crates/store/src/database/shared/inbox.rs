//! How carriers' callbacks do.

use std::collections::BTreeMap;

use super::{Connection, Db, Result, moment};
use crate::database::operation::{CountCallbacks, On, Refuse};
use crate::database::values::CallbackHealth;

/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;

/// The kind of callback that follows one in order, of those that were kept and of those that were refused.
const NEXT_KEPT: &str =
    "SELECT carrier, kind FROM callbacks WHERE (carrier, kind) > ($1, $2) ORDER BY carrier, kind LIMIT 1";
const NEXT_REFUSED: &str =
    "SELECT carrier, kind FROM refusals WHERE (carrier, kind) > ($1, $2) ORDER BY carrier, kind LIMIT 1";

impl On<Db> for Refuse {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        let at = self.at.as_microsecond();
        sqlx::query(
            "INSERT INTO refusals (carrier, kind, minute, times) VALUES ($1, $2, $3, 1)
             ON CONFLICT (carrier, kind, minute) DO UPDATE SET times = refusals.times + 1",
        )
        .bind(&self.carrier)
        .bind(&self.kind)
        .bind(at - at.rem_euclid(MINUTE))
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl On<Db> for CountCallbacks {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<CallbackHealth>> {
        let since = self.since.as_microsecond();
        let mut all = BTreeMap::new();
        for (carrier, kind) in kinds(connection, NEXT_KEPT).await? {
            let (last, received): (Option<i64>, i64) = sqlx::query_as(
                "SELECT (SELECT MAX(received_at) FROM callbacks WHERE carrier = $1 AND kind = $2),
                 (SELECT COUNT(*) FROM callbacks WHERE carrier = $1 AND kind = $2 AND received_at >= $3)",
            )
            .bind(&carrier)
            .bind(&kind)
            .bind(since)
            .fetch_one(&mut *connection)
            .await?;
            let health = entry(&mut all, &carrier, &kind);
            health.last_at = last.map(moment).transpose()?;
            health.received += unsigned(received);
        }
        for (carrier, kind) in kinds(connection, NEXT_REFUSED).await? {
            let times: i64 = sqlx::query_scalar(
                "SELECT CAST(COALESCE(SUM(times), 0) AS BIGINT) FROM refusals
                 WHERE carrier = $1 AND kind = $2 AND minute >= $3",
            )
            .bind(&carrier)
            .bind(&kind)
            .bind(since - since.rem_euclid(MINUTE))
            .fetch_one(&mut *connection)
            .await?;
            let health = entry(&mut all, &carrier, &kind);
            health.refused += unsigned(times);
            health.received += unsigned(times);
        }
        Ok(all.into_values().collect())
    }
}

/// Each carrier and kind that a table has, by the query for the next one: one look into the index each, since there are
/// a few, of any number of rows.
async fn kinds(connection: &mut Connection, next: &'static str) -> Result<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    loop {
        let (carrier, kind) = found.last().cloned().unwrap_or_default();
        match sqlx::query_as(next).bind(carrier).bind(kind).fetch_optional(&mut *connection).await? {
            Some(one) => found.push(one),
            None => return Ok(found),
        }
    }
}

type All = BTreeMap<(String, String), CallbackHealth>;

fn entry<'a>(all: &'a mut All, carrier: &str, kind: &str) -> &'a mut CallbackHealth {
    all.entry((carrier.to_owned(), kind.to_owned())).or_insert_with(|| CallbackHealth {
        carrier: carrier.to_owned(),
        kind: kind.to_owned(),
        last_at: None,
        received: 0,
        refused: 0,
    })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
