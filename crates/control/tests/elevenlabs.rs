//! ElevenLabs' post-call webhook: believed when it is signed, taken in once.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use axum::body::Body;
use control::post_call_route;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode};
use jiff::Timestamp;
use records::CallRecord;
use sha2::Sha256;
use store::{CallId, Database, DatabaseOptions, Which};
use tower::ServiceExt as _;

const SECRET: &str = "wsec_of_a_test";
const CALL: &str = "call_01h2xcejqtf2nbrexx3vqjhp41";

async fn database(folder: &std::path::Path) -> Database {
    Database::open(DatabaseOptions::Sqlite { file: folder.join("calls.db") }).await.unwrap()
}

fn signed(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let hex: Vec<String> = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v0={}", hex.concat())
}

async fn send(database: &Database, header: &str, body: &[u8]) -> StatusCode {
    let request = Request::post("/elevenlabs/post-call").header("ElevenLabs-Signature", header);
    let request = request.body(Body::from(body.to_vec())).unwrap();
    post_call_route(database.clone(), SECRET.to_owned().into()).oneshot(request).await.unwrap().status()
}

fn told(call: &str) -> Vec<u8> {
    let body = include_str!("../../../fixtures/elevenlabs/post_call_transcription.json");
    body.replace(CALL, call).into_bytes()
}

#[tokio::test]
async fn what_the_agent_found_out_reaches_the_call_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path()).await;
    let call = CallId::new(Timestamp::now(), [7; 10]);
    let now = Timestamp::now();
    database.take_in(&CallRecord::new(call.to_string(), "exotel", now), now).await.unwrap();
    let body = told(&call.to_string());
    let header = signed(SECRET, now.as_second(), &body);
    for _ in 0..2 {
        assert_eq!(send(&database, &header, &body).await, StatusCode::OK);
    }
    let record = database.call(&Which::Id(call)).await.unwrap().unwrap();
    let report = record.agent_report.unwrap();
    for (name, value) in
        [("conversation_id", "conv_1"), ("successful", "success"), ("result.guests", "4"), ("cost", "296")]
    {
        assert_eq!(report.get(name).map(String::as_str), Some(value), "{report:?}");
    }
    let inbox = database.callbacks(call).await.unwrap();
    assert_eq!(inbox.len(), 1, "a webhook that comes twice is one");
    assert!(!inbox[0].body.contains("table"), "what callers say lies with the call: {}", inbox[0].body);
}

#[tokio::test]
async fn what_is_not_signed_or_is_no_call_of_ours_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path()).await;
    let now = Timestamp::now().as_second();
    let body = told("somebody-else");
    for (header, wanted) in [
        (String::new(), StatusCode::UNAUTHORIZED),
        (signed("other", now, &body), StatusCode::UNAUTHORIZED),
        (signed(SECRET, now - 1_900, &body), StatusCode::UNAUTHORIZED),
        (signed(SECRET, now, &body), StatusCode::OK),
    ] {
        assert_eq!(send(&database, &header, &body).await, wanted, "{header}");
    }
    for (body, wanted) in [
        (
            &br#"{"type":"post_call_audio","data":{"conversation_id":"c","full_audio":"AAAA"}}"#[..],
            StatusCode::OK,
        ),
        (br#"{"type":"something_new","data":{}}"#, StatusCode::OK),
        (b"no JSON", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(send(&database, &signed(SECRET, now, body), body).await, wanted);
    }
}
