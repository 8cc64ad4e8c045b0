//! Erasing all that is kept of somebody's number. What can't go now, since the call runs or the other place is away, is
//! noted in `erasing/` and goes as soon as it can.

use jiff::Timestamp;
use records::{CallRecord, Kept};
use serde_json::{Value, json};

use crate::forget::{ForgetError, Forgetter};
use crate::layout::{self, Layout, remove_if_there as remove};
use crate::{CallId, hold, read};

/// What an erasure did, or would do.
#[derive(Debug, Default)]
pub struct Erased {
    /// These are gone: only their ids, times and states are left.
    pub calls: Vec<CallId>,
    /// These run. Each is erased by the server as soon as it is over.
    pub running: Vec<CallId>,
    /// These are held and keep everything.
    pub held: Vec<CallId>,
    /// These could not be erased, and why. The server tries again.
    pub failed: Vec<(CallId, ForgetError)>,
}

impl Forgetter {
    /// The calls from or to a number that are not erased yet, however the number is written.
    ///
    /// # Errors
    /// When the data folder can't be read.
    pub async fn calls_with(&self, number: &str) -> Result<Vec<CallId>, ForgetError> {
        let wanted = number.to_owned();
        let mut calls: Vec<CallId> = self
            .on_disk(move |layout| {
                let mut found = Vec::new();
                read::each(layout, |id, record: CallRecord| {
                    if record.is_with(&wanted) {
                        found.push(id);
                    }
                })?;
                Ok(found)
            })
            .await?;
        if let Some(database) = self.database() {
            calls.extend(database.calls_with(number).await?);
        }
        calls.sort_unstable_by(|a, b| b.cmp(a));
        calls.dedup();
        Ok(calls)
    }

    /// What [`Forgetter::erase`] would do now. Changes nothing.
    ///
    /// # Errors
    /// When the data folder can't be read.
    pub async fn would_erase(&self, number: &str) -> Result<Erased, ForgetError> {
        let calls = self.calls_with(number).await?;
        self.on_disk(move |layout| {
            let mut erased = Erased::default();
            for id in calls {
                let list = match (layout.marker(id).try_exists()?, hold::is_held(layout, id)?) {
                    (true, _) => &mut erased.running,
                    (false, true) => &mut erased.held,
                    (false, false) => &mut erased.calls,
                };
                list.push(id);
            }
            Ok(erased)
        })
        .await
    }

    /// Erases all calls from or to a number: sound, words, numbers and parameters. A tombstone of each stays, and a line
    /// in `audit.jsonl` that says that it was done, by whom, and to which calls, without the number. Done again it
    /// changes nothing more.
    ///
    /// # Errors
    /// When the data folder can't be read or the line not be written. What fails with one call is in the answer.
    pub async fn erase(&self, number: &str, by: &str, now: Timestamp) -> Result<Erased, ForgetError> {
        let mut erased = Erased::default();
        for id in self.calls_with(number).await? {
            match self.forget(id, Kept::Record, now).await {
                Ok(()) => erased.calls.push(id),
                Err(ForgetError::Held) => erased.held.push(id),
                Err(error) => {
                    self.on_disk(move |layout| note_erasing(layout, id)).await?;
                    match error {
                        ForgetError::Live => erased.running.push(id),
                        error => erased.failed.push((id, error)),
                    }
                }
            }
        }
        // The line is written whatever becomes of this: the calls are gone.
        let scrubbed = self.scrub().await;
        let more = json!({
            "by": by,
            "calls": ids(&erased.calls),
            "running": ids(&erased.running),
            "held": ids(&erased.held),
            "failed": ids(&erased.failed.iter().map(|(id, _)| *id).collect::<Vec<_>>()),
        });
        self.note("erase", now, more).await?;
        scrubbed?;
        Ok(erased)
    }

    /// Erases what earlier erasures had to leave. Gives how many calls went; the others stay noted.
    ///
    /// # Errors
    /// When the data folder can't be read or changed.
    pub async fn finish_erasures(&self, now: Timestamp) -> Result<usize, ForgetError> {
        let names = self.on_disk(|layout| Ok(read::names(&layout.erasing())?)).await?;
        let mut gone = Vec::new();
        for id in names.iter().filter_map(|name| name.parse::<CallId>().ok()) {
            match self.forget(id, Kept::Record, now).await {
                Ok(()) => gone.push(id),
                Err(ForgetError::Live | ForgetError::Held) => {}
                Err(error) => tracing::warn!(call_id = %id, %error, "a call is not erased yet"),
            }
        }
        if gone.is_empty() {
            return Ok(0);
        }
        let scrubbed = self.scrub().await;
        self.note("erase", now, json!({ "by": "an earlier request", "calls": ids(&gone) })).await?;
        let count = gone.len();
        self.on_disk(move |layout| {
            for id in gone {
                remove(&layout.erasing().join(id.to_string()))?;
            }
            Ok(())
        })
        .await?;
        scrubbed?;
        Ok(count)
    }
}

fn note_erasing(layout: &Layout, id: CallId) -> Result<(), ForgetError> {
    layout::create_folder(&layout.erasing())?;
    Ok(layout::append(&layout.erasing().join(id.to_string())).map(drop)?)
}

fn ids(calls: &[CallId]) -> Value {
    calls.iter().map(|id| Value::from(id.to_string())).collect()
}
