//! Helper processes: started, fed, listened to, and ended with their call.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::grammar::Grammar;
use super::wire::{self, Order, Report};

/// How many reports may wait for their session, which reads them at once.
const REPORTS: usize = 32;
/// How long a helper may take to end by itself when its call is over.
const FAREWELL: Duration = Duration::from_secs(1);
/// How many helpers are kept ready, one for each of the grammars used last.
const MAX_WARM: usize = 8;

/// How to start a helper.
#[derive(Debug, Clone)]
pub(super) struct Launcher {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) model: PathBuf,
}

/// A helper process. Dropping it kills it.
pub(super) struct Helper {
    child: Child,
    stdin: ChildStdin,
    reports: mpsc::Receiver<Report>,
    /// Listens to it, into `reports`; ends with it.
    reader: Reader,
    /// What has to be written before anything else: the setup.
    pending: Vec<u8>,
}

/// A task that ends when this is dropped.
struct Reader(AbortHandle);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Launcher {
    /// Starts a helper for `grammar`. It gets ready by itself; what is written meanwhile waits in its pipe.
    pub(super) fn start(&self, grammar: &Grammar) -> std::io::Result<Helper> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("it was started without its pipes"));
        };
        let (sender, reports) = mpsc::channel(REPORTS);
        let reader = tokio::spawn(async move {
            let mut from = BufReader::with_capacity(512, stdout);
            // The session learns of the end, whatever its cause, by the channel closing.
            while let Ok(report) = wire::read_report(&mut from).await {
                if sender.send(report).await.is_err() {
                    return;
                }
            }
        });
        let setup = Order::Setup {
            model: self.model.clone(),
            fsg: grammar.fsg.clone(),
            dictionary: grammar.dictionary.clone(),
        };
        let mut pending = Vec::new();
        wire::write_order(&setup, &mut pending);
        Ok(Helper { child, stdin, reports, reader: Reader(reader.abort_handle()), pending })
    }
}

impl Helper {
    /// Writes what is in `bytes` and empties it.
    pub(super) async fn write(&mut self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        if !self.pending.is_empty() {
            let setup = std::mem::take(&mut self.pending);
            self.stdin.write_all(&setup).await?;
        }
        let written = self.stdin.write_all(bytes).await;
        bytes.clear();
        written
    }

    /// What it says next; None when it is gone. May be dropped while it waits.
    pub(super) async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// Lets it end by itself, or kills it.
    pub(super) async fn farewell(self) {
        let Self { mut child, stdin, reports, reader, pending: _ } = self;
        drop((stdin, reports, reader));
        if tokio::time::timeout(FAREWELL, child.wait()).await.is_err()
            && let Err(error) = child.kill().await
        {
            tracing::warn!(%error, "a helper of the recogniser can't be killed");
        }
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// Helpers that are ready before their call, each for the next call that listens for its phrases.
#[derive(Default)]
pub(super) struct Warm(Mutex<Vec<(Arc<Grammar>, Helper)>>);

impl Warm {
    /// The one for `grammar`, if there is one.
    pub(super) fn take(&self, grammar: &Arc<Grammar>) -> Option<Helper> {
        let mut ready = self.lock();
        let place = ready.iter().position(|(of, _)| Arc::ptr_eq(of, grammar))?;
        let (_, mut helper) = ready.remove(place);
        helper.is_alive().then_some(helper)
    }

    /// Sees to it that there is one for `grammar`.
    pub(super) fn keep_one(self: &Arc<Self>, launcher: &Launcher, grammar: &Arc<Grammar>) {
        if self.lock().iter().any(|(of, _)| Arc::ptr_eq(of, grammar)) {
            return;
        }
        let (warm, launcher, grammar) = (Arc::clone(self), launcher.clone(), Arc::clone(grammar));
        tokio::spawn(async move {
            let mut helper = match launcher.start(&grammar) {
                Ok(helper) => helper,
                // The call that needs it will say so.
                Err(_) => return,
            };
            if helper.write(&mut Vec::new()).await.is_err() || helper.report().await != Some(Report::Ready) {
                return;
            }
            let mut ready = warm.lock();
            if ready.iter().any(|(of, _)| Arc::ptr_eq(of, &grammar)) {
                return;
            }
            if ready.len() >= MAX_WARM {
                ready.remove(0);
            }
            ready.push((grammar, helper));
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Arc<Grammar>, Helper)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
