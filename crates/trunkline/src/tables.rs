//! The tables of a running server, and the task that takes calls from their folders into them. No call waits for
//! either, so a server whose database is away answers calls all the same.

use std::time::Duration;

use store::{Database, DatabaseError, DatabaseOptions, Intake, Store};

use crate::config::Config;
use crate::failure::Failure;
use crate::work;

/// The database and what fills it.
pub(crate) struct Tables {
    database: Database,
    intake: Intake,
}

impl Tables {
    /// Opens them, without waiting for a server or a lock. A file that is damaged or of a newer version is refused.
    pub(crate) async fn start(config: &Config, store: &Store) -> Result<Self, Failure> {
        let database = match config.tables() {
            options @ DatabaseOptions::Postgres { .. } => Database::start(options),
            options @ DatabaseOptions::Sqlite { .. } => match Database::open(options.clone()).await {
                Ok(database) => database,
                Err(DatabaseError::Unavailable(_)) => Database::start(options),
                Err(error @ DatabaseError::Failed(_)) => return Err(Failure::config(error.to_string())),
            },
        };
        // Before the first call is taken in: it may have ended while no server was there.
        database.after_calls(work::rules(config));
        let intake = Intake::start(store, database.clone());
        Ok(Self { database, intake })
    }

    pub(crate) fn database(&self) -> Database {
        self.database.clone()
    }

    /// Takes in what is there and closes them, within `limit`. What is left lies in the data folder and is taken in at
    /// the next start.
    pub(crate) async fn stop(self, limit: Duration) {
        let Self { database, intake } = self;
        let stopped = tokio::time::timeout(limit, async {
            intake.stop().await;
            database.close().await;
        });
        if stopped.await.is_err() {
            tracing::warn!(
                "the database does not answer; what it has not been told waits for the next start"
            );
        }
    }
}
