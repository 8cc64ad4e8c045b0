//! Calls, words about them and callbacks, as the tests need them.

use jiff::{SignedDuration, Timestamp};
use records::{
    CallEvent, CallRecord, CallStatus, Direction, EndReason, Fact, Speaker, TurnLatency, TurnRecord, Witness,
};
use store::{CallId, InboxEntry, Which};

/// So many seconds after the tests' noon.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    noon + SignedDuration::from_secs(seconds)
}

pub(crate) fn id(seconds: i64, n: u8) -> CallId {
    CallId::new(at(seconds), [n; 10])
}

/// A call that is about to be dialled.
pub(crate) fn outbound(id: CallId) -> CallRecord {
    CallRecord {
        direction: Direction::Outbound,
        agent: "sales".into(),
        from: Some("+12025550123".into()),
        to: Some("+919876543210".into()),
        ..CallRecord::new(id.to_string(), "twilio", id.began())
    }
}

/// A call as the media socket's side has it, live.
pub(crate) fn live(id: CallId, carrier_call_id: &str) -> CallRecord {
    CallRecord {
        carrier_call_id: carrier_call_id.into(),
        agent: "desk".into(),
        from: Some("+919800000001".into()),
        to: Some("+918000000002".into()),
        sample_rate: 8000,
        ..CallRecord::new(id.to_string(), "twilio", id.began())
    }
}

/// The same, over.
pub(crate) fn over(id: CallId, carrier_call_id: &str) -> CallRecord {
    let mut record = live(id, carrier_call_id);
    record.ended_at = Some(id.began() + SignedDuration::from_secs(30));
    record.end_reason = Some(EndReason::CallerHungUp);
    record.counters.frames_in = 1500;
    record.recording = Some("recording.wav".into());
    record.turns =
        vec![turn(Speaker::Caller, "what is the time", None), turn(Speaker::Agent, "noon", Some(7))];
    record
}

fn turn(speaker: Speaker, text: &str, total: Option<u64>) -> TurnRecord {
    TurnRecord {
        speaker,
        at_ms: 1000,
        text: text.into(),
        unheard: String::new(),
        evidence: None,
        latency: total.map(|total_us| TurnLatency { total_us, model_us: total_us, ..TurnLatency::default() }),
        served_by: [("language_model".to_owned(), "openai (http)".to_owned())].into(),
    }
}

pub(crate) fn event(at: Timestamp, fact: Fact) -> CallEvent {
    CallEvent { at, from: Witness::Carrier, fact }
}

pub(crate) fn status(at: Timestamp, status: CallStatus) -> CallEvent {
    event(at, Fact::Status { status, reason: None, detail: String::new() })
}

pub(crate) fn callback(key: &str, at: Timestamp) -> InboxEntry {
    InboxEntry {
        carrier: "twilio".into(),
        kind: "status".into(),
        key: key.into(),
        received_at: at,
        body: format!("{{\"key\":\"{key}\"}}"),
    }
}

/// By the carrier's id.
pub(crate) fn sid(sid: &str) -> Which {
    Which::Carrier { carrier: "twilio".into(), id: sid.into() }
}
