//! The schema's versions: numbered files in `migrations`, each run once, never back.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::error::DatabaseError;

/// The table that says which files have been run. Not the library's own name, which other programs in the same
/// PostgreSQL database may use.
const VERSIONS: &str = "trunkline_schema";

/// Runs the files that have not been run. On PostgreSQL several processes at once take turns.
pub(super) async fn migrate<C: Migrate>(connection: &mut C) -> Result<(), DatabaseError> {
    // Its public `run` makes futures that can't be sent to another thread.
    migrator().run_direct(None, connection, false).await.map_err(fault)
}

/// All versions that this program knows.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name(VERSIONS);
    migrator
}

/// The newest of them.
pub(super) fn newest() -> i64 {
    migrator().iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The version of a database; `None` when it is empty.
pub(super) async fn applied<C: Migrate>(connection: &mut C) -> Result<Option<i64>, DatabaseError> {
    connection.ensure_migrations_table(VERSIONS).await.map_err(fault)?;
    let applied = connection.list_applied_migrations(VERSIONS).await.map_err(fault)?;
    Ok(applied.iter().map(|migration| migration.version).max())
}

/// Refuses a database that a newer program made.
pub(super) fn check(applied: Option<i64>) -> Result<(), DatabaseError> {
    let (known, is) = (newest(), applied.unwrap_or(0));
    if is > known {
        return Err(DatabaseError::Failed(format!(
            "its schema is of version {is} and this program knows versions up to {known}: a newer trunkline made it; \
             run that one, or give this one another database"
        )));
    }
    Ok(())
}

pub(super) fn fault(error: MigrateError) -> DatabaseError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => DatabaseError::Failed(format!("its schema can't be brought up to date: {other}")),
    }
}
