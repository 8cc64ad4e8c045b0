//! The work that outlives a process, by kind: each handler may see the same job twice and does it so that this does no
//! harm. Where jobs lie, and how they are begun, tried again and given up, is the store's affair.

mod conversation;
mod details;
mod notify;
mod purge;
pub(crate) mod routes;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use store::jobs::{Handlers, JobError, Policy, Waits};
use store::{CallId, Database, DatabaseError};
use tokio_util::sync::CancellationToken;

use crate::Outbound;

pub use conversation::Conversations;
pub use notify::{NotASecret, Receiver, ReceiverError, webhook_key};

/// The kinds that are not a call's own, which [`records::ErrandKind`] names.
pub(crate) const NOTIFY: &str = "notify";
const PURGE: &str = "purge";

/// How often it is looked whether periodic work is due.
const LOOK: Duration = Duration::from_secs(60);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// An agent's conversation: its vendor may still be working on it for a while.
const CONVERSATION: Policy = Policy {
    waits: Waits::Each(&[
        MINUTE,
        Duration::from_secs(120),
        Duration::from_secs(300),
        Duration::from_secs(900),
        Duration::from_secs(1800),
        HOUR,
        Duration::from_secs(4 * 3600),
    ]),
    attempts: 10,
    longest: Duration::from_secs(60),
};

/// What a carrier knows late: prices come within minutes, or hours now and then.
const DETAILS: Policy = Policy {
    waits: Waits::Each(&[
        Duration::from_secs(300),
        Duration::from_secs(900),
        HOUR,
        Duration::from_secs(6 * 3600),
    ]),
    attempts: 5,
    longest: Duration::from_secs(60),
};

/// Telling the operator, at the times that the Standard Webhooks text recommends.
const TELLING: Policy = Policy {
    waits: Waits::Each(&[
        Duration::from_secs(5),
        Duration::from_secs(5 * 60),
        Duration::from_secs(30 * 60),
        Duration::from_secs(2 * 3600),
        Duration::from_secs(5 * 3600),
        Duration::from_secs(10 * 3600),
        Duration::from_secs(14 * 3600),
        Duration::from_secs(20 * 3600),
        Duration::from_secs(24 * 3600),
    ]),
    attempts: 10,
    longest: Duration::from_secs(30),
};

/// Taking out what is old: another comes within the hour anyway.
const PURGING: Policy = Policy {
    waits: Waits::Doubling { first: MINUTE, longest: Duration::from_secs(1800) },
    attempts: 5,
    longest: Duration::from_secs(600),
};

/// What the handlers work with.
#[derive(Clone)]
pub struct Work {
    /// The calls as tables.
    pub database: Database,
    /// What asks carriers.
    pub outbound: Outbound,
    /// Where conversations are fetched.
    pub conversations: Conversations,
    /// Whom alerts are told; without one nobody is.
    pub receiver: Option<Arc<Receiver>>,
}

impl Work {
    /// Who does what.
    pub fn handlers(self) -> Handlers {
        let Self { database, outbound, conversations, receiver } = self;
        let (of_conversations, of_purge) = (database.clone(), database);
        let handlers = Handlers::new()
            .on_by(records::ErrandKind::FetchConversation.as_str(), CONVERSATION, move |job| {
                let (database, conversations) = (of_conversations.clone(), conversations.clone());
                async move { conversations.fetch(&database, &About::read(&job.payload)?).await }
            })
            .on_by(records::ErrandKind::FetchDetails.as_str(), DETAILS, move |job| {
                let outbound = outbound.clone();
                let is_last = job.attempt >= DETAILS.attempts;
                async move { details::fetch(&outbound, About::read(&job.payload)?.call, is_last).await }
            })
            .on_by(PURGE, PURGING, move |_| {
                let database = of_purge.clone();
                async move { purge::run(&database, Timestamp::now()).await }
            });
        let Some(receiver) = receiver else { return handlers };
        handlers.on_by(NOTIFY, TELLING, move |job| {
            let receiver = receiver.clone();
            async move { receiver.take(&job.key, &job.payload).await }
        })
    }
}

/// Asks for the periodic work, each once in its period however many processes there are, until told to stop.
pub async fn keep_asking(database: Database, stop: CancellationToken) {
    let mut asked = None;
    loop {
        let now = Timestamp::now();
        let hour = purge::period(now);
        if asked.as_ref() != Some(&hour) {
            match database.enqueue(PURGE, &hour, "{}", now).await {
                Ok(_) => asked = Some(hour),
                Err(error) => tracing::debug!(%error, "periodic work can't be asked for now"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// What a call's own work is about, as the store writes it.
#[derive(Debug)]
struct About {
    call: CallId,
    /// A conversation's id, where it is about one.
    subject: String,
}

impl About {
    fn read(payload: &str) -> Result<Self, JobError> {
        #[derive(Deserialize)]
        struct Raw {
            call: String,
            #[serde(default)]
            subject: String,
        }
        let unread = |why: String| JobError::Never(format!("it can't be read: {why}"));
        let raw: Raw = serde_json::from_str(payload).map_err(|error| unread(error.to_string()))?;
        let call = raw.call.parse().map_err(|_| unread("it names no call".to_owned()))?;
        Ok(Self { call, subject: raw.subject })
    }
}

/// A database that is away comes back; what it refuses it refuses again.
fn fault(error: DatabaseError) -> JobError {
    match error {
        DatabaseError::Unavailable(why) => JobError::Again(format!("the database is away: {why}")),
        DatabaseError::Failed(why) => JobError::Never(format!("the database refuses: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_writes_is_read() {
        let id = CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), [7; 10]);
        let about = About::read(&format!(r#"{{"call":"{id}","subject":"conv_1"}}"#)).unwrap();
        assert_eq!((about.call, about.subject.as_str()), (id, "conv_1"));
        assert!(matches!(About::read("{}"), Err(JobError::Never(_))));
    }

    #[test]
    fn the_operator_is_told_for_three_days_and_some() {
        let waits: Vec<u64> = (1..TELLING.attempts).map(|n| TELLING.waits.after(n).as_secs()).collect();
        assert_eq!(waits, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    }
}
