//! Calls as the API shows them: a line of a list, and one call with all that is known of it.

use jiff::Timestamp;
use records::{CallRecord, CallStatus, Direction, EndReason, Witness};
use serde::Serialize;
use serde_json::Value;
use store::{CallSummary, InboxEntry, Place};
use utoipa::ToSchema;

use super::event::Event;

/// A page of calls.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallPage {
    /// The calls, newest first.
    pub(crate) calls: Vec<CallLine>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
}

/// One line of a list of calls.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallLine {
    /// Our id, `call_` and 26 characters that sort by time.
    id: String,
    /// The carrier's name: `exotel`, `twilio`.
    carrier: String,
    /// The carrier's id of the call; empty until it took the call.
    carrier_call_id: String,
    /// Who called whom.
    direction: Direction,
    /// Where it is.
    status: CallStatus,
    /// Why it ended; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<EndReason>,
    /// The agent.
    agent: String,
    /// The caller's number as the carrier gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The number called, as the carrier gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// When it began.
    started_at: Timestamp,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<Timestamp>,
    /// When it ended; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

impl From<CallSummary> for CallLine {
    fn from(call: CallSummary) -> Self {
        Self {
            id: call.id,
            carrier: call.carrier,
            carrier_call_id: call.carrier_call_id,
            direction: call.direction,
            status: call.status,
            end_reason: call.end_reason,
            agent: call.agent,
            from: call.from,
            to: call.to,
            started_at: call.started_at,
            answered_at: call.answered_at,
            ended_at: call.ended_at,
        }
    }
}

/// One call with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallDetail {
    /// The record: who, what was said, what was measured, how it ended.
    #[serde(flatten)]
    pub(crate) record: CallRecord,
    /// Where the recording lies now.
    pub(crate) recording_place: RecordingPlace,
    /// Whether the call is held: nothing of it is taken out.
    pub(crate) held: bool,
    /// Where the call was, one step after the other.
    pub(crate) status_history: Vec<Step>,
    /// How long the caller waited for answers; absent where the agent answered nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<AnswerLatency>,
    /// What was said about the call, oldest first.
    pub(crate) events: Vec<Event>,
    /// Whether there are more events than are shown here; `/api/v1/events` has them.
    pub(crate) events_truncated: bool,
    /// What the carrier sent about the call, oldest first. Numbers in it are masked.
    pub(crate) callbacks: Vec<CallbackView>,
    /// Where there is more.
    pub(crate) links: Links,
}

/// Where a recording lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordingPlace {
    /// With the call's files on the server.
    Here,
    /// With the call's files, and on its way to the bucket.
    OnItsWay,
    /// In the bucket.
    There,
    /// Nowhere: the call runs, and nothing of it was recorded so far.
    NotYet,
    /// Nowhere: the call was not recorded.
    None,
    /// Nowhere: it was erased.
    Erased,
}

impl From<Place> for RecordingPlace {
    fn from(place: Place) -> Self {
        match place {
            Place::Here => Self::Here,
            Place::OnItsWay => Self::OnItsWay,
            Place::There => Self::There,
            Place::NotYet => Self::NotYet,
            Place::None => Self::None,
            Place::Erased => Self::Erased,
        }
    }
}

/// A status that a call came to.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Step {
    /// When, by whoever says it.
    at: Timestamp,
    /// Which status.
    status: CallStatus,
    /// Who says it.
    from: Witness,
}

/// How long the caller waited for the agent's answers, over all of one call, in milliseconds: from the end of the
/// caller's speech to the first sound handed to the carrier. Each turn has its own `latency` with its parts.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct AnswerLatency {
    /// How many answers were measured.
    answers: usize,
    /// Half of them were faster.
    p50_ms: u64,
    /// One in twenty was slower.
    p95_ms: u64,
    /// The slowest.
    max_ms: u64,
}

/// What a carrier sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallbackView {
    /// `status`, `amd`, `recording`, `stream`, `report`, `post_call`.
    kind: String,
    /// When it came.
    received_at: Timestamp,
    /// What it said.
    #[schema(value_type = Object)]
    body: Value,
}

/// Where there is more about a call: paths on this server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Links {
    /// This call.
    #[serde(rename = "self")]
    #[schema(format = "uri-reference")]
    itself: String,
    /// Its events, as they happen.
    #[schema(format = "uri-reference")]
    events: String,
    /// Its recording; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri-reference")]
    recording: Option<String>,
}

impl Links {
    pub(crate) fn of(record: &CallRecord) -> Self {
        let itself = format!("/api/v1/calls/{}", record.id);
        let recording = record.recording.as_ref().map(|_| format!("{itself}/recording"));
        Self { events: format!("/api/v1/events?call={}&since=0", record.id), recording, itself }
    }
}

impl From<InboxEntry> for CallbackView {
    fn from(entry: InboxEntry) -> Self {
        let body = serde_json::from_str(&entry.body).unwrap_or(Value::String(entry.body));
        Self { kind: entry.kind, received_at: entry.received_at, body }
    }
}

/// The steps among events: each change of the call's status.
pub(crate) fn steps(events: &[Event]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for event in events {
        if steps.last().is_none_or(|last| last.status != event.call_status) {
            steps.push(Step { at: event.at, status: event.call_status, from: event.from });
        }
    }
    steps
}

/// The latency of a call's answers.
pub(crate) fn latency(record: &CallRecord) -> Option<AnswerLatency> {
    let mut totals: Vec<u64> =
        record.turns.iter().filter_map(|turn| turn.latency.map(|latency| latency.total_us / 1000)).collect();
    totals.sort_unstable();
    let at = |percent: usize| totals.get((totals.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(AnswerLatency { answers: totals.len(), p50_ms: at(50)?, p95_ms: at(95)?, max_ms: at(100)? })
}

#[cfg(test)]
mod tests {
    use records::{Speaker, TurnLatency, TurnRecord};

    use super::*;

    #[test]
    fn the_latency_of_a_call_is_that_of_its_measured_answers() {
        let mut record = CallRecord::new("call_x", "exotel", Timestamp::UNIX_EPOCH);
        assert_eq!(latency(&record), None);
        for ms in [0, 400, 900, 500].into_iter() {
            record.turns.push(TurnRecord {
                speaker: Speaker::Agent,
                at_ms: 0,
                text: String::new(),
                unheard: String::new(),
                evidence: None,
                latency: (ms > 0).then(|| TurnLatency { total_us: ms * 1000, ..TurnLatency::default() }),
                served_by: std::collections::BTreeMap::new(),
            });
        }
        let expected = AnswerLatency { answers: 3, p50_ms: 500, p95_ms: 900, max_ms: 900 };
        assert_eq!(latency(&record), Some(expected));
    }
}
