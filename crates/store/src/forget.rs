//! Taking calls out, in part or whole: after their time, or since somebody wants it. What lies elsewhere goes first,
//! then the files, then the words in the record, so that a crash in between leaves a record that still says what is
//! there, and the next try finishes.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use records::{CallRecord, Kept};
use serde_json::Value;

use crate::audit::Audit;
use crate::hold::{alone, is_held};
use crate::layout::{self, LOG, Layout, RECORD, RECORDING, remove_if_there as remove, write_record};
use crate::read::{self, ReadError};
use crate::remote::{Remote, RemoteError};
use crate::uploads::note_unsettled;
use crate::{CallId, Database, DatabaseError, NoFault, quiet};

/// Why something was not taken out.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The call runs, or a crash left it open and no server has started since.
    #[error("the call is not over")]
    Live,
    /// Somebody had it held.
    #[error("the call is held")]
    Held,
    /// There is nothing left of it to be held.
    #[error("the call is erased")]
    Erased,
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
}

/// Takes calls out of a data folder, also beside a server that runs on it.
#[derive(Debug, Clone)]
pub struct Forgetter {
    layout: Layout,
    remote: Option<Remote>,
    database: Option<Database>,
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
    /// When the call runs or is held, or when something can't be removed; then the record still tells of it.
    pub async fn forget(&self, id: CallId, what: Kept, now: Timestamp) -> Result<(), ForgetError> {
        // Kept to the end: nobody is told meanwhile that the call is held.
        let (_alone, record) = self
            .on_disk(move |layout| {
                if layout.marker(id).exists() {
                    return Err(ForgetError::Live);
                }
                let alone = alone(layout, id)?;
                if is_held(layout, id)? {
                    Err(ForgetError::Held)
                } else {
                    Ok((alone, read::load(layout, id)?))
                }
            })
            .await?;
        let there = if what == Kept::Transcript { None } else { self.there(id, record.as_ref())? };
        if let Some(remote) = there {
            // It may be on its way and arrive after this: the server looks at it again.
            self.on_disk(move |layout| Ok(note_unsettled(layout, id)?)).await?;
            remote.delete(id).await?;
        }
        if let Some(database) = &self.database
            && !database.forget(id, what, now).await?
        {
            return Err(ForgetError::Live);
        }
        self.on_disk(move |layout| forget_files(layout, id, what, now)).await
    }

    /// The other place, where the recording of this call may lie there or be on its way.
    fn there(&self, id: CallId, record: Option<&CallRecord>) -> Result<Option<&Remote>, ForgetError> {
        let place = record.and_then(|record| record.recording.as_ref());
        match (&self.remote, place) {
            (Some(remote), Some(place)) if place.contains("://") && remote.address(id) != *place => {
                Err(RemoteError::Elsewhere(place.clone()).into())
            }
            (None, Some(place)) if place.contains("://") => Err(RemoteError::Elsewhere(place.clone()).into()),
            (remote, Some(_)) => Ok(remote.as_ref()),
            (_, None) => Ok(None),
        }
    }

    /// Nothing of what was taken out is to lie in the tables' own files.
    pub(crate) async fn scrub(&self) -> Result<(), ForgetError> {
        match &self.database {
            Some(database) => Ok(database.scrub().await?),
            None => Ok(()),
        }
    }

    pub(crate) const fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Adds a line to the audit file.
    pub(crate) async fn note(&self, what: &str, now: Timestamp, more: Value) -> Result<(), ForgetError> {
        Ok(Audit::new(self.layout.clone()).note(what, now, more).await?)
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
    if what == Kept::Audio {
        // Before the lock, for which live calls' records wait: a log may be long.
        quiet::take_sound_out(&folder.join(LOG))?;
    }
    let _alone = layout::lock_changes(layout)?;
    match what {
        Kept::Audio => {
            remove(&folder.join(RECORDING))?;
            remove(&layout.upload(id))?;
        }
        Kept::Transcript => {
            remove(&folder.join(LOG))?;
            remove(&quiet::draft(&folder.join(LOG)))?;
        }
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
