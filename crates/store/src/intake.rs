//! The task that takes the calls of the data folder into the database, and the words that waited for it. It follows
//! marker files, so that neither its own end nor the database's loses anything: a marker goes only once the database
//! has what it stands for.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use records::CallRecord;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::layout::{Layout, RECORD};
use crate::read::{self, ReadError};
use crate::{CallId, Database, DatabaseError, Store, layout, spool};

/// How many are taken in at once: they share the database's transactions.
const AT_ONCE: usize = 64;
/// How long to wait before the database is tried again, the first time and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often to look although nobody said that there is anything.
const LOOK: Duration = Duration::from_secs(5);

/// The running task.
#[derive(Debug)]
pub struct Intake {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the data folder: {0}")]
    Folder(#[from] io::Error),
}

struct Task {
    layout: Layout,
    database: Database,
    news: Arc<Notify>,
}

impl Intake {
    /// Begins. Needs a runtime.
    pub fn start(store: &Store, database: Database) -> Self {
        let stop = CancellationToken::new();
        let task = Task { layout: store.layout().clone(), database, news: store.news() };
        let run = task.run(stop.clone());
        Self { stop, task: tokio::spawn(run) }
    }

    /// Takes in what there is, and ends. What the database does not take stays for the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the task that takes calls into the database ended by a panic");
        }
    }
}

impl Task {
    async fn run(self, stop: CancellationToken) {
        let (first, longest) = AGAIN;
        let (mut wait, mut is_begun, mut is_told) = (first, false, false);
        loop {
            let is_last = stop.is_cancelled();
            let round = async {
                if !is_begun {
                    self.begin().await?;
                    is_begun = true;
                }
                self.round().await
            };
            let pause = match round.await {
                Ok(()) => {
                    (wait, is_told) = (first, false);
                    LOOK
                }
                Err(trouble) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%trouble, "calls wait to be taken into the database; it is tried again");
                    }
                    wait = (wait * 2).min(longest);
                    wait
                }
            };
            if is_last {
                return;
            }
            // While it fails, news do not hurry it.
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.news.notified(), if !is_told => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What an earlier process left, and, for a database that does not know this folder, all of it.
    async fn begin(&self) -> Result<(), Trouble> {
        let fresh: [u8; 16] = {
            let mut fresh = [0; 16];
            getrandom::fill(&mut fresh).map_err(io::Error::other)?;
            fresh
        };
        let identity = self.database.identity(format!("{:032x}", u128::from_be_bytes(fresh))).await?;
        let layout = self.layout.clone();
        blocking(move || {
            for name in read::names(&layout.taking())? {
                std::fs::rename(layout.taking().join(&name), layout.pending().join(&name))?;
            }
            if std::fs::read_to_string(layout.indexed()).is_ok_and(|known| known.trim() == identity) {
                return Ok(());
            }
            for day in read::names(&layout.calls())? {
                for name in read::names(&layout.calls().join(day))? {
                    if let Ok(id) = name.parse() {
                        layout.mark_pending(id)?;
                    }
                }
            }
            // After the markers: a crash before this marks them again.
            let draft = layout.root.join("indexed.new");
            layout::replace(&draft, &layout.indexed(), format!("{identity}\n").as_bytes())
        })
        .await?;
        Ok(())
    }

    /// Takes in all that waits. Ends early when the database does not take it.
    async fn round(&self) -> Result<(), Trouble> {
        let folder = self.layout.spool();
        let waiting = blocking(move || spool::waiting(&folder)).await?;
        for some in waiting.chunks(AT_ONCE) {
            first_trouble(join_all(some.iter().cloned().map(|path| self.take_words(path))).await)?;
        }
        let pending = self.layout.pending();
        let mut names = blocking(move || read::names(&pending)).await?;
        names.sort_unstable();
        let calls: Vec<CallId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        for some in calls.chunks(AT_ONCE) {
            self.take_calls(some.to_vec()).await?;
        }
        Ok(())
    }

    async fn take_words(&self, path: PathBuf) -> Result<(), Trouble> {
        let from = path.clone();
        let taken = match blocking(move || spool::open(&from)).await {
            Ok(entry) => match entry.which() {
                Some(which) => self.database.apply(&which, entry.events, entry.callback).await.map(drop),
                None => Err(DatabaseError::Failed("it is about no call".to_owned())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => Err(DatabaseError::Failed(error.to_string())),
        };
        match taken {
            Ok(()) => Ok(blocking(move || std::fs::remove_file(path)).await?),
            Err(DatabaseError::Failed(error)) => {
                tracing::error!(error, file = %path.display(), "words about a call can't be taken in; laid aside");
                Ok(blocking(move || spool::refuse(&path)).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes some calls in. What is to be done in the folder is done by one thread for all of them: a thread for each
    /// would keep its memory for a while, on top of that of the calls.
    async fn take_calls(&self, calls: Vec<CallId>) -> Result<(), Trouble> {
        let layout = self.layout.clone();
        let read = move || Ok(calls.into_iter().map(|id| (id, take(&layout, id))).collect::<Vec<_>>());
        let taken = blocking(read).await?.into_iter().map(|(id, read)| async move {
            let taken = match read {
                Ok(Some((record, at))) => self.database.take_in(&record, at).await.map(drop),
                Ok(None) => Ok(()),
                Err(ReadError::Io(error)) => Err(DatabaseError::Unavailable(error.to_string())),
                Err(error) => Err(DatabaseError::Failed(error.to_string())),
            };
            (id, taken)
        });
        let (taken, layout) = (join_all(taken).await, self.layout.clone());
        let settled =
            move || Ok(taken.into_iter().map(|(id, taken)| settle(&layout, id, taken)).collect::<Vec<_>>());
        first_trouble(blocking(settled).await?)
    }
}

/// Moves a call's marker out of the way and reads the record.
fn take(layout: &Layout, id: CallId) -> Result<Option<(CallRecord, Timestamp)>, ReadError> {
    let (pending, taking) = (layout.pending().join(id.to_string()), layout.taking().join(id.to_string()));
    std::fs::rename(&pending, taking)?;
    // It stays where both are names of one file, which POSIX wants. What is written from now on makes a new marker, and
    // what was written before is read now.
    layout::remove_if_there(&pending)?;
    record(layout, id)
}

/// Removes a call's marker, or puts it back.
fn settle(layout: &Layout, id: CallId, taken: Result<(), DatabaseError>) -> Result<(), Trouble> {
    let taking = layout.taking().join(id.to_string());
    match taken {
        Ok(()) => Ok(std::fs::remove_file(taking)?),
        Err(DatabaseError::Failed(error)) => {
            // Its marker stays where it is: the next start tries once more.
            tracing::error!(call_id = %id, error, "a call can't be taken into the database");
            Ok(())
        }
        Err(error) => {
            std::fs::rename(taking, layout.pending().join(id.to_string()))?;
            Err(error.into())
        }
    }
}

/// A call's record and when it was written.
fn record(layout: &Layout, id: CallId) -> Result<Option<(CallRecord, Timestamp)>, ReadError> {
    let Some(record) = read::load(layout, id)? else { return Ok(None) };
    let written = std::fs::metadata(layout.folder(id).join(RECORD))?.modified()?;
    let at = Timestamp::try_from(written).unwrap_or(record.started_at);
    Ok(Some((record, at)))
}

fn first_trouble(all: Vec<Result<(), Trouble>>) -> Result<(), Trouble> {
    all.into_iter().collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
