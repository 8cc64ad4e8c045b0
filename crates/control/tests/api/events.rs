//! Events as they happen: nothing lost and nothing doubled over broken connections, and an end when the server stops.

use std::time::Duration;

use records::CallStatus;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::place::{Place, id, live, over};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// One message of a stream, as a browser reads it.
#[derive(Debug, Default)]
struct Message {
    id: String,
    kind: String,
    data: String,
}

/// A client of a stream.
struct Client {
    answer: reqwest::Response,
    text: String,
}

impl Client {
    async fn of(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let read = parse(message);
                self.text = rest.to_owned();
                return Some(read);
            }
            let piece = timeout(LONG, self.answer.chunk()).await.expect("something comes").unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

fn parse(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap();
        let value = value.trim_start().to_owned();
        match field {
            "id" => message.id = value,
            "event" => message.kind = value,
            "data" => message.data = value,
            _ => {}
        }
    }
    message
}

#[tokio::test]
async fn broken_connections_lose_nothing_and_double_nothing() {
    let place = Place::new().await;
    let mut client = Client::of(place.get("/api/v1/events")).await;
    let mut last = client.next().await.unwrap().id;
    let calls = 40;
    let writer = async {
        for second in 0..calls {
            place.keep(&live(second)).await;
            place.keep(&over(second)).await;
        }
    };
    let reader = async {
        let mut seen: Vec<i64> = Vec::new();
        // Until the last call's end was told, wherever the connections broke.
        for read in 1.. {
            let message = client.next().await.unwrap();
            if message.kind.is_empty() {
                continue;
            }
            let event: Value = serde_json::from_str(&message.data).unwrap();
            assert_eq!(
                (event["kind"].as_str(), event["seq"].to_string()),
                (Some(&*message.kind), message.id.clone())
            );
            seen.push(event["seq"].as_i64().unwrap());
            last = message.id;
            if event["call_id"] == id(calls - 1).to_string() && event["call_status"] == "completed" {
                break;
            }
            if read % 7 == 0 {
                client = Client::of(place.get("/api/v1/events?since=0").header("Last-Event-ID", &last)).await;
            }
        }
        seen
    };
    let ((), seen) = tokio::join!(writer, reader);
    let stored = place.database.events(None, 0, 1000).await.unwrap();
    assert_eq!(seen, stored.iter().map(|event| event.seq).collect::<Vec<_>>());
    assert!(seen.len() >= 2 * usize::try_from(calls).unwrap());
}

#[tokio::test]
async fn the_events_of_one_call_are_those_of_no_other() {
    let place = Place::new().await;
    for second in 0..3 {
        place.keep(&live(second)).await;
    }
    place.tell(id(1), 9, CallStatus::Completed).await;
    let path = format!("/api/v1/events?since=0&follow=false&call={}", id(1));
    let mut client = Client::of(place.get(&path)).await;
    let mut kinds = Vec::new();
    while let Some(message) = client.next().await {
        if !message.data.is_empty() {
            assert!(message.data.contains(&id(1).to_string()), "{}", message.data);
            kinds.push(message.kind);
        }
    }
    assert_eq!(kinds.last().map(String::as_str), Some("status"));
    assert_eq!(place.json("/api/v1/events?since=x").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn listeners_are_let_go_when_the_server_stops() {
    let place = Place::new().await;
    let mut client = Client::of(place.get("/api/v1/events")).await;
    assert!(client.next().await.unwrap().data.is_empty());
    place.stop.cancel();
    assert!(client.next().await.is_none());
    timeout(LONG, place.served).await.expect("nothing holds the server").unwrap();
}
