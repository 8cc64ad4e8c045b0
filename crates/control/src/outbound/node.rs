//! What a process tells the others that work on the same database, and what it does because of them: calls that live on
//! it are ended when another one wishes so, and when they were given up before they came.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use records::{CallRecord, Direction, EndReason, Witness};
use store::{DatabaseError, Which};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Outbound;

/// How often a process tells that it lives, and how soon again when it could not.
const BEAT: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_secs(1);
/// How long it pauses between two looks at what others want: there may be hundreds of events a second.
const PAUSE: Duration = Duration::from_millis(500);
/// How long its last word may take.
const LAST: Duration = Duration::from_secs(2);

impl Outbound {
    /// Tells the others that this process lives and which calls live on it, and hears what they want, until told to
    /// stop. Without a name of its own it does nothing.
    pub async fn keep_telling(self, stop: CancellationToken) {
        let Some(node) = self.0.options.node.clone() else { return };
        let mut news = self.0.database.subscribe();
        let (mut is_heard, mut is_warned) = (true, false);
        let mut due = Instant::now();
        let mut looked_at = BTreeSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(due) => {
                    let told = self.tell(&node).await;
                    due = Instant::now() + if told.is_ok() { BEAT } else { AGAIN };
                    if let Err(error) = &told && !is_warned {
                        tracing::warn!(%error, "other processes can't be told which calls live here; trying again");
                    }
                    is_warned = told.is_err();
                }
                changed = news.changed(), if is_heard => is_heard = changed.is_ok(),
            }
            if let Err(error) = self.look_over(&mut looked_at).await {
                tracing::debug!(%error, "what other processes want can't be seen now");
            }
            stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
        // Its calls are over; what is left is for others to look after at once.
        if !matches!(tokio::time::timeout(LAST, self.0.database.leave(&node)).await, Ok(Ok(()))) {
            tracing::warn!("other processes can't be told that this one ends; they find out by its silence");
        }
    }

    /// Tells once.
    pub(super) async fn tell(&self, node: &str) -> Result<(), DatabaseError> {
        let now = Timestamp::now();
        let live = self.0.data_plane.live();
        let silent = |seen: Timestamp| now.duration_since(seen).unsigned_abs();
        let mut calls: std::collections::BTreeMap<_, _> =
            live.into_iter().map(|alive| (alive.call, silent(alive.seen))).collect();
        calls.extend(self.dialling().into_iter().map(|call| (call, Duration::ZERO)));
        self.0.database.beat(node, &calls, self.0.options.node_after).await
    }

    /// Ends the calls that live here and that another process wishes to end, and those that had been given up when they
    /// came: whoever placed one was told that there is no such call, and may have placed another.
    async fn look_over(&self, looked_at: &mut BTreeSet<store::CallId>) -> Result<(), DatabaseError> {
        let live: BTreeSet<_> = self.0.data_plane.live().into_iter().map(|alive| alive.call).collect();
        looked_at.retain(|call| live.contains(call));
        if live.is_empty() {
            return Ok(());
        }
        for call in self.0.database.wishes().await? {
            if live.contains(&call) {
                tracing::info!(%call, "another process wishes this call to end");
                // Before the wish is taken away, by which its process knows that the call was ended.
                self.0.data_plane.end(call, EndReason::Operator);
                self.0.database.take_wish(call).await?;
            }
        }
        for call in live {
            if looked_at.contains(&call) {
                continue;
            }
            // One that is not in the tables yet is looked at when it is.
            let Some(record) = self.0.database.call(&Which::Id(call)).await? else { continue };
            // One that was placed may be given up elsewhere until the tables know that it came.
            if record.direction == Direction::Inbound || record.talked_at.is_some() || is_given_up(&record) {
                looked_at.insert(call);
            }
            if is_given_up(&record) {
                tracing::warn!(%call, "a call that had been given up has come; it is ended");
                self.0.data_plane.end(call, EndReason::Stale);
            }
        }
        Ok(())
    }
}

/// Whether a call was given up before it came. One that was closed for its silence is something else: where it lives after
/// all it goes on, and its record is put right when it ends.
pub(super) fn is_given_up(record: &CallRecord) -> bool {
    record.status.is_final()
        && record.status_from == Witness::Sweep
        && record.end_reason == Some(EndReason::NeverDialled)
}
