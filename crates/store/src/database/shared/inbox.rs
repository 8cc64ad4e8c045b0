//! How carriers' callbacks do.

use std::collections::BTreeMap;

use super::{Connection, Db, Result, moment};
use crate::database::operation::{CountCallbacks, On, Refuse};
use crate::database::values::CallbackHealth;

/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;

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
        let kept: Vec<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT carrier, kind, MAX(received_at), COUNT(CASE WHEN received_at >= $1 THEN 1 END)
             FROM callbacks GROUP BY carrier, kind",
        )
        .bind(since)
        .fetch_all(&mut *connection)
        .await?;
        let refused: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT carrier, kind, CAST(SUM(CASE WHEN minute >= $1 THEN times ELSE 0 END) AS BIGINT)
             FROM refusals GROUP BY carrier, kind",
        )
        .bind(since - since.rem_euclid(MINUTE))
        .fetch_all(connection)
        .await?;
        let mut all = BTreeMap::new();
        for (carrier, kind, last, received) in kept {
            let health = entry(&mut all, &carrier, &kind);
            health.last_at = Some(moment(last)?);
            health.received += unsigned(received);
        }
        for (carrier, kind, times) in refused {
            let health = entry(&mut all, &carrier, &kind);
            health.refused += unsigned(times);
            health.received += unsigned(times);
        }
        Ok(all.into_values().collect())
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
