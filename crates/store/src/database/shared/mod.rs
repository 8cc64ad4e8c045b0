//! How each operation is done: one source, built once for SQLite and once for PostgreSQL by the module above, which
//! says what `Db` is. Only text that both understand: `$1`, `ON CONFLICT`, `RETURNING`, TEXT and BIGINT.

mod alerts;
mod apply;
mod calls;
mod errands;
mod facets;
mod forget;
mod inbox;
mod jobs;
mod keys;
mod list;
mod nodes;
mod purge;
mod quota;
mod save;
mod writer;

use jiff::Timestamp;

pub(crate) use self::writer::Engine;
use super::super::error::DatabaseError;
use super::super::operation::{Identify, On, Ping};
use super::Db;

type Connection = <Db as sqlx::Database>::Connection;
type Result<T> = std::result::Result<T, DatabaseError>;

/// The next `count` numbers; gives the first. Only under the write lock.
async fn numbers(connection: &mut Connection, count: usize) -> Result<i64> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let last: i64 =
        sqlx::query_scalar("UPDATE counter SET last = last + $1 WHERE name = 'seq' RETURNING last")
            .bind(count)
            .fetch_one(connection)
            .await?;
    Ok(last - count + 1)
}

fn moment(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|error| DatabaseError::unreadable("a moment", error))
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| DatabaseError::unreadable(what, error))
}

/// A word of a closed list, by the name that it has in JSON.
fn word<T: serde::de::DeserializeOwned>(what: &str, name: &str) -> Result<T> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name))
        .map_err(|error| DatabaseError::unreadable(what, error))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Failed(error.to_string()))
}

impl On<Db> for Ping {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        let _: i64 =
            sqlx::query_scalar("SELECT last FROM counter WHERE name = 'seq'").fetch_one(connection).await?;
        Ok(())
    }
}

impl On<Db> for Identify {
    async fn run(&self, connection: &mut Connection) -> Result<String> {
        sqlx::query("INSERT INTO facts (name, value) VALUES ('id', $1) ON CONFLICT (name) DO NOTHING")
            .bind(&self.fresh)
            .execute(&mut *connection)
            .await?;
        Ok(sqlx::query_scalar("SELECT value FROM facts WHERE name = 'id'").fetch_one(connection).await?)
    }
}
