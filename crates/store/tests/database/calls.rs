//! Calls: kept before they are dialled, moved by what is said of them, found again.

use std::time::Duration;

use records::{CallStatus, Change, Direction, EndReason, Fact, Witness};
use store::{CallFilter, CallId, Database, Idempotency, Intent, Which};

use crate::make::{at, callback, event, id, live, outbound, over, sid, status};
use crate::place::Place;

crate::on_both!(
    an_intent_is_kept_once,
    a_call_moves_and_says_so,
    words_wait_for_their_call,
    the_media_sides_record_joins_the_dials,
    two_folders_of_one_call_are_one_call,
    lists_find_by_each_filter_and_page,
    unfinished_calls_are_found_oldest_first,
    many_at_once_all_count,
    it_is_all_there_after_a_restart,
);

fn once(key: &str, digest: &str) -> Idempotency {
    Idempotency { owner: "key_1".into(), key: key.into(), digest: digest.into() }
}

async fn an_intent_is_kept_once(place: Place) {
    let database = place.open().await;
    let (first, second) = (outbound(id(0, 1)), outbound(id(0, 2)));
    let asked = once("order-7", "d1");
    assert!(matches!(database.intend(&first, Some(&asked)).await.unwrap(), Intent::New));
    let repeated = database.intend(&second, Some(&asked)).await.unwrap();
    assert!(matches!(repeated, Intent::Repeated { call, answer: None } if call == id(0, 1)), "{repeated:?}");
    database.answer(&asked, 201, "{\"id\":1}").await.unwrap();
    let repeated = database.intend(&second, Some(&asked)).await.unwrap();
    assert!(
        matches!(&repeated, Intent::Repeated { answer: Some((201, body)), .. } if body == "{\"id\":1}"),
        "{repeated:?}"
    );
    let other = once("order-7", "d2");
    assert!(matches!(database.intend(&second, Some(&other)).await.unwrap(), Intent::Different));
    let elsewhere = Idempotency { owner: "key_2".into(), ..asked };
    assert!(matches!(database.intend(&second, Some(&elsewhere)).await.unwrap(), Intent::New));
    // Whoever did not hear of the first answer asks with the same call, and is told the same.
    assert!(matches!(database.intend(&second, Some(&elsewhere)).await.unwrap(), Intent::New));
    assert_eq!(database.call(&Which::Id(id(0, 1))).await.unwrap(), Some(first));
    assert_eq!(database.calls(&CallFilter::default(), None, 10).await.unwrap().len(), 2);
}

async fn a_call_moves_and_says_so(place: Place) {
    let database = place.open().await;
    let call = id(0, 1);
    let mut news = database.subscribe();
    let before = *news.borrow_and_update();
    database.intend(&outbound(call), None).await.unwrap();
    let which = Which::Id(call);
    let named = event(at(1), Fact::CarrierCall { id: "CA1".into() });
    let applied = database.apply(&which, vec![named], None).await.unwrap();
    assert_eq!(applied.changes, [Change::Facts]);
    let ringing = vec![status(at(2), CallStatus::Ringing)];
    let applied = database.apply(&sid("CA1"), ringing.clone(), Some(callback("k1", at(2)))).await.unwrap();
    assert_eq!(applied.changes, [Change::Moved { from: CallStatus::Queued }]);
    let applied = database.apply(&sid("CA1"), ringing, Some(callback("k1", at(3)))).await.unwrap();
    assert!(applied.is_repeated && applied.changes.is_empty());
    assert_eq!(applied.record.unwrap().status, CallStatus::Ringing);
    let words = vec![status(at(9), CallStatus::Completed), event(at(9), Fact::Duration { seconds: 6 })];
    let applied = database.apply(&sid("CA1"), words, Some(callback("k2", at(9)))).await.unwrap();
    assert_eq!(applied.changes, [Change::Ended { from: CallStatus::Ringing }, Change::Facts]);

    let kept = database.events(Some(call), 0, 100).await.unwrap();
    let seen: Vec<_> = kept.iter().map(|event| event.status).collect();
    assert_eq!(
        seen,
        [
            CallStatus::Queued,
            CallStatus::Queued,
            CallStatus::Ringing,
            CallStatus::Completed,
            CallStatus::Completed
        ]
    );
    assert!(kept.windows(2).all(|two| two[0].seq < two[1].seq));
    tokio::time::timeout(Duration::from_secs(30), news.wait_for(|seq| *seq >= kept[4].seq))
        .await
        .unwrap()
        .unwrap();
    assert!(kept[0].seq > before);
    let rest = database.events(None, kept[2].seq, 100).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.seq).collect::<Vec<_>>(), [kept[3].seq, kept[4].seq]);
    let keys: Vec<_> = database.callbacks(call).await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["k1", "k2"]);
    let row = &database.calls(&CallFilter::default(), None, 1).await.unwrap()[0];
    assert_eq!((row.status, row.end_reason), (CallStatus::Completed, Some(EndReason::CarrierCompleted)));
    assert_eq!((row.carrier_call_id.as_str(), row.ended_at), ("CA1", Some(at(9))));
}

