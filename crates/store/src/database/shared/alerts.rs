//! Alerts as rows: one for each that is raised.

use jiff::Timestamp;

use super::jobs::enqueue;
use super::{Connection, Db, Result, moment};
use crate::database::operation::{ClearAlert, ListAlerts, On, RaiseAlert};

impl On<Db> for RaiseAlert {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let raised =
            sqlx::query("INSERT INTO alerts (name, raised_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(&self.name)
                .bind(self.at.as_microsecond())
                .execute(&mut *connection)
                .await?;
        let is_news = raised.rows_affected() > 0;
        if let Some(tell) = self.tell.as_ref().filter(|_| is_news) {
            enqueue(connection, tell).await?;
        }
        Ok(is_news)
    }
}

impl On<Db> for ClearAlert {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        let cleared = sqlx::query("DELETE FROM alerts WHERE name = $1")
            .bind(&self.name)
            .execute(&mut *connection)
            .await?;
        let is_news = cleared.rows_affected() > 0;
        if let Some(tell) = self.tell.as_ref().filter(|_| is_news) {
            enqueue(connection, tell).await?;
        }
        Ok(is_news)
    }
}

impl On<Db> for ListAlerts {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<(String, Timestamp)>> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT name, raised_at FROM alerts ORDER BY name").fetch_all(connection).await?;
        rows.into_iter().map(|(name, at)| Ok((name, moment(at)?))).collect()
    }
}
