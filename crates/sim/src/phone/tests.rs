//! The phone against small servers on real sockets.

use std::time::Duration;

use audio::Pcm;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// A server that sends what it hears straight back, and closes with 1000 on `stop`.
async fn echo_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = &message else { continue };
            if text.contains(r#""event":"media""#) {
                socket.send(message).await.unwrap();
            } else if text.contains(r#""event":"stop""#) {
                socket.close(None).await.unwrap();
            }
        }
    });
    format!("ws://{address}/")
}

#[tokio::test]
async fn an_echo_is_heard_and_recorded_in_time() {
    let mut plan = CallPlan::new(echo_server().await);
    plan.patience = Duration::from_millis(100);
    let tone: Pcm = (0..2_400).map(|n| if n % 20 < 10 { 9_000 } else { -9_000 }).collect();
    plan.steps = vec![Step::Say(Speech { label: "tone".to_owned(), pcm: tone })];
    let mut events = Vec::new();
    let report = Phone::call(plan, |event| events.push(event)).await.unwrap();

    assert_eq!(report.end.by, EndedBy::Caller);
    assert_eq!(report.turns.len(), 1);
    assert_eq!(report.turns[0].label, "tone");
    assert!(report.received.audible_ms >= 300, "{report:?}");
    assert_eq!(report.received.chunk_bytes.keys().copied().collect::<Vec<_>>(), [320]);
    assert_eq!(report.recording.caller.len(), report.recording.heard.len());
    // A server that sends everything back sends the carrier's own marks of order too.
    assert!(report.received.findings.iter().any(|finding| finding.rule == "EXO-113"), "{report:?}");
    let begun = events.iter().filter(|event| matches!(event, PhoneEvent::AgentSpeaks { .. })).count();
    assert_eq!(begun, 1, "one utterance is one, however it is cut: {events:?}");
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_nothing_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://bot:hunter2@{}/ws?k=hunter2", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let error = Phone::call(CallPlan::new(url), |_| {}).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, PhoneError::Refused { status: 401, .. }), "{text}");
    assert!(text.contains("--token") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_webhook_is_asked_first() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = echo_server().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/connect", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let body = format!("{{\"url\":\"{socket}\"}}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let mut plan = CallPlan::new(url);
    plan.patience = Duration::from_millis(40);
    let report = Phone::call(plan, |_| {}).await.unwrap();
    assert_eq!(report.end.by, EndedBy::Caller);
    let asked = asked.await.unwrap();
    assert!(
        asked.starts_with("GET /connect?CallSid=") && asked.contains("&CallFrom=09800000001&"),
        "{asked}"
    );
}
