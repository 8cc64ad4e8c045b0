//! Calls of which something is not known yet, or not any more: a dial whose outcome was lost, and all that an earlier
//! process left open. The carrier is asked a few times soon after, and by the sweep from then on.

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use records::{AfterAsking, CallRecord, CarrierWord, Change, Direction, EndReason, Home, Signs, closed};
use store::{CallId, DatabaseError, Which};
use tokio::time::Instant;

use super::Outbound;
use super::ask::Said;
use super::homes::Homes;

/// After how long the carrier is asked.
const ASK: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(50),
];
/// How many carriers' answers are waited for at once.
pub(super) const AT_ONCE: usize = 8;
/// What is only proved by time is waited for here when it is not longer than this; else the sweep finds it.
const WAITED_FOR: Duration = Duration::from_secs(300);
/// Past the moment from which an absence proves something.
const PAST: SignedDuration = SignedDuration::from_secs(1);
/// How many calls are read at a time.
const PAGE: u32 = 500;

impl Outbound {
    /// Finds out in the background whether the carrier dialled this call.
    pub(super) fn settle_later(&self, call: &str) {
        if let Ok(id) = call.parse() {
            tokio::spawn(self.clone().follow(vec![id], &ASK[1..]));
        }
    }

    /// Finds out in the background about calls that an earlier process left open: callbacks may have come while no
    /// process was there to take them.
    pub(super) fn catch_up(&self, calls: Vec<CallId>) {
        tokio::spawn(self.clone().follow(calls, &ASK));
    }

    /// Every call that is not over and lives nowhere.
    pub(super) async fn left_open(&self) -> Result<Vec<CallId>, DatabaseError> {
        let homes = self.homes().await?;
        let (now, mut found, mut after) = (Timestamp::now(), Vec::new(), None);
        loop {
            let page = self.page(now, &mut after).await?;
            if page.is_empty() {
                return Ok(found);
            }
            let ids = page.iter().filter_map(|record| record.id.parse().ok());
            found.extend(ids.filter(|id| homes.of(&[*id]) != Home::Alive));
        }
    }

    /// The next calls that are not over, of those begun before `before`, oldest first. `after` is moved on.
    pub(super) async fn page(
        &self,
        before: Timestamp,
        after: &mut Option<(Timestamp, CallId)>,
    ) -> Result<Vec<CallRecord>, DatabaseError> {
        let page = self.0.database.unfinished(before, *after, PAGE).await?;
        if let Some(last) = page.last() {
            let id =
                last.id.parse().map_err(|_| DatabaseError::Failed(format!("{} is no call's id", last.id)))?;
            *after = Some((last.started_at, id));
        }
        Ok(page)
    }

    async fn follow(self, mut calls: Vec<CallId>, waits: &'static [Duration]) {
        let begun = Instant::now();
        for wait in waits {
            tokio::time::sleep_until(begun + *wait).await;
            calls = self.settle_all(calls).await;
            if calls.is_empty() {
                return;
            }
        }
        for (due, call) in self.due(calls).await {
            tokio::time::sleep_until(due).await;
            self.settle_all(vec![call]).await;
        }
    }

    /// When the calls are settled by time alone, for those that soon are.
    async fn due(&self, calls: Vec<CallId>) -> Vec<(Instant, CallId)> {
        let mut due = Vec::new();
        for call in calls {
            // What can't be read now is the sweep's to find.
            let Ok(Some(record)) = self.0.database.call(&Which::Id(call)).await else { continue };
            let Some(line) = self.line(&record.carrier).filter(|_| is_unsettled(&record)) else { continue };
            let dial = self.dial(&record, line, self.0.options.machine);
            let proves =
                SignedDuration::try_from(line.client.rest().settles_after(&dial)).unwrap_or_default();
            let left = proves + PAST - Timestamp::now().duration_since(record.started_at);
            let left = Duration::try_from(left).unwrap_or_default();
            if left <= WAITED_FOR {
                due.push((Instant::now() + left, call));
            }
        }
        due.sort_unstable();
        due
    }

