//! How a call moves through its life. Words about one call come from its media socket, from its carrier's callbacks,
//! from asking the carrier and from the sweep; they come late, twice, in any order, and now and then contradict each
//! other. [`CallRecord::apply`] is the one place that takes them in, and it takes them so that their order does not
//! matter: every field only ever climbs, so the record is the greatest of all that was said.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AnsweredBy, CallRecord, CallStatus, Direction, EndReason};

/// Who says something about a call. The order is whose word on the *state* counts more, where two contradict each
/// other about the end.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// The sweep, which found no sign of life.
    #[default]
    Sweep,
    /// The media socket, or whoever placed the call: our own side.
    Socket,
    /// The carrier: its callback, or its answer when asked.
    Carrier,
}

/// Something that is said about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEvent {
    /// When it happened, by whoever says it.
    pub at: Timestamp,
    /// Who says it.
    pub from: Witness,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What is said about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// It got so far, or ended so.
    Status {
        /// Where it is.
        status: CallStatus,
        /// Why it ended, for a final status where there is more to know than the status says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<EndReason>,
        /// The same in words: a carrier's code, what the sweep found.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// The record as the media socket's side has it: who, what was said, what was measured.
    Talk {
        /// The whole of it.
        record: Box<CallRecord>,
    },
    /// The carrier's own id of the call, known once it took the call.
    CarrierCall {
        /// The id.
        id: String,
    },
    /// How long the carrier says that the call took.
    Duration {
        /// In seconds.
        seconds: u32,
    },
    /// What the carrier charges.
    Price {
        /// How much.
        price: Price,
    },
    /// Where the carrier keeps a recording of its own.
    Recording {
        /// The address.
        url: String,
    },
    /// Who picked up.
    AnsweredBy {
        /// Who.
        by: AnsweredBy,
    },
    /// The carrier's report of the stream, as its applet sent it.
    Report {
        /// Its fields.
        fields: BTreeMap<String, String>,
    },
    /// What an agent that is set up at its vendor found out about the call.
    AgentReport {
        /// Its fields.
        fields: BTreeMap<String, String>,
    },
    /// Somebody listened to the recording. Changes nothing in the record.
    Played {
        /// Who: an API key's id, or what stands for one.
        by: String,
    },
    /// Somebody had the call held back from being erased, or let it go. Changes nothing in the record.
    Held {
        /// Who: an API key's id, or what stands for one.
        by: String,
        /// Whether it is held from now on.
        held: bool,
    },
}

/// What a call costs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// When the carrier said so: a later word counts.
    pub at: Timestamp,
    /// A decimal number as the carrier wrote it, without the sign.
    pub amount: String,
    /// `USD`, `INR`; empty where the carrier does not say.
    pub currency: String,
}

/// What a word about a call changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was known.
    Nothing,
    /// Facts were added; the status is the same.
    Facts,
    /// The call got further.
    Moved {
        /// Where it was.
        from: CallStatus,
    },
    /// The call ended now.
    Ended {
        /// Where it was.
        from: CallStatus,
    },
    /// The call had ended, and a better witness says that it ended otherwise.
    Corrected {
        /// How it was thought to have ended.
        from: CallStatus,
    },
}

/// The end as one witness tells it, to be compared with another's. Our own side knows best why a call ended, then
/// the carrier; the sweep only knows that it did.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct End<'a> {
    rank: u8,
    reason: EndReason,
    at: Timestamp,
    detail: &'a str,
}

