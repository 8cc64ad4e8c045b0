//! Asking a carrier about a call: how it is, or whether it was ever dialled.

use carriers::rest::{RestFaultKind, Seen};
use jiff::{SignedDuration, Timestamp};
use records::{CallEvent, CallRecord, CarrierWord, Fact, Witness};
use store::{CallId, DatabaseError, Which};

use super::follow::is_unsettled;
use super::{CarrierLine, Outbound};

/// How much earlier than the dial's beginning the carrier may think that it was: clocks differ.
const CLOCKS: SignedDuration = SignedDuration::from_secs(30);

/// What the carrier said.
#[derive(Debug)]
pub(super) struct Said {
    /// What it comes down to.
    pub(super) word: CarrierWord,
    /// Everything, to be applied.
    pub(super) events: Vec<CallEvent>,
    /// The same for people.
    pub(super) words: String,
}

impl Said {
    fn seen(seen: Seen) -> Self {
        let words = seen.status.map_or_else(|| "an unknown status".to_owned(), |status| status.to_string());
        Self { word: CarrierWord::Status(seen.status), events: seen.events, words }
    }

    fn nothing(word: CarrierWord, words: impl Into<String>) -> Self {
        Self { word, events: Vec::new(), words: words.into() }
    }
}

impl Outbound {
    /// Asks how a call is whose carrier's id is known.
    pub(super) async fn look(&self, line: &CarrierLine, record: &CallRecord) -> Said {
        match line.client.look(&record.carrier_call_id).await {
            Ok(seen) => Said::seen(seen),
            Err(fault) if fault.kind == RestFaultKind::NoCall => {
                Said::nothing(CarrierWord::NoCall, "it knows no such call")
            }
            Err(fault) => Said::nothing(CarrierWord::Silent, fault.why),
        }
    }

    /// Asks whether a call was dialled.
    pub(super) async fn find(&self, line: &CarrierLine, record: &CallRecord) -> Result<Said, DatabaseError> {
        let dial = self.dial(record, line, self.0.options.machine);
        let since = record.started_at.checked_sub(CLOCKS).unwrap_or(record.started_at);
        let found = match line.client.find(&dial, since).await {
            Ok(found) => found,
            Err(fault) => return Ok(Said::nothing(CarrierWord::Silent, fault.why)),
        };
        // Of several the oldest that is no other call's of ours: each of those was dialled for its own.
        for seen in found.into_iter().rev() {
            let which = Which::Carrier { carrier: record.carrier.clone(), id: seen.id.clone() };
            let owner = self.0.database.call(&which).await?;
            if owner.as_ref().is_some_and(|owner| owner.id == record.id)
                || owner.is_none() && !self.is_rather_anothers(&seen, record).await?
            {
                let fact = Fact::CarrierCall { id: seen.id.clone() };
                let id = CallEvent { at: Timestamp::now(), from: Witness::Carrier, fact };
                let mut said = Said::seen(seen);
                said.events.insert(0, id);
                return Ok(said);
            }
        }
        let age = Timestamp::now().duration_since(record.started_at);
        let proves = SignedDuration::try_from(line.client.rest().settles_after(&dial));
        Ok(if proves.is_ok_and(|after| age > after) {
            Said::nothing(CarrierWord::NoCall, "it placed no such call")
        } else {
            Said::nothing(CarrierWord::NotYet, "it lists no such call yet")
        })
    }

    /// Whether a call that the carrier made began nearer to another dial of ours between the same numbers, of which it is
    /// not known either what became of it. Each of them is looked for by itself, and one that was never made must not be
    /// given another's.
    async fn is_rather_anothers(&self, seen: &Seen, record: &CallRecord) -> Result<bool, DatabaseError> {
        let Some(made) = seen.made else { return Ok(false) };
        let apart = |record: &CallRecord| made.duration_since(record.started_at).abs();
        let mine = apart(record);
        let from = made.checked_sub(mine).unwrap_or(Timestamp::MIN);
        let until = made.checked_add(mine).unwrap_or(Timestamp::MAX);
        let mut after = Some((from, CallId::new(from, [0; 10])));
        loop {
            let page = self.page(until, &mut after).await?;
            if page.is_empty() {
                return Ok(false);
            }
            let mut rivals = page.iter().filter(|other| {
                other.id != record.id
                    && is_unsettled(other)
                    && (&other.carrier, &other.from, &other.to) == (&record.carrier, &record.from, &record.to)
            });
            if rivals.any(|other| apart(other) < mine) {
                return Ok(true);
            }
        }
    }
}
