//! Who is let in: webhook, token, headers, capacity, and what bad input leads to.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use call::AgentKind;
use futures_util::SinkExt;
use gateway::{Auth, Config, Limits};
use records::EndReason;
use serde_json::Value;
use store::{Fault, Options, Store};
use support::{LONG, Server, plain};
use tokio_tungstenite::tungstenite::Message;

const CONNECT: &str = "/api/v1/exotel/voice/connect";

fn guarded() -> Config {
    let auth = Auth {
        bearer: Some("007".into()),
        basic: Some(("exotel".to_owned(), "pass".into())),
        token_secret: None,
    };
    Config { auth, public_url: Some("https://gw.example.com".to_owned()), ..Config::default() }
}

fn basic(pair: &str) -> String {
    format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))
}

/// The query of the URL that the connect webhook hands out.
async fn minted(server: &Server, call: &str) -> String {
    let (status, body) = server.get(&format!("{CONNECT}?CallSid={call}&From=09800000001")).await;
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    body["url"].as_str().unwrap().split_once('?').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_closed_socket_opens_to_each_proof_and_to_nothing_else() {
    let server = Server::with(guarded(), plain(AgentKind::Silent)).await;
    assert_eq!(server.open("call_id=a").await.err(), Some(401));
    for wrong in ["Bearer 7", "Bearer", "007", &basic("exotel:wrong"), &basic("other:pass"), "Basic !!!"] {
        let refused = server.open_with("call_id=a", &[("authorization", wrong)]).await;
        assert_eq!(refused.err(), Some(401), "{wrong}");
    }
    for right in ["Bearer 007", &basic("exotel:pass"), &basic("anyone:007")] {
        assert!(server.open_with("call_id=a", &[("authorization", right)]).await.is_ok(), "{right}");
    }
    let query = minted(&server, "b").await;
    assert!(server.open(&query).await.is_ok());
    let (status, body) = server.get("/voicebot/sessions").await;
    assert_eq!(status, 401);
    assert!(body.contains("\"title\":\"Unauthorized\""), "{body}");
    let head = "GET /voicebot/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 007";
    assert_eq!(server.request(head, "").await.0, 200);
}

#[tokio::test]
async fn a_token_is_good_for_its_call_once_and_for_the_carriers_one_retry() {
    let server = Server::with(guarded(), plain(AgentKind::Silent)).await;
    let query = minted(&server, "call-1").await;
    let stolen = query.replace("call-1", "call-2");
    assert_eq!(server.open(&stolen).await.err(), Some(401), "for another call");
    let first = server.open(&query).await.unwrap();
    let retry = server.open(&query).await.unwrap();
    assert_eq!(server.open(&query).await.err(), Some(401), "a third time");
    drop((first, retry));
    // The URL names the rate and the call and fits into what the carrier passes on.
    assert!(query.starts_with("sample-rate=8000&call_id=call-1&k="), "{query}");
    assert!(query.len() < 256);
}

#[tokio::test]
async fn a_call_that_lost_its_socket_takes_its_token_once_more() {
    let server = Server::with(guarded(), plain(AgentKind::Silent)).await;
    let query = minted(&server, "call-1").await;
    let mut first = server.open(&query).await.unwrap();
    first.connected().await;
    first.start("call-1", 8000).await;
    let retry = server.open(&query).await.unwrap();
    drop((first, retry));
    // The server notices the loss on its own time; until then the token stays spent.
    let again = async {
        loop {
            if let Ok(carrier) = server.open(&query).await {
                return carrier;
            }
        }
    };
    let mut again = tokio::time::timeout(LONG, again).await.unwrap();
    again.connected().await;
    again.start("call-1", 8000).await;
    again.stop("callended").await;
    let record = server.record().await;
    assert_eq!((record.end_reason, record.counters.reconnects), (Some(EndReason::CallerHungUp), 1));
}

#[tokio::test]
async fn the_webhook_answers_everything_with_a_url_of_the_public_address() {
    let server = Server::with(guarded(), plain(AgentKind::Silent)).await;
    let long = format!("{CONNECT}?CallSid={}", "x".repeat(5000));
    let evil =
        format!("GET {CONNECT}?CallSid=c HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example");
    let post =
        format!("POST {CONNECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded");
    let junk = format!("POST {CONNECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json");
    for (head, body) in [
        (format!("GET {CONNECT} HTTP/1.1\r\nHost: x"), ""),
        (format!("GET {long} HTTP/1.1\r\nHost: x"), ""),
        (format!("GET {CONNECT}?%ff%00=%zz&CallSid=%00 HTTP/1.1\r\nHost: x"), ""),
        (evil, ""),
        (post, "CallSid=from-the-body&From=1"),
        (junk, "{{{{"),
    ] {
        let (status, body) = server.request(&head, body).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let url = body["url"].as_str().unwrap();
        assert_eq!(status, 200, "{head}");
        assert!(url.starts_with("wss://gw.example.com/voicebot/ws?sample-rate=8000&call_id="), "{url}");
        assert!(url.len() < 600);
    }
}

#[tokio::test]
async fn without_a_public_address_the_host_is_taken_and_no_token_is_made() {
    let server = Server::start(AgentKind::Silent).await;
    let head = format!("GET {CONNECT}?CallSid=c HTTP/1.1\r\nHost: {}", server.address);
    let (_, body) = server.request(&head, "").await;
    assert_eq!(
        body,
        format!(r#"{{"url":"ws://{}/voicebot/ws?sample-rate=8000&call_id=c"}}"#, server.address)
    );
}

#[tokio::test]
async fn past_the_last_place_a_call_is_refused_and_a_known_one_is_not() {
    let config = Config { max_calls: 1, ..Config::default() };
    let server = Server::with(config, plain(AgentKind::Silent)).await;
    let mut first = server.open("call_id=a").await.unwrap();
    first.connected().await;
    first.start("a", 8000).await;
    while server.gateway.calls() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.gateway.capacity().calls, 1);
    assert_eq!(server.open("call_id=b").await.err(), Some(503));
    let mut second = server.open("call_id=a").await.unwrap();
    second.connected().await;
    second.start("a", 8000).await;
    second.stop("callended").await;
    assert_eq!(server.record().await.counters.reconnects, 1);
    assert!(server.open("call_id=b").await.is_ok(), "the place is free again");
}

/// A disk that never answers until the test is over.
struct Hangs(Receiver<()>);

impl Fault for Hangs {
    fn before_write(&mut self, _: &Path, _: usize) -> io::Result<()> {
        let _ = self.0.recv();
        Ok(())
    }
}

#[tokio::test]
async fn under_a_hanging_store_webhook_and_media_go_on() {
    let data = tempfile::tempdir().unwrap();
    let (let_go, wait) = channel();
    let store = Store::open_with(data.path(), Options::default(), Box::new(Hangs(wait))).unwrap();
    let mut agent = plain(AgentKind::Echo);
    (agent.record, agent.call_log) = (true, true);
    let server = Server::with_store(Config::default(), agent, store, data, Limits::default()).await;
    for n in 0..20 {
        let call = format!("call-{n}");
        let query = minted(&server, &call).await;
        let mut carrier = server.open(&query).await.unwrap();
        carrier.connected().await;
        carrier.start(&call, 8000).await;
        carrier.media(&[7; 320]).await;
        assert_eq!(carrier.audio().await, [7; 320]);
        carrier.stop("callended").await;
        assert_eq!(carrier.close_code().await, Some(1000));
    }
    server.quiet().await;
    drop(let_go);
    assert_eq!(server.records().await.len(), 20, "all are kept once the disk goes on");
}

/// A disk with so much free space.
struct Disk(Arc<AtomicU64>);

impl Fault for Disk {
    fn before_write(&mut self, _: &Path, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&mut self, _: u64) -> u64 {
        self.0.load(SeqCst)
    }
}

#[tokio::test]
async fn a_full_disk_lets_no_new_call_in_and_keeps_those_that_run() {
    let data = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(1 << 40));
    let options = Options { check_every: Duration::from_millis(5), ..Options::default() };
    let store = Store::open_with(data.path(), options, Box::new(Disk(free.clone()))).unwrap();
    let agent = plain(AgentKind::Echo);
    let server = Server::with_store(Config::default(), agent, store, data, Limits::default()).await;
    let mut first = server.open("call_id=a").await.unwrap();
    first.connected().await;
    first.start("a", 8000).await;
    first.media(&[1; 320]).await;
    first.audio().await;
    free.store(0, SeqCst);
    while server.store.health().writable {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.open("call_id=b").await.err(), Some(503));
    first.media(&[2; 320]).await;
    assert_eq!(first.audio().await, [2; 320], "a running call goes on");
    free.store(1 << 40, SeqCst);
    while !server.store.health().writable {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(server.open("call_id=b").await.is_ok(), "there is room again");
    first.stop("callended").await;
    assert_eq!(first.close_code().await, Some(1000));
}

#[tokio::test]
async fn too_large_a_message_closes_with_1009() {
    let server = Server::start(AgentKind::Silent).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    // One frame above its limit. The server may close before all of it is written.
    let _ = carrier.socket.send(Message::text("x".repeat(300 * 1024))).await;
    assert_eq!(carrier.close_code().await, Some(1009));
    assert_eq!(server.record().await.end_reason, Some(EndReason::ProtocolError));
}

#[tokio::test]
async fn twenty_unreadable_messages_in_a_row_close_with_1007_and_fewer_do_not() {
    let server = Server::start(AgentKind::Silent).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    for _ in 0..19 {
        carrier.text("{\"event\":").await;
    }
    carrier.media(&[0; 320]).await;
    for _ in 0..20 {
        carrier.text("{\"event\":").await;
    }
    assert_eq!(carrier.close_code().await, Some(1007));
    let record = server.record().await;
    assert_eq!(record.end_reason, Some(EndReason::ProtocolError));
    assert_eq!(record.counters.findings.get("bad_json"), Some(&39));
}

#[tokio::test]
async fn a_stream_report_is_kept_with_its_call_however_often_it_comes() {
    let server = Server::start(AgentKind::Silent).await;
    let mut carrier = server.open("callLogId=our-own-7").await.unwrap();
    carrier.connected().await;
    carrier.start("sid-1", 8000).await;
    carrier.stop("callended").await;
    server.quiet().await;
    let path =
        "/api/v1/exotel/passthru?CallSid=sid-1&Stream%5BStatus%5D=cancelled&Stream%5BDisconnectedBy%5D=user";
    for _ in 0..2 {
        assert_eq!(server.get(path).await.0, 200);
    }
    assert_eq!(server.get("/api/v1/exotel/passthru?junk").await.0, 200);
    let report = server.record().await.carrier_report.unwrap();
    assert_eq!(report.get("DisconnectedBy").map(String::as_str), Some("user"));
}

#[tokio::test]
async fn the_sessions_have_the_names_that_consoles_know() {
    let server = Server::start(AgentKind::Echo).await;
    let mut carrier = server.open("call_id=sid-1").await.unwrap();
    carrier.connected().await;
    carrier.start("sid-1", 8000).await;
    carrier.media(&[7; 320]).await;
    carrier.audio().await;
    let (_, body) = server.get("/voicebot/sessions").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["total"], 1);
    let session = body["sessions"][0].as_object().unwrap();
    let mut names: Vec<&str> = session.keys().map(String::as_str).collect();
    names.sort_unstable();
    let wanted = [
        "audioChunksBuffered",
        "callId",
        "connectedAt",
        "isActive",
        "lastActivity",
        "sequenceNumber",
        "streamSid",
    ];
    assert_eq!(names, wanted);
    assert_eq!((&session["callId"], &session["streamSid"]), (&"sid-1".into(), &"stream-1".into()));
    assert_eq!((&session["sequenceNumber"], &session["isActive"]), (&1.into(), &true.into()));
    for time in ["connectedAt", "lastActivity"] {
        let time = session[time].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    }
}

#[tokio::test]
async fn a_body_that_never_comes_does_not_hold_the_webhook_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start(AgentKind::Silent).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST {CONNECT}?CallSid=c HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 15];
    let read = stream.read_exact(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), read).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}
