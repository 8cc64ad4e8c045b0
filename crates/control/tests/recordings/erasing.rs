//! Erasing a number and holding calls, over HTTP.

use std::io;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sim::s3::{Op, S3Fault};
use store::{Retention, Scope};
use tracing_subscriber::fmt::MakeWriter;

use crate::place::{NUMBER, Place, id, live, over, read};

const ERASE: &str = "/api/v1/erase";

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn ids(of: &[u8]) -> Value {
    of.iter().map(|n| Value::from(id(*n).to_string())).collect()
}

#[tokio::test]
async fn a_number_is_erased_here_and_in_the_bucket() {
    // For the whole process: the server works on other threads too, and no other test may log the number either.
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(tracing::Level::DEBUG);
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let place = Place::new().await;
    place.call(id(1), 100).await;
    assert_eq!(place.upload().await, 1);
    place.call(id(2), 100).await;
    let running = place.store.begin(id(3), live(id(3)));
    place.call(id(4), 100).await;
    let (status, held) = place.post(&hold(4), Scope::Admin, &json!({ "hold": true })).await;
    assert_eq!((status, &held["changed"]), (StatusCode::OK, &json!(true)));

    let asked = json!({ "number": "98765 43210", "dry_run": true });
    let (status, report) = place.post(ERASE, Scope::Admin, &asked).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!((&report["erased"], &report["dry_run"]), (&ids(&[2, 1]), &json!(true)));
    assert_eq!((&report["running"], &report["held"]), (&ids(&[3]), &ids(&[4])));
    assert_eq!(place.s3.objects().len(), 1, "nothing was changed");

    let (status, report) = place.post(ERASE, Scope::Admin, &json!({ "number": NUMBER })).await;
    assert_eq!((status, &report["erased"]), (StatusCode::OK, &ids(&[2, 1])), "{report}");
    assert_eq!(
        (&report["running"], &report["held"], &report["failed"]),
        (&ids(&[3]), &ids(&[4]), &json!([]))
    );
    assert_eq!(place.s3.objects().len(), 0);
    for n in [1, 2] {
        let detail = place.detail(id(n)).await;
        assert!(detail["erased_at"].is_string() && detail["from"].is_null(), "{detail}");
        assert_eq!(detail["recording_place"], "erased");
    }
    let detail = place.detail(id(4)).await;
    assert_eq!((&detail["from"], &detail["held"]), (&json!(NUMBER), &json!(true)));

    // The same again: only what was left.
    let (_, again) = place.post(ERASE, Scope::Admin, &json!({ "number": NUMBER })).await;
    assert_eq!((&again["erased"], &again["running"], &again["held"]), (&json!([]), &ids(&[3]), &ids(&[4])));
    running.finish(over(id(3)));
    place.flush().await;
    let forgetter = place.store.forgetter(place.database.clone());
    assert_eq!(forgetter.finish_erasures(Timestamp::now()).await.unwrap(), 1);
    assert!(place.store.load(id(3)).unwrap().unwrap().erased_at.is_some());

    let audit = std::fs::read_to_string(place.data.path().join("audit.jsonl")).unwrap();
    let erased = audit.lines().find(|line| line.contains("\"erase\"")).unwrap();
    assert!(erased.contains(place.key_id(Scope::Admin)) && erased.contains(&id(1).to_string()), "{audit}");
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("a number was asked to be erased"), "{logged}");
    for text in [&audit, &logged, &report.to_string()] {
        assert!(!text.contains("9876543210") && !text.contains("98765 43210"), "{text}");
    }
}

#[tokio::test]
async fn what_the_bucket_does_not_let_go_is_erased_later() {
    let place = Place::new().await;
    place.call(id(1), 100).await;
    assert_eq!(place.upload().await, 1);
    place.s3.spoil(Op::Delete, S3Fault::Denied, 1);
    let (status, report) = place.post(ERASE, Scope::Admin, &json!({ "number": NUMBER })).await;
    assert_eq!((status, &report["erased"]), (StatusCode::OK, &json!([])), "{report}");
    assert_eq!(report["failed"], json!([{ "call_id": id(1).to_string(), "because": "storage" }]));
    assert!(place.store.load(id(1)).unwrap().unwrap().recording.is_some(), "the record still tells of it");
    let forgetter = place.store.forgetter(place.database.clone());
    assert_eq!(forgetter.finish_erasures(Timestamp::now()).await.unwrap(), 1);
    assert_eq!(place.s3.objects().len(), 0);
    assert!(place.store.load(id(1)).unwrap().unwrap().erased_at.is_some());
}