    /// Asks once after each. Gives those of which there is more to find out.
    async fn settle_all(&self, calls: Vec<CallId>) -> Vec<CallId> {
        let homes = match self.homes().await {
            Ok(homes) => homes,
            Err(error) => {
                tracing::warn!(%error, "calls can't be found out about yet");
                return calls;
            }
        };
        let homes = &homes;
        let asked = futures_util::stream::iter(calls).map(|call| async move {
            match self.settle(call, homes).await {
                Ok(is_settled) => (!is_settled).then_some(call),
                Err(error) => {
                    tracing::warn!(%error, %call, "a call can't be found out about yet");
                    Some(call)
                }
            }
        });
        asked.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
    }

    /// Asks once after a call. Says whether there is no more to find out.
    async fn settle(&self, id: CallId, homes: &Homes) -> Result<bool, DatabaseError> {
        let Some(record) = self.0.database.call(&Which::Id(id)).await? else { return Ok(true) };
        if record.status.is_final() {
            return Ok(true);
        }
        let home = self.home(homes, id).await?;
        if home == Home::Alive {
            // One that is just being dialled may be lost yet.
            return Ok(!is_unsettled(&record));
        }
        let Some(line) = self.line(&record.carrier) else { return Ok(true) };
        let said = match (is_unsettled(&record), record.carrier_call_id.is_empty()) {
            (true, _) => self.find(line, &record).await?,
            (false, false) => self.look(line, &record).await,
            (false, true) => return Ok(true),
        };
        tracing::info!(call = record.id, carrier = record.carrier, said = said.words, "a call is looked for");
        let after = match said.word {
            // A carrier that does not answer at this moment is asked again.
            CarrierWord::Silent => AfterAsking::Leave,
            word => self.rule().after_asking(&record, Signs { last: None, home }, Timestamp::now(), word),
        };
        let known = self.act(&record, after, said).await?;
        Ok(known.is_some_and(|record| record.status.is_final()))
    }

    async fn is_unsettled_still(&self, id: CallId) -> Result<bool, DatabaseError> {
        let record = self.0.database.call(&Which::Id(id)).await?;
        Ok(record.is_some_and(|record| is_unsettled(&record)))
    }

    /// Does what is to be done after asking. Gives the record afterwards, where there was something to do.
    pub(super) async fn act(
        &self,
        record: &CallRecord,
        after: AfterAsking,
        said: Said,
    ) -> Result<Option<CallRecord>, DatabaseError> {
        let Ok(id) = record.id.parse() else { return Ok(None) };
        let mut events = said.events;
        // It may have come while its carrier was asked, here or to another process.
        if let AfterAsking::Close(reason) = after
            && !self.is_here(id)
            && (reason != EndReason::NeverDialled || self.is_unsettled_still(id).await?)
        {
            let detail = detail(reason, &said.words);
            events.push(closed(Timestamp::now(), reason, detail));
        }
        if events.is_empty() {
            return Ok(None);
        }
        let applied = self.0.database.apply(&Which::Id(id), events, None).await?;
        if applied.changes.iter().any(|change| matches!(change, Change::Ended { .. })) {
            let ended = applied.record.as_ref();
            let reason = ended.and_then(|record| record.end_reason).map_or("", EndReason::as_str);
            tracing::info!(call = record.id, reason, "a call is over, by asking its carrier");
        }
        Ok(applied.record)
    }
}

/// Why a call is closed, for people.
pub(super) fn detail(reason: EndReason, said: &str) -> String {
    match reason {
        EndReason::ServerDied => format!("the server that it lived on has died; the carrier: {said}"),
        _ => format!("closed without a sign of life; the carrier: {said}"),
    }
}

/// Whether it is not known if the carrier dialled.
pub(super) fn is_unsettled(record: &CallRecord) -> bool {
    record.direction == Direction::Outbound
        && !record.status.is_final()
        && record.carrier_call_id.is_empty()
        && record.talked_at.is_none()
}
