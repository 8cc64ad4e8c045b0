//! What may be dialled within a day: counted from the tables, whoever dials at once and whoever is started again.

use records::{Allowance, CallEvent, CallRecord, CallStatus, Fact, Quota, Refusal, Witness};
use store::{CallId, Database, Idempotency, Intent, Which};

use crate::make::{at, id, outbound};
use crate::place::Place;

crate::on_both!(
    the_thousand_and_first_minute_is_refused,
    what_is_not_over_counts_at_its_longest,
    many_at_once_are_never_more_than_allowed,
    the_whole_server_has_a_limit_of_its_own,
    a_request_that_was_made_before_is_known_when_all_is_used_up,
);

const MINUTE: i64 = 60;

fn once(owner: &str, key: &str) -> Idempotency {
    Idempotency { owner: owner.to_owned(), key: key.to_owned(), digest: "d".to_owned() }
}

fn a_key(allowance: Allowance, longest_s: u32) -> Quota {
    Quota { key: allowance, longest_s, ..Quota::default() }
}

/// Wants to dial; the id of the call, or why not.
async fn dial(database: &Database, owner: &str, n: i64, quota: Quota) -> Result<CallId, Refusal> {
    let call = CallId::new(at(n), [7; 10]);
    let asked = database.intend_within(&outbound(call), Some(&once(owner, &n.to_string())), quota).await;
    asked.unwrap().map(|intent| {
        assert_eq!(intent, Intent::New);
        call
    })
}

/// The call was answered then and is over.
async fn lasted(database: &Database, call: CallId, seconds: i64) {
    let begun = call.began();
    let said = |at, status| CallEvent {
        at,
        from: Witness::Carrier,
        fact: Fact::Status { status, reason: None, detail: String::new() },
    };
    let over = begun + jiff::SignedDuration::from_secs(seconds);
    let events = vec![said(begun, CallStatus::InProgress), said(over, CallStatus::Completed)];
    let record: CallRecord = database.apply(&Which::Id(call), events, None).await.unwrap().record.unwrap();
    assert!(record.answered_at.is_some() && record.ended_at.is_some(), "{record:?}");
}

async fn the_thousand_and_first_minute_is_refused(place: Place) {
    let quota = a_key(Allowance { minutes_per_day: 1000, ..Allowance::default() }, 60);
    let mut database = place.open().await;
    let first = dial(&database, "desk", 0, quota).await.unwrap();
    lasted(&database, first, 999 * MINUTE).await;
    // The thousandth may be dialled, and then none, whatever becomes of the process.
    let last = dial(&database, "desk", 1, quota).await.unwrap();
    for restarted in [false, true] {
        if restarted {
            database.close().await;
            database = place.open().await;
        }
        assert_eq!(dial(&database, "desk", 2, quota).await, Err(Refusal::Minutes(1000)), "{restarted}");
        assert!(dial(&database, "other", 3 + i64::from(restarted), quota).await.is_ok(), "another key");
    }
    // It took ten seconds only: still not enough for a whole minute.
    lasted(&database, last, 10).await;
    assert_eq!(dial(&database, "desk", 5, quota).await, Err(Refusal::Minutes(999)));
    let shorter = Quota { longest_s: 50, ..quota };
    assert!(dial(&database, "desk", 6, shorter).await.is_ok());
    // A day later it is a new day.
    let tomorrow = 24 * 60 * MINUTE + 10;
    assert!(dial(&database, "desk", tomorrow, quota).await.is_ok());
}

async fn what_is_not_over_counts_at_its_longest(place: Place) {
    let quota = a_key(Allowance { minutes_per_day: 120, ..Allowance::default() }, 3600);
    let database = place.open().await;
    let first = dial(&database, "desk", 0, quota).await.unwrap();
    let second = dial(&database, "desk", 1, quota).await.unwrap();
    assert_eq!(dial(&database, "desk", 2, quota).await, Err(Refusal::Minutes(120)));
    // Nobody picked up: that is free.
    let fact = Fact::Status { status: CallStatus::Busy, reason: None, detail: String::new() };
    let busy = CallEvent { at: at(9), from: Witness::Carrier, fact };
    database.apply(&Which::Id(first), vec![busy], None).await.unwrap();
    let third = dial(&database, "desk", 3, quota).await.unwrap();
    lasted(&database, second, 60 * MINUTE).await;
    lasted(&database, third, 59 * MINUTE).await;
    assert_eq!(dial(&database, "desk", 4, quota).await, Err(Refusal::Minutes(119)));
}

async fn many_at_once_are_never_more_than_allowed(place: Place) {
    let quota = a_key(Allowance { calls_per_day: 7, ..Allowance::default() }, 60);
    // Two processes.
    let (one, other) = (place.open().await, place.open().await);
    let dials = (0..40).map(|n| {
        let database = if n % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move { dial(&database, "desk", n, quota).await })
    });
    let mut placed = 0;
    for dialled in dials.collect::<Vec<_>>() {
        match dialled.await.unwrap() {
            Ok(_) => placed += 1,
            Err(refusal) => assert_eq!(refusal, Refusal::Calls(7)),
        }
    }
    assert_eq!(placed, 7);
}

async fn the_whole_server_has_a_limit_of_its_own(place: Place) {
    let server = Allowance { calls_per_day: 3, minutes_per_day: 3, ..Allowance::default() };
    let quota = Quota { server, longest_s: 60, ..Quota::default() };
    let database = place.open().await;
    for n in 0..3 {
        dial(&database, &format!("key {n}"), n, quota).await.unwrap();
    }
    assert_eq!(dial(&database, "key 9", 9, quota).await, Err(Refusal::ServerCalls(3)));
    let more = Quota { server: Allowance { calls_per_day: 0, ..server }, ..quota };
    assert_eq!(dial(&database, "key 9", 9, more).await, Err(Refusal::ServerMinutes(3)));
}

async fn a_request_that_was_made_before_is_known_when_all_is_used_up(place: Place) {
    let quota = a_key(Allowance { calls_per_minute: 1, ..Allowance::default() }, 60);
    let database = place.open().await;
    let first = dial(&database, "desk", 0, quota).await.unwrap();
    let again = outbound(id(1, 9));
    let known = database.intend_within(&again, Some(&once("desk", "0")), quota).await.unwrap();
    assert_eq!(known, Ok(Intent::Repeated { call: first, answer: None }));
    // The same intent, whose first commit was not heard of.
    let same = database.intend_within(&outbound(first), Some(&once("desk", "0")), quota).await.unwrap();
    assert_eq!(same, Ok(Intent::New));
    assert_eq!(dial(&database, "desk", 2, quota).await, Err(Refusal::Rate(1)));
    assert!(
        database.call(&Which::Id(CallId::new(at(2), [7; 10]))).await.unwrap().is_none(),
        "nothing is kept"
    );
}
