//! The calls as tables: what the control plane looks up, filters and changes. The files of a call stay the first
//! place where its record lies; this is made from them and from carriers' callbacks, and lives without a call ever
//! waiting for it.

use std::path::PathBuf;

use jiff::Timestamp;
use records::{CallEvent, CallRecord, CallStatus, Change, Direction, EndReason};
use secrecy::SecretString;

use crate::CallId;

/// Which database.
#[derive(Debug, Clone)]
pub enum DatabaseOptions {
    /// One file, write-ahead log.
    Sqlite {
        /// Where; made when it is not there.
        file: PathBuf,
    },
    /// A server.
    Postgres {
        /// `postgres://user:password@host:port/database`.
        url: SecretString,
    },
}

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It can't be reached, is locked, or gave up; asking again later may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// It answered and would not: a damaged file, a schema of a newer version, a fault of ours.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// How to find a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By our id.
    Id(CallId),
    /// By the carrier's.
    Carrier {
        /// The carrier's name.
        carrier: String,
        /// Its id of the call.
        id: String,
    },
}

/// A carrier's callback, to be kept in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// The carrier's name.
    pub carrier: String,
    /// `status`, `amd`, `recording`, `stream`, `report`, `post_call`.
    pub kind: String,
    /// The same for a callback that is sent twice.
    pub key: String,
    /// When it came.
    pub received_at: Timestamp,
    /// What it said, as JSON with numbers masked, for people to look at.
    pub body: String,
}

/// What became of words about a call.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The record afterwards; `None` when there is no such call yet. The words wait for it in the inbox then.
    pub record: Option<CallRecord>,
    /// What each word changed.
    pub changes: Vec<Change>,
    /// The same callback had come before, and nothing was done.
    pub is_repeated: bool,
}

/// What is wanted of a list of calls. All that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// In one of these states; empty: in any.
    pub statuses: Vec<CallStatus>,
    /// Ended so.
    pub end_reason: Option<EndReason>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// Over this carrier.
    pub carrier: Option<String>,
    /// With this agent.
    pub agent: Option<String>,
    /// From or to this number.
    pub number: Option<String>,
    /// Begun at or after this.
    pub from: Option<Timestamp>,
    /// Begun before this.
    pub until: Option<Timestamp>,
}

/// One line of a list of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSummary {
    /// Our id.
    pub id: String,
    /// The carrier's name.
    pub carrier: String,
    /// The carrier's id.
    pub carrier_call_id: String,
    /// Who called whom.
    pub direction: Direction,
    /// Where it is.
    pub status: CallStatus,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// The agent.
    pub agent: String,
    /// The caller's number.
    pub from: Option<String>,
    /// The number called.
    pub to: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Words about a call, in the order in which they were taken in.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Counts up by the order of taking in; gaps may be.
    pub seq: i64,
    /// The call.
    pub call: String,
    /// What was said.
    pub event: CallEvent,
    /// The call's status afterwards.
    pub status: CallStatus,
}

/// A request that must not be done twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Who asked: the API key's id.
    pub owner: String,
    /// `Idempotency-Key`.
    pub key: String,
    /// A digest of what was asked.
    pub digest: String,
}

/// What became of a call to be dialled.
#[derive(Debug, Clone)]
pub enum Intent {
    /// It is kept; now it may be dialled.
    New,
    /// The same was asked before: its call, and the answer that was given, once it was.
    Repeated {
        /// The call of the first request.
        call: CallId,
        /// HTTP status and body that the first request was answered with; `None` while it runs.
        answer: Option<(u16, String)>,
    },
    /// The key was used for something else.
    Different,
}

/// What an API key may do. The order is how much: a later one may what an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look at calls.
    Read,
    /// Place and end calls.
    Call,
    /// Everything.
    Admin,
}

/// An API key as it is kept.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// `key_` and 26 characters.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The first characters of the key itself, to tell it from others.
    pub prefix: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// When it was withdrawn.
    pub revoked_at: Option<Timestamp>,
}

