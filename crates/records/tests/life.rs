//! A call's life: words about it in every order, any number of times, end in the same record.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use records::{
    AnsweredBy, CallEvent, CallRecord, CallStatus, Change, Direction, EndReason, Fact, Price, Speaker,
    TurnRecord, Witness,
};

fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn call() -> CallRecord {
    CallRecord { direction: Direction::Outbound, ..CallRecord::new("call_1", "twilio", at(0)) }
}

fn status(seconds: i64, from: Witness, status: CallStatus) -> CallEvent {
    let fact = Fact::Status { status, reason: None, detail: String::new() };
    CallEvent { at: at(seconds), from, fact }
}

fn talk(seconds: i64, words: &[&str], ended: Option<EndReason>) -> CallEvent {
    let turn = |text: &&str| TurnRecord {
        speaker: Speaker::Caller,
        at_ms: 0,
        text: (*text).to_owned(),
        unheard: String::new(),
        evidence: None,
        latency: None,
        served_by: BTreeMap::new(),
    };
    let mut record = CallRecord {
        agent: "assistant".to_owned(),
        sample_rate: 8_000,
        turns: words.iter().map(turn).collect(),
        end_reason: ended,
        ended_at: ended.map(|_| at(seconds)),
        ..CallRecord::new("call_1", "twilio", at(3))
    };
    record.counters.frames_in = words.len() as u64;
    CallEvent { at: at(seconds), from: Witness::Socket, fact: Fact::Talk { record: Box::new(record) } }
}

fn after(events: impl IntoIterator<Item = CallEvent>) -> CallRecord {
    let mut record = call();
    for event in events {
        record.apply(event);
    }
    record
}

#[test]
fn a_call_goes_its_way() {
    use CallStatus::{Completed, InProgress, Initiated, Ringing};
    let mut record = call();
    let mut tell = |event| record.apply(event);
    assert_eq!(tell(status(1, Witness::Carrier, Initiated)), Change::Moved { from: CallStatus::Queued });
    assert_eq!(tell(status(2, Witness::Carrier, Ringing)), Change::Moved { from: Initiated });
    assert_eq!(tell(status(2, Witness::Carrier, Ringing)), Change::Nothing);
    assert_eq!(tell(status(3, Witness::Carrier, InProgress)), Change::Moved { from: Ringing });
    assert_eq!(tell(status(2, Witness::Carrier, Initiated)), Change::Nothing);
    let said = talk(9, &["hello"], Some(EndReason::CallerHungUp));
    assert_eq!(tell(said), Change::Ended { from: InProgress });
    // The carrier's word comes after ours and says the same; what it alone knows is added.
    assert_eq!(tell(status(10, Witness::Carrier, Completed)), Change::Facts);
    let duration = CallEvent { at: at(10), from: Witness::Carrier, fact: Fact::Duration { seconds: 7 } };
    assert_eq!(tell(duration.clone()), Change::Facts);
    assert_eq!(tell(duration), Change::Nothing);
    assert_eq!(tell(status(11, Witness::Carrier, Ringing)), Change::Nothing);
    assert_eq!((record.status, record.end_reason), (Completed, Some(EndReason::CallerHungUp)));
    assert_eq!((record.ended_at, record.answered_at), (Some(at(9)), Some(at(3))));
    assert_eq!(record.duration_s, Some(7));
}

#[test]
fn a_call_that_was_handed_on_lives_until_its_carrier_says_that_it_is_over() {
    let mut handed_on = talk(9, &["hello"], Some(EndReason::Transferred));
    if let Fact::Talk { record } = &mut handed_on.fact {
        record.status = CallStatus::InProgress;
    }
    let ours = CallEvent {
        at: at(50),
        from: Witness::Socket,
        fact: Fact::Status {
            status: CallStatus::Completed,
            reason: Some(EndReason::Transferred),
            detail: "sales: completed".to_owned(),
        },
    };
    let theirs = status(51, Witness::Carrier, CallStatus::Completed);
    let mut record = after([handed_on.clone()]);
    assert_eq!((record.status, record.end_reason), (CallStatus::InProgress, Some(EndReason::Transferred)));
    assert_eq!(record.apply(ours.clone()), Change::Ended { from: CallStatus::InProgress });
    assert_eq!((record.end_reason, record.ended_at), (Some(EndReason::Transferred), Some(at(50))));
    // In every order the same, and the carrier alone is enough.
    let mut ends = Vec::new();
    for order in [
        [&handed_on, &ours, &theirs],
        [&handed_on, &theirs, &ours],
        [&ours, &handed_on, &theirs],
        [&ours, &theirs, &handed_on],
        [&theirs, &ours, &handed_on],
        [&theirs, &handed_on, &ours],
    ] {
        ends.push(after(order.map(Clone::clone)));
    }
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:#?}");
    assert_eq!((ends[0].status, ends[0].end_reason), (CallStatus::Completed, Some(EndReason::Transferred)));
    let by_carrier = after([handed_on, theirs]);
    assert_eq!(
        (by_carrier.status, by_carrier.end_reason),
        (CallStatus::Completed, Some(EndReason::Transferred))
    );
    // A carrier whose flow goes on without us says nothing more: that call is over for us.
    assert_eq!(after([talk(9, &["hello"], Some(EndReason::Transferred))]).status, CallStatus::Completed);
}

