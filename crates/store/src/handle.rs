//! The side of the store that calls and requests see. Nothing here that a call uses waits: what does not fit
//! into the queue is counted and left out, and a record that does not fit waits in a spool of its own.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use audio::SampleRate;
use records::CallRecord;
use tokio::sync::Notify;

use crate::fault::{Fault, NoFault};
use crate::layout::{self, Layout};
use crate::read::{self, ReadError};
use crate::recording::Piece;
use crate::remote::Remote;
use crate::writer::{Job, Writer};
use crate::{Audit, Backlog, CallId, Database, Forgetter, Recordings, Spool, node, repair};

/// How many jobs may wait for the store's thread.
const QUEUE: usize = 8192;
/// How many records may wait beside a full queue: the ends of calls while the disk hangs.
const SPOOL: usize = 10_000;
/// After how long one write counts as hanging.
const STALLED: Duration = Duration::from_secs(5);

/// What can be set about a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Below this much free space nothing more is recorded.
    pub recording_floor_bytes: u64,
    /// Below this much free space new calls are to be refused.
    pub call_floor_bytes: u64,
    /// How much may wait to be written, in bytes.
    pub queue_bytes: usize,
    /// Where recordings are taken once their calls are over, see [`crate::Uploads`].
    pub remote: Option<Remote>,
    /// How often free space is looked at, and a record that could not be written is tried again.
    pub check_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            recording_floor_bytes: 256 << 20,
            call_floor_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            remote: None,
            check_every: Duration::from_secs(1),
        }
    }
}

/// Why a data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It can't be made or read.
    #[error("the data folder {0} can't be used: {1}; give another with --data, or make it writable")]
    Io(PathBuf, std::io::Error),
    /// Another server works on it.
    #[error("the data folder {0} is in use by another trunkline; stop that one or give another with --data")]
    InUse(PathBuf),
}

/// How the store is. For readiness and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Whether records can be written and there is room for more calls.
    pub writable: bool,
    /// Whether there is room to record.
    pub recording: bool,
    /// Whether one write has been under way for more than 5 s.
    pub stalled: bool,
    /// Free space, in bytes.
    pub disk_free_bytes: u64,
    /// Below this much free space no new calls are taken, in bytes.
    pub call_floor_bytes: u64,
    /// Bytes that wait to be written.
    pub queued_bytes: usize,
    /// Log pieces, audio pieces and records that were left out because the queue was full.
    pub lost: u64,
}

/// What the store's thread and its users share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) lost: AtomicU64,
    pub(crate) spool: Mutex<VecDeque<Job>>,
    pub(crate) writable: AtomicBool,
    pub(crate) recording: AtomicBool,
    pub(crate) disk_free: AtomicU64,
    /// Milliseconds after `base` at which the write under way began, plus one; 0 when there is none.
    pub(crate) busy_since: AtomicU64,
    pub(crate) base: Instant,
    /// Told when there is something for the database.
    pub(crate) news: Arc<Notify>,
}

/// The store. Cloning gives another handle of the same; the thread ends after the last one and its calls.
#[derive(Debug, Clone)]
pub struct Store {
    layout: Layout,
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
    queue_bytes: usize,
    call_floor_bytes: u64,
    remote: Option<Remote>,
    _lock: Arc<File>,
}

