//! Exotel's flows in the stand-in: a Voicebot and the Passthru applet behind it, which tells how the stream went, in
//! either of its two encodings; and what the account's limits and lists do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::Pcm;
use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use carriers::exotel::{DisconnectedBy, StreamReport, StreamStatus};
use serde_json::Value;
use sim::carriers::{CarrierServer, Flow, Manner, Moment, Pace, Passthru, Person, Settings, What, World};
use sim::phone::Speech;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TO: &str = "+919800000001";
/// Longer than any of these calls can take on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A server with a media socket and a place for reports.
#[derive(Clone, Default)]
struct Bot {
    address: String,
    /// Whether it hangs up by itself, after the first frame.
    closes: bool,
    reports: Arc<Mutex<Vec<String>>>,
    agents: Arc<Mutex<Vec<String>>>,
}

impl Bot {
    async fn start(closes: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bot = Self { address: listener.local_addr().unwrap().to_string(), closes, ..Self::default() };
        let routes =
            Router::new().route("/ws", get(media)).route("/passthru", get(passthru)).with_state(bot.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        bot
    }
}

async fn media(State(bot): State<Bot>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    bot.agents.lock().unwrap().push(headers["user-agent"].to_str().unwrap().to_owned());
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if bot.closes && matches!(&message, Message::Text(text) if text.contains("\"media\"")) {
                let _ = socket.send(Message::Close(None)).await;
                return;
            }
        }
    })
}

async fn passthru(State(bot): State<Bot>, RawQuery(query): RawQuery) -> Response {
    bot.reports.lock().unwrap().push(query.unwrap_or_default());
    StatusCode::OK.into_response()
}

/// The carrier, with a flow whose Voicebot has this socket.
async fn carrier(bot: &Bot, path: &str, as_json: bool, set: impl FnOnce(&mut Settings)) -> CarrierServer {
    let pace = Pace { patience: Duration::from_millis(200), ..Pace::default() };
    let pcm: Pcm = (0..1600).map(|n| if n % 20 < 10 { 9_000 } else { -9_000 }).collect();
    let speech = Some(Speech { label: "tone".to_owned(), pcm });
    let mut settings = Settings { pace, speech, ..Settings::default() };
    settings.exotel.flow = Flow::Voicebot(format!("ws://{}{path}", bot.address));
    settings.exotel.passthru =
        Some(Passthru { url: format!("http://{}/passthru?k=1", bot.address), as_json });
    set(&mut settings);
    CarrierServer::start(World::new(settings)).await.unwrap()
}

