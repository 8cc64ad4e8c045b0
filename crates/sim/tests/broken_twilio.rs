//! The conformance test for Twilio is itself tested: a correct server passes it, and each of many servers with one
//! fault fails the rule that is about its fault.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::g711::{mulaw_decode, mulaw_encode};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64_simd::STANDARD;
use serde_json::{Value, json};
use sim::conformance::{Profile, Report, Status, Target, TwilioTarget, run_twilio};
use sim::phone::TwilioLine;
use sim::twilio::{Call, signature, upgrade_signature};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

const TOKEN: &str = "12345";

/// What a server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    NoAnswer,
    AnswersJson,
    NoStream,
    QueryInUrl,
    LongParameter,
    TakesUnsigned,
    TakesForged,
    UpgradesUnsigned,
    UpgradesForged,
    AnyCall,
    SlowHandshake,
    Deaf,
    DiesOf(&'static str),
    DiesOfPing,
    NeverCloses,
    OtherBytes,
    NeverClears,
    TakesAnySize,
    DiesOfAnAbruptEnd,
    SaysNonsense,
    BinaryAudio,
    SaysHangup,
    SaysConnected,
    WrongStream,
    ExtraKey,
    BadBase64,
    FileHeader,
    NamelessMark,
    AudioBeforeStart,
    AudioAfterStop,
    LateGreeting,
    GreetsTwice,
}

#[derive(Clone)]
struct Server {
    profile: Profile,
    fault: Fault,
    address: String,
    dead: Arc<Mutex<bool>>,
}

async fn serve(profile: Profile, fault: Fault) -> TwilioTarget {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Server { profile, fault, address: address.clone(), dead: Arc::default() };
    let routes = Router::new().route("/voice", post(voice)).route("/media", get(media)).with_state(server);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut target = Target::new(format!("http://{address}/voice"), profile);
    target.options.calls_at_once = 64;
    TwilioTarget { server: target, line: TwilioLine::new(Call::invented(1), Some(TOKEN.into())) }
}

/// The answer to what is not signed rightly, unless the fault lets it pass.
fn refusal(headers: &HeaderMap, wanted: &str, unsigned: bool, forged: bool) -> Option<Response> {
    match headers.get("x-twilio-signature").map(|value| value.to_str().unwrap()) {
        None if !unsigned => Some(StatusCode::BAD_REQUEST.into_response()),
        Some(shown) if shown != wanted && !forged => Some(StatusCode::FORBIDDEN.into_response()),
        _ => None,
    }
}

async fn voice(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    if server.fault == Fault::DiesOfAnAbruptEnd {
        // So that the end of the call before is known by then, however busy the machine.
        sleep(Duration::from_secs(1)).await;
    }
    if *server.dead.lock().unwrap() || server.fault == Fault::NoAnswer {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let wanted = signature(TOKEN, &format!("http://{}/voice", server.address), &form);
    let (unsigned, forged) = (server.fault == Fault::TakesUnsigned, server.fault == Fault::TakesForged);
    if let Some(refusal) = refusal(&headers, &wanted, unsigned, forged) {
        return refusal;
    }
    let query = if server.fault == Fault::QueryInUrl { "?call=1" } else { "" };
    let token = if server.fault == Fault::LongParameter { "x".repeat(500) } else { "r-1".to_owned() };
    let connect = format!(
        "<Connect><Stream url=\"ws://{}/media{query}\"><Parameter name=\"call_ref\" value=\"{token}\"/></Stream>\
         </Connect>",
        server.address
    );
    let connect = if server.fault == Fault::NoStream { "<Say>hello</Say>" } else { &connect };
    let kind = if server.fault == Fault::AnswersJson { "application/json" } else { "text/xml" };
    ([(header::CONTENT_TYPE, kind)], format!("<Response>{connect}</Response>")).into_response()
}

async fn media(State(server): State<Server>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let wanted = upgrade_signature(TOKEN, &format!("ws://{}/media", server.address));
    let (unsigned, forged) = (server.fault == Fault::UpgradesUnsigned, server.fault == Fault::UpgradesForged);
    if let Some(refusal) = refusal(&headers, &wanted, unsigned, forged) {
        return refusal;
    }
    if server.fault == Fault::SlowHandshake {
        sleep(Duration::from_secs(11)).await;
    }
    let most = if server.fault == Fault::TakesAnySize { 64 << 20 } else { 1 << 20 };
    upgrade.max_message_size(most).max_frame_size(most).on_upgrade(|socket| Talk::new(server, socket).live())
}

/// Speech for this test: noise whose loudness rises and falls, never the same twice.
fn words(samples: usize) -> VecDeque<u8> {
    let mut state = 7_u32;
    (0..samples)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let loud = 1 + (i / 400) % 5;
            mulaw_encode(((state >> 16) as i16 / 8) / loud as i16)
        })
        .collect()
}

