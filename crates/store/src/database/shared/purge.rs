//! Taking out what is too old to be of use. A little at a time, so that no call's word waits long for it.

use super::{Connection, Db, Result};
use crate::database::operation::{On, Purge};
use crate::database::purge::Purged;

impl On<Db> for Purge {
    async fn run(&self, connection: &mut Connection) -> Result<Purged> {
        let old = &self.old;
        let limit = i64::from(self.limit);
        let idempotency_keys = sqlx::query(
            "DELETE FROM idempotency WHERE (owner, key) IN
                 (SELECT owner, key FROM idempotency WHERE at < $1 ORDER BY at LIMIT $2)",
        )
        .bind(old.idempotency_keys.as_microsecond())
        .bind(limit)
        .execute(&mut *connection)
        .await?
        .rows_affected();
        let waiting = sqlx::query(
            "DELETE FROM waiting WHERE seq IN (SELECT seq FROM waiting WHERE kept_at < $1 ORDER BY seq LIMIT $2)",
        )
        .bind(old.waiting.as_microsecond())
        .bind(limit)
        .execute(&mut *connection)
        .await?
        .rows_affected();
        // With each go the words that came by it, if they still wait.
        let callbacks = sqlx::query(
            "DELETE FROM callbacks WHERE seq IN
                 (SELECT seq FROM callbacks WHERE call IS NULL AND received_at < $1 ORDER BY received_at LIMIT $2)",
        )
        .bind(old.waiting.as_microsecond())
        .bind(limit)
        .execute(&mut *connection)
        .await?
        .rows_affected();
        let mut jobs = 0;
        for (state, before) in [("done", old.done_jobs), ("given_up", old.given_up_jobs)] {
            jobs += sqlx::query(
                "DELETE FROM jobs WHERE seq IN
                     (SELECT seq FROM jobs WHERE state = $1 AND ended_at < $2 ORDER BY ended_at LIMIT $3)",
            )
            .bind(state)
            .bind(before.as_microsecond())
            .bind(limit)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        }
        let refusals = sqlx::query("DELETE FROM refusals WHERE minute < $1")
            .bind(old.refusals.as_microsecond())
            .execute(connection)
            .await?
            .rows_affected();
        Ok(Purged { idempotency_keys, waiting: waiting + callbacks, jobs, refusals })
    }
}
