//! What is asked of the database and what it answers, as values.

use std::path::PathBuf;

use jiff::Timestamp;
use records::{CallEvent, CallRecord, CallStatus, Change, Direction, EndReason};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Scope {
    /// The name in the API and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Call => "call",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Call, Self::Admin].into_iter().find(|scope| scope.as_str() == name)
    }
}