/// One call of the server.
struct Talk {
    server: Server,
    socket: WebSocket,
    stream: Option<String>,
    queue: VecDeque<u8>,
    /// When all that was sent will have been played.
    played: Instant,
    greet_at: Option<Instant>,
    loud: u32,
    stopped: Option<Instant>,
}

impl Talk {
    fn new(server: Server, socket: WebSocket) -> Self {
        let now = Instant::now();
        Self {
            server,
            socket,
            stream: None,
            queue: VecDeque::new(),
            played: now,
            greet_at: None,
            loud: 0,
            stopped: None,
        }
    }

    async fn live(mut self) {
        if self.server.fault == Fault::AudioBeforeStart {
            let early = json!({"event": "media", "streamSid": "", "media": {"payload": "////"}});
            self.send(&early).await;
        }
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let code = tokio::select! {
                _ = ticks.tick() => if self.tick().await { None } else { Some(1000) },
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => self.text(&text).await,
                    Some(Ok(Message::Binary(_))) if self.server.fault == Fault::DiesOf("binary") => Some(1000),
                    Some(Ok(Message::Ping(_))) if self.server.fault == Fault::DiesOfPing => return,
                    Some(Ok(Message::Close(_))) => return,
                    Some(Ok(_)) => None,
                    Some(Err(error)) if error.to_string().contains("too") => Some(1009),
                    Some(Err(_)) | None => {
                        let dies = self.server.fault == Fault::DiesOfAnAbruptEnd && self.stopped.is_none();
                        *self.server.dead.lock().unwrap() |= dies;
                        return;
                    }
                },
            };
            let Some(code) = code else { continue };
            let close = CloseFrame { code, reason: "".into() };
            let _ = self.socket.send(Message::Close(Some(close))).await;
            // The peer is to read it before the connection goes.
            let ends = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            let _ = tokio::time::timeout(Duration::from_secs(1), ends).await;
            sleep(Duration::from_millis(if code == 1009 { 1_000 } else { 0 })).await;
            return;
        }
    }

    async fn send(&mut self, message: &Value) -> bool {
        self.socket.send(Message::text(message.to_string())).await.is_ok()
    }

    /// The code to close with, where the call does not go on.
    async fn text(&mut self, text: &str) -> Option<u16> {
        let fault = self.server.fault;
        let dies = |of: &'static str| (fault == Fault::DiesOf(of)).then_some(1000);
        let Ok(message) = serde_json::from_str::<Value>(text) else { return dies("json") };
        if message.get("another").is_some() {
            return dies("new keys");
        }
        match message["event"].as_str().unwrap_or_default() {
            "connected" => None,
            "start" if self.stream.is_some() => dies("start"),
            "start" => self.start(&message).await,
            "media" => self.media(&message).await,
            "stop" => {
                self.stopped = Some(Instant::now());
                if fault == Fault::NeverCloses {
                    sleep(Duration::from_secs(30)).await;
                }
                None
            }
            "dtmf" => dies("dtmf"),
            "mark" if message["mark"]["name"] == "never asked for" => dies("mark"),
            "mark" if message["mark"]["name"] == "cut off" => dies("returned mark"),
            "mark" => None,
            _ => dies("unknown"),
        }
    }

    async fn start(&mut self, message: &Value) -> Option<u16> {
        let fault = self.server.fault;
        if fault != Fault::AnyCall && message["start"]["customParameters"]["call_ref"].is_null() {
            return Some(1008);
        }
        let stream = message["streamSid"].as_str().unwrap().to_owned();
        let odd = match fault {
            Fault::SaysConnected => Some(json!({"event": "connected"})),
            Fault::SaysHangup => Some(json!({"event": "hangup", "streamSid": stream})),
            Fault::SaysNonsense => Some(json!("hello")),
            Fault::NamelessMark => Some(json!({"event": "mark", "streamSid": stream, "mark": {}})),
            _ => None,
        };
        if let Some(odd) = odd {
            self.send(&odd).await;
        }
        self.stream = Some(if fault == Fault::WrongStream { "MZ0".to_owned() } else { stream });
        if self.server.profile == Profile::Agent {
            let wait = if fault == Fault::LateGreeting { 2_500 } else { 300 };
            self.greet_at = Some(Instant::now() + Duration::from_millis(wait));
        }
        None
    }

    async fn media(&mut self, message: &Value) -> Option<u16> {
        let fault = self.server.fault;
        let bytes = STANDARD.decode_to_vec(message["media"]["payload"].as_str().unwrap()).unwrap();
        let dies = fault == Fault::DiesOf("empty") && bytes.is_empty()
            || fault == Fault::DiesOf("large") && bytes.len() > 160
            || fault == Fault::DiesOf("early") && self.stream.is_none();
        if dies || fault == Fault::Deaf {
            return dies.then_some(1000);
        }
        if self.server.profile == Profile::Echo && self.stream.is_some() && !bytes.is_empty() {
            return (!self.say(bytes).await).then_some(1000);
        }
        let is_loud = bytes.iter().any(|code| mulaw_decode(*code).unsigned_abs() > 1000);
        self.loud = if is_loud { self.loud + 1 } else { 0 };
        if self.loud > 10 && fault != Fault::NeverClears && self.played > Instant::now() {
            self.queue.clear();
            self.played = Instant::now();
            let stream = self.stream.clone();
            self.send(&json!({"event": "mark", "streamSid": stream, "mark": {"name": "cut off"}})).await;
            self.send(&json!({"event": "clear", "streamSid": stream})).await;
        }
        None
    }

    /// Whether the call goes on.
    async fn tick(&mut self) -> bool {
        let fault = self.server.fault;
        if let Some(stopped) = self.stopped {
            return fault != Fault::AudioAfterStop
                || stopped.elapsed() > Duration::from_millis(690)
                || self.say(vec![0x10; 160]).await;
        }
        if self.greet_at.take_if(|at| *at <= Instant::now()).is_some() {
            let tenths = if fault == Fault::NeverClears { 100 } else { 44 };
            let speech = words(8_000 * tenths / 10);
            self.queue.extend(&speech);
            if fault == Fault::GreetsTwice {
                self.queue.extend(&speech);
            }
        }
        while !self.queue.is_empty() && self.played < Instant::now() + Duration::from_millis(800) {
            let bytes: Vec<u8> = self.queue.drain(..self.queue.len().min(1600)).collect();
            self.played = self.played.max(Instant::now()) + Duration::from_micros(bytes.len() as u64 * 125);
            if !self.say(bytes).await {
                return false;
            }
            if self.queue.is_empty() {
                let mark =
                    json!({"event": "mark", "streamSid": self.stream, "mark": {"name": "greeting_done"}});
                return self.send(&mark).await;
            }
        }
        true
    }

    /// Sends audio, with the fault in it.
    async fn say(&mut self, mut bytes: Vec<u8>) -> bool {
        let fault = self.server.fault;
        match fault {
            Fault::BinaryAudio => return self.socket.send(Message::binary(bytes)).await.is_ok(),
            Fault::OtherBytes => bytes[5] ^= 1,
            Fault::FileHeader => bytes[..4].copy_from_slice(b"RIFF"),
            _ => {}
        }
        let payload = STANDARD.encode_to_string(&bytes);
        let payload = if fault == Fault::BadBase64 { "not base64!" } else { &payload };
        let mut message = json!({"event": "media", "streamSid": self.stream, "media": {"payload": payload}});
        if fault == Fault::ExtraKey {
            message["media"]["track"] = json!("outbound");
        }
        self.send(&message).await
    }
}