/// How the callbacks of one kind do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackHealth {
    /// The carrier's name.
    pub carrier: String,
    /// The kind.
    pub kind: String,
    /// When the last one came.
    pub last_at: Option<Timestamp>,
    /// How many came since the time asked for.
    pub received: u64,
    /// How many of them were refused: a wrong signature, nothing that could be read.
    pub refused: u64,
}

/// The database. Cloning gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Database {
    options: DatabaseOptions,
}

impl Database {
    /// Opens it, and brings its schema up to date; a copy of a SQLite file is kept before that.
    pub async fn open(options: DatabaseOptions) -> Result<Self, DatabaseError> {
        Ok(Self { options })
    }

    /// Which it is.
    pub const fn options(&self) -> &DatabaseOptions {
        &self.options
    }

    /// Keeps a call that is about to be dialled, before it is, with the request that must not be repeated.
    pub async fn intend(
        &self,
        _call: &CallRecord,
        _once: Option<&Idempotency>,
    ) -> Result<Intent, DatabaseError> {
        Err(unbuilt())
    }

    /// Keeps the answer of a request that must not be repeated.
    pub async fn answer(&self, _once: &Idempotency, _status: u16, _body: &str) -> Result<(), DatabaseError> {
        Err(unbuilt())
    }

    /// Takes words about a call in, through [`CallRecord::apply`], with the callback that they came by. A callback
    /// that came before changes nothing. Words about a call that is not known yet wait for it.
    pub async fn apply(
        &self,
        _which: &Which,
        _events: Vec<CallEvent>,
        _callback: Option<InboxEntry>,
    ) -> Result<Applied, DatabaseError> {
        Err(unbuilt())
    }

    /// Notes a callback that was refused.
    pub async fn refused(&self, _carrier: &str, _kind: &str, _at: Timestamp) -> Result<(), DatabaseError> {
        Err(unbuilt())
    }

    /// One call.
    pub async fn call(&self, _which: &Which) -> Result<Option<CallRecord>, DatabaseError> {
        Err(unbuilt())
    }

    /// Calls, newest first, after the one that `after` names.
    pub async fn calls(
        &self,
        _filter: &CallFilter,
        _after: Option<CallId>,
        _limit: u32,
    ) -> Result<Vec<CallSummary>, DatabaseError> {
        Err(unbuilt())
    }

    /// Calls that are not over, oldest first, of those begun before `before`.
    pub async fn unfinished(
        &self,
        _before: Timestamp,
        _limit: u32,
    ) -> Result<Vec<CallRecord>, DatabaseError> {
        Err(unbuilt())
    }

    /// What was said about calls after `seq`, oldest first; of one call or of all.
    pub async fn events(
        &self,
        _call: Option<CallId>,
        _after: i64,
        _limit: u32,
    ) -> Result<Vec<StoredEvent>, DatabaseError> {
        Err(unbuilt())
    }

    /// The callbacks of one call, in the order in which they came.
    pub async fn callbacks(&self, _call: CallId) -> Result<Vec<InboxEntry>, DatabaseError> {
        Err(unbuilt())
    }

    /// How each kind of callback does since then.
    pub async fn callback_health(&self, _since: Timestamp) -> Result<Vec<CallbackHealth>, DatabaseError> {
        Err(unbuilt())
    }

    /// Keeps a new API key.
    pub async fn add_key(&self, _key: &ApiKey) -> Result<(), DatabaseError> {
        Err(unbuilt())
    }

    /// All API keys, oldest first.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, DatabaseError> {
        Err(unbuilt())
    }

    /// The key of this digest, unless it was withdrawn; its use is noted.
    pub async fn key(&self, _digest: &[u8; 32], _now: Timestamp) -> Result<Option<ApiKey>, DatabaseError> {
        Err(unbuilt())
    }

    /// Withdraws a key. Says whether there was one.
    pub async fn revoke_key(&self, _id: &str, _now: Timestamp) -> Result<bool, DatabaseError> {
        Err(unbuilt())
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        Err(unbuilt())
    }
}

fn unbuilt() -> DatabaseError {
    DatabaseError::Unavailable("it is being built".to_owned())
}