impl Store {
    /// Opens the data folder, makes it when it is not there, and closes the calls that a crash left open.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        Self::open_with(data, Options::default(), Box::new(NoFault))
    }

    /// The same with other limits, and faults for tests.
    pub fn open_with(data: &Path, options: Options, fault: Box<dyn Fault>) -> Result<Self, OpenError> {
        let layout = Layout { root: data.to_owned() };
        let io = |error| OpenError::Io(data.to_owned(), error);
        layout.create().map_err(io)?;
        let lock = layout::append(&layout.lock()).map_err(io)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse(data.to_owned()),
            TryLockError::Error(error) => io(error),
        })?;
        let repaired = repair::repair(&layout, options.remote.is_some()).map_err(io)?;
        if repaired > 0 {
            tracing::warn!(
                repaired,
                "calls were cut off when the server last died; their records are closed"
            );
        }
        let shared = Arc::new(Shared {
            queued_bytes: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            spool: Mutex::default(),
            writable: AtomicBool::new(true),
            recording: AtomicBool::new(true),
            disk_free: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            base: Instant::now(),
            news: Arc::default(),
        });
        let (jobs, queue) = sync_channel(QUEUE);
        let (queue_bytes, call_floor_bytes) = (options.queue_bytes, options.call_floor_bytes);
        let remote = options.remote.clone();
        let mut writer = Writer::new(layout.clone(), options, shared.clone(), fault);
        writer.check();
        std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(&queue)).map_err(io)?;
        Ok(Self { layout, jobs, shared, queue_bytes, call_floor_bytes, remote, _lock: Arc::new(lock) })
    }

    /// Begins a call's files. Never waits and never fails: whatever the disk does, the call goes on.
    pub fn begin(&self, id: CallId, record: CallRecord) -> CallFiles {
        self.spoolable(Job::Begin(id, Box::new(record)));
        CallFiles { store: self.clone(), id, lost: 0 }
    }

    /// Keeps the carrier's own report with the call it is about, live or ended lately. A report that came before
    /// replaces the one it repeats.
    pub fn report(&self, carrier: &str, carrier_call_id: &str, report: BTreeMap<String, String>) {
        self.spoolable(Job::Report { call: call_key(carrier, carrier_call_id), report });
    }

    /// A call's recording has arrived in the other place; with its address where it lies only there from now on.
    pub(crate) fn arrived(&self, id: CallId, address: Option<String>) {
        self.spoolable(Job::Arrived(id, address));
    }

    /// The recordings of its calls, wherever they lie.
    pub fn recordings(&self) -> Recordings {
        Recordings::new(self.layout.clone(), self.remote.clone())
    }

    /// What takes its calls out, and those of the same calls in these tables.
    pub fn forgetter(&self, database: Database) -> Forgetter {
        Forgetter::new(&self.layout.root, self.remote.clone()).and_tables(database)
    }

    /// Where it is noted who did what with its calls.
    pub fn audit(&self) -> Audit {
        Audit::new(self.layout.clone())
    }

    pub(crate) const fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The newest `limit` records, of those before `before`. Reads files: not for the runtime's own threads.
    pub fn list(&self, limit: usize, before: Option<CallId>) -> Result<Vec<CallRecord>, ReadError> {
        read::list(&self.layout, limit, before)
    }

    /// The record of one call. Reads a file.
    pub fn load(&self, id: CallId) -> Result<Option<CallRecord>, ReadError> {
        read::load(&self.layout, id)
    }

    /// The folder of one call.
    pub fn folder(&self, id: CallId) -> PathBuf {
        self.layout.folder(id)
    }

    /// The folder's name among the processes that share a database; the same after a restart.
    pub fn node(&self) -> std::io::Result<String> {
        node::id(&self.layout)
    }

    /// Where words about calls wait for a database that is not there.
    pub fn spool(&self) -> Spool {
        Spool::new(self.layout.spool(), self.shared.news.clone())
    }

    /// Told when there is something for the database.
    pub(crate) fn news(&self) -> Arc<Notify> {
        self.shared.news.clone()
    }

    /// What waits for the database.
    pub async fn backlog(&self) -> std::io::Result<Backlog> {
        let data = self.layout.root.clone();
        tokio::task::spawn_blocking(move || Backlog::of(&data)).await.map_err(std::io::Error::other)?
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        let now = self.shared.base.elapsed();
        let busy = self.shared.busy_since.load(Relaxed);
        Health {
            writable: self.shared.writable.load(Relaxed),
            recording: self.shared.recording.load(Relaxed),
            stalled: busy > 0 && now.saturating_sub(Duration::from_millis(busy - 1)) > STALLED,
            disk_free_bytes: self.shared.disk_free.load(Relaxed),
            call_floor_bytes: self.call_floor_bytes,
            queued_bytes: self.shared.queued_bytes.load(Relaxed),
            lost: self.shared.lost.load(Relaxed),
        }
    }

    /// Waits until all that was handed over so far is written, for at most `limit`. Says whether it is.
    /// Blocks: for the end of the program and for tests.
    pub fn flush(&self, limit: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        self.spoolable(Job::Flush(done));
        wait.recv_timeout(limit).is_ok()
    }

    /// Queues what may be left out. Says whether it was taken.
    fn droppable(&self, bytes: usize, job: Job) -> bool {
        let queued = self.shared.queued_bytes.fetch_add(bytes, Relaxed);
        let taken = queued + bytes <= self.queue_bytes && self.jobs.try_send(job).is_ok();
        if !taken {
            self.shared.queued_bytes.fetch_sub(bytes, Relaxed);
            self.shared.lost.fetch_add(1, Relaxed);
        }
        taken
    }

    /// Queues what must not be lost: when the queue is full it waits in the spool, and what comes after it waits
    /// behind it, so that a call's end never overtakes its beginning.
    fn spoolable(&self, job: Job) {
        use std::sync::mpsc::TrySendError::{Disconnected, Full};
        let mut spool = self.shared.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = if spool.is_empty() { self.jobs.try_send(job).err() } else { Some(Full(job)) };
        if let Some(Full(job) | Disconnected(job)) = refused {
            if spool.len() < SPOOL {
                spool.push_back(job);
            } else {
                self.shared.lost.fetch_add(1, Relaxed);
                tracing::error!("a record is lost: the disk hangs and the spool is full");
            }
        }
    }
}

/// The key under which the carrier's reports find a call.
pub(crate) fn call_key(carrier: &str, carrier_call_id: &str) -> String {
    format!("{carrier}/{carrier_call_id}")
}

/// The files of one live call. Nothing here waits.
#[derive(Debug)]
pub struct CallFiles {
    store: Store,
    id: CallId,
    lost: u64,
}

impl CallFiles {
    /// The call's id.
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// Appends whole lines to the call log.
    pub fn log(&mut self, lines: Vec<u8>) {
        let bytes = lines.len();
        self.lost += u64::from(!self.store.droppable(bytes, Job::Log(self.id, lines)));
    }

    /// Writes interleaved stereo samples, caller first, to their place in the recording, over what is there. `from` is
    /// in frames since the call began. The first piece's rate holds.
    pub fn audio(&mut self, rate: SampleRate, from: u64, samples: Vec<i16>) {
        let piece = Piece { rate, from, samples };
        self.lost += u64::from(!self.store.droppable(piece.bytes(), Job::Audio(self.id, piece)));
    }

    /// Writes the record as it is now, so that a crash leaves that much.
    pub fn update(&mut self, record: &CallRecord) {
        self.store.droppable(0, Job::Update(self.id, Box::new(record.clone())));
    }

    /// Ends the call: its files are closed and its record is final.
    pub fn finish(self, mut record: CallRecord) {
        if self.lost > 0 {
            record.counters.findings.insert("log_incomplete".to_owned(), self.lost);
        }
        self.store.spoolable(Job::Finish(self.id, Box::new(record)));
    }
}
