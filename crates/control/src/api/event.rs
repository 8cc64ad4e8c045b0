//! What was said about a call, as the API shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use records::{AnsweredBy, CallStatus, EndReason, Fact, Witness};
use serde::Serialize;
use store::StoredEvent;
use utoipa::ToSchema;

/// Something that was said about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Event {
    /// Counts up in the order in which words were taken in, over all calls; there may be gaps.
    pub(crate) seq: i64,
    /// The call.
    pub(crate) call_id: String,
    /// When it happened, by whoever says it.
    pub(crate) at: Timestamp,
    /// Who says it.
    pub(crate) from: Witness,
    /// The call's status afterwards.
    pub(crate) call_status: CallStatus,
    /// What was said.
    #[serde(flatten)]
    pub(crate) said: Said,
}

/// What was said about a call; `kind` tells which of these it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Said {
    /// It got so far, or ended so.
    Status {
        /// Where it is.
        status: CallStatus,
        /// Why it ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        end_reason: Option<EndReason>,
        /// The same in words.
        #[serde(skip_serializing_if = "String::is_empty")]
        #[schema(required = false)]
        detail: String,
    },
    /// The conversation got further, or is over. The record has all of it.
    Talk {
        /// The agent.
        agent: String,
        /// Why the conversation ended; absent while it goes on.
        #[serde(skip_serializing_if = "Option::is_none")]
        end_reason: Option<EndReason>,
    },
    /// The carrier took the call and has an id for it.
    CarrierCall {
        /// The id.
        carrier_call_id: String,
    },
    /// How long the carrier says that the call took.
    Duration {
        /// In seconds.
        seconds: u32,
    },
    /// What the carrier charges.
    Price {
        /// A decimal number, without the sign.
        amount: String,
        /// `USD`, `INR`; empty where the carrier does not say.
        currency: String,
    },
    /// The carrier keeps a recording of its own.
    Recording {
        /// Where.
        url: String,
    },
    /// Who picked up.
    AnsweredBy {
        /// Who.
        answered_by: AnsweredBy,
    },
    /// The carrier's report of the stream.
    Report {
        /// Its fields.
        fields: BTreeMap<String, String>,
    },
    /// What an agent that is set up at its vendor found out about the call.
    AgentReport {
        /// Its fields.
        fields: BTreeMap<String, String>,
    },
    /// Somebody listened to the recording.
    Played {
        /// Who: an API key's id, `token`, or `open` where no key is asked for.
        by: String,
    },
    /// Somebody had the call held, or let it go.
    Held {
        /// Who: an API key's id, `token`, or `open` where no key is asked for.
        by: String,
        /// Whether it is held from now on.
        held: bool,
    },
}

impl Said {
    /// The name of its kind.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Talk { .. } => "talk",
            Self::CarrierCall { .. } => "carrier_call",
            Self::Duration { .. } => "duration",
            Self::Price { .. } => "price",
            Self::Recording { .. } => "recording",
            Self::AnsweredBy { .. } => "answered_by",
            Self::Report { .. } => "report",
            Self::AgentReport { .. } => "agent_report",
            Self::Played { .. } => "played",
            Self::Held { .. } => "held",
        }
    }
}

impl From<Fact> for Said {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Status { status, reason, detail } => Self::Status { status, end_reason: reason, detail },
            Fact::Talk { record } => {
                Self::Talk { agent: record.agent.clone(), end_reason: record.end_reason }
            }
            Fact::CarrierCall { id } => Self::CarrierCall { carrier_call_id: id },
            Fact::Duration { seconds } => Self::Duration { seconds },
            Fact::Price { price } => Self::Price { amount: price.amount, currency: price.currency },
            Fact::Recording { url } => Self::Recording { url },
            Fact::AnsweredBy { by } => Self::AnsweredBy { answered_by: by },
            Fact::Report { fields } => Self::Report { fields },
            Fact::AgentReport { fields } => Self::AgentReport { fields },
            Fact::Played { by } => Self::Played { by },
            Fact::Held { by, held } => Self::Held { by, held },
        }
    }
}

impl From<StoredEvent> for Event {
    fn from(stored: StoredEvent) -> Self {
        Self {
            seq: stored.seq,
            call_id: stored.call,
            at: stored.event.at,
            from: stored.event.from,
            call_status: stored.status,
            said: stored.event.fact.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_the_one_in_the_json() {
        let all = [
            Said::Status { status: CallStatus::Busy, end_reason: None, detail: String::new() },
            Said::Talk { agent: String::new(), end_reason: None },
            Said::CarrierCall { carrier_call_id: String::new() },
            Said::Duration { seconds: 1 },
            Said::Price { amount: String::new(), currency: String::new() },
            Said::Recording { url: String::new() },
            Said::AnsweredBy { answered_by: AnsweredBy::Human },
            Said::Report { fields: BTreeMap::new() },
            Said::Played { by: String::new() },
            Said::Held { by: String::new(), held: true },
        ];
        for said in all {
            assert_eq!(serde_json::to_value(&said).unwrap()["kind"], said.kind());
        }
    }
}