async fn words_wait_for_their_call(place: Place) {
    let database = place.open().await;
    let call = id(0, 1);
    // By the carrier's id, before the answer to the dial told it; by ours, before the row.
    let early = vec![status(at(2), CallStatus::Ringing)];
    let applied = database.apply(&sid("CA1"), early, Some(callback("k1", at(2)))).await.unwrap();
    assert!(applied.record.is_none() && !applied.is_repeated);
    let later = vec![event(at(3), Fact::Recording { url: "https://api.example/r1".into() })];
    database.apply(&Which::Id(call), later, Some(callback("k2", at(3)))).await.unwrap();
    let again = database.apply(&sid("CA1"), Vec::new(), Some(callback("k1", at(4)))).await.unwrap();
    assert!(again.is_repeated && again.record.is_none());
    let other = vec![status(at(2), CallStatus::Failed)];
    database.apply(&sid("CA2"), other, None).await.unwrap();

    database.intend(&outbound(call), None).await.unwrap();
    let record = database.call(&Which::Id(call)).await.unwrap().unwrap();
    assert_eq!((record.status, record.carrier_recordings.len()), (CallStatus::Queued, 1));
    let named = event(at(1), Fact::CarrierCall { id: "CA1".into() });
    let applied = database.apply(&Which::Id(call), vec![named], None).await.unwrap();
    assert_eq!(applied.record.unwrap().status, CallStatus::Ringing);
    let keys: Vec<_> = database.callbacks(call).await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["k1", "k2"]);
    // Once is enough.
    let record = database.take_in(&live(call, "CA1"), at(5)).await.unwrap().record.unwrap();
    assert_eq!(record.status, CallStatus::InProgress);
}

async fn the_media_sides_record_joins_the_dials(place: Place) {
    let database = place.open().await;
    let call = id(0, 1);
    database.intend(&outbound(call), None).await.unwrap();
    let applied = database.take_in(&over(call, "CA1"), at(40)).await.unwrap();
    assert_eq!(applied.changes, [Change::Ended { from: CallStatus::Queued }]);
    let record = database.call(&sid("CA1")).await.unwrap().unwrap();
    assert_eq!((record.direction, record.turns.len()), (Direction::Outbound, 2));
    assert_eq!(record.end_reason, Some(EndReason::CallerHungUp));
    let applied = database.take_in(&over(call, "CA1"), at(40)).await.unwrap();
    assert_eq!(applied.changes, [Change::Nothing]);
    let kept = database.events(Some(call), 0, 10).await.unwrap();
    let Fact::Talk { record } = &kept[1].event.fact else { panic!("{kept:?}") };
    assert_eq!((kept.len(), record.turns.len()), (2, 0), "what was said is kept once");
    assert_eq!(kept[1].event.from, Witness::Socket);
}

async fn two_folders_of_one_call_are_one_call(place: Place) {
    let database = place.open().await;
    let (first, second) = (id(0, 1), id(5, 2));
    let mut cut = over(first, "CA1");
    cut.end_reason = Some(EndReason::ServerDied);
    database.take_in(&cut, at(5)).await.unwrap();
    let mut long = over(second, "CA1");
    long.counters.frames_in = 9000;
    long.agent = "night".into();
    database.take_in(&long, at(60)).await.unwrap();
    let record = database.call(&Which::Id(second)).await.unwrap().unwrap();
    assert_eq!((record.id.as_str(), record.agent.as_str()), (&*first.to_string(), "night"));
    assert_eq!(database.calls(&CallFilter::default(), None, 10).await.unwrap().len(), 1);
    assert!(!database.events(Some(second), 0, 10).await.unwrap().is_empty());
}

async fn fill(database: &Database) {
    for n in 0..10u8 {
        let call = id(i64::from(n), n);
        let mut record =
            if n % 2 == 0 { over(call, &format!("CA{n}")) } else { live(call, &format!("CA{n}")) };
        if n == 4 {
            record.end_reason = Some(EndReason::IdleTimeout);
            record.to = record.from.clone();
        }
        if n == 7 {
            record.carrier = "exotel".into();
            record.direction = Direction::Outbound;
            record.agent = "night".into();
        }
        database.take_in(&record, at(100)).await.unwrap();
    }
}

