//! What happens to calls once they are over: recordings go to the other place, and what is too old goes.

use std::time::Duration;

use jiff::Timestamp;
use store::{Database, Forgetter, Remote, Retention, Store, Uploads};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::failure::Failure;
use crate::server::tables;

/// How long after the start the first sweep is, so that it hinders no start, and how often one follows.
const FIRST_SWEEP: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How often it is looked whether an erasure can be finished.
const ERASE_EVERY: Duration = Duration::from_secs(5);

/// The other place for recordings, where the configuration names one.
pub(crate) fn remote(config: &Config) -> Result<Option<Remote>, Failure> {
    let remote = config.recording.remote().map(|options| Remote::open(&options)).transpose();
    remote.map_err(|error| Failure::config(error.to_string()))
}

/// What takes calls out, for commands.
pub(crate) async fn forgetter(config: &Config) -> Result<Forgetter, Failure> {
    Ok(Forgetter::new(&config.data.dir, remote(config)?).and_tables(tables(config).await?))
}

/// Starts what is done in the background until the server stops.
pub(crate) fn start(config: &Config, (store, database): (&Store, &Database), stop: &CancellationToken) {
    if let Some(uploads) = Uploads::new(store, config.recording.keep_local) {
        tokio::spawn(stop.clone().run_until_cancelled_owned(uploads.run()));
    }
    let forgetter = store.forgetter(database.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(erasures(forgetter.clone())));
    let retention = Retention::from(&config.retention);
    if !retention.is_for_ever() {
        tokio::spawn(stop.clone().run_until_cancelled_owned(sweeps(forgetter, retention)));
    }
}

/// Erases what earlier erasures had to leave, once that can be done.
async fn erasures(forgetter: Forgetter) {
    let mut due = tokio::time::interval(ERASE_EVERY);
    let mut is_told = false;
    loop {
        due.tick().await;
        match forgetter.finish_erasures(Timestamp::now()).await {
            Ok(0) => is_told = false,
            Ok(calls) => tracing::info!(calls, "calls were erased that could not be before"),
            // As long as it lasts, once is enough.
            Err(error) if !std::mem::replace(&mut is_told, true) => {
                tracing::error!(%error, "erasures can't be finished; it is tried again");
            }
            Err(_) => {}
        }
    }
}

async fn sweeps(forgetter: Forgetter, retention: Retention) {
    let mut due = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_SWEEP, SWEEP_EVERY);
    loop {
        due.tick().await;
        match forgetter.sweep(retention, Timestamp::now(), false).await {
            Ok(swept) => {
                tracing::info!(
                    parts = swept.forgotten.len(),
                    held = swept.held.len(),
                    failed = swept.failed.len(),
                    "old calls were swept"
                );
            }
            Err(error) => tracing::error!(%error, "old calls can't be swept"),
        }
    }
}