fn broken(report: &Report) -> Vec<&'static str> {
    report.results.iter().filter(|rule| rule.status == Status::Fail).map(|rule| rule.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn correct_servers_pass() {
    let (echo, agent) =
        (serve(Profile::Echo, Fault::Nothing).await, serve(Profile::Agent, Fault::Nothing).await);
    let (echo, agent) = tokio::join!(run_twilio(&echo), run_twilio(&agent));
    for report in [&echo, &agent] {
        assert_eq!((broken(report), report.skipped()), (vec![], 0), "{}", report.to_text());
        assert!(report.passed() > 35 && report.carrier == "twilio");
        assert!(report.to_junit().contains("name=\"twilio conformance"));
    }
}

const ECHO_FAULTS: &[(Fault, &str)] = &[
    (Fault::NoAnswer, "TWI-001"),
    (Fault::AnswersJson, "TWI-002"),
    (Fault::NoStream, "TWI-003"),
    (Fault::QueryInUrl, "TWI-004"),
    (Fault::LongParameter, "TWI-005"),
    (Fault::TakesUnsigned, "TWI-006"),
    (Fault::TakesForged, "TWI-007"),
    (Fault::SlowHandshake, "TWI-010"),
    (Fault::UpgradesUnsigned, "TWI-011"),
    (Fault::UpgradesForged, "TWI-012"),
    (Fault::AnyCall, "TWI-013"),
    (Fault::Deaf, "TWI-020"),
    (Fault::DiesOf("unknown"), "TWI-021"),
    (Fault::DiesOf("json"), "TWI-022"),
    (Fault::DiesOf("early"), "TWI-023"),
    (Fault::DiesOf("start"), "TWI-024"),
    (Fault::DiesOf("dtmf"), "TWI-025"),
    (Fault::DiesOf("mark"), "TWI-026"),
    (Fault::DiesOf("binary"), "TWI-028"),
    (Fault::DiesOf("empty"), "TWI-029"),
    (Fault::DiesOf("large"), "TWI-030"),
    (Fault::DiesOf("new keys"), "TWI-031"),
    (Fault::DiesOfPing, "TWI-040"),
    (Fault::NeverCloses, "TWI-041"),
    (Fault::OtherBytes, "TWI-042"),
    (Fault::TakesAnySize, "TWI-044"),
    (Fault::DiesOfAnAbruptEnd, "TWI-045"),
    (Fault::SaysNonsense, "TWI-101"),
    (Fault::BinaryAudio, "TWI-102"),
    (Fault::SaysHangup, "TWI-103"),
    (Fault::SaysConnected, "TWI-104"),
    (Fault::WrongStream, "TWI-105"),
    (Fault::ExtraKey, "TWI-106"),
    (Fault::BadBase64, "TWI-107"),
    (Fault::FileHeader, "TWI-108"),
    (Fault::NamelessMark, "TWI-109"),
    (Fault::AudioBeforeStart, "TWI-110"),
    (Fault::AudioAfterStop, "TWI-111"),
];

const AGENT_FAULTS: &[(Fault, &str)] = &[
    (Fault::DiesOf("returned mark"), "TWI-027"),
    (Fault::NeverClears, "TWI-043"),
    (Fault::LateGreeting, "TWI-114"),
    (Fault::GreetsTwice, "TWI-115"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_has_a_server_that_breaks_it() {
    // Against nobody: the rules are all in the report, and none is kept.
    let nobody = |profile| async move {
        let line = TwilioLine::new(Call::invented(1), Some(TOKEN.into()));
        run_twilio(&TwilioTarget { server: Target::new("http://127.0.0.1:1/", profile), line }).await
    };
    let (echo, agent) = tokio::join!(nobody(Profile::Echo), nobody(Profile::Agent));
    assert_eq!((echo.passed(), agent.passed()), (0, 0), "{}", echo.to_text());
    let rules: BTreeSet<&str> = echo.results.iter().chain(&agent.results).map(|rule| rule.id).collect();
    let tried: BTreeSet<&str> = ECHO_FAULTS.iter().chain(AGENT_FAULTS).map(|(_, rule)| *rule).collect();
    // Of these is only warned.
    assert_eq!(rules.difference(&tried).collect::<Vec<_>>(), [&"TWI-112", &"TWI-113", &"TWI-116"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_breaks_its_own_rule() {
    let echo = ECHO_FAULTS.iter().map(|(fault, rule)| (Profile::Echo, *fault, *rule));
    let agent = AGENT_FAULTS.iter().map(|(fault, rule)| (Profile::Agent, *fault, *rule));
    let runs = echo.chain(agent).map(|(profile, fault, rule)| async move {
        let mut target = serve(profile, fault).await;
        target.server.options.only = vec![rule.to_owned()];
        let report = run_twilio(&target).await;
        (broken(&report) != [rule]).then(|| format!("{fault:?} does not break {rule}:\n{}", report.to_text()))
    });
    let missed: Vec<String> = futures_util::future::join_all(runs).await.into_iter().flatten().collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_signatures_are_not_judged() {
    let mut target = serve(Profile::Echo, Fault::TakesUnsigned).await;
    target.line.auth_token = None;
    target.server.options.only = ["TWI-006", "TWI-007", "TWI-011", "TWI-012"].map(str::to_owned).to_vec();
    let report = run_twilio(&target).await;
    assert_eq!((report.skipped(), report.failed()), (4, 0), "{}", report.to_text());
}
