//! What is done in the database, each as a value: so that several callers' writes can run in one transaction, and so
//! that one list serves both databases. How each is done is written once in `shared` and built for each.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use records::{AfterRules, CallEvent, CallRecord, Kept, Quota, Refusal};

use super::error::DatabaseError;
use super::nodes::NodeSeen;
use super::purge::{Purged, TooOld};
use super::values::{
    ApiKey, Applied, CallFilter, CallSummary, CallbackHealth, Idempotency, InboxEntry, Intent, StoredEvent,
    Which,
};
use crate::CallId;
use crate::jobs::{Begun, End, JobCount, JobRow, JobStatus, NewJob, Retried};

/// Something to be done.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What it gives.
    type Out: Send + 'static;
}

/// How it is done on one of the databases. May be done again after a fault, so it takes nothing out of itself.
pub(crate) trait On<D: sqlx::Database>: Operation {
    fn run(
        &self,
        connection: &mut D::Connection,
    ) -> impl Future<Output = Result<Self::Out, DatabaseError>> + Send;
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* } -> $out:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name { $(pub(crate) $field: $kind),* }

        impl Operation for $name {
            type Out = $out;
        }
    )*};
}

operations! {
    /// Keeps a call before it is dialled.
    Intend { call: CallRecord, once: Option<Idempotency>, rules: Arc<AfterRules> } -> Intent;
    /// The same, if as much may still be dialled.
    IntendWithin { intend: Intend, quota: Quota } -> Result<Intent, Refusal>;
    /// What became of a request before.
    Recall { once: Idempotency } -> Option<Intent>;
    /// Keeps the answer to a request.
    Answer { once: Idempotency, status: u16, body: String } -> ();
    /// Takes words about a call in.
    Apply {
        which: Which,
        events: Vec<CallEvent>,
        callback: Option<InboxEntry>,
        rules: Arc<AfterRules>
    } -> Applied;
    /// Takes a record of the file store in.
    TakeIn { record: CallRecord, at: Timestamp, rules: Arc<AfterRules> } -> Applied;
    /// Counts a refused callback.
    Refuse { carrier: String, kind: String, at: Timestamp } -> ();
    /// One call.
    FindCall { which: Which } -> Option<CallRecord>;
    /// A page of calls.
    ListCalls { filter: CallFilter, after: Option<CallId>, limit: u32 } -> Vec<CallSummary>;
    /// Calls that are not over.
    ListUnfinished { before: Timestamp, after: Option<(Timestamp, CallId)>, limit: u32 } -> Vec<CallRecord>;
    /// What was said.
    ListEvents { call: Option<CallId>, after: i64, limit: u32 } -> Vec<StoredEvent>;
    /// The number of the latest event.
    LastEvent {} -> i64;
    /// A call's callbacks.
    ListCallbacks { call: CallId } -> Vec<InboxEntry>;
    /// How callbacks do.
    CountCallbacks { since: Timestamp } -> Vec<CallbackHealth>;
    /// Keeps a key.
    AddKey { key: ApiKey } -> ();
    /// All keys.
    ListKeys {} -> Vec<ApiKey>;
    /// The key of a digest.
    FindKey { digest: [u8; 32] } -> Option<ApiKey>;
    /// Notes that a key was used.
    UseKey { id: String, at: Timestamp } -> ();
    /// Withdraws a key.
    RevokeKey { id: String, at: Timestamp } -> bool;
    /// Asks for a job. Says whether it is a new one.
    Enqueue { job: NewJob } -> bool;
    /// When the next job is due.
    NextJob { kinds: Vec<String> } -> Option<Timestamp>;
    /// Begins jobs that are due.
    BeginJobs { kinds: Vec<String>, now: Timestamp, until: Timestamp, limit: u32 } -> Vec<Begun>;
    /// Keeps a job from others for longer. Says whether it still is this attempt's.
    HoldJob { seq: i64, turn: i64, until: Timestamp } -> bool;
    /// Ends an attempt.
    EndJob { seq: i64, turn: i64, end: End, now: Timestamp } -> ();
    /// One job.
    ReadJob { kind: String, key: String } -> Option<JobStatus>;
    /// Jobs that are not done.
    ListJobs { before: Option<i64>, limit: u32 } -> Vec<JobRow>;
    /// How many there are of them.
    CountJobs { since: Timestamp } -> Vec<JobCount>;
    /// Has a job that was given up begun again.
    RetryJob { seq: i64, now: Timestamp } -> Retried;
    /// Takes some of what is too old out.
    Purge { old: TooOld, limit: u32 } -> Purged;
    /// Raises an alert. Says whether it is a new one.
    RaiseAlert { name: String, at: Timestamp, tell: Option<NewJob> } -> bool;
    /// Clears an alert. Says whether there was one.
    ClearAlert { name: String, tell: Option<NewJob> } -> bool;
    /// The alerts that are raised.
    ListAlerts {} -> Vec<(String, Timestamp)>;
    /// The database's own id, which is `fresh` from now on if it had none.
    Identify { fresh: String } -> String;
    /// Takes a part of a call out. Says whether it may be: a call that is not over keeps all.
    Forget { call: CallId, what: Kept, at: Timestamp } -> bool;
    /// Keeps an event of a call that changes nothing in its record. Says whether the call is known and not erased.
    NoteEvent { call: CallId, event: CallEvent } -> bool;
    /// The calls from or to a number.
    FindNumber { number: String } -> Vec<CallId>;
    /// Tells that a process lives, and which calls live on it, each with for how many milliseconds it was silent.
    Beat { node: String, calls: BTreeMap<String, u64>, gap_us: i64 } -> ();
    /// Tells that a process ends.
    Leave { node: String } -> ();
    /// The processes.
    ListNodes {} -> Vec<NodeSeen>;
    /// Asks for calls to be ended where they live.
    Wish { calls: Vec<CallId> } -> ();
    /// The calls that are wished to end.
    ListWishes {} -> Vec<CallId>;
    /// Takes a wish away. Says whether it was there.
    TakeWish { call: CallId } -> bool;
    /// The other ids of a call.
    ListAliases { call: CallId } -> Vec<CallId>;
    /// Nothing, to see whether it answers.
    Ping {} -> ();
}
