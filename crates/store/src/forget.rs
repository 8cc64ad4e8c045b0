//! Taking calls out, in part or whole: after their time, or since somebody wants it. What lies elsewhere goes first,
//! then the files, then the words in the record, so that a crash in between leaves a record that still says what is
//! there, and the next try finishes.

use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use records::Kept;
use serde_json::Value;

use crate::layout::{self, LOG, Layout, RECORD, RECORDING, write_record};
use crate::read::{self, ReadError};
use crate::remote::{Remote, RemoteError};
use crate::{CallId, Database, DatabaseError, NoFault};

/// Why something was not taken out.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The call runs, or a crash left it open and no server has started since.
    #[error("the call is not over")]
    Live,
    /// The disk failed.
    #[error("the data folder can't be changed: {0}")]
    Io(#[from] io::Error),
    /// The record can't be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The recording lies elsewhere and stays there.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The tables hold it, and they can't be changed now.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It lies elsewhere, and it is not configured where.
    #[error("the recording lies at {0}, and no recording.url is configured")]
    Elsewhere(String),
}

/// Takes calls out of a data folder, also beside a server that runs on it.
#[derive(Debug, Clone)]
pub struct Forgetter {
    layout: Layout,
    remote: Option<Remote>,
    database: Option<Database>,
}

/// What an erasure did.
#[derive(Debug, Default)]
pub struct Erased {
    /// These are gone: only their ids, times and states are left.
    pub calls: Vec<CallId>,
    /// These could not be erased, and why; to be tried again.
    pub failed: Vec<(CallId, ForgetError)>,
}

impl Forgetter {
    /// For the calls of a data folder, whose recordings may also lie at `remote`.
    pub fn new(data: &Path, remote: Option<Remote>) -> Self {
        Self { layout: Layout { root: data.to_owned() }, remote, database: None }
    }

    /// The same for calls that are in these tables too.
    pub fn and_tables(mut self, database: Database) -> Self {
        self.database = Some(database);
        self
    }

    /// Takes one part of a call out. That it is gone already is no error.
    ///
    /// # Errors
    /// When the call runs, or when something can't be removed; then the record still tells of it.
    pub async fn forget(&self, id: CallId, what: Kept, now: Timestamp) -> Result<(), ForgetError> {
        let record = self
            .on_disk(move |layout| {
                if layout.marker(id).exists() {
                    return Err(ForgetError::Live);
                }
                Ok(read::load(layout, id)?)
            })
            .await?;
        if matches!(what, Kept::Audio | Kept::Record) {
            let place = record.as_ref().and_then(|record| record.recording.as_ref());
            match (&self.remote, place.filter(|place| place.contains("://"))) {
                (Some(remote), _) => remote.delete(id).await?,
                (None, Some(place)) => return Err(ForgetError::Elsewhere(place.clone())),
                (None, None) => {}
            }
        }
        if let Some(database) = &self.database
            && !database.forget(id, what, now).await?
        {
            return Err(ForgetError::Live);
        }
        self.on_disk(move |layout| forget_files(layout, id, what, now)).await
    }

    /// The calls from or to a number that are not erased yet, however the number is written.
    ///
    /// # Errors
    /// When the data folder can't be read.
    pub async fn calls_with(&self, number: &str) -> Result<Vec<CallId>, ForgetError> {
        let wanted = number.to_owned();
        let mut calls: Vec<CallId> = self
            .on_disk(move |layout| {
                let records = read::list(layout, usize::MAX, None)?;
                let with = records.iter().filter(|record| record.is_with(&wanted));
                Ok(with.filter_map(|record| record.id.parse().ok()).collect())
            })
            .await?;
        if let Some(database) = &self.database {
            calls.extend(database.calls_with(number).await?);
        }
        calls.sort_unstable_by(|a, b| b.cmp(a));
        calls.dedup();
        Ok(calls)
    }

    /// Erases all calls from or to a number: sound, words, numbers and parameters. A tombstone of each stays, and a line
    /// in `audit.jsonl` that says that it was done, by whom, and to which calls, without the number.
    ///
    /// # Errors
    /// When the data folder can't be read or the line not be written. What fails with one call is in the answer.
    pub async fn erase(&self, number: &str, by: &str, now: Timestamp) -> Result<Erased, ForgetError> {
        let mut erased = Erased::default();
        for id in self.calls_with(number).await? {
            match self.forget(id, Kept::Record, now).await {
                Ok(()) => erased.calls.push(id),
                Err(error) => erased.failed.push((id, error)),
            }
        }
        self.scrub().await?;
        let ids = |ids: &mut dyn Iterator<Item = CallId>| {
            ids.map(|id| Value::from(id.to_string())).collect::<Vec<_>>()
        };
        let calls = ids(&mut erased.calls.iter().copied());
        let failed = ids(&mut erased.failed.iter().map(|(id, _)| *id));
        self.note("erase", now, &serde_json::json!({ "by": by, "calls": calls, "failed": failed })).await?;
        Ok(erased)
    }

    /// Nothing of what was taken out is to lie in the tables' own files.
    pub(crate) async fn scrub(&self) -> Result<(), ForgetError> {
        match &self.database {
            Some(database) => Ok(database.scrub().await?),
            None => Ok(()),
        }
    }

    /// Adds a line to the audit file.
    pub(crate) async fn note(&self, what: &str, now: Timestamp, more: &Value) -> Result<(), ForgetError> {
        let mut line = serde_json::json!({ "at": now, "what": what });
        if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
            line.extend(more.clone());
        }
        self.on_disk(move |layout| {
            layout::create_folder(&layout.root)?;
            Ok(layout::append(&layout.audit())?.write_all(format!("{line}\n").as_bytes())?)
        })
        .await
    }

    /// Works on files where waiting hinders no call.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<T, ForgetError> + Send + 'static,
    ) -> Result<T, ForgetError> {
        let layout = self.layout.clone();
        let done = tokio::task::spawn_blocking(move || work(&layout)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }
}

/// Removes the files of a part, and then takes it out of the record.
fn forget_files(layout: &Layout, id: CallId, what: Kept, now: Timestamp) -> Result<(), ForgetError> {
    let folder = layout.folder(id);
    match what {
        Kept::Audio => {
            remove(&folder.join(RECORDING))?;
            remove(&layout.upload(id))?;
        }
        Kept::Transcript => remove(&folder.join(LOG))?,
        Kept::Record => {
            for name in read::names(&folder)?.iter().filter(|name| *name != RECORD) {
                remove(&folder.join(name))?;
            }
            remove(&layout.upload(id))?;
        }
    }
    if let Some(mut record) = read::load(layout, id)? {
        record.forget(what, now);
        write_record(&folder, &record, &mut NoFault)?;
    }
    Ok(())
}

/// That it is gone already is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
