//! Jobs: done at least once, not again once done, later after each fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use store::Database;
use store::jobs::{self, Handlers, JobError, JobOptions, JobState, JobStatus, Policy, Waits};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::make::at;
use crate::place::Place;

crate::on_both!(
    a_job_is_done_once,
    a_job_whose_process_died_is_begun_again,
    a_fault_is_waited_for_and_then_given_up,
    two_processes_share_the_work,
    a_job_is_not_begun_before_its_time,
);

pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn quick() -> JobOptions {
    let waits = Waits::Doubling { first: Duration::from_millis(100), longest: LONG };
    JobOptions { lease: LONG, usual: Policy { waits, attempts: 3, longest: LONG }, ..JobOptions::default() }
}

/// What handlers did.
#[derive(Clone, Default)]
pub(crate) struct Seen(watch::Sender<Vec<(String, u32, Timestamp)>>);

impl Seen {
    pub(crate) fn note(&self, key: &str, attempt: u32) {
        self.0.send_modify(|seen| seen.push((key.to_owned(), attempt, Timestamp::now())));
    }

    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) async fn until(&self, count: usize) -> Vec<(String, u32, Timestamp)> {
        let mut seen = self.0.subscribe();
        let enough = tokio::time::timeout(LONG, seen.wait_for(|seen| seen.len() >= count)).await;
        enough.expect("the jobs were never run").unwrap().clone()
    }
}

