//! How fast the database is with many calls in it: pages of lists by each filter, and carriers' callbacks at a steady
//! rate. Measured from outside, through what the control plane uses.

use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use records::{
    CallEvent, CallRecord, CallStatus, Direction, EndReason, Fact, Speaker, TurnLatency, TurnRecord, Witness,
};

use crate::{CallFilter, CallId, Database, DatabaseError, InboxEntry, Which};

/// How many fill the database at once.
const AT_ONCE: usize = 256;
/// How many calls a page has.
const PAGE: u32 = 50;
/// How many pages are read of each list, one after the other.
const PAGES: usize = 20;

/// What was measured of one kind of request.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was asked.
    pub name: String,
    /// How often.
    pub count: usize,
    /// Half of the answers came within this.
    pub p50: Duration,
    /// 95 of a hundred came within this.
    pub p95: Duration,
    /// 99 of a hundred came within this.
    pub p99: Duration,
    /// The longest that one took.
    pub longest: Duration,
}

impl Figure {
    fn of(name: impl Into<String>, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        let at = |percent| at(percent).copied().unwrap_or_default();
        Self {
            name: name.into(),
            count: times.len(),
            p50: at(50),
            p95: at(95),
            p99: at(99),
            longest: at(100),
        }
    }
}

/// Puts so many calls in, with turns, over thirty days. Gives how long it took.
pub async fn fill(database: &Database, calls: u32) -> Result<Duration, DatabaseError> {
    let begun = Instant::now();
    let mut running = FuturesUnordered::new();
    for n in 0..calls {
        let call = call(n);
        running.push(async move { database.take_in(&call, call.started_at).await.map(drop) });
        if running.len() >= AT_ONCE {
            running.next().await.transpose()?;
        }
    }
    while running.next().await.transpose()?.is_some() {}
    Ok(begun.elapsed())
}

/// Reads the first pages of a list by each filter.
pub async fn lists(database: &Database) -> Result<Vec<Figure>, DatabaseError> {
    let mut figures = Vec::new();
    for (name, filter) in filters() {
        let (mut times, mut after) = (Vec::new(), None);
        for _ in 0..PAGES {
            let begun = Instant::now();
            let page = database.calls(&filter, after, PAGE).await?;
            times.push(begun.elapsed());
            after = page.last().and_then(|call| call.id.parse().ok());
            if page.len() < PAGE as usize {
                after = None;
            }
        }
        figures.push(Figure::of(name, times));
    }
    Ok(figures)
}

/// Sends callbacks at a steady rate for so long, each about another call, and measures how long each takes from when it
/// was due.
pub async fn callbacks(database: &Database, a_second: u32, seconds: u32) -> Result<Figure, DatabaseError> {
    let count = a_second * seconds;
    for n in 0..count {
        let mut call = call(n);
        call.id = fresh(n).to_string();
        call.carrier_call_id = format!("CB{n}");
        (call.status, call.ended_at, call.end_reason) = (CallStatus::Queued, None, None);
        call.turns.clear();
        database.intend(&call, None).await?;
    }
    let begun = tokio::time::Instant::now();
    let mut running = FuturesUnordered::new();
    let mut times = Vec::new();
    for n in 0..count {
        let due = begun + Duration::from_secs(1) * n / a_second;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => break,
                Some(time) = running.next() => times.push(time),
            }
        }
        running.push(async move { callback(database, n).await.map(|()| due.elapsed()) });
    }
    while let Some(time) = running.next().await {
        times.push(time);
    }
    let times: Result<Vec<Duration>, DatabaseError> = times.into_iter().collect();
    Ok(Figure::of(format!("{a_second} status callbacks a second"), times?))
}