async fn ask(server: &CarrierServer, method: &str, rest: &str, form: &[(&str, &str)]) -> Value {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let basic = base64_simd::STANDARD.encode_to_string("key:token");
    let request = format!(
        "{method} /v1/Accounts/acme1{rest} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n\
         Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or(Value::String(body.to_owned()))
}

async fn place(server: &CarrierServer) {
    let flow = [
        ("From", TO),
        ("CallerId", "08000000002"),
        ("Url", "http://my.exotel.com/acme1/exoml/start_voice/11754"),
        ("CustomField", "call_1"),
    ];
    let placed = ask(server, "POST", "/Calls/connect.json", &flow).await;
    assert!(placed["Call"]["Sid"].is_string(), "{placed}");
}

async fn ended(server: &CarrierServer, calls: usize) {
    tokio::time::timeout(LONG, server.ledger().until_ended(calls)).await.unwrap();
}

#[tokio::test]
async fn the_applet_behind_the_voicebot_tells_how_its_stream_went() {
    for as_json in [false, true] {
        for (closes, path, status, by) in [
            (true, "/ws", StreamStatus::Completed, DisconnectedBy::Bot),
            (false, "/ws", StreamStatus::Cancelled, DisconnectedBy::User),
            (false, "/nowhere", StreamStatus::Failed, DisconnectedBy::Nobody),
        ] {
            let bot = Bot::start(closes).await;
            let server = carrier(&bot, path, as_json, |_| {}).await;
            place(&server).await;
            ended(&server, 1).await;
            let reports = bot.reports.lock().unwrap().clone();
            assert_eq!(reports.len(), 1, "{reports:?}");
            assert_eq!(reports[0].contains("Stream%5BStatus%5D="), !as_json, "{}", reports[0]);
            // Read by the one who is meant to.
            let report = StreamReport::parse(&reports[0], None, b"");
            assert_eq!((report.status, report.disconnected_by), (Some(status), Some(by)), "{reports:?}");
            assert_eq!(report.error.is_some(), path == "/nowhere", "{reports:?}");
            assert_eq!((&*report.params["flow_id"], &*report.params["CustomField"]), ("11754", "call_1"));
            let agents = bot.agents.lock().unwrap().clone();
            assert!(agents.iter().all(|agent| agent.starts_with("Go-http-client/")), "{agents:?}");
        }
    }
}

#[tokio::test]
async fn a_call_beyond_the_accounts_streams_gets_none() {
    let bot = Bot::start(false).await;
    let server = carrier(&bot, "/ws", false, |settings| settings.exotel.streams = 0).await;
    place(&server).await;
    ended(&server, 1).await;
    let report = StreamReport::parse(&bot.reports.lock().unwrap()[0], None, b"");
    assert_eq!(
        (report.status, report.disconnected_by),
        (Some(StreamStatus::Failed), Some(DisconnectedBy::Nobody))
    );
    assert_eq!(report.error.as_deref(), Some("Streaming_call_throttled"));
    assert!(bot.agents.lock().unwrap().is_empty());
    let streams = ask(&server, "GET", "/ActiveStreams", &[]).await;
    assert!(streams.as_str().unwrap().contains("<ThrottleLimit>0</ThrottleLimit>"), "{streams}");
}

#[tokio::test]
async fn a_list_leaves_out_the_calls_that_go_on_unless_it_is_told_not_to() {
    for shows in [false, true] {
        let bot = Bot::start(false).await;
        let server = carrier(&bot, "/ws", false, |settings| settings.exotel.lists_running = shows).await;
        server.world().treat(TO, Manner { person: Person::Silent(3_000), ..Manner::default() });
        place(&server).await;
        let is_on = |what: &What| matches!(what, What::Moment { moment: Moment::Connected });
        let on = server.ledger().until(|lines| lines.iter().any(|line| is_on(&line.what)));
        tokio::time::timeout(LONG, on).await.unwrap();
        let listed =
            async || ask(&server, "GET", "/Calls.json", &[]).await["Calls"].as_array().unwrap().len();
        let is_shown = listed().await == 1;
        // On a machine that is busy for so long it may be over by then.
        let is_end = |what: &What| matches!(what, What::Moment { moment: Moment::Stopped });
        let is_over = server.ledger().all().iter().any(|line| is_end(&line.what));
        assert!(is_shown == shows || is_over, "{shows}");
        ended(&server, 1).await;
        assert_eq!(listed().await, 1);
    }
}

#[tokio::test]
async fn a_line_may_break_and_somebody_may_talk_over_the_agent() {
    let bot = Bot::start(false).await;
    let server = carrier(&bot, "/ws", false, |_| {}).await;
    server.world().treat(TO, Manner { person: Person::Vanishes(300), ..Manner::default() });
    place(&server).await;
    ended(&server, 1).await;
    let all = server.ledger().all();
    let is_goodbye =
        |what: &What| matches!(what, What::Moment { moment: Moment::Stopped } | What::Talked { .. });
    assert!(all.iter().all(|line| !is_goodbye(&line.what)), "{all:#?}");
    server.world().treat(TO, Manner { person: Person::Interrupts, ..Manner::default() });
    place(&server).await;
    ended(&server, 2).await;
    let all = server.ledger().all();
    assert!(all.iter().any(|line| matches!(line.what, What::Moment { moment: Moment::Stopped })), "{all:#?}");
}
