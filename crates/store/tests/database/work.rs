//! Jobs in trouble: handlers that hang, a runner that is told to stop, a database that is away when a job ends; jobs as
//! people see them; and what calls leave to be done.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use records::{AfterRules, CallStatus, EndReason, Fact};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use store::jobs::{self, Handlers, JobError, JobOptions, JobState, NewJob, Policy, Retried};
use store::{Database, DatabaseOptions, Which};
use tokio_util::sync::CancellationToken;

use crate::jobs::{LONG, Seen, quick, until};
use crate::make::{at, callback, event, id, outbound, over, sid, status};
use crate::place::Place;

crate::on_both!(
    a_handler_that_hangs_is_ended,
    a_runner_that_stops_puts_back_what_still_runs,
    a_job_ends_once_the_database_is_back,
    jobs_are_shown_a_page_at_a_time,
    a_job_that_was_given_up_is_tried_again,
    a_call_leaves_its_work_once_however_it_ends,
    words_that_waited_leave_work_too,
    an_alert_is_raised_and_cleared_by_one,
);

async fn a_handler_that_hangs_is_ended(place: Place) {
    let database = place.open().await;
    for key in ["hangs", "after"] {
        database.enqueue("fetch", key, "{}", at(0)).await.unwrap();
    }
    let handlers = Handlers::new().on("fetch", |job| async move {
        match job.key.as_str() {
            "hangs" => std::future::pending().await,
            _ => Ok(()),
        }
    });
    let usual = Policy { longest: Duration::from_millis(200), attempts: 2, ..quick().usual };
    let options = JobOptions { at_once: 1, usual, ..quick() };
    let running = tokio::spawn(jobs::run(database.clone(), handlers, options, CancellationToken::new()));
    // It has the only hand there is, and must not keep it.
    until(&database, "after", |status| status.state == JobState::Done).await;
    let status = until(&database, "hangs", |status| status.state == JobState::GivenUp).await;
    assert_eq!((status.attempts, status.last_error.as_deref()), (2, Some("it took longer than 0.2 s")));
    running.abort();
}

async fn a_runner_that_stops_puts_back_what_still_runs(place: Place) {
    let database = place.open().await;
    database.enqueue("fetch", "a", "{}", at(0)).await.unwrap();
    let (seen, stop) = (Seen::default(), CancellationToken::new());
    let noted = seen.clone();
    let handlers = Handlers::new().on("fetch", move |job| {
        let noted = noted.clone();
        async move {
            noted.note(&job.key, job.attempt);
            if job.attempt == 1 { std::future::pending().await } else { Ok(()) }
        }
    });
    let options = JobOptions { grace: Duration::from_millis(100), ..quick() };
    let first = tokio::spawn(jobs::run(database.clone(), handlers.clone(), options.clone(), stop.clone()));
    seen.until(1).await;
    stop.cancel();
    tokio::time::timeout(LONG, first).await.expect("it stops although a handler hangs").unwrap();
    let left = database.job("fetch", "a").await.unwrap().unwrap();
    assert!(matches!(left.state, JobState::Open { due_at } if due_at <= Timestamp::now()), "{left:?}");
    let second = tokio::spawn(jobs::run(database.clone(), handlers, options, CancellationToken::new()));
    // Long before its lease of a minute would have ended.
    let status = until(&database, "a", |status| status.state == JobState::Done).await;
    assert_eq!((status.attempts, status.last_error), (2, None));
    second.abort();
}

/// Keeps everybody from writing, for as long as it lives.
enum Lock {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Lock {
    async fn take(place: &Place) -> Self {
        match &place.options {
            DatabaseOptions::Sqlite { file } => {
                let mut connection = SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
                sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
                Self::Sqlite(connection)
            }
            DatabaseOptions::Postgres { url } => {
                use secrecy::ExposeSecret as _;
                let mut connection = PgConnection::connect(url.expose_secret()).await.unwrap();
                sqlx::query("BEGIN").execute(&mut connection).await.unwrap();
                sqlx::query("LOCK TABLE counter, jobs").execute(&mut connection).await.unwrap();
                Self::Postgres(connection)
            }
        }
    }

