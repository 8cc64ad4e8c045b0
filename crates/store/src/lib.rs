//! Where call records, call logs and recordings lie: plain files, one folder a call, written by a thread of
//! their own so that no call ever waits for a disk. A call outlives a store that is slow, full or hanging: what
//! can't be kept is counted, and the record says so.
//!
//! ```text
//! <data>/lock                                   held while a server runs on this folder
//! <data>/live/<call id>                         a call that is not finished, to be repaired after a crash
//! <data>/calls/<yyyy-mm-dd>/<call id>/record.json
//!                                     call.jsonl
//!                                     recording.wav
//!                                     hold.json     nothing of the call is to be taken out
//! <data>/pending/<call id>                      a record with news for the database
//! <data>/taking/<call id>                       the same, while it is being taken in
//! <data>/spool/                                 words about calls that came while the database was away
//! <data>/indexed                                the database that was given every call of this folder
//! <data>/node                                   its name among the processes that share the database
//! <data>/uploads/<call id>                      a recording that is to be taken to another place
//! <data>/unsettled/<call id>                    a recording that may be there and is perhaps not to be
//! <data>/erasing/<call id>                      a call that is to be erased as soon as it can be
//! <data>/audit.jsonl                            what was listened to, held and taken out, and by whom
//! <data>/changing                               held while the record of a call that is over is changed
//! <data>/reserve                                room for the records of live calls when the disk is full
//! ```
//!
//! What is looked up and filtered lies in a database as well, SQLite or PostgreSQL (`Database`). The way there leads
//! over marker files and a task (`Intake`), so that no call and no thread that writes ever waits for it.
//!
//! What was handed over is with the operating system within a second, sound within 50 ms, so that the death of the
//! process loses at most that; what the death of the machine loses is the file system's affair.

#![expect(clippy::duplicate_mod, reason = "one source of queries is built for each of the two databases")]

mod archive;
mod audit;
mod backlog;
mod database;
mod erase;
mod fault;
mod forget;
mod handle;
mod hold;
mod id;
mod intake;
pub mod jobs;
mod layout;
mod node;
mod open_call;
mod quiet;
mod read;
mod recording;
mod recordings;
mod remote;
mod repair;
mod retention;
mod room;
mod spool;
mod uploads;
mod writer;

pub use archive::Archive;
pub use audit::Audit;
pub use backlog::Backlog;
pub use database::{
    ApiKey, Applied, CallFilter, CallSummary, CallbackHealth, Database, DatabaseError, DatabaseOptions,
    Idempotency, InboxEntry, Intent, Look, NodeSeen, Purged, Scope, StoredEvent, TooOld, Which,
};
pub use erase::Erased;
pub use fault::{Fault, NoFault};
pub use forget::{ForgetError, Forgetter};
pub use handle::{CallFiles, Health, OpenError, Options, Store};
pub use id::{CallId, NotACallId};
pub use intake::Intake;
pub use read::ReadError;
pub use recordings::{Absent, Opened, Place, Recording, Recordings};
pub use remote::{Remote, RemoteError, RemoteOptions};
pub use retention::{Retention, Swept};
pub use spool::Spool;
pub use uploads::{UploadState, Uploads};
