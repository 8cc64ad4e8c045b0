//! Which processes work on this database and which calls live on each: so that none takes another's living call for
//! dead, and so that a call can be ended from any of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Database, DatabaseError, operation};
use crate::CallId;

/// A process, as it last told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its data folder's id.
    pub id: String,
    /// For how long it has told nothing.
    pub silent_for: Duration,
    /// For how long it has told without a gap.
    pub beating_for: Duration,
    /// The calls that lived on it when it last told, each with for how long nothing had come for it then.
    pub calls: BTreeMap<CallId, Duration>,
}

impl Database {
    /// Tells that a process lives, and which calls live on it. A silence longer than `gap` counts as one.
    pub async fn beat(
        &self,
        node: &str,
        calls: &BTreeMap<CallId, Duration>,
        gap: Duration,
    ) -> Result<(), DatabaseError> {
        let millis = |length: &Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let calls = calls.iter().map(|(call, silent)| (call.to_string(), millis(silent))).collect();
        let gap_us = i64::try_from(gap.as_micros()).unwrap_or(i64::MAX);
        self.write(operation::Beat { node: node.to_owned(), calls, gap_us }).await
    }

    /// Tells that a process is about to end.
    pub async fn leave(&self, node: &str) -> Result<(), DatabaseError> {
        self.write(operation::Leave { node: node.to_owned() }).await
    }

    /// The processes that told of themselves within a day and have not left, by their ids.
    pub async fn nodes(&self) -> Result<Vec<NodeSeen>, DatabaseError> {
        self.read(operation::ListNodes {}).await
    }

    /// Asks whichever process a call lives on to end it; any of its ids will do. Other processes hear of it by
    /// [`Database::subscribe`].
    pub async fn wish(&self, calls: &[CallId]) -> Result<(), DatabaseError> {
        self.write(operation::Wish { calls: calls.to_vec() }).await
    }

    /// The calls that are wished to end.
    pub async fn wishes(&self) -> Result<Vec<CallId>, DatabaseError> {
        self.read(operation::ListWishes {}).await
    }

    /// Takes a wish away, because it is being fulfilled or given up. Says whether it was there.
    pub async fn take_wish(&self, call: CallId) -> Result<bool, DatabaseError> {
        self.write(operation::TakeWish { call }).await
    }

    /// The other ids of a call, under which its folders lie.
    pub async fn aliases(&self, call: CallId) -> Result<Vec<CallId>, DatabaseError> {
        self.read(operation::ListAliases { call }).await
    }
}
