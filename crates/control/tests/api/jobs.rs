//! Jobs over HTTP: pages, and having one tried again.

use reqwest::StatusCode;
use serde_json::{Value, json};
use store::jobs::{self, Handlers, JobError, JobOptions, JobState, NewJob};
use tokio_util::sync::CancellationToken;

use crate::place::{Place, at, read};

async fn want(place: &Place, kind: &str, key: &str) {
    let (kind, key) = (kind.to_owned(), key.to_owned());
    let job = NewJob { kind, key, payload: "{\"secret\":1}".into(), run_at: at(60), asked_at: at(0) };
    assert!(place.database.ask_for(job).await.unwrap());
}

fn keys(page: &Value) -> Vec<&str> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_open_is_shown_in_pages() {
    let place = Place::new().await;
    for n in 0..5 {
        want(&place, "fetch_details", &n.to_string()).await;
    }
    let (status, first) = place.json("/api/v1/jobs?limit=3").await;
    assert_eq!((status, keys(&first)), (StatusCode::OK, vec!["4", "3", "2"]));
    let job = &first["jobs"][0];
    assert_eq!((&job["state"], &job["attempts"]), (&json!("waiting"), &json!(0)));
    assert_eq!((&job["asked_at"], &job["due_at"]), (&json!(at(0)), &json!(at(60))));
    assert!(job.get("payload").is_none(), "{job}");
    want(&place, "fetch_details", "5").await;
    let next = first["next_cursor"].as_str().unwrap();
    let (_, second) = place.json(&format!("/api/v1/jobs?limit=3&cursor={next}")).await;
    assert_eq!((keys(&second), &second["next_cursor"]), (vec!["1", "0"], &json!(null)));
    let (status, problem) = place.json("/api/v1/jobs?limit=x&page=2").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_parameters")));
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn one_that_was_given_up_is_tried_again() {
    let place = Place::new().await;
    want(&place, "purge", "hopeless").await;
    let stop = CancellationToken::new();
    let handlers = Handlers::new().on("purge", |_| async { Err(JobError::Never("no such thing".into())) });
    let runs = jobs::run(place.database.clone(), handlers, JobOptions::default(), stop.clone());
    let runs = tokio::spawn(runs);
    let given_up = async {
        while place.database.job("purge", "hopeless").await.unwrap().unwrap().state != JobState::GivenUp {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), given_up).await.expect("it is given up");
    // Nobody is there to begin it anew.
    stop.cancel();
    runs.await.unwrap();
    let (_, page) = place.json("/api/v1/jobs").await;
    let job = &page["jobs"][0];
    assert_eq!((&job["state"], &job["last_error"]), (&json!("given_up"), &json!("no such thing")));
    assert!(job["given_up_at"].is_string() && job.get("due_at").is_none(), "{job}");
    let path = format!("/api/v1/jobs/{}/retry", job["id"].as_str().unwrap());
    let (status, again) = read(place.post(&path).send().await.unwrap()).await;
    assert_eq!((status, &again["state"], &again["id"]), (StatusCode::OK, &json!("waiting"), &job["id"]));
    let (status, problem) = read(place.post(&path).send().await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")));
    for unknown in ["job_999", "job_x", "1"] {
        let path = format!("/api/v1/jobs/{unknown}/retry");
        let (status, _) = read(place.post(&path).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{unknown}");
    }
}
