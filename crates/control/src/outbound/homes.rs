//! Where calls live: here, on another process that works on the same database, or on one that has died.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use jiff::SignedDuration;
use records::Home;
use store::{CallId, DatabaseError};

use super::Outbound;

/// Which calls live somewhere, and which lived on a process that has died.
#[derive(Debug, Default)]
pub(super) struct Homes {
    alive: BTreeSet<CallId>,
    dead: BTreeSet<CallId>,
    /// Whether another process lives beside this one.
    pub(super) has_others: bool,
}

impl Homes {
    /// Where a call lives that has these ids.
    pub(super) fn of(&self, ids: &[CallId]) -> Home {
        if ids.iter().any(|id| self.alive.contains(id)) {
            Home::Alive
        } else if ids.iter().any(|id| self.dead.contains(id)) {
            Home::Dead
        } else {
            Home::Unknown
        }
    }
}

/// Holds a call among those that are being dialled, for as long as it lives.
pub(super) struct Dialling(Outbound, CallId);

impl Drop for Dialling {
    fn drop(&mut self) {
        self.0.0.dialling.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Outbound {
    /// A call is about to be dialled: until the outcome is kept it counts as living here.
    pub(super) fn is_dialling(&self, call: &str) -> Option<Dialling> {
        let id = call.parse().ok()?;
        self.0.dialling.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Some(Dialling(self.clone(), id))
    }

    /// The calls that are being dialled here.
    pub(super) fn dialling(&self) -> BTreeSet<CallId> {
        self.0.dialling.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where calls live at this moment.
    pub(super) async fn homes(&self) -> Result<Homes, DatabaseError> {
        let mut homes = Homes::default();
        let nodes = self.0.database.nodes().await?;
        let (rule, own) = (self.rule(), self.0.options.node.as_deref());
        let signed = |length| SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        let is_own = |id: &str| own == Some(id);
        let judge = match nodes.iter().find(|node| is_own(&node.id)) {
            Some(node) if signed(node.silent_for) <= rule.node_after => signed(node.beating_for),
            // Whoever tells nothing of itself, as a command does, has not been silent either.
            None if own.is_none() => SignedDuration::MAX,
            // Its own word has not come through: neither need that of others have.
            _ => SignedDuration::ZERO,
        };
        for node in nodes.into_iter().filter(|node| !is_own(&node.id)) {
            let calls = node.calls.into_keys();
            if rule.node_lives(signed(node.silent_for), judge) {
                homes.has_others = true;
                homes.alive.extend(calls);
            } else {
                homes.dead.extend(calls);
            }
        }
        // Last, so that a call which has come here meanwhile is seen.
        homes.alive.extend(self.dialling());
        homes.alive.extend(self.0.data_plane.live().into_iter().map(|alive| alive.call));
        Ok(homes)
    }

    /// Where a call lives, under whichever of its ids.
    pub(super) async fn home(&self, homes: &Homes, id: CallId) -> Result<Home, DatabaseError> {
        match homes.of(&[id]) {
            Home::Alive => Ok(Home::Alive),
            _ => Ok(homes.of(&self.ids(id).await?)),
        }
    }

    /// All ids of a call, the one that it is kept under first.
    pub(super) async fn ids(&self, id: CallId) -> Result<Vec<CallId>, DatabaseError> {
        let mut ids = vec![id];
        ids.extend(self.0.database.aliases(id).await?);
        Ok(ids)
    }

    /// Whether a call lives on this very process.
    pub(super) fn is_here(&self, id: CallId) -> bool {
        self.0.data_plane.live().iter().any(|alive| alive.call == id)
    }
}
