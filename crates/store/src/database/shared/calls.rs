//! Finding calls and what was said about them.

use records::CallRecord;

use super::save::{load, locate};
use super::{Connection, Db, Result, moment, parse, word};
use crate::database::operation::{FindCall, LastEvent, ListCallbacks, ListEvents, ListUnfinished, On};
use crate::database::values::{InboxEntry, StoredEvent, Which};

impl On<Db> for FindCall {
    async fn run(&self, connection: &mut Connection) -> Result<Option<CallRecord>> {
        match locate(connection, &self.which).await? {
            Some(id) => load(connection, &id).await,
            None => Ok(None),
        }
    }
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