async fn lists_find_by_each_filter_and_page(place: Place) {
    let database = place.open().await;
    fill(&database).await;
    let every = CallFilter::default;
    let all: Vec<u8> = (0..10).rev().collect();
    let cases: Vec<(CallFilter, Vec<u8>)> = vec![
        (every(), all.clone()),
        (CallFilter { statuses: vec![CallStatus::InProgress], ..every() }, vec![9, 7, 5, 3, 1]),
        (
            CallFilter { statuses: vec![CallStatus::InProgress, CallStatus::Completed], ..every() },
            all.clone(),
        ),
        (CallFilter { statuses: vec![CallStatus::Busy], ..every() }, vec![]),
        (CallFilter { end_reason: Some(EndReason::IdleTimeout), ..every() }, vec![4]),
        (CallFilter { direction: Some(Direction::Outbound), ..every() }, vec![7]),
        (CallFilter { carrier: Some("exotel".into()), ..every() }, vec![7]),
        (CallFilter { agent: Some("night".into()), ..every() }, vec![7]),
        (CallFilter { number: Some("+919800000001".into()), ..every() }, all.clone()),
        (CallFilter { number: Some("+918000000002".into()), ..every() }, vec![9, 8, 7, 6, 5, 3, 2, 1, 0]),
        (CallFilter { from: Some(at(3)), until: Some(at(6)), ..every() }, vec![5, 4, 3]),
        (CallFilter { from: Some(at(3)), agent: Some("night".into()), ..every() }, vec![7]),
    ];
    for (filter, wanted) in cases {
        let wanted: Vec<CallId> = wanted.into_iter().map(|n| id(i64::from(n), n)).collect();
        for limit in [1, 2, 3, 50] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = database.calls(&filter, after, limit).await.unwrap();
                let ids: Vec<CallId> = page.iter().map(|call| call.id.parse().unwrap()).collect();
                found.extend_from_slice(&ids);
                if ids.len() < limit as usize {
                    break;
                }
                after = ids.last().copied();
            }
            assert_eq!(found, wanted, "{filter:?}, {limit} a page");
        }
    }
}

async fn unfinished_calls_are_found_oldest_first(place: Place) {
    let database = place.open().await;
    fill(&database).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = database.unfinished(at(7), after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.started_at, last.id.parse().unwrap()));
        found.extend(page.into_iter().map(|call| call.id));
    }
    let all = database.unfinished(at(7), None, 50).await.unwrap();
    assert_eq!(found, all.into_iter().map(|call| call.id).collect::<Vec<_>>());
    assert_eq!((found.len(), &found[..2]), (3, &[id(1, 1).to_string(), id(3, 3).to_string()][..]));
}

async fn many_at_once_all_count(place: Place) {
    let database = place.open().await;
    let calls: Vec<CallId> = (0..20).map(|n| id(i64::from(n), n)).collect();
    for call in &calls {
        database.intend(&outbound(*call), None).await.unwrap();
    }
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..400_i64 {
        let (database, call) = (database.clone(), calls[usize::try_from(n % 20).unwrap()]);
        tasks.spawn(async move {
            // Each twice, as carriers send them.
            let words = vec![event(at(n), Fact::Recording { url: format!("https://api.example/{n}") })];
            let entry = callback(&format!("k{}", n / 2), at(n));
            database.apply(&Which::Id(call), words, Some(entry)).await.unwrap().is_repeated
        });
    }
    let repeated = tasks.join_all().await.into_iter().filter(|is| *is).count();
    assert_eq!(repeated, 200);
    let events = database.events(None, 0, 1000).await.unwrap();
    assert_eq!(events.len(), 220);
    let mut recordings = 0;
    for call in &calls {
        recordings += database.call(&Which::Id(*call)).await.unwrap().unwrap().carrier_recordings.len();
    }
    assert_eq!(recordings, 200);
}

async fn it_is_all_there_after_a_restart(place: Place) {
    let database = place.open().await;
    database.take_in(&over(id(0, 1), "CA1"), at(40)).await.unwrap();
    let seq = *database.subscribe().borrow();
    database.close().await;
    assert!(database.ping().await.is_err());
    let database = place.open().await;
    database.ping().await.unwrap();
    assert!(database.call(&sid("CA1")).await.unwrap().is_some());
    assert_eq!(*database.subscribe().borrow(), seq);
}
