//! What of a call may be seen in the logs: which call it was and what was decided, no number, no secret, no word.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use call::AgentKind;
use gateway::{Auth, Config};
use serde_json::Value;
use support::{Server, plain};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_numbers_nor_secrets_are_logged_and_every_line_of_a_call_names_it() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new("info"))
        .with_writer(kept.clone())
        .finish();
    // All tasks of this test run on its own thread, for which the subscriber holds.
    let installed = tracing::subscriber::set_default(subscriber);

    let auth = Auth { bearer: Some("canary-bearer".into()), ..Auth::default() };
    let config = Config { auth, public_url: Some("https://gw.example.com".to_owned()), ..Config::default() };
    let server = Server::with(config, plain(AgentKind::Echo)).await;
    let asked = "/api/v1/exotel/voice/connect?CallSid=sid-1&From=09876543210&CallFrom=%2B919876543210";
    let head = format!("POST {asked} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer canary-header");
    let (_, body) = server.request(&head, "CallTo=09876543210&token=canary-body").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let query = body["url"].as_str().unwrap().split_once('?').unwrap().1.to_owned();
    let token = query.split_once("k=").unwrap().1.to_owned();
    assert_eq!(
        server.open_with("call_id=x", &[("authorization", "Bearer canary-wrong")]).await.err(),
        Some(401)
    );
    let mut carrier = server.open(&query).await.unwrap();
    carrier.connected().await;
    carrier.start("sid-1", 8000).await;
    carrier.text("{\"event\":\"dtmf\",\"dtmf\":{\"digit\":\"7\"}}").await;
    carrier.text("not json: canary-json").await;
    carrier.media(&[1; 320]).await;
    carrier.audio().await;
    carrier.stop("callended").await;
    let record = server.record().await;
    drop(installed);

    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    for secret in ["canary", "9876543210", "9800000001", "8000000002", token.as_str()] {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |message: &str| {
        let found = lines.iter().find(|line| line["fields"]["message"] == message);
        found.unwrap_or_else(|| panic!("no line says {message:?}:\n{text}"))
    };
    assert!(of("connect webhook")["fields"]["micros"].is_number());
    for message in ["a call begins", "a key was pressed", "the call has ended"] {
        assert_eq!(of(message)["span"]["call_id"], record.id, "{message}");
    }
    let odd = of("the carrier's message is odd; more of this kind are only counted");
    assert_eq!((&odd["fields"]["kind"], &odd["span"]["call_id"]), (&"bad_json".into(), &record.id.into()));
}