async fn callback(database: &Database, n: u32) -> Result<(), DatabaseError> {
    let at = began(n);
    let status = if n.is_multiple_of(2) { CallStatus::Ringing } else { CallStatus::Completed };
    let event = CallEvent {
        at,
        from: Witness::Carrier,
        fact: Fact::Status { status, reason: None, detail: String::new() },
    };
    let entry = InboxEntry {
        carrier: carrier(n).to_owned(),
        kind: "status".to_owned(),
        key: format!("{}-{n}", status.as_str()),
        received_at: at,
        body: format!(
            "{{\"CallStatus\":\"{status}\",\"SequenceNumber\":{n},\"Direction\":\"outbound-api\"}}"
        ),
    };
    let which = Which::Carrier { carrier: carrier(n).to_owned(), id: format!("CB{n}") };
    database.apply(&which, vec![event], Some(entry)).await.map(drop)
}

fn filters() -> Vec<(&'static str, CallFilter)> {
    let every = CallFilter::default;
    let (from, until) = (Some(began(30_000)), Some(began(60_000)));
    vec![
        ("all calls", every()),
        ("status completed", CallFilter { statuses: vec![CallStatus::Completed], ..every() }),
        ("status busy", CallFilter { statuses: vec![CallStatus::Busy], ..every() }),
        ("every final status", CallFilter { statuses: CallStatus::ALL[4..].to_vec(), ..every() }),
        ("end reason idle_timeout", CallFilter { end_reason: Some(EndReason::IdleTimeout), ..every() }),
        ("direction outbound", CallFilter { direction: Some(Direction::Outbound), ..every() }),
        ("carrier exotel", CallFilter { carrier: Some("exotel".to_owned()), ..every() }),
        ("agent night", CallFilter { agent: Some("night".to_owned()), ..every() }),
        ("a number", CallFilter { number: Some(number(7)), ..every() }),
        ("a number of nobody", CallFilter { number: Some("+918000000002".to_owned()), ..every() }),
        ("a span of time", CallFilter { from, until, ..every() }),
        (
            "outbound, night, busy, in a span",
            CallFilter {
                direction: Some(Direction::Outbound),
                agent: Some("night".to_owned()),
                statuses: vec![CallStatus::Busy],
                from,
                until,
                ..every()
            },
        ),
        (
            "inbound, completed, idle_timeout: none at all",
            CallFilter {
                direction: Some(Direction::Inbound),
                carrier: Some("exotel".to_owned()),
                statuses: vec![CallStatus::Busy],
                end_reason: Some(EndReason::IdleTimeout),
                ..every()
            },
        ),
    ]
}

fn began(n: u32) -> Timestamp {
    // 100,000 calls in thirty days.
    Timestamp::UNIX_EPOCH
        + SignedDuration::from_secs(1_790_000_000)
        + SignedDuration::from_secs(26) * n.cast_signed()
}

fn fresh(n: u32) -> CallId {
    CallId::new(began(n), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
}

fn carrier(n: u32) -> &'static str {
    if n.is_multiple_of(4) { "exotel" } else { "twilio" }
}

/// One of a thousand.
fn number(n: u32) -> String {
    format!("+1555010{:04}", n % 1000)
}

fn call(n: u32) -> CallRecord {
    let at = began(n);
    let mut random = [0; 10];
    random[..4].copy_from_slice(&n.to_be_bytes());
    let id = CallId::new(at, random).to_string();
    let reason = match n % 100 {
        0..5 => EndReason::Busy,
        5..8 => EndReason::NoAnswer,
        8..10 => EndReason::CarrierFailed,
        10..12 => EndReason::IdleTimeout,
        12..40 => EndReason::AgentEnded,
        _ => EndReason::CallerHungUp,
    };
    CallRecord {
        carrier_call_id: format!("CA{n}"),
        direction: if n.is_multiple_of(3) { Direction::Outbound } else { Direction::Inbound },
        agent: if n.is_multiple_of(50) { "night" } else { "desk" }.to_owned(),
        from: Some(number(n)),
        to: Some("+12025550123".to_owned()),
        status: reason.status(),
        ended_at: Some(at + SignedDuration::from_secs(90)),
        end_reason: Some(reason),
        turns: (0..6).map(turn).collect(),
        ..CallRecord::new(id, carrier(n), at)
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
