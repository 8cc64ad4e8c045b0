//! What vendors do for a call beside answering it: who served, who failed, who went on in whose place. It is for
//! the call's record and decides nothing, so it goes past the core.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use call::FaultClass;
use tokio::time::Instant;

use crate::LinkId;

/// How many wait to be read. A call reads them a few times a second.
const ROOM: usize = 64;

/// One thing worth a line in a call's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// This link answers now.
    Served(LinkId),
    /// This link failed.
    Failed {
        /// Which.
        link: LinkId,
        /// How.
        class: FaultClass,
    },
    /// Another link goes on in the place of one that failed or is late.
    Switched {
        /// The one that was asked.
        from: LinkId,
        /// The one that goes on.
        to: LinkId,
        /// Why.
        class: FaultClass,
    },
}

/// The notes about one call. Cloning gives another handle of the same.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<(Instant, Note)>>>);

impl Notes {
    /// Takes all that were made since the last time, oldest first.
    pub fn take(&self) -> Vec<(Instant, Note)> {
        std::mem::take(&mut *self.lock())
    }

    /// Makes a note. With nobody to read them, the newest are left out.
    pub(crate) fn make(&self, note: Note) {
        let mut notes = self.lock();
        if notes.len() < ROOM {
            notes.push((Instant::now(), note));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Note)>> {
        // Nothing that holds the lock can leave half a change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