    async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

async fn a_job_ends_once_the_database_is_back(place: Place) {
    let database = place.open().await;
    database.enqueue("fetch", "a", "{}", at(0)).await.unwrap();
    let (seen, go) = (Seen::default(), CancellationToken::new());
    let (noted, may_end) = (seen.clone(), go.clone());
    let handlers = Handlers::new().on("fetch", move |job| {
        let (noted, may_end) = (noted.clone(), may_end.clone());
        async move {
            noted.note(&job.key, job.attempt);
            may_end.cancelled().await;
            Ok(())
        }
    });
    let running = tokio::spawn(jobs::run(database.clone(), handlers, quick(), CancellationToken::new()));
    seen.until(1).await;
    let lock = Lock::take(&place).await;
    go.cancel();
    // Longer than a write waits, so that the first word of the end is refused.
    tokio::time::sleep(Duration::from_secs(8)).await;
    lock.release().await;
    let status = until(&database, "a", |status| status.state == JobState::Done).await;
    assert_eq!(status.attempts, 1);
    assert_eq!(seen.until(1).await.len(), 1, "it is not done again");
    running.abort();
}

fn wanted(key: &str) -> NewJob {
    NewJob {
        kind: "fetch".to_owned(),
        key: key.to_owned(),
        payload: "{}".to_owned(),
        run_at: at(60),
        asked_at: at(0),
    }
}

async fn jobs_are_shown_a_page_at_a_time(place: Place) {
    let database = place.open().await;
    for n in 0..5 {
        assert!(database.ask_for(wanted(&n.to_string())).await.unwrap());
    }
    let first = database.jobs(None, 3).await.unwrap();
    let keys: Vec<&str> = first.iter().map(|job| &*job.key).collect();
    assert_eq!(keys, ["4", "3", "2"]);
    assert_eq!((first[0].asked_at, first[0].begun_at, first[0].ended_at), (at(0), None, None));
    assert_eq!(first[0].status.state, JobState::Open { due_at: at(60) });
    // One that comes meanwhile shifts nothing.
    database.ask_for(wanted("5")).await.unwrap();
    let second = database.jobs(Some(first[2].id), 3).await.unwrap();
    assert_eq!(second.iter().map(|job| &*job.key).collect::<Vec<_>>(), ["1", "0"]);
    let counts = database.job_counts(at(0)).await.unwrap();
    assert_eq!((counts.len(), &*counts[0].state, counts[0].count), (1, "waiting", 6));
}

async fn a_job_that_was_given_up_is_tried_again(place: Place) {
    let database = place.open().await;
    database.enqueue("fetch", "a", "{}", at(0)).await.unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let handlers = Handlers::new().on("fetch", move |job| {
        noted.note(&job.key, job.attempt);
        let nth = noted.count();
        async move { if nth < 5 { Err(JobError::Again("not yet".to_owned())) } else { Ok(()) } }
    });
    let running = tokio::spawn(jobs::run(database.clone(), handlers, quick(), CancellationToken::new()));
    until(&database, "a", |status| status.state == JobState::GivenUp).await;
    let job = database.jobs(None, 10).await.unwrap().remove(0);
    assert!(job.ended_at.is_some() && job.begun_at.is_none(), "{job:?}");
    let counts = database.job_counts(at(0)).await.unwrap();
    assert_eq!((&*counts[0].state, counts[0].count), ("given_up", 1));
    assert_eq!(counts[0].last_ended_at, job.ended_at);
    let Retried::Open(again) = database.retry_job(job.id, Timestamp::now()).await.unwrap() else {
        panic!("it was given up")
    };
    assert_eq!(again.ended_at, None);
    let status = until(&database, "a", |status| status.state == JobState::Done).await;
    assert_eq!(status.attempts, 5, "three, and two of the three that it was given anew");
    let attempts: Vec<u32> = seen.until(5).await.into_iter().map(|(_, attempt, _)| attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 1, 2]);
    assert_eq!(database.retry_job(job.id, Timestamp::now()).await.unwrap(), Retried::NotGivenUp);
    assert_eq!(database.retry_job(job.id + 99, Timestamp::now()).await.unwrap(), Retried::Unknown);
    running.abort();
}

fn rules() -> AfterRules {
    AfterRules {
        conversations_of: ["elevenlabs".to_owned()].into(),
        conversation_wait: SignedDuration::from_mins(5),
        details_of: [("twilio".to_owned(), SignedDuration::from_mins(2))].into(),
    }
}

async fn kinds(database: &Database) -> Vec<(String, String)> {
    let mut jobs = database.jobs(None, 100).await.unwrap();
    jobs.reverse();
    jobs.into_iter().map(|job| (job.kind, job.key)).collect()
}

async fn a_call_leaves_its_work_once_however_it_ends(place: Place) {
    let database = place.open().await;
    let call = id(0, 1);
    let mut record = over(call, "CA1");
    record.results.insert("elevenlabs_conversation_id".to_owned(), "conv_1".to_owned());
    // Nobody is there who could do it.
    database.take_in(&over(id(0, 2), "CA2"), at(40)).await.unwrap();
    assert_eq!(kinds(&database).await, []);
    database.after_calls(rules());
    database.intend(&outbound(call), None).await.unwrap();
    assert_eq!(kinds(&database).await, []);
    // The webhook, the socket's record, the sweep and all of them again.
    let done = || vec![status(at(31), CallStatus::Completed)];
    let ours = Which::Id(call);
    let dialled = vec![event(at(1), Fact::CarrierCall { id: "CA1".to_owned() })];
    database.apply(&ours, dialled, None).await.unwrap();
    for n in 0..2 {
        let entry = callback(&format!("done-{n}"), at(31));
        database.apply(&sid("CA1"), done(), Some(entry)).await.unwrap();
        database.take_in(&record, at(40)).await.unwrap();
        let closed = records::closed(at(50), EndReason::Stale, String::new());
        database.apply(&ours, vec![closed], None).await.unwrap();
    }
    let wanted = [
        ("fetch_details".to_owned(), call.to_string()),
        ("fetch_conversation".to_owned(), format!("{call}:conv_1")),
    ];
    assert_eq!(kinds(&database).await, wanted);
    let due = database.job("fetch_details", &call.to_string()).await.unwrap().unwrap().state;
    assert_eq!(due, JobState::Open { due_at: at(31 + 120) });
}

async fn words_that_waited_leave_work_too(place: Place) {
    let database = place.open().await;
    database.after_calls(rules());
    let call = id(0, 1);
    // The carrier says that it is over before anyone here knows of it.
    let done = vec![status(at(31), CallStatus::Completed)];
    database.apply(&sid("CA1"), done, Some(callback("done", at(31)))).await.unwrap();
    assert_eq!(kinds(&database).await, []);
    database.intend(&outbound(call), None).await.unwrap();
    let dialled = vec![event(at(1), Fact::CarrierCall { id: "CA1".to_owned() })];
    database.apply(&Which::Id(call), dialled, None).await.unwrap();
    assert_eq!(kinds(&database).await, [("fetch_details".to_owned(), call.to_string())]);
}

async fn an_alert_is_raised_and_cleared_by_one(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    let (a, b) = tokio::join!(
        one.raise_alert("stale_calls", at(1), Some(wanted("one"))),
        two.raise_alert("stale_calls", at(2), Some(wanted("two"))),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a != b, "one of them raised it");
    assert_eq!(kinds(&one).await, [("fetch".to_owned(), if a { "one" } else { "two" }.to_owned())]);
    let since = if a { at(1) } else { at(2) };
    assert_eq!(two.raised_alerts().await.unwrap(), [("stale_calls".to_owned(), since)]);
    assert!(two.clear_alert("stale_calls", Some(wanted("over"))).await.unwrap());
    assert!(!one.clear_alert("stale_calls", Some(wanted("over too"))).await.unwrap());
    assert_eq!(kinds(&one).await.len(), 2);
    assert_eq!(one.raised_alerts().await.unwrap(), []);
}
