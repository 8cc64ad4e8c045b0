//! Asking a carrier for what it knows late of a call that is over.

use records::CarrierWord;
use store::{CallId, DatabaseError, Which};

use super::Outbound;

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// Length and price are known.
    Known,
    /// Something of it is not.
    Incomplete,
    /// The carrier knows no such call.
    NoSuchCall,
    /// The carrier did not answer, or not to us; why, without numbers and secrets.
    Silent(String),
    /// The call was erased, is not known, or there is no account at its carrier.
    NobodyToAsk,
}

impl Outbound {
    /// Asks the carrier after a call and keeps what it says, like any other of its words.
    pub(crate) async fn fetch_details(&self, id: CallId) -> Result<Late, DatabaseError> {
        let which = Which::Id(id);
        let Some(record) = self.0.database.call(&which).await? else { return Ok(Late::NobodyToAsk) };
        if record.duration_s.is_some() && record.price.is_some() {
            return Ok(Late::Known);
        }
        let can_be_asked = record.erased_at.is_none() && !record.carrier_call_id.is_empty();
        let Some(line) = self.line(&record.carrier).filter(|_| can_be_asked) else {
            return Ok(Late::NobodyToAsk);
        };
        let said = self.look(line, &record).await;
        match said.word {
            CarrierWord::Status(_) | CarrierWord::NotYet => {}
            CarrierWord::NoCall => return Ok(Late::NoSuchCall),
            CarrierWord::Silent => return Ok(Late::Silent(said.words)),
        }
        let applied = self.0.database.apply(&which, said.events, None).await?;
        let is_known =
            applied.record.is_some_and(|record| record.duration_s.is_some() && record.price.is_some());
        Ok(if is_known { Late::Known } else { Late::Incomplete })
    }
}
