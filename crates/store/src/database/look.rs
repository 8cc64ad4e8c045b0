//! A look at a database from outside, which changes nothing: no file is made, no schema brought up to date. For a check
//! beside a running server, by a program that may be of another version.

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, Executor, PgConnection, SqliteConnection};

use super::error::DatabaseError;
use super::schema;
use super::values::DatabaseOptions;

/// How long a lock or a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// Of which version the schema is. The library keeps what was run in this table.
const VERSION: &str = "SELECT max(version) FROM trunkline_schema";
/// The jobs that are to be done, and those that were given up.
const OPEN: &str = "SELECT count(*) FROM jobs WHERE state = 'open'";
const GIVEN_UP: &str = "SELECT count(*) FROM jobs WHERE state = 'given_up'";

/// How a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The version of its schema; `None` when it is empty, or not there yet.
    pub version: Option<i64>,
    /// The version that this program brings it to.
    pub newest: i64,
    /// Jobs that are to be done.
    pub jobs_open: i64,
    /// Jobs that were tried too often.
    pub jobs_given_up: i64,
}

impl Look {
    /// Looks at a database.
    ///
    /// # Errors
    /// When it can't be reached, opened or read.
    pub async fn at(options: &DatabaseOptions) -> Result<Self, DatabaseError> {
        let looked = async {
            match options {
                DatabaseOptions::Sqlite { file } if !file.exists() => Ok(Self::empty()),
                DatabaseOptions::Sqlite { file } => {
                    let options =
                        SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(PATIENCE);
                    let mut connection = SqliteConnection::connect_with(&options).await?;
                    let there = "SELECT count(*) FROM sqlite_master WHERE name = 'trunkline_schema'";
                    let look = Self::read(&mut connection, there).await;
                    connection.close().await?;
                    look
                }
                DatabaseOptions::Postgres { url } => {
                    // What is wrong with it is not told: the text holds the password.
                    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| {
                        DatabaseError::Failed(
                            "its URL can't be understood: postgres://user:password@host:port/database"
                                .to_owned(),
                        )
                    })?;
                    let mut connection = PgConnection::connect_with(&options).await?;
                    let there = "SELECT count(*) FROM (SELECT to_regclass('trunkline_schema') AS t) AS x \
                                 WHERE t IS NOT NULL";
                    let look = Self::read(&mut connection, there).await;
                    connection.close().await?;
                    look
                }
            }
        };
        let late =
            || DatabaseError::Unavailable(format!("it does not answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE + Duration::from_secs(1), looked).await.map_err(|_| late())?
    }

    fn empty() -> Self {
        Self { version: None, newest: schema::newest(), jobs_open: 0, jobs_given_up: 0 }
    }

    async fn read<C, D>(connection: &mut C, there: &'static str) -> Result<Self, DatabaseError>
    where
        D: sqlx::Database,
        for<'c> &'c mut C: Executor<'c, Database = D>,
        D::Arguments: sqlx::IntoArguments<D>,
        (i64,): for<'r> sqlx::FromRow<'r, D::Row>,
        (Option<i64>,): for<'r> sqlx::FromRow<'r, D::Row>,
    {
        let (tables,): (i64,) = sqlx::query_as(there).fetch_one(&mut *connection).await?;
        if tables == 0 {
            return Ok(Self::empty());
        }
        let (version,): (Option<i64>,) = sqlx::query_as(VERSION).fetch_one(&mut *connection).await?;
        let mut look = Self { version, ..Self::empty() };
        // The jobs came with the second version.
        if version.is_some_and(|version| version >= 2) {
            (look.jobs_open,) = sqlx::query_as(OPEN).fetch_one(&mut *connection).await?;
            (look.jobs_given_up,) = sqlx::query_as(GIVEN_UP).fetch_one(&mut *connection).await?;
        }
        Ok(look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    #[tokio::test]
    async fn a_look_makes_no_file_and_sees_the_schema_of_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trunkline.db");
        let options = DatabaseOptions::Sqlite { file: file.clone() };
        let newest = schema::newest();
        assert_eq!(
            Look::at(&options).await.unwrap(),
            Look { version: None, newest, jobs_open: 0, jobs_given_up: 0 }
        );
        assert!(!file.exists());
        let database = Database::open(options.clone()).await.unwrap();
        assert_eq!(Look::at(&options).await.unwrap().version, Some(newest), "beside one that is open");
        database.close().await;
        assert_eq!(Look::at(&options).await.unwrap().version, Some(newest));
        std::fs::write(&file, "this is no database, and long enough that nobody takes it for one".repeat(99))
            .unwrap();
        assert!(matches!(Look::at(&options).await, Err(DatabaseError::Failed(_))));
    }
}
