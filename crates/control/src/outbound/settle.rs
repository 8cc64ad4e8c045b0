//! A dial whose outcome is not known: the carrier is asked a few times soon after, and by the sweep from then on.

use std::time::Duration;

use jiff::Timestamp;
use records::{AfterAsking, CallRecord, Change, Direction, closed};
use store::{CallId, DatabaseError, Which};

use super::Outbound;
use super::ask::Said;

/// After how long the carrier is asked. From then on the sweep does.
const ASK: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(45)];

impl Outbound {
    /// Finds out in the background whether the carrier dialled this call.
    pub(super) fn settle_later(&self, call: &str) {
        let Ok(id) = call.parse::<CallId>() else { return };
        let outbound = self.clone();
        tokio::spawn(async move {
            for wait in ASK {
                tokio::time::sleep(wait).await;
                match outbound.settle(id).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, call = %id, "a dial can't be settled yet"),
                }
            }
        });
    }

    /// Asks once. Says whether it is settled.
    async fn settle(&self, id: CallId) -> Result<bool, DatabaseError> {
        let Some(record) = self.0.database.call(&Which::Id(id)).await? else { return Ok(true) };
        if !is_unsettled(&record) {
            return Ok(true);
        }
        let Some(line) = self.line(&record.carrier) else { return Ok(true) };
        let said = self.find(line, &record).await?;
        let now = Timestamp::now();
        let after = self.rule().after_asking(&record, None, now, said.word);
        tracing::info!(call = record.id, carrier = record.carrier, said = said.words, "a dial is looked for");
        self.follow(&record, after, said).await?;
        Ok(after != AfterAsking::Leave)
    }

    /// Does what is to be done after asking. Gives the record afterwards.
    pub(super) async fn follow(
        &self,
        record: &CallRecord,
        after: AfterAsking,
        said: Said,
    ) -> Result<Option<CallRecord>, DatabaseError> {
        let mut events = said.events;
        if let AfterAsking::Close(reason) = after {
            let detail = format!("closed without a sign of life; the carrier: {}", said.words);
            events.push(closed(Timestamp::now(), reason, detail));
        }
        let Some(id) = record.id.parse().ok().filter(|_| !events.is_empty()) else { return Ok(None) };
        let applied = self.0.database.apply(&Which::Id(id), events, None).await?;
        if applied.changes.iter().any(|change| matches!(change, Change::Ended { .. })) {
            let ended = applied.record.as_ref();
            let reason = ended.and_then(|record| record.end_reason).map_or("", records::EndReason::as_str);
            tracing::info!(call = record.id, reason, "a call is over, by asking its carrier");
        }
        Ok(applied.record)
    }
}

/// Whether it is not known if the carrier dialled.
pub(super) fn is_unsettled(record: &CallRecord) -> bool {
    record.direction == Direction::Outbound
        && !record.status.is_final()
        && record.carrier_call_id.is_empty()
        && record.talked_at.is_none()
}
