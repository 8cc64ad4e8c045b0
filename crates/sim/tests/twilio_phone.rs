//! The phone as Twilio, against a small server on real sockets: signed webhooks, TwiML followed, the stream lived
//! through, the status callbacks told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::Pcm;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Value, json};
use sim::phone::{
    CallPlan, EndedBy, Order, Phone, PhoneError, PhoneEvent, PhoneReport, Speech, Step, TwilioLine,
};
use sim::twilio::{Call, signature, upgrade_signature};
use tokio::sync::watch;

const TOKEN: &str = "12345";

type Form = Vec<(String, String)>;

/// What the server answers, and what it was asked.
#[derive(Clone, Default)]
struct Server {
    /// One document for each request; the last one again and again.
    documents: Arc<Mutex<VecDeque<String>>>,
    /// `path?query` and form of each request.
    asked: Arc<Mutex<Vec<(String, Form)>>>,
    /// What the socket was sent, but for media.
    heard: Arc<Mutex<Vec<Value>>>,
    address: Arc<Mutex<String>>,
}

impl Server {
    async fn start(documents: &[&str]) -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self::default();
        *server.address.lock().unwrap() = address.clone();
        let documents = documents.iter().map(|text| text.replace("HOST", &address));
        *server.documents.lock().unwrap() = documents.collect();
        let routes =
            Router::new().route("/media", get(media)).route("/{*path}", any(ask)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (server, format!("http://{address}/voice?call=1"))
    }

    fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    fn field(&self, path: &str, name: &str) -> Option<String> {
        let asked = self.asked.lock().unwrap();
        let (_, form) = asked.iter().find(|(asked, form)| {
            asked.starts_with(path) && (name != "StreamError" || form.iter().any(|(key, _)| key == name))
        })?;
        form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }
}

async fn ask(State(server): State<Server>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let url = format!("http://{}{}", server.address.lock().unwrap(), uri.path_and_query().unwrap());
    let shown = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok());
    if shown != Some(&signature(TOKEN, &url, &form)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    assert!(headers.contains_key("i-twilio-idempotency-token"));
    server.asked.lock().unwrap().push((uri.to_string(), form));
    if uri.path() == "/stream-status" {
        return StatusCode::NO_CONTENT.into_response();
    }
    let mut documents = server.documents.lock().unwrap();
    let text = if documents.len() > 1 { documents.pop_front().unwrap() } else { documents[0].clone() };
    ([(header::CONTENT_TYPE, "text/xml")], text).into_response()
}

async fn media(State(server): State<Server>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let url = format!("wss://{}/media", server.address.lock().unwrap());
    let shown = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok());
    if shown != Some(&upgrade_signature(TOKEN, &url)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.on_upgrade(|socket| echo(server, socket))
}

/// Sends the caller's audio back with a mark behind each frame; clears when a key is pressed; closes on key 9.
async fn echo(server: Server, mut socket: WebSocket) {
    let mut frames = 0;
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        let stream = message["streamSid"].clone();
        let mut answers = Vec::new();
        match message["event"].as_str().unwrap() {
            "media" => {
                frames += 1;
                let payload = &message["media"]["payload"];
                answers.push(json!({"event": "media", "streamSid": stream, "media": {"payload": payload}}));
                if frames == 1 {
                    answers.push(json!({"event": "mark", "streamSid": stream, "mark": {"name": "first"}}));
                }
            }
            "dtmf" if message["dtmf"]["digit"] == "9" => {
                server.heard.lock().unwrap().push(message);
                socket.send(Message::Close(None)).await.unwrap();
                while let Some(Ok(_)) = socket.recv().await {}
                return;
            }
            "dtmf" => {
                let second = base64_simd::STANDARD.encode_to_string([0x10; 8000]);
                answers.push(json!({"event": "media", "streamSid": stream, "media": {"payload": second}}));
                answers.push(json!({"event": "mark", "streamSid": stream, "mark": {"name": "cleared"}}));
                answers.push(json!({"event": "clear", "streamSid": stream}));
            }
            _ => {}
        }
        if message["event"] != "media" {
            server.heard.lock().unwrap().push(message);
        }
        for answer in answers {
            if socket.send(Message::text(answer.to_string())).await.is_err() {
                return;
            }
        }
    }
}

fn plan(url: &str, steps: Vec<Step>) -> CallPlan {
    let mut plan = CallPlan::twilio(url, TwilioLine::new(Call::invented(7), Some(TOKEN.into())));
    plan.patience = Duration::from_millis(60);
    plan.steps = steps;
    plan
}

async fn call(plan: CallPlan) -> (Result<PhoneReport, PhoneError>, Vec<String>) {
    let mut verbs = Vec::new();
    let report = Phone::call(plan, |event| {
        if let PhoneEvent::Verb { what, .. } = event {
            verbs.push(what);
        }
    });
    let report = tokio::time::timeout(Duration::from_secs(60), report).await.unwrap();
    (report, verbs)
}

const STREAM: &str = r#"<Response><Connect><Stream url="ws://HOST/media" statusCallback="http://HOST/stream-status"><Parameter name="call_ref" value="c-42"/></Stream></Connect></Response>"#;

