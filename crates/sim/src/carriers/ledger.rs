//! What the carriers' stand-ins were asked, what they did, and what came of their callbacks.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

use crate::phone::PhoneEvent;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// `twilio` or `exotel`.
    pub carrier: &'static str,
    /// The carrier's id of the call; empty where it is about none.
    pub call: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The REST interface was asked.
    Request {
        /// `POST`, `GET`, `DELETE`.
        method: String,
        /// Path and query.
        target: String,
        /// The form.
        form: Vec<(String, String)>,
        /// The status of the answer; absent where none was given.
        status: Option<u16>,
    },
    /// A telephone was called.
    Dialled {
        /// Whose.
        to: String,
        /// The number that it shows.
        from: String,
    },
    /// A moment of a call that is known from outside while it is there: to act in it.
    Moment {
        /// Which.
        moment: Moment,
    },
    /// A callback was sent.
    Callback {
        /// Which: `initiated`, `ringing`, `answered`, `completed`, `amd`, `recording`, `terminal`.
        kind: String,
        /// Where to.
        url: String,
        /// Its fields.
        form: Vec<(String, String)>,
        /// The status of the answer; absent where none came.
        status: Option<u16>,
    },
    /// The media socket and everything around it, as the person called lived through it.
    Talked {
        /// How it ended: `caller`, `server`, `carrier`, `fault`.
        ended_by: String,
        /// More about the end.
        detail: String,
        /// Milliseconds of sound that the person heard.
        audible_ms: u64,
        /// What the server did against the protocol, by rule.
        findings: Vec<String>,
    },
    /// The call is over.
    Ended {
        /// Its final status, in the carrier's word.
        status: String,
    },
    /// Somebody did what the documents forbid, and was let.
    Breach {
        /// What.
        about: String,
    },
}

/// A moment of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The answer to the request to dial goes out.
    Answers,
    /// A callback of this kind goes out.
    Sends(String),
    /// The media socket is open.
    Connected,
    /// The person begins to hear the agent.
    Heard,
    /// The server has what waits to be heard dropped.
    Cleared,
    /// The person has hung up, and the server was told.
    Stopped,
}

impl Moment {
    /// The moment that something which happens to the phone is.
    pub(super) const fn of(event: &PhoneEvent) -> Option<Self> {
        match event {
            PhoneEvent::Connected { .. } => Some(Self::Connected),
            PhoneEvent::AgentSpeaks { .. } => Some(Self::Heard),
            PhoneEvent::Cleared { .. } => Some(Self::Cleared),
            PhoneEvent::Stopped { .. } => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// What happened so far. Cheap to clone: all clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Book>);

#[derive(Debug, Default)]
struct Book {
    entries: Mutex<Vec<Entry>>,
    changed: Notify,
}

impl Ledger {
    /// Writes a line.
    pub fn note(&self, carrier: &'static str, call: &str, what: What) {
        self.lock().push(Entry { at: Timestamp::now(), carrier, call: call.to_owned(), what });
        self.0.changed.notify_waiters();
    }

    /// Writes a moment of a call down.
    pub(super) fn moment(&self, carrier: &'static str, call: &str, moment: Moment) {
        self.note(carrier, call, What::Moment { moment });
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// Waits until the lines are as wanted.
    pub async fn until(&self, is_so: impl Fn(&[Entry]) -> bool) {
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

    /// Waits until so many calls are over and their last callback was sent.
    pub async fn until_ended(&self, calls: usize) {
        let is_end = |entry: &&Entry| matches!(entry.what, What::Ended { .. });
        self.until(|entries| entries.iter().filter(is_end).count() >= calls).await;
    }

    /// The telephones that were called: the carrier's id of the call, whose, the number shown.
    pub fn dials(&self) -> Vec<(String, String, String)> {
        let dial = |entry: &Entry| match &entry.what {
            What::Dialled { to, from } => Some((entry.call.clone(), to.clone(), from.clone())),
            _ => None,
        };
        self.lock().iter().filter_map(dial).collect()
    }

    /// The callbacks that were sent about this call, or about all where it is empty.
    pub fn callbacks(&self, call: &str) -> Vec<Entry> {
        let is_one = |entry: &&Entry| {
            matches!(entry.what, What::Callback { .. }) && (call.is_empty() || entry.call == call)
        };
        self.lock().iter().filter(is_one).cloned().collect()
    }

    /// What the documents forbid and was done, each once.
    pub fn breaches(&self) -> Vec<String> {
        let breach = |entry: &Entry| match &entry.what {
            What::Breach { about } => Some(format!("{}: {about}", entry.carrier)),
            _ => None,
        };
        let mut breaches: Vec<String> = self.lock().iter().filter_map(breach).collect();
        breaches.sort();
        breaches.dedup();
        breaches
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
