//! SQLite: one file beside the calls' folders, with a write-ahead log, one connection that writes and a few that read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection, Transaction};
use tokio::sync::watch;

use super::error::DatabaseError;
use super::schema;
use crate::layout;

#[path = "shared/mod.rs"]
mod shared;

pub(super) use shared::Engine;

type Db = sqlx::Sqlite;

/// The present by the database's clock, in microseconds; to the millisecond.
const NOW_US: &str = "CAST((julianday('now') - 2440587.5) * 86400000 AS BIGINT) * 1000";
/// How long a lock that another process holds is waited for.
const BUSY: Duration = Duration::from_secs(4);
/// How many read at once.
const READERS: u32 = 4;

/// Opens the file, makes it when it is not there, keeps a copy of it when its schema is about to change.
pub(super) async fn open(file: &Path, latest: watch::Sender<i64>) -> Result<Engine, DatabaseError> {
    // Made here, so that nobody else on the machine may read it; SQLite gives its other files the same rights.
    layout::append(file).map_err(|error| {
        DatabaseError::Unavailable(format!("{} can't be opened: {error}", file.display()))
    })?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is erased is overwritten, not only let go of.
        .pragma("secure_delete", "on")
        .busy_timeout(BUSY);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(BUSY)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await
        .map_err(|error| damaged(file, error))?;
    let mut connection = writer.acquire().await?;
    let kept = schema::applied(&mut *connection).await.map_err(|error| damaged(file, error))?;
    if kept.is_some_and(|kept| kept < schema::newest()) {
        back_up(&mut connection, file, kept.unwrap_or(0)).await?;
    }
    schema::check(kept)?;
    schema::migrate(&mut *connection).await?;
    drop(connection);
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY)
        .connect_with(options.pragma("query_only", "on"))
        .await?;
    Ok(Engine::new(writer, readers, latest))
}

/// Writes the log's pages into the file and empties the log, so that nothing of what was erased lies in it.
pub(super) async fn empty_log(file: &Path) -> Result<(), DatabaseError> {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(BUSY);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let (busy, ..): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
    connection.close().await?;
    if busy == 0 { Ok(()) } else { Err(DatabaseError::Unavailable("somebody reads its log".to_owned())) }
}

/// Where the copy lies that was made before the schema changed from this version.
fn copy_of(file: &Path, version: i64) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".before-{version}"));
    name.into()
}

/// Copies the file whole, as one moment has it.
async fn back_up(connection: &mut SqliteConnection, file: &Path, version: i64) -> Result<(), DatabaseError> {
    let (copy, draft) = (copy_of(file, version), copy_of(file, version).with_extension("draft"));
    let io = |error| DatabaseError::Unavailable(format!("{} can't be copied: {error}", file.display()));
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    layout::append(&draft).map_err(io)?;
    let path = draft.to_str().ok_or_else(|| {
        DatabaseError::Failed(format!("{} is no name in UTF-8 and can't be copied", draft.display()))
    })?;
    sqlx::query("VACUUM INTO $1").bind(path).execute(connection).await?;
    std::fs::rename(&draft, &copy).map_err(io)?;
    tracing::info!(copy = %copy.display(), "the database's schema changes; a copy of it as it was is kept");
    Ok(())
}

fn damaged(file: &Path, error: impl Into<DatabaseError>) -> DatabaseError {
    match error.into() {
        DatabaseError::Failed(text) => DatabaseError::Failed(format!(
            "{} is damaged or no database ({text}); move it away and start again: calls are taken in from their \
             folders anew, API keys are not",
            file.display()
        )),
        other @ DatabaseError::Unavailable(_) => other,
    }
}

/// Begins a transaction that holds the write lock. Gives the latest number too.
async fn begin(connection: &mut SqliteConnection) -> Result<(Transaction<'_, Db>, i64), DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let last = sqlx::query_scalar("SELECT last FROM counter WHERE name = 'seq'")
        .fetch_one(&mut *transaction)
        .await?;
    Ok((transaction, last))
}

/// Other processes need not hear of events: one server works on the file.
async fn tell(_: &mut SqliteConnection, _: i64) -> Result<(), DatabaseError> {
    Ok(())
}