pub(crate) async fn until(
    database: &Database,
    key: &str,
    is_wanted: impl Fn(&JobStatus) -> bool,
) -> JobStatus {
    let found = async {
        loop {
            if let Some(status) = database.job("fetch", key).await.unwrap()
                && is_wanted(&status)
            {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, found).await.expect("the job never came so far")
}

async fn a_job_is_done_once(place: Place) {
    let database = place.open().await;
    assert!(database.enqueue("fetch", "a", "{\"n\":1}", at(0)).await.unwrap());
    assert!(!database.enqueue("fetch", "a", "{\"n\":2}", at(0)).await.unwrap());
    assert!(database.enqueue("upload", "a", "{}", at(0)).await.unwrap());
    let (seen, stop) = (Seen::default(), CancellationToken::new());
    let noted = seen.clone();
    let handlers = Handlers::new().on("fetch", move |job| {
        let noted = noted.clone();
        async move {
            assert_eq!(job.payload, "{\"n\":1}");
            noted.note(&job.key, job.attempt);
            Ok(())
        }
    });
    let running = tokio::spawn(jobs::run(database.clone(), handlers, quick(), stop.clone()));
    until(&database, "a", |status| status.state == JobState::Done).await;
    assert!(!database.enqueue("fetch", "a", "{\"n\":1}", at(0)).await.unwrap(), "what is done is done");
    // A later one is noticed while it runs.
    database.enqueue("fetch", "b", "{\"n\":1}", at(0)).await.unwrap();
    until(&database, "b", |status| status.state == JobState::Done).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(seen.until(2).await.len(), 2);
    let other = database.job("upload", "a").await.unwrap().unwrap();
    assert_eq!((other.attempts, other.state), (0, JobState::Open { due_at: at(0) }));
}

async fn a_job_whose_process_died_is_begun_again(place: Place) {
    let database = place.open().await;
    database.enqueue("fetch", "a", "{}", at(0)).await.unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let handlers = Handlers::new().on("fetch", move |job| {
        let noted = noted.clone();
        async move {
            noted.note(&job.key, job.attempt);
            // The first process dies in the middle. The second is slower than a lease, and keeps it.
            match job.attempt {
                1 => std::future::pending().await,
                _ => tokio::time::sleep(Duration::from_secs(4)).await,
            }
            Ok(())
        }
    });
    // The first lease is over soon; the second is long enough to be kept on a busy machine.
    let run = |lease_ms| {
        let options = JobOptions { lease: Duration::from_millis(lease_ms), ..quick() };
        tokio::spawn(jobs::run(database.clone(), handlers.clone(), options, CancellationToken::new()))
    };
    let first = run(600);
    seen.until(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let second = run(3000);
    let status = until(&database, "a", |status| status.state == JobState::Done).await;
    second.abort();
    assert_eq!(status.attempts, 2);
    assert_eq!(seen.until(2).await.len(), 2);
}

async fn a_fault_is_waited_for_and_then_given_up(place: Place) {
    let database = place.open().await;
    for key in ["flaky", "hopeless", "panics"] {
        database.enqueue("fetch", key, "{}", at(0)).await.unwrap();
    }
    let seen = Seen::default();
    let noted = seen.clone();
    let handlers = Handlers::new().on("fetch", move |job| {
        let noted = noted.clone();
        async move {
            noted.note(&job.key, job.attempt);
            match job.key.as_str() {
                "flaky" => Err(JobError::Again("not there yet".to_owned())),
                "panics" if job.attempt == 1 => panic!("a handler's fault"),
                "panics" => Ok(()),
                _ => Err(JobError::Never("no such thing".to_owned())),
            }
        }
    });
    let running = tokio::spawn(jobs::run(database.clone(), handlers, quick(), CancellationToken::new()));
    let status = until(&database, "flaky", |status| status.state == JobState::GivenUp).await;
    assert_eq!((status.attempts, status.last_error.as_deref()), (3, Some("not there yet")));
    let status = until(&database, "hopeless", |status| status.state == JobState::GivenUp).await;
    assert_eq!((status.attempts, status.last_error.as_deref()), (1, Some("no such thing")));
    let status = until(&database, "panics", |status| status.state == JobState::Done).await;
    assert_eq!(status.attempts, 2);
    running.abort();
    let times: Vec<Timestamp> =
        seen.until(6).await.into_iter().filter(|(key, ..)| key == "flaky").map(|(_, _, at)| at).collect();
    let waits: Vec<i128> = times.windows(2).map(|two| two[1].duration_since(two[0]).as_millis()).collect();
    assert!(waits.len() == 2 && waits[0] >= 100 && waits[1] >= 200, "{waits:?}");
}

async fn two_processes_share_the_work(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    for n in 0..40 {
        one.enqueue("fetch", &format!("{n}"), "{}", at(0)).await.unwrap();
    }
    let counts: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let seen = Seen::default();
    let (counted, noted) = (counts.clone(), seen.clone());
    let handlers = Handlers::new().on("fetch", move |job| {
        *counted.lock().unwrap().entry(job.key.clone()).or_default() += 1;
        let noted = noted.clone();
        async move {
            noted.note(&job.key, job.attempt);
            Ok(())
        }
    });
    let stop = CancellationToken::new();
    let run = |database: &Database| {
        tokio::spawn(jobs::run(database.clone(), handlers.clone(), quick(), stop.clone()))
    };
    let both = [run(&one), run(&two)];
    seen.until(40).await;
    stop.cancel();
    for running in both {
        running.await.unwrap();
    }
    assert!(counts.lock().unwrap().values().all(|times| *times == 1), "{counts:?}");
    for n in 0..40 {
        let status = one.job("fetch", &format!("{n}")).await.unwrap().unwrap();
        assert_eq!(status.state, JobState::Done);
    }
}

async fn a_job_is_not_begun_before_its_time(place: Place) {
    let database = place.open().await;
    let due = Timestamp::now() + Duration::from_millis(400);
    database.enqueue("fetch", "a", "{}", due).await.unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let handlers = Handlers::new().on("fetch", move |job| {
        noted.note(&job.key, job.attempt);
        async { Ok(()) }
    });
    let running = tokio::spawn(jobs::run(database, handlers, quick(), CancellationToken::new()));
    assert!(seen.until(1).await[0].2 >= due);
    running.abort();
}
