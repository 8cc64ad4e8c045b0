//! Jobs as rows. All writes run one after another, so a job is begun by one process only.

use sqlx::QueryBuilder;

use super::{Connection, Db, Result, moment, numbers};
use crate::database::operation::{BeginJobs, EndJob, Enqueue, HoldJob, NextJob, On, ReadJob};
use crate::jobs::{Begun, End, Job, JobState, JobStatus};

impl On<Db> for Enqueue {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let seq = numbers(connection, 1).await?;
        let kept = sqlx::query(
            "INSERT INTO jobs (seq, kind, key, payload, state, due_at, attempts)
             VALUES ($1, $2, $3, $4, 'open', $5, 0) ON CONFLICT (kind, key) DO NOTHING",
        )
        .bind(seq)
        .bind(&self.kind)
        .bind(&self.key)
        .bind(&self.payload)
        .bind(self.run_at.as_microsecond())
        .execute(connection)
        .await?;
        Ok(kept.rows_affected() > 0)
    }
}

impl On<Db> for NextJob {
    async fn run(&self, connection: &mut Connection) -> Result<Option<jiff::Timestamp>> {
        let mut first = None;
        for kind in &self.kinds {
            let due: Option<i64> =
                sqlx::query_scalar("SELECT MIN(due_at) FROM jobs WHERE state = 'open' AND kind = $1")
                    .bind(kind)
                    .fetch_one(&mut *connection)
                    .await?;
            first = first.into_iter().chain(due).min();
        }
        first.map(moment).transpose()
    }
}

impl On<Db> for BeginJobs {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<Begun>> {
        type Row = (i64, String, String, String, i64);
        let mut query = QueryBuilder::<Db>::new("UPDATE jobs SET attempts = attempts + 1, due_at = ");
        query.push_bind(self.until.as_microsecond());
        query.push(" WHERE seq IN (SELECT seq FROM jobs WHERE state = 'open' AND due_at <= ");
        query.push_bind(self.now.as_microsecond()).push(" AND kind IN (");
        let mut kinds = query.separated(", ");
        for kind in &self.kinds {
            kinds.push_bind(kind.clone());
        }
        query.push(") ORDER BY due_at, seq LIMIT ").push_bind(i64::from(self.limit));
        query.push(") RETURNING seq, kind, key, payload, attempts");
        let mut rows: Vec<Row> = query.build_query_as().fetch_all(connection).await?;
        rows.sort_unstable_by_key(|row| row.0);
        let begun = rows.into_iter().map(|(seq, kind, key, payload, attempts)| Begun {
            seq,
            job: Job { kind, key, payload, attempt: u32::try_from(attempts).unwrap_or(u32::MAX) },
        });
        Ok(begun.collect())
    }
}

impl On<Db> for HoldJob {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let held =
            sqlx::query("UPDATE jobs SET due_at = $3 WHERE seq = $1 AND attempts = $2 AND state = 'open'")
                .bind(self.seq)
                .bind(i64::from(self.attempt))
                .bind(self.until.as_microsecond())
                .execute(connection)
                .await?;
        Ok(held.rows_affected() > 0)
    }
}

impl On<Db> for EndJob {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        let (state, due, error) = match &self.end {
            End::Done => ("done", self.now, None),
            End::Again { at, error } => ("open", *at, Some(error)),
            End::GivenUp { error } => ("given_up", self.now, Some(error)),
        };
        let ended_at = (state != "open").then(|| self.now.as_microsecond());
        sqlx::query(
            "UPDATE jobs SET state = $3, due_at = $4, last_error = $5, ended_at = $6
             WHERE seq = $1 AND attempts = $2 AND state = 'open'",
        )
        .bind(self.seq)
        .bind(i64::from(self.attempt))
        .bind(state)
        .bind(due.as_microsecond())
        .bind(error)
        .bind(ended_at)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl On<Db> for ReadJob {
    async fn run(&self, connection: &mut Connection) -> Result<Option<JobStatus>> {
        type Row = (String, i64, i64, Option<String>);
        let row: Option<Row> = sqlx::query_as(
            "SELECT state, due_at, attempts, last_error FROM jobs WHERE kind = $1 AND key = $2",
        )
        .bind(&self.kind)
        .bind(&self.key)
        .fetch_optional(connection)
        .await?;
        let Some((state, due_at, attempts, last_error)) = row else { return Ok(None) };
        let state = match state.as_str() {
            "done" => JobState::Done,
            "given_up" => JobState::GivenUp,
            _ => JobState::Open { due_at: moment(due_at)? },
        };
        Ok(Some(JobStatus { state, attempts: u32::try_from(attempts).unwrap_or(u32::MAX), last_error }))
    }
}
