//! ElevenLabs' post-call webhook: believed when it is signed, taken in once.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use axum::body::Body;
use control::jobs::{Conversations, Work};
use control::{NoCalls, Outbound, OutboundOptions, post_call_route};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode};
use jiff::Timestamp;
use providers::{DialectOptions, RoleOptions};
use records::{AfterRules, CallRecord, EndReason};
use sha2::Sha256;
use store::jobs::{Handlers, Job, JobError, JobState};
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

/// ElevenLabs, asked after one conversation.
#[derive(Clone, Default)]
struct Vendor(std::sync::Arc<std::sync::Mutex<(u16, String, u32)>>);

impl Vendor {
    /// From now on it answers so.
    fn says(&self, status: u16, body: &str) {
        let mut said = self.0.lock().unwrap();
        (said.0, said.1) = (status, body.to_owned());
    }

    fn asked(&self) -> u32 {
        self.0.lock().unwrap().2
    }

    async fn start(&self) -> DialectOptions {
        let vendor = self.clone();
        let answer = move |headers: http::HeaderMap| async move {
            assert_eq!(headers["xi-api-key"], "el-key");
            let mut said = vendor.0.lock().unwrap();
            said.2 += 1;
            (StatusCode::from_u16(said.0).unwrap(), said.1.clone())
        };
        let routes = axum::Router::new().route("/v1/convai/conversations/conv_1", axum::routing::get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let (headers, role) = (std::collections::BTreeMap::new(), RoleOptions::default());
        DialectOptions { base, key: Some("el-key".to_owned().into()), headers, role }
    }
}

/// What ElevenLabs answers about the conversation, in this state.
fn conversation(call: CallId, status: &str) -> String {
    let body: serde_json::Value = serde_json::from_slice(&told(&call.to_string())).unwrap();
    let mut data = body["data"].clone();
    data["status"] = status.into();
    data.to_string()
}

/// A call that talked with an agent and is over, in a database that has its work done.
async fn over(database: &Database, call: CallId) {
    let rules = AfterRules {
        conversations_of: ["elevenlabs".to_owned()].into(),
        conversation_wait: jiff::SignedDuration::ZERO,
        ..AfterRules::default()
    };
    database.after_calls(rules);
    let now = Timestamp::now();
    let mut record = CallRecord::new(call.to_string(), "exotel", now);
    record.results.insert("elevenlabs_conversation_id".to_owned(), "conv_1".to_owned());
    (record.ended_at, record.end_reason) = (Some(now), Some(EndReason::CallerHungUp));
    database.take_in(&record, now).await.unwrap();
}

fn handlers(database: &Database, accounts: Vec<DialectOptions>) -> Handlers {
    let nobody = std::sync::Arc::new(NoCalls);
    let outbound = Outbound::new(OutboundOptions::default(), Vec::new(), database.clone(), nobody);
    let conversations = Conversations::new(accounts);
    Work { database: database.clone(), outbound, conversations, receiver: None }.handlers()
}

async fn attempt(handlers: &Handlers, call: CallId) -> Result<(), JobError> {
    let payload = format!("{{\"call\":\"{call}\",\"subject\":\"conv_1\"}}");
    let (kind, key) = ("fetch_conversation".to_owned(), format!("{call}:conv_1"));
    handlers.attempt(Job { kind, key, payload, attempt: 1 }).unwrap().await
}

#[tokio::test]
async fn without_a_webhook_the_conversation_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path()).await;
    let vendor = Vendor::default();
    let account = vendor.start().await;
    let call = CallId::new(Timestamp::now(), [7; 10]);
    vendor.says(200, &conversation(call, "done"));
    over(&database, call).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let runs = store::jobs::run(
        database.clone(),
        handlers(&database, vec![account]),
        store::jobs::JobOptions::default(),
        stop.clone(),
    );
    let runs = tokio::spawn(runs);
    let done = async {
        let key = format!("{call}:conv_1");
        while database.job("fetch_conversation", &key).await.unwrap().unwrap().state != JobState::Done {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), done).await.expect("it is fetched");
    let record = database.call(&Which::Id(call)).await.unwrap().unwrap();
    assert_eq!(record.agent_report.unwrap()["result.guests"], "4");
    // The webhook that comes late after all is the same word.
    let body = told(&call.to_string());
    let header = signed(SECRET, Timestamp::now().as_second(), &body);
    assert_eq!(send(&database, &header, &body).await, StatusCode::OK);
    assert_eq!(database.callbacks(call).await.unwrap().len(), 1);
    stop.cancel();
    runs.await.unwrap();
}

#[tokio::test]
async fn what_it_answers_decides_whether_it_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path()).await;
    let vendor = Vendor::default();
    let handlers = handlers(&database, vec![vendor.start().await]);
    let call = CallId::new(Timestamp::now(), [7; 10]);
    over(&database, call).await;
    let is_again = |ended: &Result<(), JobError>| matches!(ended, Err(JobError::Again(_)));
    for (status, body, again) in [
        (200, conversation(call, "processing"), true),
        (200, conversation(call, "in-progress"), true),
        (200, "no JSON".to_owned(), true),
        (401, "{}".to_owned(), true),
        (429, "{}".to_owned(), true),
        (503, "{}".to_owned(), true),
        (404, "{}".to_owned(), false),
        (422, "{}".to_owned(), false),
    ] {
        vendor.says(status, &body);
        let ended = attempt(&handlers, call).await;
        assert_eq!((ended.is_err(), is_again(&ended)), (true, again), "{status} {body}: {ended:?}");
    }
    assert_eq!(vendor.asked(), 8);
    assert!(database.call(&Which::Id(call)).await.unwrap().unwrap().agent_report.is_none());
    // The webhook comes: nobody is asked any more.
    let body = told(&call.to_string());
    let header = signed(SECRET, Timestamp::now().as_second(), &body);
    assert_eq!(send(&database, &header, &body).await, StatusCode::OK);
    assert_eq!(attempt(&handlers, call).await, Ok(()));
    assert_eq!(vendor.asked(), 8);
    // Nor about a call that is not there any more.
    assert_eq!(attempt(&handlers, CallId::new(Timestamp::now(), [8; 10])).await, Ok(()));
}

#[tokio::test]
async fn of_several_accounts_the_one_that_had_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path()).await;
    let (other, ours) = (Vendor::default(), Vendor::default());
    let accounts = vec![other.start().await, ours.start().await];
    let handlers = handlers(&database, accounts);
    let call = CallId::new(Timestamp::now(), [7; 10]);
    over(&database, call).await;
    other.says(404, "{}");
    ours.says(200, &conversation(call, "failed"));
    assert_eq!(attempt(&handlers, call).await, Ok(()));
    let record = database.call(&Which::Id(call)).await.unwrap().unwrap();
    assert_eq!(record.agent_report.unwrap()["status"], "failed");
}
