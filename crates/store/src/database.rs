//! The calls as tables: what the control plane looks up, filters and changes. The files of a call stay the first
//! place where its record lies; this is made from them and from carriers' callbacks, and lives without a call ever
//! waiting for it.

mod alerts;
mod error;
mod jobs;
mod look;
mod nodes;
mod operation;
mod postgres;
mod purge;
mod schema;
mod sqlite;
mod values;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use records::{AfterRules, CallEvent, CallRecord, Kept, Quota, Refusal};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::error::DatabaseError;
pub use self::look::Look;
pub use self::nodes::NodeSeen;
use self::operation::On;
pub use self::purge::{Purged, TooOld};
pub use self::values::{
    ApiKey, Applied, CallFilter, CallSummary, CallbackHealth, DatabaseOptions, Idempotency, InboxEntry,
    Intent, Scope, StoredEvent, Which,
};
use crate::CallId;

/// How long to wait before opening is tried again, the first time and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// A key's use is noted to the minute.
const MINUTE_US: i64 = 60_000_000;

/// The database. Cloning gives another handle of the same.
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: DatabaseOptions,
    engine: OnceLock<Engine>,
    /// Why it is not open.
    fault: Mutex<DatabaseError>,
    latest: watch::Sender<i64>,
    /// What calls leave to be done.
    rules: Mutex<Arc<AfterRules>>,
    stop: CancellationToken,
    _stopped: DropGuard,
}

#[derive(Debug)]
enum Engine {
    Sqlite(sqlite::Engine),
    Postgres(postgres::Engine),
}

impl Database {
    /// Opens it, and brings its schema up to date; a copy of a SQLite file is kept before that.
    pub async fn open(options: DatabaseOptions) -> Result<Self, DatabaseError> {
        let database = Self::closed(options);
        database.open_once().await?;
        Ok(database)
    }

    /// The same without waiting: it is opened as soon as it can be, and says that it is not available until then.
    /// Needs a runtime.
    pub fn start(options: DatabaseOptions) -> Self {
        let database = Self::closed(options);
        tokio::spawn(keep_opening(Arc::downgrade(&database.shared), database.shared.stop.clone()));
        database
    }

    fn closed(options: DatabaseOptions) -> Self {
        let stop = CancellationToken::new();
        Self {
            shared: Arc::new(Shared {
                options,
                engine: OnceLock::new(),
                fault: Mutex::new(DatabaseError::Unavailable("it is being opened".to_owned())),
                latest: watch::Sender::new(0),
                rules: Mutex::default(),
                _stopped: stop.clone().drop_guard(),
                stop,
            }),
        }
    }

    async fn open_once(&self) -> Result<(), DatabaseError> {
        let latest = self.shared.latest.clone();
        let engine = match &self.shared.options {
            DatabaseOptions::Sqlite { file } => Engine::Sqlite(sqlite::open(file, latest).await?),
            DatabaseOptions::Postgres { url } => {
                Engine::Postgres(postgres::open(url, latest, self.shared.stop.clone()).await?)
            }
        };
        // There is one task that opens.
        let _ = self.shared.engine.set(engine);
        let last = self.read(operation::LastEvent {}).await?;
        tell_here(&self.shared.latest, last);
        Ok(())
    }

    /// From now on, calls that end leave what these rules say to be done, as jobs in the transaction that ends them.
    pub fn after_calls(&self, rules: AfterRules) {
        *self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    fn rules(&self) -> Arc<AfterRules> {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which it is.
    pub fn options(&self) -> &DatabaseOptions {
        &self.shared.options
    }

    /// Closes it: what is under way ends, what comes later is refused.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        match self.shared.engine.get() {
            Some(Engine::Sqlite(engine)) => engine.close().await,
            Some(Engine::Postgres(engine)) => engine.close().await,
            None => {}
        }
    }