impl CallRecord {
    /// Takes a word about this call in.
    ///
    /// Words in any order, any number of times, give the same record. A final status is never left for one that is
    /// not final; where two witnesses tell of two ends, the better witness is believed, and of one witness's two
    /// ends the later in [`CallStatus`]'s order.
    pub fn apply(&mut self, event: CallEvent) -> Change {
        if self.erased_at.is_some() {
            return Change::Nothing;
        }
        let before = self.clone();
        let CallEvent { at, from, fact } = event;
        match fact {
            Fact::Status { status, reason, detail } => {
                self.status(at, from, status);
                if status.is_final() {
                    let reason = reason.unwrap_or_else(|| EndReason::of_status(status));
                    self.end(at, from, reason, detail);
                }
            }
            Fact::Talk { record } => self.talk(at, from, *record),
            Fact::CarrierCall { id } => greatest(&mut self.carrier_call_id, id),
            Fact::Duration { seconds } => greatest(&mut self.duration_s, Some(seconds)),
            Fact::Price { price } => greatest(&mut self.price, Some(price)),
            Fact::Recording { url } => {
                self.carrier_recordings.insert(url);
            }
            Fact::AnsweredBy { by } => greatest(&mut self.answered_by, Some(by)),
            Fact::Report { fields } => merge(&mut self.carrier_report, fields),
            Fact::AgentReport { fields } => merge(&mut self.agent_report, fields),
            Fact::Played { .. } | Fact::Held { .. } => {}
        }
        self.change_since(&before)
    }

    fn change_since(&self, before: &Self) -> Change {
        let from = before.status;
        if self.status == from {
            return if self == before { Change::Nothing } else { Change::Facts };
        }
        match (from.is_final(), self.status.is_final()) {
            (true, _) => Change::Corrected { from },
            (false, true) => Change::Ended { from },
            (false, false) => Change::Moved { from },
        }
    }

    fn status(&mut self, at: Timestamp, from: Witness, status: CallStatus) {
        if status == CallStatus::InProgress {
            self.answered_at = Some(self.answered_at.map_or(at, |known| known.min(at)));
        }
        let known = (self.status.is_final(), self.status_from, self.status);
        if status.is_final() && (true, from, status) > known {
            (self.status, self.status_from) = (status, from);
        } else if !status.is_final() && !self.status.is_final() && status > self.status {
            self.status = status;
        }
    }

    fn end(&mut self, at: Timestamp, from: Witness, reason: EndReason, detail: String) {
        let told = End { rank: end_rank(from), reason, at, detail: &detail };
        let known = match (self.end_reason, self.ended_at) {
            (Some(reason), Some(at)) => {
                Some(End { rank: end_rank(self.end_from), reason, at, detail: &self.end_detail })
            }
            _ => None,
        };
        if known.is_none_or(|known| told > known) {
            self.end_reason = Some(reason);
            self.ended_at = Some(at);
            self.end_detail = detail;
            self.end_from = from;
        }
    }

    /// Takes over what only the media socket's side knows; of two such records the one that knows more.
    fn talk(&mut self, at: Timestamp, from: Witness, told: Self) {
        self.status(told.started_at, from, CallStatus::InProgress);
        if let (Some(ended), Some(reason)) = (told.ended_at, told.end_reason) {
            // One that was handed on lives on at its carrier, which says when it is over.
            if !(reason == EndReason::Transferred && told.status == CallStatus::InProgress) {
                self.status(ended, from, reason.status());
            }
            self.end(ended, from, reason, told.end_detail.clone());
        }
        self.direction = self.direction.max(told.direction);
        greatest(&mut self.answered_by, told.answered_by);
        greatest(&mut self.carrier_call_id, told.carrier_call_id.clone());
        greatest(&mut self.from, told.from.clone());
        greatest(&mut self.to, told.to.clone());
        for (name, value) in told.custom.clone() {
            greatest(self.custom.entry(name).or_default(), value);
        }
        if let Some(fields) = told.carrier_report.clone() {
            merge(&mut self.carrier_report, fields);
        }
        if let Some(fields) = told.agent_report.clone() {
            merge(&mut self.agent_report, fields);
        }
        let known = (self.talk_ended, self.counters.frames_in, self.turns.len(), self.talked_at);
        let offered = (told.ended_at.is_some(), told.counters.frames_in, told.turns.len(), Some(at));
        if offered > known {
            self.talk_ended = told.ended_at.is_some();
            self.talked_at = Some(at);
            self.stream_id = told.stream_id;
            self.agent = told.agent;
            self.sample_rate = told.sample_rate;
            self.turns = told.turns;
            self.counters = told.counters;
            self.usage = told.usage;
            self.incidents = told.incidents;
            self.recording = told.recording;
            self.recording_consent = told.recording_consent;
            self.results = told.results;
            self.transfer = told.transfer;
        }
        greatest(&mut self.recording_erased_at, told.recording_erased_at);
        if self.recording_erased_at.is_some() {
            // A record that was read before and comes after does not bring it back.
            self.recording = None;
        }
    }
}

