//! The sweep: calls that show no sign of life are looked after, their carriers asked, and only then closed. Doing it
//! again changes nothing more.

use futures_util::StreamExt as _;
use jiff::Timestamp;
use records::{AfterAsking, CallRecord, EndReason, Home, Signs, StaleStep, closed};
use store::{CallId, DatabaseError, Which};
use utoipa::ToSchema;

use super::Outbound;
use super::ask::Said;
use super::follow::{AT_ONCE, detail, is_unsettled};
use super::homes::Homes;

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
    /// Looks after every call that is not over. `dry_run`: changes nothing and asks nobody.
    pub async fn sweep(&self, dry_run: bool) -> Result<SweepReport, DatabaseError> {
        let _sweeping = self.0.sweeping.lock().await;
        let at = Timestamp::now();
        let homes = &self.homes().await?;
        let (mut open, mut calls, mut after) = (0, Vec::new(), None);
        loop {
            let page = self.page(at, &mut after).await?;
            if page.is_empty() {
                break;
            }
            open += page.len();
            let mut swept = futures_util::stream::iter(page)
                .map(|record| async move { self.sweep_one(&record, homes, dry_run).await })
                .buffered(AT_ONCE);
            while let Some(one) = swept.next().await {
                match one {
                    Ok(call) => calls.extend(call),
                    Err(error) => tracing::warn!(%error, "a silent call can't be looked after now"),
                }
            }
        }
        let closed = calls.iter().filter(|call| call.done == "closed").count();
        metrics::counter!("trunkline_sweep_closed_total").increment(closed as u64);
        if !calls.is_empty() && !dry_run {
            tracing::info!(open, silent = calls.len(), closed, "silent calls were looked after");
        }
        Ok(SweepReport { at, dry_run, open, calls })
    }

    async fn sweep_one(
        &self,
        record: &CallRecord,
        homes: &Homes,
        dry_run: bool,
    ) -> Result<Option<SweptCall>, DatabaseError> {
        let Ok(id) = record.id.parse::<CallId>() else { return Ok(None) };
        let (rule, now, line) = (self.rule(), Timestamp::now(), self.line(&record.carrier));
        let mut signs = Signs { last: None, home: homes.of(&[id]) };
        if signs.home != Home::Alive && rule.silence(record, None, now) > rule.after {
            signs.last = self.last_word(id).await?;
        }
        let mut step = rule.step(record, signs, now, line.is_some());
        if step != StaleStep::Leave {
            // It may live under the id of another of its folders.
            signs.home = self.home(homes, id).await?;
            step = rule.step(record, signs, now, line.is_some());
        }
        let swept = |said: Option<String>, done, end_reason| SweptCall {
            id: record.id.clone(),
            carrier: record.carrier.clone(),
            status: record.status.as_str().to_owned(),
            age_s: now.duration_since(record.started_at).as_secs(),
            silent_s: rule.silence(record, signs.last, now).as_secs(),
            carrier_said: said,
            done,
            end_reason,
        };
        let said = match (step, line) {
            (StaleStep::Leave, _) => return Ok(None),
            (StaleStep::Close, _) if dry_run => return Ok(Some(swept(None, "would_close", None))),
            _ if dry_run => return Ok(Some(swept(None, "would_ask", None))),
            (StaleStep::AskCarrier, Some(line)) => self.look(line, record).await,
            (StaleStep::FindAtCarrier, Some(line)) => self.find(line, record).await?,
            _ => {
                let reason = self.close(id, record, signs.home).await?;
                return Ok(Some(swept(None, "closed", reason)));
            }
        };
        let after = rule.after_asking(record, signs, now, said.word);
        let words = said.words.clone();
        let record = self.act(record, after, Said { words: words.clone(), ..said }).await?;
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

    async fn close(
        &self,
        id: CallId,
        record: &CallRecord,
        home: Home,
    ) -> Result<Option<EndReason>, DatabaseError> {
        let reason = if is_unsettled(record) { EndReason::NeverDialled } else { home.reason() };
        let word = closed(Timestamp::now(), reason, detail(reason, "it can't be asked"));
        let applied = self.0.database.apply(&Which::Id(id), vec![word], None).await?;
        tracing::info!(call = record.id, reason = reason.as_str(), "a silent call is closed");
        Ok(applied.record.and_then(|record| record.end_reason))
    }
}
