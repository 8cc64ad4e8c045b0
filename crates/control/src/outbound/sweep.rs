//! The sweep: calls that show no sign of life are looked after, their carriers asked, and only then closed. Doing it
//! again changes nothing more.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use records::{AfterAsking, CallRecord, EndReason, StaleStep, closed};
use store::{CallId, DatabaseError, Which};
use utoipa::ToSchema;

use super::Outbound;
use super::ask::Said;
use super::settle::is_unsettled;

/// How many calls one sweep looks at. They are the oldest, so the next sweep sees others.
const LOOKED_AT: u32 = 10_000;
/// How many carriers' answers are waited for at once.
const AT_ONCE: usize = 8;
/// How many events are read at a time.
const PAGE: u32 = 500;

/// What a sweep found and did.
#[derive(Debug, Clone, serde::Serialize, ToSchema)]
pub struct SweepReport {
    /// When it began.
    pub at: Timestamp,
    /// Whether it only looked.
    pub dry_run: bool,
    /// How many calls were not over.
    pub open: usize,
    /// The calls that had been silent for too long, and what was done.
    pub calls: Vec<SweptCall>,
}

/// A silent call.
#[derive(Debug, Clone, serde::Serialize, ToSchema)]
pub struct SweptCall {
    /// Our id.
    pub id: String,
    /// The carrier.
    pub carrier: String,
    /// Where it was.
    pub status: String,
    /// How long ago it began, in seconds.
    pub age_s: i64,
    /// How long ago it last showed a sign of life, in seconds.
    pub silent_s: i64,
    /// What the carrier said; absent when it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier_said: Option<String>,
    /// `left`, `updated` (the carrier knew more), `closed`, or `would_ask`, `would_close` when it only looked.
    pub done: &'static str,
    /// Why it ended, where it is over now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
}

impl Outbound {
    /// Looks after every call that is not over. `dry_run`: changes nothing and asks nobody. `is_first`: the process
    /// has just begun, and what an earlier one left is asked after whatever its silence.
    pub async fn sweep(&self, dry_run: bool, is_first: bool) -> Result<SweepReport, DatabaseError> {
        let _sweeping = self.0.sweeping.lock().await;
        let at = Timestamp::now();
        let live = self.0.data_plane.live();
        let live: BTreeMap<CallId, Timestamp> =
            live.into_iter().map(|alive| (alive.call, alive.seen)).collect();
        let open = self.0.database.unfinished(at, LOOKED_AT).await?;
        let looked_at = open.len();
        let live = &live;
        let swept = futures_util::stream::iter(open)
            .map(|record| async move { self.sweep_one(&record, live, dry_run, is_first).await })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut calls = Vec::new();
        for one in swept {
            match one {
                Ok(call) => calls.extend(call),
                Err(error) => tracing::warn!(%error, "a silent call can't be looked after now"),
            }
        }
        let closed = calls.iter().filter(|call| call.done == "closed").count();
        metrics::counter!("trunkline_sweep_closed_total").increment(closed as u64);
        if !calls.is_empty() && !dry_run {
            tracing::info!(open = looked_at, silent = calls.len(), closed, "silent calls were looked after");
        }
        Ok(SweepReport { at, dry_run, open: looked_at, calls })
    }

    async fn sweep_one(
        &self,
        record: &CallRecord,
        live: &BTreeMap<CallId, Timestamp>,
        dry_run: bool,
        is_first: bool,
    ) -> Result<Option<SweptCall>, DatabaseError> {
        let Ok(id) = record.id.parse::<CallId>() else { return Ok(None) };
        if live.contains_key(&id) {
            return Ok(None);
        }
        if is_first && is_unsettled(record) && !dry_run {
            self.settle_later(&record.id);
        }
        let (rule, now) = (self.rule(), Timestamp::now());
        let line = self.line(&record.carrier);
        let mut last_sign = None;
        if rule.silence(record, None, now) > rule.after {
            last_sign = self.last_word(id).await?;
        }
        let step = rule.step(record, last_sign, now, line.is_some());
        // Callbacks may have come while no process was there to take them.
        let catches_up = is_first && step == StaleStep::Leave && !record.carrier_call_id.is_empty();
        let swept = |said: Option<String>, done, end_reason| SweptCall {
            id: record.id.clone(),
            carrier: record.carrier.clone(),
            status: record.status.as_str().to_owned(),
            age_s: now.duration_since(record.started_at).as_secs(),
            silent_s: rule.silence(record, last_sign, now).as_secs(),
            carrier_said: said,
            done,
            end_reason,
        };
        let said = match (step, line) {
            (StaleStep::Close, _) if dry_run => return Ok(Some(swept(None, "would_close", None))),
            (StaleStep::AskCarrier | StaleStep::FindAtCarrier, _) if dry_run => {
                return Ok(Some(swept(None, "would_ask", None)));
            }
            (StaleStep::AskCarrier, Some(line)) => self.look(line, record).await,
            (StaleStep::FindAtCarrier, Some(line)) => self.find(line, record).await?,
            (StaleStep::Leave, Some(line)) if catches_up && !dry_run => {
                let said = self.look(line, record).await;
                self.follow(record, AfterAsking::Believe, said).await?;
                return Ok(None);
            }
            (StaleStep::Close, _) => {
                let reason = self.close(id, record).await?;
                return Ok(Some(swept(None, "closed", reason)));
            }
            _ => return Ok(None),
        };
        let after = rule.after_asking(record, last_sign, now, said.word);
        let words = said.words.clone();
        let record = self.follow(record, after, Said { words: words.clone(), ..said }).await?;
        let reason = record.as_ref().and_then(|record| record.end_reason);
        let done = match after {
            AfterAsking::Close(_) => "closed",
            AfterAsking::Believe => "updated",
            AfterAsking::Leave => "left",
        };
        Ok(Some(swept(Some(words), done, reason)))
    }

    /// When something was last said about a call, whoever said it.
    async fn last_word(&self, id: CallId) -> Result<Option<Timestamp>, DatabaseError> {
        let (mut last, mut after) = (None, 0);
        loop {
            let page = self.0.database.events(Some(id), after, PAGE).await?;
            last = last.max(page.iter().map(|stored| stored.event.at).max());
            match page.last() {
                Some(stored) if page.len() == PAGE as usize => after = stored.seq,
                _ => return Ok(last),
            }
        }
    }

    async fn close(&self, id: CallId, record: &CallRecord) -> Result<Option<EndReason>, DatabaseError> {
        let reason = if is_unsettled(record) { EndReason::NeverDialled } else { EndReason::Stale };
        let detail = "closed without a sign of life; its carrier can't be asked".to_owned();
        let word = closed(Timestamp::now(), reason, detail);
        let applied = self.0.database.apply(&Which::Id(id), vec![word], None).await?;
        tracing::info!(call = record.id, reason = reason.as_str(), "a silent call is closed");
        Ok(applied.record.and_then(|record| record.end_reason))
    }
}