fn merge(report: &mut Option<BTreeMap<String, String>>, fields: BTreeMap<String, String>) {
    let known = report.get_or_insert_default();
    for (name, value) in fields {
        greatest(known.entry(name).or_default(), value);
    }
}

/// Whose word on *why* a call ended counts more.
const fn end_rank(from: Witness) -> u8 {
    match from {
        Witness::Sweep => 0,
        Witness::Carrier => 1,
        Witness::Socket => 2,
    }
}

fn greatest<T: Ord>(known: &mut T, told: T) {
    if told > *known {
        *known = told;
    }
}

impl EndReason {
    /// The status of a call that its media socket's side saw end so.
    pub const fn status(self) -> CallStatus {
        match self {
            Self::Busy => CallStatus::Busy,
            Self::NoAnswer => CallStatus::NoAnswer,
            Self::Canceled => CallStatus::Canceled,
            Self::ConnectionLost
            | Self::HalfOpen
            | Self::PeerStalled
            | Self::StartTimeout
            | Self::ProtocolError
            | Self::NoCapacity
            | Self::InternalError
            | Self::ServerDied
            | Self::CarrierFailed
            | Self::DialRefused
            | Self::NeverDialled
            | Self::Stale => CallStatus::Failed,
            Self::CallerHungUp
            | Self::CarrierStopped
            | Self::CarrierClosed
            | Self::CarrierCompleted
            | Self::AgentEnded
            | Self::Transferred
            | Self::IdleTimeout
            | Self::MaxDuration
            | Self::VendorsDown
            | Self::Drained
            | Self::Operator => CallStatus::Completed,
        }
    }

    /// The reason where a carrier gives a final status and no more.
    pub const fn of_status(status: CallStatus) -> Self {
        match status {
            CallStatus::Busy => Self::Busy,
            CallStatus::NoAnswer => Self::NoAnswer,
            CallStatus::Canceled => Self::Canceled,
            CallStatus::Completed => Self::CarrierCompleted,
            _ => Self::CarrierFailed,
        }
    }
}

impl CallRecord {
    /// A call of which nothing is known yet but its id and since when.
    pub fn new(id: impl Into<String>, carrier: impl Into<String>, started_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            carrier: carrier.into(),
            started_at,
            carrier_call_id: String::new(),
            direction: Direction::default(),
            status: CallStatus::default(),
            status_from: Witness::default(),
            stream_id: None,
            agent: String::new(),
            from: None,
            to: None,
            custom: BTreeMap::new(),
            sample_rate: 0,
            answered_at: None,
            answered_by: None,
            ended_at: None,
            end_reason: None,
            end_detail: String::new(),
            end_from: Witness::default(),
            duration_s: None,
            price: None,
            turns: Vec::new(),
            counters: crate::CallCounters::default(),
            usage: None,
            incidents: Vec::new(),
            recording: None,
            recording_erased_at: None,
            recording_consent: None,
            carrier_recordings: std::collections::BTreeSet::new(),
            results: BTreeMap::new(),
            transfer: None,
            carrier_report: None,
            agent_report: None,
            erased_at: None,
            talk_ended: false,
            talked_at: None,
        }
    }
}
