//! Where words about calls wait while the database is away: one file each, so that a carrier's callback can be answered
//! and is not lost with the process. The task that takes calls in takes these in too, oldest first.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use records::CallEvent;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{InboxEntry, Which, layout, read};

/// The spool of a data folder. Cloning gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
    news: Arc<Notify>,
    count: Arc<AtomicU64>,
}

/// What lies in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carrier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carrier_call_id: Option<String>,
    pub(crate) events: Vec<CallEvent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) callback: Option<InboxEntry>,
}

impl Entry {
    fn new(which: &Which, events: Vec<CallEvent>, callback: Option<InboxEntry>) -> Self {
        let (call, carrier, carrier_call_id) = match which {
            Which::Id(id) => (Some(id.to_string()), None, None),
            Which::Carrier { carrier, id } => (None, Some(carrier.clone()), Some(id.clone())),
        };
        Self { call, carrier, carrier_call_id, events, callback }
    }

    /// Whose words these are; `None` when the file says nothing that can be understood.
    pub(crate) fn which(&self) -> Option<Which> {
        if let Some(call) = &self.call {
            return call.parse().ok().map(Which::Id);
        }
        Some(Which::Carrier { carrier: self.carrier.clone()?, id: self.carrier_call_id.clone()? })
    }
}

impl Spool {
    pub(crate) fn new(folder: PathBuf, news: Arc<Notify>) -> Self {
        Self { folder, news, count: Arc::default() }
    }

    /// Keeps words about a call, with the callback that they came by, until the database takes them. What
    /// [`crate::Database::apply`] was asked and did not do is asked of it again. When this returns they are on the
    /// disk.
    pub async fn put(
        &self,
        which: &Which,
        events: Vec<CallEvent>,
        callback: Option<InboxEntry>,
    ) -> io::Result<()> {
        let entry = Entry::new(which, events, callback);
        let n = self.count.fetch_add(1, Relaxed);
        let name = format!("{:020}-{n:08}-{}", Timestamp::now().as_microsecond(), std::process::id());
        let (path, draft) = (self.folder.join(&name), self.folder.join(format!(".{name}")));
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, &path, &draft, &entry));
        written.await.map_err(io::Error::other)??;
        self.news.notify_one();
        Ok(())
    }
}

fn write(folder: &Path, path: &Path, draft: &Path, entry: &Entry) -> io::Result<()> {
    let mut file = layout::append(draft)?;
    file.write_all(&serde_json::to_vec(entry)?)?;
    file.sync_all()?;
    std::fs::rename(draft, path)?;
    std::fs::File::open(folder)?.sync_all()
}

/// The files that wait, oldest first. Half-written ones are not among them.
pub(crate) fn waiting(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = read::names(folder)?;
    names.retain(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    names.sort_unstable();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// What lies in a file.
pub(crate) fn open(path: &Path) -> io::Result<Entry> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Lays a file aside that can't be taken in, for a person to look at.
pub(crate) fn refuse(path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = path.with_file_name("refused");
    layout::create_folder(&folder)?;
    std::fs::rename(path, folder.join(name))
}