#[test]
fn a_better_witness_corrects_the_end_and_a_worse_one_does_not() {
    let stale = CallEvent {
        at: at(2_000),
        from: Witness::Sweep,
        fact: Fact::Status {
            status: CallStatus::Failed,
            reason: Some(EndReason::Stale),
            detail: "no sign of life for 31 min".to_owned(),
        },
    };
    let busy = status(4, Witness::Carrier, CallStatus::Busy);
    let mut record = call();
    assert_eq!(record.apply(stale.clone()), Change::Ended { from: CallStatus::Queued });
    assert_eq!(record.end_reason, Some(EndReason::Stale));
    assert_eq!(record.apply(busy), Change::Corrected { from: CallStatus::Failed });
    assert_eq!((record.status, record.end_reason), (CallStatus::Busy, Some(EndReason::Busy)));
    assert_eq!(record.apply(stale), Change::Nothing);
}

#[test]
fn an_event_reads_back_from_json() {
    for event in [
        status(1, Witness::Sweep, CallStatus::Failed),
        talk(2, &["a"], None),
        CallEvent { at: at(0), from: Witness::Carrier, fact: Fact::AnsweredBy { by: AnsweredBy::Human } },
    ] {
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<CallEvent>(&text).unwrap(), event, "{text}");
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    let any_status = (
        select(CallStatus::ALL.to_vec()),
        proptest::option::of(select(EndReason::ALL.to_vec())),
        select(vec!["", "13224", "no answer"]),
    )
        .prop_map(|(status, reason, detail)| Fact::Status {
            status,
            // Nobody gives a reason for an end that is none.
            reason: reason.filter(|_| status.is_final()),
            detail: detail.to_owned(),
        });
    let texts = || select(vec!["", "a", "b"]).prop_map(str::to_owned);
    prop_oneof![
        6 => any_status,
        1 => texts().prop_map(|id| Fact::CarrierCall { id }),
        1 => (0..3_u32).prop_map(|seconds| Fact::Duration { seconds }),
        1 => (0..3_i64, texts()).prop_map(|(when, amount)| Fact::Price {
            price: Price { at: at(when), amount, currency: "USD".to_owned() }
        }),
        1 => texts().prop_map(|url| Fact::Recording { url }),
        1 => select(vec![AnsweredBy::Unknown, AnsweredBy::Human, AnsweredBy::MachineBeep])
            .prop_map(|by| Fact::AnsweredBy { by }),
        1 => (texts(), texts()).prop_map(|(name, value)| Fact::Report { fields: [(name, value)].into() }),
        1 => (texts(), texts()).prop_map(|(name, value)| Fact::AgentReport { fields: [(name, value)].into() }),
    ]
}

fn event() -> impl Strategy<Value = CallEvent> {
    let from = select(vec![Witness::Sweep, Witness::Socket, Witness::Carrier]);
    let others =
        (0..4_i64, from, fact()).prop_map(|(when, from, fact)| CallEvent { at: at(when), from, fact });
    let reasons = proptest::option::of(select(EndReason::ALL.to_vec()));
    let talks = (0..4_i64, 0..3_usize, reasons)
        .prop_map(|(when, words, ended)| talk(when, &["one", "two", "three"][..words], ended));
    prop_oneof![8 => others, 2 => talks]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn words_in_any_order_and_any_number_make_the_same_record(
        events in proptest::collection::vec(event(), 1..8),
        doubled in proptest::collection::vec(any::<Index>(), 0..4),
        order in proptest::collection::vec(any::<u32>(), 12),
    ) {
        let mut told = events.clone();
        told.extend(doubled.iter().map(|index| events[index.index(events.len())].clone()));
        let mut shuffled: Vec<(u32, CallEvent)> = order.into_iter().zip(told).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<CallEvent> = shuffled.into_iter().map(|(_, event)| event).collect();
        prop_assert_eq!(after(events), after(shuffled));
    }

    #[test]
    fn a_final_state_is_never_left_for_one_that_is_not(events in proptest::collection::vec(event(), 1..12)) {
        let mut record = call();
        for event in events {
            let before = record.clone();
            let change = record.apply(event);
            prop_assert!(!before.status.is_final() || record.status.is_final());
            prop_assert_eq!(change == Change::Nothing, before == record);
            prop_assert_eq!(record.status.is_final(), record.end_reason.is_some() && record.ended_at.is_some());
        }
    }
}
