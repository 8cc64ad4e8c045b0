//! Jobs as rows. All writes run one after another, so a job is begun by one process only.

use sqlx::QueryBuilder;

use super::{Connection, Db, Result, moment, numbers};
use crate::database::operation::{
    BeginJobs, CountJobs, EndJob, Enqueue, HoldJob, ListJobs, NextJob, On, ReadJob, RetryJob,
};
use crate::jobs::{Begun, End, Job, JobCount, JobRow, JobState, JobStatus, NewJob, Retried};

/// What is read of a job that is shown, in the order of [`Row`].
const SHOWN: &str = "seq, kind, key, state, due_at, attempts, last_error, asked_at, begun_at, ended_at";

type Row = (i64, String, String, String, i64, i64, Option<String>, i64, Option<i64>, Option<i64>);

/// Asks for a job. Says whether it is a new one.
pub(super) async fn enqueue(connection: &mut Connection, job: &NewJob) -> Result<bool> {
    let seq = numbers(connection, 1).await?;
    let kept = sqlx::query(
        "INSERT INTO jobs (seq, kind, key, payload, state, due_at, attempts, asked_at)
         VALUES ($1, $2, $3, $4, 'open', $5, 0, $6) ON CONFLICT (kind, key) DO NOTHING",
    )
    .bind(seq)
    .bind(&job.kind)
    .bind(&job.key)
    .bind(&job.payload)
    .bind(job.run_at.as_microsecond())
    .bind(job.asked_at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(kept.rows_affected() > 0)
}

impl On<Db> for Enqueue {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        enqueue(connection, &self.job).await
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
        type Row = (i64, String, String, String, i64, i64);
        let mut query = QueryBuilder::<Db>::new("UPDATE jobs SET attempts = attempts + 1, begun_at = ");
        query.push_bind(self.now.as_microsecond()).push(", due_at = ");
        query.push_bind(self.until.as_microsecond());
        query.push(" WHERE seq IN (SELECT seq FROM jobs WHERE state = 'open' AND due_at <= ");
        query.push_bind(self.now.as_microsecond()).push(" AND kind IN (");
        let mut kinds = query.separated(", ");
        for kind in &self.kinds {
            kinds.push_bind(kind.clone());
        }
        query.push(") ORDER BY due_at, seq LIMIT ").push_bind(i64::from(self.limit));
        query.push(") RETURNING seq, kind, key, payload, attempts, attempts_before");
        let mut rows: Vec<Row> = query.build_query_as().fetch_all(connection).await?;
        rows.sort_unstable_by_key(|row| row.0);
        let begun = rows.into_iter().map(|(seq, kind, key, payload, attempts, before)| Begun {
            seq,
            turn: attempts,
            job: Job { kind, key, payload, attempt: count(attempts - before) },
        });
        Ok(begun.collect())
    }
}

impl On<Db> for HoldJob {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let held =
            sqlx::query("UPDATE jobs SET due_at = $3 WHERE seq = $1 AND attempts = $2 AND state = 'open'")
                .bind(self.seq)
                .bind(self.turn)
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
            "UPDATE jobs SET state = $3, due_at = $4, last_error = $5, ended_at = $6, begun_at = NULL
             WHERE seq = $1 AND attempts = $2 AND state = 'open'",
        )
        .bind(self.seq)
        .bind(self.turn)
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
        row.map(|(state, due_at, attempts, last_error)| status(&state, due_at, attempts, last_error))
            .transpose()
    }
}

impl On<Db> for ListJobs {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<JobRow>> {
        let mut query = QueryBuilder::<Db>::new("SELECT ");
        query.push(SHOWN).push(" FROM jobs WHERE state <> 'done' AND seq < ");
        query.push_bind(self.before.unwrap_or(i64::MAX)).push(" ORDER BY seq DESC LIMIT ");
        query.push_bind(i64::from(self.limit));
        let rows: Vec<Row> = query.build_query_as().fetch_all(connection).await?;
        rows.into_iter().map(shown).collect()
    }
}

impl On<Db> for CountJobs {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<JobCount>> {
        type Row = (String, String, i64, Option<i64>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT kind, CASE WHEN state = 'given_up' THEN 'given_up' WHEN begun_at IS NULL THEN 'waiting'
                 ELSE 'running' END AS doing, COUNT(*), MAX(ended_at)
             FROM jobs WHERE state <> 'done' AND (state = 'open' OR ended_at >= $1)
             GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .bind(self.since.as_microsecond())
        .fetch_all(connection)
        .await?;
        let counted = rows.into_iter().map(|(kind, state, count, last)| {
            let last_ended_at = last.map(moment).transpose()?;
            Ok(JobCount { kind, state, count: u64::try_from(count).unwrap_or(0), last_ended_at })
        });
        counted.collect()
    }
}

impl On<Db> for RetryJob {
    async fn run(&self, connection: &mut Connection) -> Result<Retried> {
        let mut query = QueryBuilder::<Db>::new(
            "UPDATE jobs SET state = 'open', attempts_before = attempts, ended_at = NULL, due_at = ",
        );
        query.push_bind(self.now.as_microsecond()).push(" WHERE state = 'given_up' AND seq = ");
        query.push_bind(self.seq).push(" RETURNING ").push(SHOWN);
        let row: Option<Row> = query.build_query_as().fetch_optional(&mut *connection).await?;
        if let Some(row) = row {
            // A number of its own, so that runners everywhere hear of it.
            numbers(connection, 1).await?;
            return shown(row).map(Retried::Open);
        }
        let known: Option<i64> = sqlx::query_scalar("SELECT seq FROM jobs WHERE seq = $1")
            .bind(self.seq)
            .fetch_optional(connection)
            .await?;
        Ok(if known.is_some() { Retried::NotGivenUp } else { Retried::Unknown })
    }
}

fn shown(row: Row) -> Result<JobRow> {
    let (id, kind, key, state, due_at, attempts, last_error, asked_at, begun_at, ended_at) = row;
    Ok(JobRow {
        id,
        kind,
        key,
        status: status(&state, due_at, attempts, last_error)?,
        asked_at: moment(asked_at)?,
        begun_at: begun_at.map(moment).transpose()?,
        ended_at: ended_at.map(moment).transpose()?,
    })
}

fn status(state: &str, due_at: i64, attempts: i64, last_error: Option<String>) -> Result<JobStatus> {
    let state = match state {
        "done" => JobState::Done,
        "given_up" => JobState::GivenUp,
        _ => JobState::Open { due_at: moment(due_at)? },
    };
    Ok(JobStatus { state, attempts: count(attempts), last_error })
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
