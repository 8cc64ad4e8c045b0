//! What the stand-ins were asked, for tests to count: requests, and bytes of the caller's audio.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

/// One request or one socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Such as `deepgram/listen`, `openai/chat`.
    pub api: &'static str,
    /// The path with its query.
    pub target: String,
    /// The key that was shown.
    pub key: String,
    /// The body, where it is text: cut to 64 kB.
    pub body: String,
    /// Samples of the caller's audio that came, for recognisers and agents.
    pub samples: u64,
    /// Texts to be spoken, or texts of messages that came over a socket, in order.
    pub texts: Vec<String>,
    /// What the documents forbid and was done.
    pub breaches: Vec<String>,
    /// The client went away before the answer was complete.
    pub withdrawn: bool,
}

/// What the stand-ins have seen. Cheap to clone: all clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Book>);

#[derive(Debug, Default)]
struct Book {
    lines: Mutex<Vec<Seen>>,
    changed: Notify,
}

impl Ledger {
    /// Begins a line, and gives its place for `note`.
    pub fn begin(&self, seen: Seen) -> usize {
        let mut lines = self.lock();
        lines.push(seen);
        let place = lines.len() - 1;
        drop(lines);
        self.0.changed.notify_waiters();
        place
    }

    /// Changes a line.
    pub fn note(&self, place: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(line) = self.lock().get_mut(place) {
            change(line);
        }
        self.0.changed.notify_waiters();
    }

    /// Waits until the lines are as wanted.
    pub async fn until(&self, is_so: impl Fn(&[Seen]) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            // From here on a change is not missed.
            changed.as_mut().enable();
            if is_so(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// How many requests or sockets of this API there were.
    pub fn count(&self, api: &str) -> usize {
        self.lock().iter().filter(|line| line.api == api).count()
    }

    /// How many there were of this API with this key.
    pub fn of_key(&self, api: &str, key: &str) -> usize {
        self.lock().iter().filter(|line| line.api == api && line.key == key).count()
    }

    /// All breaches of the documents, each with its API.
    pub fn breaches(&self) -> Vec<String> {
        let of = |line: &Seen| {
            line.breaches.iter().map(|what| format!("{}: {what}", line.api)).collect::<Vec<_>>()
        };
        self.lock().iter().flat_map(of).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