#[tokio::test]
async fn the_twiml_is_followed_to_the_stream_and_back() {
    let then = STREAM.replace("</Connect>", "</Connect><Redirect>/after?x=1&amp;y=2</Redirect>");
    let (server, url) = Server::start(&[&then, "<Response><Pause length=\"0\"/><Hangup/></Response>"]).await;
    let tone: Pcm = (0..1600).map(|n| if n % 20 < 10 { 9_000 } else { -9_000 }).collect();
    let say = Step::Say(Speech { label: "tone".to_owned(), pcm: tone });
    let (report, verbs) =
        call(plan(&url, vec![say, Step::Dtmf('1'), Step::Dtmf('9'), Step::Wait(Duration::from_secs(30))]))
            .await;
    let report = report.unwrap();

    assert_eq!((report.end.by, report.end.detail.as_str()), (EndedBy::Carrier, "the TwiML hung up"));
    assert_eq!(verbs, ["<Redirect>", "<Pause> 0 s", "<Hangup>"]);
    let paths = server.paths();
    assert_eq!(paths[0], "/voice?call=1");
    assert!(paths.contains(&"/after?x=1&y=2".to_owned()), "{paths:?}");
    assert_eq!(server.field("/voice", "CallStatus").unwrap(), "ringing");
    assert_eq!(server.field("/after", "CallStatus").unwrap(), "in-progress");
    assert_eq!(server.field("/voice", "Direction").unwrap(), "inbound");
    let status: Vec<String> = server
        .asked
        .lock()
        .unwrap()
        .iter()
        .filter(|(path, _)| path == "/stream-status")
        .map(|(_, form)| form.iter().find(|(key, _)| key == "StreamEvent").unwrap().1.clone())
        .collect();
    assert_eq!(status.len(), 2, "{status:?}");

    let heard = server.heard.lock().unwrap().clone();
    let events: Vec<&str> = heard.iter().map(|message| message["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["connected", "start", "mark", "dtmf", "mark", "dtmf"]);
    assert_eq!(heard[1]["start"]["customParameters"]["call_ref"], "c-42");
    // A clear gives back what waits: the mark came long before its second of audio could have been played.
    assert_eq!(heard[4]["mark"]["name"], "cleared");
    assert_eq!(report.received.marks, ["first", "cleared"]);
    assert!(report.received.audible_ms >= 100, "{:?}", report.received);
    let rules: Vec<&str> = report.received.findings.iter().map(|finding| finding.rule).collect();
    // 31921: Twilio warns of every server that closes, also where it means to go on.
    assert_eq!(rules, ["TWI-116"]);
}

#[tokio::test]
async fn a_wrong_token_gets_nowhere() {
    let (server, url) = Server::start(&[STREAM]).await;
    let mut wrong = plan(&url, Vec::new());
    let sim::phone::Carrier::Twilio(line) = &mut wrong.carrier else { panic!() };
    line.auth_token = Some("54321".into());
    let (report, _) = call(wrong).await;
    assert!(report.unwrap_err().to_string().contains("403"));
    assert_eq!(server.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stream_that_twilio_would_refuse_is_refused_and_told() {
    for (from, to, number) in [
        ("ws://HOST/media", "ws://gw.example.com/media", "31922"),
        ("ws://HOST/media", "ws://HOST/media?call=1", "31920"),
        ("ws://HOST/media", "ws://HOST/nothing", "31920"),
    ] {
        let (server, url) = Server::start(&[&STREAM.replace(from, to)]).await;
        let (report, _) = call(plan(&url, Vec::new())).await;
        let error = report.unwrap_err().to_string();
        assert!(error.contains(number) || to.ends_with("nothing"), "{to}: {error}");
        for _ in 0..500 {
            if server.field("/stream-status", "StreamError").is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let told = server.field("/stream-status", "StreamError").unwrap();
        assert!(told.starts_with(number), "{to}: {told}");
    }
}

#[tokio::test]
async fn other_ends_of_a_document_are_ends_of_the_call() {
    for (document, end) in [
        ("<Response><Reject reason=\"busy\"/></Response>", "the TwiML rejected the call: busy"),
        ("<Response><Say>hello</Say><Dial>+918000009001</Dial></Response>", "the TwiML had no more to do"),
        ("<Response/>", "the TwiML had no more to do"),
    ] {
        let (_server, url) = Server::start(&[document]).await;
        let (report, _) = call(plan(&url, Vec::new())).await;
        assert_eq!(report.unwrap().end.detail, end);
    }
    let (_server, url) = Server::start(&["<Response><Redirect/></Response>"]).await;
    let (report, _) = call(plan(&url, Vec::new())).await;
    assert!(report.unwrap().end.detail.contains("in circles"));
    let (_server, url) = Server::start(&["<Response><Dial>0123</Dial></Response>"]).await;
    let (report, _) = call(plan(&url, Vec::new())).await;
    assert!(report.unwrap_err().to_string().contains("13223"));
}

#[tokio::test]
async fn a_live_call_is_redirected_and_hung_up_over_the_rest_interface() {
    let (_server, url) = Server::start(&[STREAM]).await;
    let (orders, receiver) = watch::channel(Order::Talk);
    let mut plan = plan(&url, vec![Step::Wait(Duration::from_secs(30))]);
    plan.orders = receiver;
    let document = "<Response><Pause length=\"30\"/></Response>";
    let document = sim::twilio::Document::parse(document).unwrap();
    let mut verbs = Vec::new();
    let report = Phone::call(plan, |event| match event {
        PhoneEvent::Connected { .. } => drop(orders.send(Order::Follow(document.clone()))),
        PhoneEvent::Verb { what, .. } => {
            verbs.push(what);
            drop(orders.send(Order::HangUp));
        }
        _ => {}
    });
    let report = tokio::time::timeout(Duration::from_secs(20), report).await.unwrap().unwrap();
    assert_eq!((report.end.by, verbs), (EndedBy::Carrier, vec!["<Pause> 30 s".to_owned()]));
    assert_eq!(report.end.detail, "hung up over the REST interface");
}
