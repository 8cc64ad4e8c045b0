//! PostgreSQL: any number of processes, each with one connection that writes and several that read.

use std::convert::Infallible;
use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::migrate::Migrate as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, Transaction};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::DatabaseError;
use super::operation::LastEvent;
use super::schema;

#[path = "shared/mod.rs"]
mod shared;

pub(super) use shared::Engine;

type Db = sqlx::Postgres;

/// The present by the database's clock, in microseconds.
const NOW_US: &str = "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000 AS BIGINT)";
/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// How many read at once.
const READERS: u32 = 8;
/// Where processes tell each other of events.
const CHANNEL: &str = "trunkline_events";
/// How long to wait before listening again after a fault.
const AGAIN: Duration = Duration::from_secs(1);

/// Connects, and brings the schema up to date; several processes at once take turns.
pub(super) async fn open(
    url: &SecretString,
    latest: watch::Sender<i64>,
    stop: CancellationToken,
) -> Result<Engine, DatabaseError> {
    // What is wrong with it is not told: the text holds the password.
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| {
        DatabaseError::Failed(
            "its URL can't be understood: postgres://user:password@host:port/database".to_owned(),
        )
    })?;
    // A process that hangs in the middle of a write must not stop all others.
    let options = options.application_name("trunkline").options([
        ("lock_timeout", "4s"),
        ("statement_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ]);
    let pool = |connections| PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
    let writer = pool(1).connect_with(options.clone()).await?;
    let mut connection = writer.acquire().await?;
    // Taken here already, so that two processes do not both find the database empty.
    connection.lock().await.map_err(schema::fault)?;
    schema::check(schema::applied(&mut *connection).await?)?;
    schema::migrate(&mut *connection).await?;
    connection.unlock().await.map_err(schema::fault)?;
    drop(connection);
    let readers = pool(READERS).connect_with(options).await?;
    let listening = listen(readers.clone(), latest.clone());
    tokio::spawn(async move { stop.run_until_cancelled(listening).await });
    Ok(Engine::new(writer, readers, latest))
}

/// Hears of other processes' events.
async fn listen(pool: sqlx::PgPool, latest: watch::Sender<i64>) {
    loop {
        let Err(error) = listen_once(&pool, &latest).await;
        tracing::warn!(%error, "other processes' events can't be heard of; trying again");
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen_once(pool: &sqlx::PgPool, latest: &watch::Sender<i64>) -> Result<Infallible, DatabaseError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // What was told while nobody listened is looked up.
        let last = super::operation::On::<Db>::run(&LastEvent {}, &mut *pool.acquire().await?).await?;
        super::tell_here(latest, last);
        while let Some(told) = listener.try_recv().await? {
            if let Ok(seq) = told.payload().parse() {
                super::tell_here(latest, seq);
            }
        }
    }
}

/// Begins a transaction that holds the write lock of all processes. Gives the latest number too.
async fn begin(connection: &mut PgConnection) -> Result<(Transaction<'_, Db>, i64), DatabaseError> {
    let mut transaction = connection.begin().await?;
    let last = sqlx::query_scalar("SELECT last FROM counter WHERE name = 'seq' FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await?;
    Ok((transaction, last))
}

/// Tells other processes, once the transaction is committed.
async fn tell(connection: &mut PgConnection, seq: i64) -> Result<(), DatabaseError> {
    sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(seq.to_string()).execute(connection).await?;
    Ok(())
}