#[tokio::test]
async fn what_is_too_old_goes_from_the_bucket_but_not_what_is_held() {
    let place = Place::new().await;
    place.call(id(1), 100).await;
    place.call(id(2), 100).await;
    assert_eq!(place.upload().await, 2);
    let (status, _) = place.post(&hold(2), Scope::Admin, &json!({ "hold": true })).await;
    assert_eq!(status, StatusCode::OK);
    let forgetter = place.store.forgetter(place.database.clone());
    let retention = Retention { audio_days: 1, ..Retention::default() };
    let now = id(1).began() + jiff::SignedDuration::from_hours(72);
    let swept = forgetter.sweep(retention, now, false).await.unwrap();
    assert_eq!((swept.forgotten.len(), swept.held.len(), swept.failed.len()), (1, 1, 0));
    let left: Vec<String> = place.s3.objects().into_keys().collect();
    assert_eq!(left, [format!("kept/2026-11-21/{}.wav", id(2))]);
}

#[tokio::test]
async fn only_those_who_may_hold_and_erase() {
    let place = Place::new().await;
    place.call(id(1), 100).await;
    for scope in [Scope::Read, Scope::Call] {
        for (path, body) in [(ERASE, json!({ "number": NUMBER })), (&*hold(1), json!({ "hold": true }))] {
            let (status, problem) = place.post(path, scope, &body).await;
            assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{path}");
        }
    }
    for (path, body, status, code) in [
        (ERASE, json!({ "number": "12" }), 422, "not_a_number"),
        (ERASE, json!({ "number": "1".repeat(41) }), 422, "not_a_number"),
        (ERASE, json!({ "numbers": [NUMBER] }), 400, "malformed_body"),
        (&*hold(1), json!({}), 400, "malformed_body"),
        (&*hold(9), json!({ "hold": true }), 404, "call_not_found"),
        ("/api/v1/calls/..%2f..%2flock/hold", json!({ "hold": true }), 404, "call_not_found"),
    ] {
        let (got, problem) = place.post(path, Scope::Admin, &body).await;
        assert_eq!((got.as_u16(), &problem["code"]), (status, &json!(code)), "{path} {body}");
    }
    assert!(!place.store.folder(id(9)).exists(), "a call that is not known gets no folder");
}

#[tokio::test]
async fn a_hold_is_told_on_the_calls_timeline_and_refused_for_what_is_gone() {
    let place = Place::new().await;
    place.call(id(1), 100).await;
    for (held, changed) in [(true, true), (true, false), (false, true), (false, false)] {
        let (status, answer) = place.post(&hold(1), Scope::Admin, &json!({ "hold": held })).await;
        let expected = json!({ "call_id": id(1).to_string(), "held": held, "changed": changed });
        assert_eq!((status, answer), (StatusCode::OK, expected));
    }
    let events = place.detail(id(1)).await["events"].clone();
    let told: Vec<(Value, Value)> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "held")
        .map(|event| (event["by"].clone(), event["held"].clone()))
        .collect();
    let by = json!(place.key_id(Scope::Admin));
    assert_eq!(told, [(by.clone(), json!(true)), (by, json!(false))]);
    let (_, report) = place.post(ERASE, Scope::Admin, &json!({ "number": NUMBER })).await;
    assert_eq!(report["erased"], ids(&[1]));
    let (status, problem) = place.post(&hold(1), Scope::Admin, &json!({ "hold": true })).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("call_erased")));
    let answer = place.get(&format!("/api/v1/calls/{}/recording", id(1))).send().await.unwrap();
    assert_eq!(read(answer).await.0, StatusCode::NOT_FOUND);
}

fn hold(n: u8) -> String {
    format!("/api/v1/calls/{}/hold", id(n))
}
