//! What in a data folder waits for the database or for another place. Looked at from outside, beside a running server.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::layout::Layout;

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Calls whose records have news for the database.
    pub records: usize,
    /// Words of carriers that came while the database was away.
    pub callbacks: usize,
    /// Recordings that are to be taken to another place.
    pub uploads: usize,
    /// Calls that are not over: live ones, or such as a crash left.
    pub open: usize,
    /// For how long the oldest record or callback has waited.
    pub oldest: Duration,
}

impl Backlog {
    /// What waits in this data folder; nothing where there is none.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn of(data: &Path) -> io::Result<Self> {
        let layout = Layout { root: data.to_owned() };
        let (pending, taking, spool) =
            (waiting(&layout.pending())?, waiting(&layout.taking())?, waiting(&layout.spool())?);
        Ok(Self {
            records: pending.0 + taking.0,
            callbacks: spool.0,
            uploads: waiting(&layout.uploads())?.0,
            open: waiting(&layout.live())?.0,
            oldest: pending.1.max(taking.1).max(spool.1),
        })
    }
}

/// How many files are in a folder, and how old the oldest is.
fn waiting(folder: &Path) -> io::Result<(usize, Duration)> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, Duration::ZERO)),
        Err(error) => return Err(error),
    };
    let now = SystemTime::now();
    let (mut count, mut oldest) = (0, Duration::ZERO);
    for entry in entries {
        // One that is gone by now waits no more.
        let Ok(changed) = entry?.metadata().and_then(|file| file.modified()) else { continue };
        count += 1;
        oldest = oldest.max(now.duration_since(changed).unwrap_or_default());
    }
    Ok((count, oldest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_and_a_missing_folder_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Backlog::of(&folder.path().join("none")).unwrap(), Backlog::default());
        for (place, names) in [("pending", 2), ("taking", 1), ("spool", 3), ("uploads", 1), ("live", 4)] {
            std::fs::create_dir(folder.path().join(place)).unwrap();
            for name in 0..names {
                std::fs::write(folder.path().join(place).join(name.to_string()), "").unwrap();
            }
        }
        let found = Backlog { oldest: Duration::ZERO, ..Backlog::of(folder.path()).unwrap() };
        let wanted = Backlog { records: 3, callbacks: 3, uploads: 1, open: 4, oldest: Duration::ZERO };
        assert_eq!(found, wanted);
    }
}
