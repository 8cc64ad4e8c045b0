//! What is old goes, and nothing else.

use std::time::Duration;

use jiff::Timestamp;
use records::CallStatus;
use store::jobs::{self, Handlers, JobError, JobState, NewJob};
use store::{CallFilter, Database, Idempotency, Intent, Purged, TooOld, Which};
use tokio_util::sync::CancellationToken;

use crate::jobs::quick;
use crate::make::{at, callback, id, live, outbound, sid, status};
use crate::place::Place;

crate::on_both!(what_is_old_goes_and_nothing_else, much_of_it_goes_in_parts);

const DAY: i64 = 86_400;

fn far() -> Timestamp {
    at(10_000 * DAY)
}

fn all_before(at: Timestamp) -> TooOld {
    TooOld { idempotency_keys: at, waiting: at, done_jobs: at, given_up_jobs: at, refusals: at }
}

fn once(key: &str) -> Idempotency {
    Idempotency { owner: "key_1".to_owned(), key: key.to_owned(), digest: "d".to_owned() }
}

async fn place_a_call(database: &Database, seconds: i64, key: &str) {
    let call = outbound(id(seconds, 1));
    assert!(matches!(database.intend(&call, Some(&once(key))).await.unwrap(), Intent::New));
    database.answer(&once(key), 201, "{}").await.unwrap();
}

async fn what_is_old_goes_and_nothing_else(place: Place) {
    let database = place.open().await;
    place_a_call(&database, 0, "old").await;
    place_a_call(&database, 2 * DAY, "new").await;
    let done = || vec![status(at(31), CallStatus::Completed)];
    for (known, came) in [("CAold", at(10)), ("CAnew", at(2 * DAY))] {
        database.apply(&sid(known), done(), Some(callback(known, came))).await.unwrap();
    }
    // Words that came without a callback, from the spool of a server before this one.
    database.apply(&Which::Id(id(5, 9)), vec![status(at(5), CallStatus::Ringing)], None).await.unwrap();
    // A callback of a call that is known stays with it.
    database.take_in(&live(id(0, 3), "CAknown"), at(20)).await.unwrap();
    database.apply(&sid("CAknown"), done(), Some(callback("kept", at(10)))).await.unwrap();
    for came in [at(10), at(2 * DAY)] {
        database.refused("twilio", "status", came).await.unwrap();
    }
    let purged = database.purge(all_before(at(DAY))).await.unwrap();
    assert_eq!(purged, Purged { idempotency_keys: 1, waiting: 3, jobs: 0, refusals: 1 });
    assert_eq!(database.purge(all_before(at(DAY))).await.unwrap(), Purged::default());
    assert!(database.recall(&once("old")).await.unwrap().is_none());
    assert!(database.recall(&once("new")).await.unwrap().is_some());
    assert_eq!(database.calls(&CallFilter::default(), None, 10).await.unwrap().len(), 3, "calls stay");
    assert_eq!(database.callbacks(id(0, 3)).await.unwrap().len(), 1);
    // What waited long finds its call no more, what waited a little does.
    for (n, known, wanted) in [(4, "CAold", CallStatus::InProgress), (5, "CAnew", CallStatus::Completed)] {
        let taken = database.take_in(&live(id(0, n), known), at(30)).await.unwrap();
        assert_eq!(taken.record.unwrap().status, wanted, "{known}");
    }
}

async fn much_of_it_goes_in_parts(place: Place) {
    let database = place.open().await;
    let want = |kind: &str, n: i64| NewJob {
        kind: kind.to_owned(),
        key: n.to_string(),
        payload: "{}".to_owned(),
        run_at: at(0),
        asked_at: at(0),
    };
    let all: Vec<i64> = (0..660).collect();
    for some in all.chunks(60) {
        let asked = some.iter().map(|n| database.ask_for(want(if n % 11 == 0 { "bad" } else { "good" }, *n)));
        futures_util::future::try_join_all(asked).await.unwrap();
    }
    database.ask_for(NewJob { run_at: far(), ..want("good", -1) }).await.unwrap();
    let handlers = Handlers::new()
        .on("good", |_| async { Ok(()) })
        .on("bad", |_| async { Err(JobError::Never("no".to_owned())) });
    let options = jobs::JobOptions { at_once: 60, ..quick() };
    let running = tokio::spawn(jobs::run(database.clone(), handlers, options, CancellationToken::new()));
    let ended = async {
        loop {
            let counts = database.job_counts(at(0)).await.unwrap();
            if counts.iter().map(|kind| (&*kind.state, kind.count)).eq([("given_up", 60), ("waiting", 1)]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), ended).await.expect("all of them end");
    running.abort();
    let later = Timestamp::now() + Duration::from_secs(60);
    let old = TooOld { given_up_jobs: at(0), ..all_before(later) };
    assert_eq!(database.purge(old).await.unwrap().jobs, 600);
    assert_eq!(database.purge(all_before(later)).await.unwrap().jobs, 60);
    let left = database.job("good", "-1").await.unwrap().unwrap();
    assert_eq!(left.state, JobState::Open { due_at: far() });
}
