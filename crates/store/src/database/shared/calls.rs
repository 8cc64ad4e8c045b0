//! Finding calls and what was said about them.

use jiff::Timestamp;
use records::{CallRecord, CallStatus};
use sqlx::QueryBuilder;

use super::save::{load, locate};
use super::{Connection, Db, Result, moment, parse, word};
use crate::CallId;
use crate::database::operation::{
    FindCall, LastEvent, ListCallbacks, ListCalls, ListEvents, ListUnfinished, On,
};
use crate::database::values::{CallFilter, CallSummary, InboxEntry, StoredEvent, Which};

impl On<Db> for FindCall {
    async fn run(&self, connection: &mut Connection) -> Result<Option<CallRecord>> {
        match locate(connection, &self.which).await? {
            Some(id) => load(connection, &id).await,
            None => Ok(None),
        }
    }
}

impl On<Db> for ListCalls {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<CallSummary>> {
        let after = match self.after {
            Some(id) => Some((place(connection, id).await?, id.to_string())),
            None => None,
        };
        let mut found: Vec<CallSummary> = Vec::new();
        // Each part has an index that gives its rows in order, so the first rows of all parts hold the first of the
        // whole; one query over all of them would sort everything that matches.
        for part in parts(&self.filter) {
            found.extend(page(connection, &self.filter, &part, after.as_ref(), self.limit).await?);
        }
        found.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
        found.dedup_by(|a, b| a.id == b.id);
        found.truncate(self.limit as usize);
        Ok(found)
    }
}

/// One of the parts that a list is put together from.
struct Part<'a> {
    status: Option<CallStatus>,
    number: Option<(&'static str, &'a str)>,
}

fn parts(filter: &CallFilter) -> Vec<Part<'_>> {
    let statuses: Vec<Option<CallStatus>> = if filter.statuses.is_empty() {
        vec![None]
    } else {
        filter.statuses.iter().copied().map(Some).collect()
    };
    let numbers = match filter.number.as_deref() {
        None => vec![None],
        Some(number) => vec![Some(("from_number", number)), Some(("to_number", number))],
    };
    statuses
        .into_iter()
        .flat_map(|status| numbers.iter().map(move |&number| Part { status, number }))
        .collect()
}

/// When a call began, as far as lists go.
async fn place(connection: &mut Connection, id: CallId) -> Result<i64> {
    let known: Option<i64> = sqlx::query_scalar("SELECT started_at FROM calls WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(known.unwrap_or_else(|| id.began().as_microsecond()))
}

async fn page(
    connection: &mut Connection,
    filter: &CallFilter,
    part: &Part<'_>,
    after: Option<&(i64, String)>,
    limit: u32,
) -> Result<Vec<CallSummary>> {
    let mut query = QueryBuilder::<Db>::new(
        "SELECT id, carrier, carrier_call_id, direction, status, end_reason, agent, from_number, to_number,
         started_at, answered_at, ended_at FROM calls WHERE started_at >= ",
    );
    query.push_bind(filter.from.map_or(i64::MIN, Timestamp::as_microsecond));
    query.push(" AND started_at < ").push_bind(filter.until.map_or(i64::MAX, Timestamp::as_microsecond));
    if let Some((at, id)) = after {
        query.push(" AND (started_at, id) < (").push_bind(*at).push(", ").push_bind(id.clone()).push(")");
    }
    let words = [
        ("status", part.status.map(CallStatus::as_str)),
        ("end_reason", filter.end_reason.map(records::EndReason::as_str)),
        ("direction", filter.direction.map(records::Direction::as_str)),
        ("carrier", filter.carrier.as_deref()),
        ("agent", filter.agent.as_deref()),
    ];
    let words = words.into_iter().filter_map(|(column, value)| Some((column, value?)));
    for (column, value) in words.chain(part.number) {
        query.push(" AND ").push(column).push(" = ").push_bind(value.to_owned());
    }
    query.push(" ORDER BY started_at DESC, id DESC LIMIT ").push_bind(i64::from(limit));
    let rows: Vec<Row> = query.build_query_as().fetch_all(connection).await?;
    rows.into_iter().map(summary).collect()
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
);

fn summary(row: Row) -> Result<CallSummary> {
    let (id, carrier, carrier_call_id, direction, status, reason, agent, from, to, started, answered, ended) =
        row;
    Ok(CallSummary {
        id,
        carrier,
        carrier_call_id,
        direction: word("a call's direction", &direction)?,
        status: word("a call's status", &status)?,
        end_reason: reason.map(|reason| word("an end reason", &reason)).transpose()?,
        agent,
        from,
        to,
        started_at: moment(started)?,
        answered_at: answered.map(moment).transpose()?,
        ended_at: ended.map(moment).transpose()?,
    })
}

impl On<Db> for ListUnfinished {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<CallRecord>> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT record FROM calls JOIN records ON call = id
             WHERE is_final = 0 AND started_at < $1 AND (started_at, id) > ($2, $3)
             ORDER BY started_at, id LIMIT $4",
        )
        .bind(self.before.as_microsecond())
        .bind(self.after.map_or(i64::MIN, |(at, _)| at.as_microsecond()))
        .bind(self.after.map_or_else(String::new, |(_, id)| id.to_string()))
        .bind(i64::from(self.limit))
        .fetch_all(connection)
        .await?;
        rows.iter().map(|row| parse("a call's record", row)).collect()
    }
}

impl On<Db> for ListEvents {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<StoredEvent>> {
        type Row = (i64, String, String, String);
        let query = match self.call {
            None => sqlx::query_as(
                "SELECT seq, call, status, event FROM events WHERE seq > $1 ORDER BY seq LIMIT $2",
            ),
            Some(_) => sqlx::query_as(
                "SELECT seq, call, status, event FROM events WHERE seq > $1 AND call = $3 ORDER BY seq LIMIT $2",
            ),
        };
        let mut query = query.bind(self.after).bind(i64::from(self.limit));
        if let Some(call) = self.call {
            let id = locate(connection, &Which::Id(call)).await?;
            query = query.bind(id.unwrap_or_else(|| call.to_string()));
        }
        let rows: Vec<Row> = query.fetch_all(connection).await?;
        rows.into_iter()
            .map(|(seq, call, status, event)| {
                let status = word("a call's status", &status)?;
                Ok(StoredEvent { seq, call, event: parse("words about a call", &event)?, status })
            })
            .collect()
    }
}

impl On<Db> for LastEvent {
    async fn run(&self, connection: &mut Connection) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT last FROM counter WHERE name = 'seq'").fetch_one(connection).await?)
    }
}

impl On<Db> for ListCallbacks {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<InboxEntry>> {
        type Row = (String, String, String, i64, String);
        let id = locate(connection, &Which::Id(self.call)).await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT carrier, kind, key, received_at, body FROM callbacks WHERE call = $1 ORDER BY seq",
        )
        .bind(id)
        .fetch_all(connection)
        .await?;
        rows.into_iter()
            .map(|(carrier, kind, key, at, body)| {
                Ok(InboxEntry { carrier, kind, key, received_at: moment(at)?, body })
            })
            .collect()
    }
}
