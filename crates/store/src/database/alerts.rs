//! The alerts that are raised, as far as every process sees the same: who raises or clears one first is the one that
//! tells of it, and asks for the telling in the same transaction.

use jiff::Timestamp;

use super::{Database, DatabaseError, operation};
use crate::jobs::NewJob;

impl Database {
    /// Raises an alert, and asks for `tell`. Says whether nobody had raised it before; else nothing is asked for.
    pub async fn raise_alert(
        &self,
        name: &str,
        at: Timestamp,
        tell: Option<NewJob>,
    ) -> Result<bool, DatabaseError> {
        self.write(operation::RaiseAlert { name: name.to_owned(), at, tell }).await
    }

    /// Clears an alert, and asks for `tell`. Says whether it was still raised; else nothing is asked for.
    pub async fn clear_alert(&self, name: &str, tell: Option<NewJob>) -> Result<bool, DatabaseError> {
        self.write(operation::ClearAlert { name: name.to_owned(), tell }).await
    }

    /// The alerts that are raised and since when, by name.
    pub async fn raised_alerts(&self) -> Result<Vec<(String, Timestamp)>, DatabaseError> {
        self.read(operation::ListAlerts {}).await
    }
}