    /// The number of the latest event, which changes when there are new ones: of this process, and on PostgreSQL of
    /// the others too.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.shared.latest.subscribe()
    }

    /// Keeps a call that is about to be dialled, before it is, with the request that must not be repeated.
    ///
    /// On an error it must not be dialled, whether it was kept or not.
    pub async fn intend(
        &self,
        call: &CallRecord,
        once: Option<&Idempotency>,
    ) -> Result<Intent, DatabaseError> {
        let (call, once, rules) = (call.clone(), once.cloned(), self.rules());
        self.write(operation::Intend { call, once, rules }).await
    }

    /// What became of a request that must not be repeated, when it was made before; keeps nothing.
    pub async fn recall(&self, once: &Idempotency) -> Result<Option<Intent>, DatabaseError> {
        self.read(operation::Recall { once: once.clone() }).await
    }

    /// Keeps a call as [`Database::intend`] does, if the owner of the request and the server have not used up what they
    /// may; else nothing is kept, and the refusal says which limit it is. A request that was made before is known for it
    /// all the same.
    ///
    /// On an error it must not be dialled, whether it was kept or not.
    pub async fn intend_within(
        &self,
        call: &CallRecord,
        once: Option<&Idempotency>,
        quota: Quota,
    ) -> Result<Result<Intent, Refusal>, DatabaseError> {
        let (call, once, rules) = (call.clone(), once.cloned(), self.rules());
        let intend = operation::Intend { call, once, rules };
        self.write(operation::IntendWithin { intend, quota }).await
    }

    /// Keeps the answer of a request that must not be repeated.
    pub async fn answer(&self, once: &Idempotency, status: u16, body: &str) -> Result<(), DatabaseError> {
        self.write(operation::Answer { once: once.clone(), status, body: body.to_owned() }).await
    }

    /// Takes words about a call in, through [`CallRecord::apply`], with the callback that they came by. A callback
    /// that came before changes nothing. Words about a call that is not known yet wait for it.
    ///
    /// On [`DatabaseError::Unavailable`] they may have been taken in or not; the same again does no harm.
    pub async fn apply(
        &self,
        which: &Which,
        events: Vec<CallEvent>,
        callback: Option<InboxEntry>,
    ) -> Result<Applied, DatabaseError> {
        self.write(operation::Apply { which: which.clone(), events, callback, rules: self.rules() }).await
    }

    /// Takes a record in as the media socket's side has it, seen `at`. Makes the call when neither its id nor the
    /// carrier's is known.
    pub async fn take_in(&self, record: &CallRecord, at: Timestamp) -> Result<Applied, DatabaseError> {
        self.write(operation::TakeIn { record: record.clone(), at, rules: self.rules() }).await
    }

    /// Notes a callback that was refused.
    pub async fn refused(&self, carrier: &str, kind: &str, at: Timestamp) -> Result<(), DatabaseError> {
        self.write(operation::Refuse { carrier: carrier.to_owned(), kind: kind.to_owned(), at }).await
    }

    /// Takes a part of a call out. Says whether it may be: a call that is not over keeps all. One that is not known is
    /// no error.
    pub async fn forget(&self, call: CallId, what: Kept, at: Timestamp) -> Result<bool, DatabaseError> {
        self.write(operation::Forget { call, what, at }).await
    }

    /// Keeps an event of a call that changes nothing in its record: somebody listened to it, or had it held. Says whether
    /// the call is known and not erased.
    pub async fn note(&self, call: CallId, event: CallEvent) -> Result<bool, DatabaseError> {
        self.write(operation::NoteEvent { call, event }).await
    }

    /// The calls from or to a number, however it is written.
    pub async fn calls_with(&self, number: &str) -> Result<Vec<CallId>, DatabaseError> {
        self.read(operation::FindNumber { number: number.to_owned() }).await
    }

    /// Makes sure that nothing of what was taken out is left in the database's own files. On PostgreSQL that is the
    /// server's affair: VACUUM and its archive of the log.
    pub async fn scrub(&self) -> Result<(), DatabaseError> {
        match self.options() {
            DatabaseOptions::Sqlite { file } => sqlite::empty_log(file).await,
            DatabaseOptions::Postgres { .. } => Ok(()),
        }
    }

    /// One call.
    pub async fn call(&self, which: &Which) -> Result<Option<CallRecord>, DatabaseError> {
        self.read(operation::FindCall { which: which.clone() }).await
    }

    /// Calls, newest first, after the one that `after` names.
    pub async fn calls(
        &self,
        filter: &CallFilter,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<CallSummary>, DatabaseError> {
        self.read(operation::ListCalls { filter: filter.clone(), after, limit }).await
    }

    /// Calls that are not over, oldest first, of those begun before `before`; after the one that began at the moment
    /// that `after` names and has its id.
    pub async fn unfinished(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, CallId)>,
        limit: u32,
    ) -> Result<Vec<CallRecord>, DatabaseError> {
        self.read(operation::ListUnfinished { before, after, limit }).await
    }

    /// What was said about calls after `seq`, oldest first; of one call or of all. The record of a
    /// [`records::Fact::Talk`] is without what was said in the call: that lies in the call's record only.
    pub async fn events(
        &self,
        call: Option<CallId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, DatabaseError> {
        self.read(operation::ListEvents { call, after, limit }).await
    }

    /// The callbacks of one call, in the order in which they came.
    pub async fn callbacks(&self, call: CallId) -> Result<Vec<InboxEntry>, DatabaseError> {
        self.read(operation::ListCallbacks { call }).await
    }

    /// How each kind of callback does since then.
    pub async fn callback_health(&self, since: Timestamp) -> Result<Vec<CallbackHealth>, DatabaseError> {
        self.read(operation::CountCallbacks { since }).await
    }

    /// Keeps a new API key.
    pub async fn add_key(&self, key: &ApiKey) -> Result<(), DatabaseError> {
        self.write(operation::AddKey { key: key.clone() }).await
    }

    /// All API keys, oldest first.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, DatabaseError> {
        self.read(operation::ListKeys {}).await
    }

    /// The key of this digest, unless it was withdrawn; its use is noted.
    pub async fn key(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<ApiKey>, DatabaseError> {
        let key = self.read(operation::FindKey { digest: *digest }).await?;
        let minute = |at: Timestamp| at.as_microsecond().div_euclid(MINUTE_US);
        if let Some(key) = &key
            && key.used_at.is_none_or(|used| minute(used) < minute(now))
        {
            let noted = operation::UseKey { id: key.id.clone(), at: now };
            if let Err(error) = self.write(noted).await {
                tracing::warn!(%error, "the use of an API key can't be noted");
            }
        }
        Ok(key)
    }

    /// Withdraws a key. Says whether there was one.
    pub async fn revoke_key(&self, id: &str, now: Timestamp) -> Result<bool, DatabaseError> {
        self.write(operation::RevokeKey { id: id.to_owned(), at: now }).await
    }

    /// How many writes of this process wait or are under way.
    pub fn waiting_writes(&self) -> usize {
        match self.shared.engine.get() {
            Some(Engine::Sqlite(engine)) => engine.waiting(),
            Some(Engine::Postgres(engine)) => engine.waiting(),
            None => 0,
        }
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.read(operation::Ping {}).await
    }

    /// The id that this database was given when it was first used: `fresh` when it had none.
    pub(crate) async fn identity(&self, fresh: String) -> Result<String, DatabaseError> {
        self.write(operation::Identify { fresh }).await
    }

    pub(crate) async fn read<O: On<sqlx::Sqlite> + On<sqlx::Postgres>>(
        &self,
        operation: O,
    ) -> Result<O::Out, DatabaseError> {
        match self.engine()? {
            Engine::Sqlite(engine) => engine.read(operation).await,
            Engine::Postgres(engine) => engine.read(operation).await,
        }
    }

    pub(crate) async fn write<O: On<sqlx::Sqlite> + On<sqlx::Postgres>>(
        &self,
        operation: O,
    ) -> Result<O::Out, DatabaseError> {
        match self.engine()? {
            Engine::Sqlite(engine) => engine.write(operation).await,
            Engine::Postgres(engine) => engine.write(operation).await,
        }
    }

    fn engine(&self) -> Result<&Engine, DatabaseError> {
        self.shared
            .engine
            .get()
            .ok_or_else(|| self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Tries until it is open or nobody holds it any more. What is wrong is logged when it changes.
async fn keep_opening(shared: std::sync::Weak<Shared>, stop: CancellationToken) {
    let (mut wait, longest) = AGAIN;
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let database = Database { shared };
        let opened = tokio::select! {
            () = stop.cancelled() => return,
            opened = database.open_once() => opened,
        };
        let Err(error) = opened else { return };
        let known = std::mem::replace(
            &mut *database.shared.fault.lock().unwrap_or_else(PoisonError::into_inner),
            error.clone(),
        );
        if known != error {
            tracing::error!(%error, "the database can't be opened; calls go on, and it is tried again");
        }
        drop(database);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(longest);
    }
}

/// A number only climbs: another process's may have been heard of first.
fn tell_here(latest: &watch::Sender<i64>, seq: i64) {
    latest.send_if_modified(|known| {
        let is_news = seq > *known;
        *known = seq.max(*known);
        is_news
    });
}
