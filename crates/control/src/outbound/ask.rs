//! Asking a carrier about a call: how it is, or whether it was ever dialled.

use carriers::rest::{RestFaultKind, Seen};
use jiff::{SignedDuration, Timestamp};
use records::{CallEvent, CallRecord, CarrierWord, Fact, Witness};
use store::{DatabaseError, Which};

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
            if owner.is_none_or(|owner| owner.id == record.id) {
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
}
