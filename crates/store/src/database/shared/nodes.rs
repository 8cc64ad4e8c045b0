//! Processes that work on the database, and calls that one asks another to end.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::QueryBuilder;

use super::super::NOW_US;
use super::{Connection, Db, Result, json, numbers, parse};
use crate::CallId;
use crate::database::nodes::NodeSeen;
use crate::database::operation::{Beat, Leave, ListAliases, ListNodes, ListWishes, On, TakeWish, Wish};

/// How long a process that tells nothing any more is remembered, in microseconds.
const NODE_KEPT: i64 = 86_400_000_000;
/// And a wish that nobody has taken.
const WISH_KEPT: i64 = 300_000_000;

impl On<Db> for Beat {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        let mut query = QueryBuilder::<Db>::new("INSERT INTO nodes (id, since_at, seen_at, calls) VALUES (");
        query.push_bind(self.node.clone()).push(", ").push(NOW_US).push(", ").push(NOW_US).push(", ");
        query.push_bind(json(&self.calls)?);
        query.push(
            ") ON CONFLICT (id) DO UPDATE SET since_at = CASE WHEN excluded.seen_at - nodes.seen_at > ",
        );
        query.push_bind(self.gap_us);
        query.push(
            " THEN excluded.seen_at ELSE nodes.since_at END, seen_at = excluded.seen_at, calls = excluded.calls",
        );
        query.build().execute(&mut *connection).await?;
        for (table, moment, kept) in [("nodes", "seen_at", NODE_KEPT), ("wishes", "at", WISH_KEPT)] {
            let mut query = QueryBuilder::<Db>::new("DELETE FROM ");
            query.push(table).push(" WHERE ").push(moment).push(" < ").push(NOW_US).push(" - ");
            query.push_bind(kept).build().execute(&mut *connection).await?;
        }
        Ok(())
    }
}

impl On<Db> for Leave {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        sqlx::query("DELETE FROM nodes WHERE id = $1").bind(&self.node).execute(connection).await?;
        Ok(())
    }
}

impl On<Db> for ListNodes {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<NodeSeen>> {
        type Row = (String, i64, i64, String);
        let mut query = QueryBuilder::<Db>::new("SELECT id, ");
        query
            .push(NOW_US)
            .push(" - seen_at, ")
            .push(NOW_US)
            .push(" - since_at, calls FROM nodes ORDER BY id");
        let rows: Vec<Row> = query.build_query_as().fetch_all(connection).await?;
        let span = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        rows.into_iter()
            .map(|(id, silent, beating, calls)| {
                let calls: BTreeMap<String, u64> = parse("a node's calls", &calls)?;
                let call = |(call, ms): (String, u64)| Some((call.parse().ok()?, Duration::from_millis(ms)));
                let calls = calls.into_iter().filter_map(call).collect();
                Ok(NodeSeen { id, silent_for: span(silent), beating_for: span(beating), calls })
            })
            .collect()
    }
}

impl On<Db> for Wish {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        for call in &self.calls {
            let mut query = QueryBuilder::<Db>::new("INSERT INTO wishes (call, at) VALUES (");
            query.push_bind(call.to_string()).push(", ").push(NOW_US);
            query.push(") ON CONFLICT (call) DO UPDATE SET at = excluded.at");
            query.build().execute(&mut *connection).await?;
        }
        // A new number is what other processes are told of.
        numbers(connection, 1).await.map(drop)
    }
}

impl On<Db> for ListWishes {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<CallId>> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT call FROM wishes ORDER BY call").fetch_all(connection).await?;
        Ok(ids(&rows))
    }
}

impl On<Db> for TakeWish {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let taken = sqlx::query("DELETE FROM wishes WHERE call = $1")
            .bind(self.call.to_string())
            .execute(connection)
            .await?;
        Ok(taken.rows_affected() > 0)
    }
}

impl On<Db> for ListAliases {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<CallId>> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT alias FROM aliases WHERE call = $1 ORDER BY alias")
                .bind(self.call.to_string())
                .fetch_all(connection)
                .await?;
        Ok(ids(&rows))
    }
}

fn ids(rows: &[String]) -> Vec<CallId> {
    rows.iter().filter_map(|row| row.parse().ok()).collect()
}
