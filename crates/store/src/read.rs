//! Reading records back, newest first.

use std::io;
use std::path::Path;

use records::CallRecord;

use crate::CallId;
use crate::layout::{Layout, RECORD};

/// A record is there and can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error("the data folder can't be read: {0}")]
    Io(#[from] io::Error),
    /// The file is damaged.
    #[error("the record of {0} is damaged: {1}")]
    Damaged(CallId, serde_json::Error),
}

/// The record of one call; `None` when there is none.
pub(crate) fn load(layout: &Layout, id: CallId) -> Result<Option<CallRecord>, ReadError> {
    read_record(&layout.folder(id), id)
}

fn read_record(folder: &Path, id: CallId) -> Result<Option<CallRecord>, ReadError> {
    match std::fs::read(folder.join(RECORD)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| ReadError::Damaged(id, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The newest `limit` records that are older than `before`. A damaged one is left out with a line in the log.
pub(crate) fn list(
    layout: &Layout,
    limit: usize,
    before: Option<CallId>,
) -> Result<Vec<CallRecord>, ReadError> {
    let mut found = Vec::new();
    let newest_day = before.map(CallId::day);
    let mut days = names(&layout.calls())?;
    days.retain(|day| newest_day.as_ref().is_none_or(|newest| day <= newest));
    days.sort_unstable();
    for day in days.iter().rev() {
        if found.len() >= limit {
            break;
        }
        let folder = layout.calls().join(day);
        let mut ids: Vec<CallId> = names(&folder)?.iter().filter_map(|name| name.parse().ok()).collect();
        ids.retain(|id| before.is_none_or(|before| *id < before));
        ids.sort_unstable();
        for id in ids.into_iter().rev() {
            if found.len() >= limit {
                break;
            }
            match read_record(&folder.join(id.to_string()), id) {
                Ok(record) => found.extend(record),
                Err(error) => tracing::warn!(%error, "a call is left out of the list"),
            }
        }
    }
    Ok(found)
}

/// The names in a folder; none when it is gone.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.file_name().into_string().unwrap_or_default()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Looks at every record that can be read, one after the other: all at once would be much memory.
pub(crate) fn each(layout: &Layout, mut look: impl FnMut(CallId, CallRecord)) -> Result<(), ReadError> {
    for day in names(&layout.calls())? {
        let folder = layout.calls().join(day);
        for name in names(&folder)? {
            let Ok(id) = name.parse::<CallId>() else { continue };
            match read_record(&folder.join(name), id) {
                Ok(Some(record)) => look(id, record),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a call is passed over"),
            }
        }
    }
    Ok(())
}
