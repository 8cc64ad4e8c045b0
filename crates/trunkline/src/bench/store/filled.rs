//! A database with many calls in it: thirty days of them, each with what was said.

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use records::{CallRecord, CallStatus, Direction, EndReason, Speaker, TurnLatency, TurnRecord};
use store::{CallId, Database, DatabaseError};

/// How many are put in at once: they share the database's transactions.
const AT_ONCE: usize = 256;
/// From one call to the next: 100,000 of them in thirty days, the last on 2026-10-21.
const APART: SignedDuration = SignedDuration::from_secs(26);
/// When the first began, in seconds since 1970.
const FIRST: i64 = 1_790_000_000;
/// So many calls, the oldest, were an agent's that is not there any more.
const OF_LONG_AGO: u32 = 20;

/// A call that is dialled and of which its carrier has told nothing yet.
#[derive(Debug, Clone)]
pub(super) struct Dialled {
    pub(super) id: String,
    pub(super) carrier_call_id: String,
    pub(super) is_exotel: bool,
}

/// Puts so many calls in that are over.
pub(super) async fn put_in(database: &Database, calls: u32) -> Result<(), DatabaseError> {
    let mut running = FuturesUnordered::new();
    for n in 0..calls {
        let call = call(n);
        running.push(async move { database.take_in(&call, call.started_at).await.map(drop) });
        if running.len() >= AT_ONCE {
            running.next().await.transpose()?;
        }
    }
    while running.next().await.transpose()?.is_some() {}
    Ok(())
}

/// Keeps so many calls that are dialled just now, by turns over either carrier.
pub(super) async fn dial(database: &Database, calls: u32) -> Result<Vec<Dialled>, DatabaseError> {
    let now = Timestamp::now();
    let mut running = FuturesUnordered::new();
    let mut dialled = Vec::new();
    for n in 0..calls {
        let is_exotel = n % 2 == 1;
        let record = CallRecord {
            carrier_call_id: format!("{}{n:032x}", if is_exotel { "" } else { "CA" }),
            direction: Direction::Outbound,
            agent: "desk".to_owned(),
            from: Some("+12025550123".to_owned()),
            to: Some("+919800000001".to_owned()),
            status: CallStatus::Queued,
            ..CallRecord::new(
                CallId::new(now, random(n)).to_string(),
                if is_exotel { "exotel" } else { "twilio" },
                now,
            )
        };
        dialled.push(Dialled {
            id: record.id.clone(),
            carrier_call_id: record.carrier_call_id.clone(),
            is_exotel,
        });
        running.push(async move { database.intend(&record, None).await.map(drop) });
        if running.len() >= AT_ONCE {
            running.next().await.transpose()?;
        }
    }
    while running.next().await.transpose()?.is_some() {}
    Ok(dialled)
}

/// The part of an id that tells calls of one millisecond apart.
fn random(n: u32) -> [u8; 10] {
    let mut random = [0; 10];
    random[..4].copy_from_slice(&n.to_be_bytes());
    random
}

fn call(n: u32) -> CallRecord {
    let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(FIRST) + APART * n.cast_signed();
    let reason = match n % 100 {
        0..5 => EndReason::Busy,
        5..8 => EndReason::NoAnswer,
        8..10 => EndReason::CarrierFailed,
        10..12 => EndReason::IdleTimeout,
        12..40 => EndReason::AgentEnded,
        _ => EndReason::CallerHungUp,
    };
    let agent = match n {
        0..OF_LONG_AGO => "retired",
        _ if n.is_multiple_of(50) => "night",
        _ => "desk",
    };
    CallRecord {
        carrier_call_id: format!("CA{n}"),
        direction: if n.is_multiple_of(3) { Direction::Outbound } else { Direction::Inbound },
        agent: agent.to_owned(),
        // One of a thousand.
        from: Some(format!("+1555010{:04}", n % 1000)),
        to: Some("+12025550123".to_owned()),
        status: reason.status(),
        ended_at: Some(at + SignedDuration::from_secs(90)),
        end_reason: Some(reason),
        turns: (0..6).map(turn).collect(),
        ..CallRecord::new(
            CallId::new(at, random(n)).to_string(),
            if n.is_multiple_of(4) { "exotel" } else { "twilio" },
            at,
        )
    }
}

fn turn(n: u64) -> TurnRecord {
    let is_agent = n % 2 == 1;
    TurnRecord {
        speaker: if is_agent { Speaker::Agent } else { Speaker::Caller },
        at_ms: n * 4000,
        text: "Yes, the delivery is planned for tomorrow between nine and eleven in the morning.".to_owned(),
        unheard: String::new(),
        evidence: is_agent.then(|| "mark".to_owned()),
        latency: is_agent.then(|| TurnLatency { total_us: 640_000, ..TurnLatency::default() }),
        served_by: [("language_model".to_owned(), "openai (http)".to_owned())].into(),
    }
}
