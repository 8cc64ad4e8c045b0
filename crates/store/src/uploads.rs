//! Recordings on their way to the other place. A call that ends with a recording leaves a note in `uploads/`; it stays
//! until the recording has arrived there, whatever dies or fails meanwhile.
//!
//! A recording may be erased while it is on its way. So before anything is sent, and before anything is deleted there,
//! the call is named in `unsettled/`; it stays named until the record and the other place agree.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use crate::layout::{Layout, RECORDING};
use crate::remote::{Remote, RemoteError};
use crate::{CallId, Store, layout, read};

/// How often the notes are looked at.
const ROUND: Duration = Duration::from_secs(2);
/// How long a failed upload waits before it is tried again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// How many recordings are on their way at once.
const AT_ONCE: usize = 4;

/// How it goes with recordings that are to be taken to the other place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadState {
    /// Those that are still to go.
    pub waiting: usize,
    /// Those that arrived since the start.
    pub arrived: u64,
    /// How often one did not, since the start; each is tried again.
    pub failed: u64,
    /// What arrived since the start, in bytes.
    pub bytes: u64,
    /// How long ago the last one arrived; since the start where none did.
    pub since_last: Duration,
}

/// What [`UploadState`] is made of.
#[derive(Debug)]
pub(crate) struct Counts {
    start: Instant,
    waiting: AtomicUsize,
    arrived: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
    /// Milliseconds after the start.
    last: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            waiting: AtomicUsize::new(0),
            arrived: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }
}

impl Counts {
    pub(crate) fn state(&self) -> UploadState {
        let last = Duration::from_millis(self.last.load(Relaxed));
        UploadState {
            waiting: self.waiting.load(Relaxed),
            arrived: self.arrived.load(Relaxed),
            failed: self.failed.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            since_last: self.start.elapsed().saturating_sub(last),
        }
    }

    fn arrived(&self, bytes: u64) {
        self.arrived.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.last.store(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Takes recordings to the other place.
#[derive(Debug)]
pub struct Uploads {
    store: Store,
    layout: Layout,
    remote: Remote,
    keep_local: bool,
    /// When a failed one is tried again, and how long it waited.
    later: HashMap<CallId, (Instant, Duration)>,
}

impl Uploads {
    /// `keep_local`: whether the file stays here once it has arrived. `None` for a store without another place.
    pub fn new(store: &Store, keep_local: bool) -> Option<Self> {
        let remote = store.remote()?.clone();
        let layout = store.layout().clone();
        Some(Self { store: store.clone(), layout, remote, keep_local, later: HashMap::new() })
    }

    /// Works for ever. To be dropped when the server stops; what is left is done after the next start.
    pub async fn run(mut self) {
        let mut rounds = tokio::time::interval(ROUND);
        loop {
            rounds.tick().await;
            self.round().await;
        }
    }

    /// Takes all that is due. Gives how many have arrived.
    pub async fn round(&mut self) -> usize {
        self.settle().await;
        let waiting = self.names(self.layout.uploads()).await;
        self.remote.counts.waiting.store(waiting.len(), Relaxed);
        self.later.retain(|id, _| waiting.contains(id));
        let is_due = |id: &CallId| self.later.get(id).is_none_or(|(due, _)| Instant::now() >= *due);
        let due: Vec<CallId> = waiting.into_iter().filter(is_due).collect();
        let this = &*self;
        let done: Vec<(CallId, Result<(), RemoteError>)> = stream::iter(due)
            .map(|id| async move { (id, this.one(id).await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut arrived = 0;
        for (id, result) in done {
            match result {
                Ok(()) => {
                    self.later.remove(&id);
                    arrived += 1;
                }
                Err(error) => self.put_off(id, &error),
            }
        }
        arrived
    }

    fn put_off(&mut self, id: CallId, error: &RemoteError) {
        self.remote.counts.failed.fetch_add(1, Relaxed);
        let waited = self.later.get(&id).map_or(FIRST_WAIT, |(_, waited)| *waited * 2);
        let wait = waited.min(LONGEST_WAIT);
        tracing::warn!(call_id = %id, %error, again_s = wait.as_secs(), "a recording is not stored yet");
        self.later.insert(id, (Instant::now() + wait, wait));
    }

    async fn one(&self, id: CallId) -> Result<(), RemoteError> {
        let (file, unsettled) = (self.layout.folder(id).join(RECORDING), self.layout.clone());
        let is_here = on_disk(move || {
            let is_here = unsettled.folder(id).join(RECORDING).try_exists()?;
            if is_here {
                note_unsettled(&unsettled, id)?;
            }
            Ok(is_here)
        });
        if !is_here.await? {
            // Taken out meanwhile, or there already before the server died.
            let note = self.layout.upload(id);
            return Ok(on_disk(move || layout::remove_if_there(&note)).await?);
        }
        let bytes = self.remote.upload(id, &file).await?;
        self.remote.counts.arrived(bytes);
        let address = (!self.keep_local).then(|| self.remote.address(id));
        self.store.arrived(id, address);
        Ok(())
    }

    /// Looks again at calls whose recordings were on their way when something happened to them: what is not to be there
    /// is deleted there.
    async fn settle(&self) {
        for id in self.names(self.layout.unsettled()).await {
            if let Err(error) = self.settle_one(id).await {
                tracing::warn!(call_id = %id, %error, "it is not settled yet whether a recording is gone");
            }
        }
    }

    async fn settle_one(&self, id: CallId) -> Result<(), RemoteError> {
        let layout = self.layout.clone();
        let (is_on_its_way, is_wanted) = on_disk(move || {
            let is_on_its_way = layout.upload(id).try_exists()?;
            let record = read::load(&layout, id).map_err(io::Error::other)?;
            Ok((is_on_its_way, record.is_some_and(|record| record.recording.is_some())))
        })
        .await?;
        if is_on_its_way {
            return Ok(());
        }
        if !is_wanted {
            self.remote.delete(id).await?;
        }
        let layout = self.layout.clone();
        Ok(on_disk(move || layout::remove_if_there(&layout.unsettled().join(id.to_string()))).await?)
    }

    /// The calls that a folder names.
    async fn names(&self, folder: std::path::PathBuf) -> Vec<CallId> {
        let names = on_disk(move || read::names(&folder)).await.unwrap_or_default();
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// Names a call whose recording the record and the other place may not agree about.
pub(crate) fn note_unsettled(layout: &Layout, id: CallId) -> io::Result<()> {
    layout::create_folder(&layout.unsettled())?;
    layout::append(&layout.unsettled().join(id.to_string())).map(drop)
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
