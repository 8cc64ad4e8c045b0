//! The conformance test is itself tested: a correct server passes it, and each of many servers with one fault fails
//! the rule that is about its fault.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64_simd::STANDARD;
use carriers::exotel::Writer;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sim::conformance::{Profile, Report, Status, Target, run};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

/// What a server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    SlowHandshake,
    Deaf,
    AnyToken,
    RefusesQuery,
    WrongStream,
    CamelCase,
    NumberTypes,
    SameSequence,
    BadBase64,
    OddBytes,
    OddChunk,
    TinyChunk,
    LargeChunk,
    OtherBytes,
    BinaryAudio,
    SaysConnected,
    SaysHangup,
    SaysNonsense,
    NamelessMark,
    AudioBeforeStart,
    AudioAfterStop,
    NeverCloses,
    TakesAnySize,
    DiesOfPing,
    DiesOf(&'static str),
    Only8000,
    OnlyStrings,
    OnlySnakeCase,
    OnlySmallFrames,
    OnlyWithConnected,
    DiesOfLateStart,
    DiesOfAnAbruptEnd,
    Burst,
    LateGreeting,
    NoMark,
    GreetsTwice,
    GreetsAgain,
    NeverClears,
}

/// A server's faults and its memory.
struct Server {
    profile: Profile,
    fault: Fault,
    greeted: Mutex<BTreeSet<String>>,
    dead: Mutex<bool>,
}

type Socket = WebSocketStream<TcpStream>;

async fn serve(profile: Profile, fault: Fault) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/voicebot/ws", listener.local_addr().unwrap());
    let server = Arc::new(Server { profile, fault, greeted: Mutex::default(), dead: Mutex::new(false) });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                if fault == Fault::DiesOfAnAbruptEnd {
                    // So that the end of the call before is known by then, however busy the machine.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                if !*server.dead.lock().unwrap() {
                    server.answer(stream).await;
                }
            });
        }
    });
    let mut target = Target::new(url, profile);
    target.headers.push(("Authorization".to_owned(), "Bearer letmein".to_owned()));
    target.options.calls_at_once = 64;
    target
}

/// Speech for this test: noise whose loudness rises and falls, never the same twice.
fn words(samples: usize) -> Vec<i16> {
    let mut state = 7_u32;
    (0..samples)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let loud = 1 + (i / 400) % 5;
            ((state >> 16) as i16 / 8) / loud as i16
        })
        .collect()
}

fn is_loud(payload: &[u8]) -> bool {
    payload.as_chunks::<2>().0.iter().any(|pair| i16::from_le_bytes(*pair).unsigned_abs() > 1000)
}

impl Server {
    async fn answer(&self, stream: TcpStream) {
        let mut rate = 8000;
        if self.fault == Fault::SlowHandshake {
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
        let check = |request: &Request, response: Response| {
            let refuse = |status: u16| {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status.try_into().unwrap();
                Err(refusal)
            };
            let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            if self.fault != Fault::AnyToken && token != Some("Bearer letmein") {
                return refuse(401);
            }
            let query = request.uri().query().unwrap_or_default();
            if self.fault == Fault::RefusesQuery && query.contains("lead_id") {
                return refuse(400);
            }
            if let Some((_, named)) = query.split_once("sample-rate=") {
                rate = named.parse().unwrap();
            }
            Ok(response)
        };
        let size = if self.fault == Fault::TakesAnySize { 64 << 20 } else { 1 << 20 };
        let config = WebSocketConfig::default().max_message_size(Some(size)).max_frame_size(Some(size));
        let Ok(socket) = accept_hdr_async_with_config(stream, check, Some(config)).await else { return };
        if self.fault == Fault::Only8000 && rate != 8000 {
            return;
        }
        Talk::new(self, socket, rate).live().await;
    }
}

/// One call of the server.
struct Talk<'a> {
    server: &'a Server,
    socket: Socket,
    rate: u32,
    writer: Option<Writer>,
    stream: String,
    began: Instant,
    connected: bool,
    queue: VecDeque<i16>,
    /// When all that was sent will have been played.
    played: Instant,
    greet_at: Option<Instant>,
    loud: u32,
    stopped: bool,
}

impl<'a> Talk<'a> {
    fn new(server: &'a Server, socket: Socket, rate: u32) -> Self {
        let now = Instant::now();
        Self {
            server,
            socket,
            rate,
            writer: None,
            stream: String::new(),
            began: now,
            connected: false,
            queue: VecDeque::new(),
            played: now,
            greet_at: None,
            loud: 0,
            stopped: false,
        }
    }

    async fn live(mut self) {
        if self.server.fault == Fault::AudioBeforeStart {
            let early = json!({"event": "media", "stream_sid": "", "media": {"payload": STANDARD.encode_to_string([0; 3200])}});
            let _ = self.socket.send(Message::text(early.to_string())).await;
        }
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let alive = tokio::select! {
                _ = ticks.tick() => self.tick().await,
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.text(&text).await,
                    Some(Ok(Message::Binary(_))) => self.server.fault != Fault::DiesOf("binary"),
                    Some(Ok(Message::Ping(_))) => self.server.fault != Fault::DiesOfPing,
                    Some(Ok(Message::Close(_))) => false,
                    Some(Ok(_)) => true,
                    Some(Err(WsError::Capacity(_))) => return self.close(CloseCode::Size).await,
                    Some(Err(_)) | None => {
                        *self.server.dead.lock().unwrap() |= self.server.fault == Fault::DiesOfAnAbruptEnd;
                        return;
                    }
                },
            };
            if !alive {
                // An end without a stop may also be noticed by sending.
                *self.server.dead.lock().unwrap() |=
                    self.server.fault == Fault::DiesOfAnAbruptEnd && !self.stopped;
                return self.close(CloseCode::Normal).await;
            }
        }
    }

    async fn close(mut self, code: CloseCode) {
        let _ = self.socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
        // What the peer still sends is thrown away below the protocol, so that our close reaches it.
        let stream = self.socket.get_mut();
        let mut waste = vec![0; 1 << 16];
        let drain =
            async { while tokio::io::AsyncReadExt::read(stream, &mut waste).await.is_ok_and(|n| n > 0) {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
    }

    /// Whether the call goes on.
    async fn text(&mut self, text: &str) -> bool {
        let fault = self.server.fault;
        let Ok(message) = serde_json::from_str::<Value>(text) else { return fault != Fault::DiesOf("json") };
        let event = message["event"].as_str().unwrap_or_default().to_owned();
        if fault == Fault::OnlyStrings && message["sequence_number"].is_number()
            || fault == Fault::OnlySnakeCase && message.get("streamSid").is_some()
        {
            return false;
        }
        match event.as_str() {
            "connected" => self.connected = true,
            "start" => return self.start(&message).await,
            "media" => return self.media(&message).await,
            "stop" => {
                self.stopped = true;
                if fault == Fault::AudioAfterStop {
                    self.began = Instant::now();
                }
                return matches!(fault, Fault::NeverCloses | Fault::AudioAfterStop);
            }
            "dtmf" | "mark" | "clear" => return fault != Fault::DiesOf("event"),
            _ => return fault != Fault::DiesOf("unknown"),
        }
        true
    }

    async fn start(&mut self, message: &Value) -> bool {
        let fault = self.server.fault;
        if self.writer.is_some() {
            return fault != Fault::DiesOf("start");
        }
        if fault == Fault::OnlyWithConnected && !self.connected
            || fault == Fault::DiesOfLateStart && self.began.elapsed() > Duration::from_millis(500)
        {
            return false;
        }
        let text = |snake: &str, camel: &str| {
            let start = &message["start"];
            start[snake].as_str().or(start[camel].as_str()).unwrap_or_default().to_owned()
        };
        self.stream = text("stream_sid", "streamSid");
        let stream = if fault == Fault::WrongStream { "another" } else { &self.stream };
        self.writer = Some(Writer::new(stream, self.rate.try_into().unwrap()));
        let odd = match fault {
            Fault::SaysConnected => Some(json!({"event": "connected"}).to_string()),
            Fault::SaysHangup => Some(json!({"event": "hangup", "stream_sid": self.stream}).to_string()),
            Fault::SaysNonsense => Some("hello".to_owned()),
            Fault::NamelessMark => {
                Some(json!({"event": "mark", "stream_sid": self.stream, "mark": {}}).to_string())
            }
            _ => None,
        };
        if let Some(odd) = odd {
            let _ = self.socket.send(Message::text(odd)).await;
        }
        let new = self.server.greeted.lock().unwrap().insert(text("call_sid", "callSid"));
        if self.server.profile == Profile::Agent && (new || fault == Fault::GreetsAgain) {
            let wait = if fault == Fault::LateGreeting { 2_500 } else { 300 };
            self.greet_at = Some(Instant::now() + Duration::from_millis(wait));
        }
        true
    }

    async fn media(&mut self, message: &Value) -> bool {
        let fault = self.server.fault;
        let payload = message["media"]["payload"].as_str().unwrap_or_default();
        let bytes = STANDARD.decode_to_vec(payload).unwrap_or_default();
        if fault == Fault::DiesOf("empty") && bytes.is_empty()
            || fault == Fault::DiesOf("odd") && bytes.len() % 2 == 1
            || fault == Fault::DiesOf("early") && self.writer.is_none()
            || fault == Fault::OnlySmallFrames && bytes.len() > 1000
        {
            return false;
        }
        if fault == Fault::Deaf {
            return true;
        }
        if self.server.profile == Profile::Echo && self.writer.is_some() && !bytes.is_empty() {
            let samples =
                bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect::<Vec<_>>();
            return self.say(&samples).await;
        }
        self.loud = if is_loud(&bytes) { self.loud + 1 } else { 0 };
        if self.loud > 10 && fault != Fault::NeverClears && self.played > Instant::now() {
            self.queue.clear();
            self.played = Instant::now();
            if let Some(writer) = &mut self.writer {
                let clear = writer.clear().to_owned();
                return self.socket.send(Message::text(clear)).await.is_ok();
            }
        }
        true
    }

    async fn tick(&mut self) -> bool {
        let fault = self.server.fault;
        if self.stopped && fault == Fault::AudioAfterStop {
            return self.began.elapsed() < Duration::from_millis(1500) && self.say(&[0; 1600]).await;
        }
        if self.greet_at.take_if(|at| *at <= Instant::now()).is_some() {
            let tenths = if fault == Fault::NeverClears { 100 } else { 44 };
            let speech = words(self.rate as usize * tenths / 10);
            self.queue.extend(&speech);
            if fault == Fault::GreetsTwice {
                self.queue.extend(&speech);
            }
            let whole = self.queue.len().next_multiple_of(1600);
            self.queue.resize(whole, 0);
        }
        let lead = Duration::from_millis(if fault == Fault::Burst { 60_000 } else { 800 });
        while !self.queue.is_empty() && self.played < Instant::now() + lead {
            let chunk = if fault == Fault::LargeChunk { 50_080 } else { 1600 };
            let samples: Vec<i16> = self.queue.drain(..chunk.min(self.queue.len())).collect();
            let length = Duration::from_micros(samples.len() as u64 * 1_000_000 / u64::from(self.rate));
            self.played = self.played.max(Instant::now()) + length;
            if !self.say(&samples).await {
                return false;
            }
            if self.queue.is_empty() && fault != Fault::NoMark {
                let mark = self.writer.as_mut().map(|writer| writer.mark("greeting_done").to_owned());
                return self.socket.send(Message::text(mark.unwrap_or_default())).await.is_ok();
            }
        }
        true
    }

    /// Sends audio, with the fault in it.
    async fn say(&mut self, samples: &[i16]) -> bool {
        let Some(writer) = &mut self.writer else { return true };
        let mut message: Value = serde_json::from_str(writer.media(samples)).unwrap();
        let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut sent = Message::text(message.to_string());
        match self.server.fault {
            Fault::CamelCase => {
                message["streamSid"] = message["stream_sid"].take();
                message.as_object_mut().unwrap().remove("stream_sid");
            }
            Fault::NumberTypes => {
                message["sequence_number"] =
                    json!(message["media"]["chunk"].as_str().unwrap().parse::<u64>().unwrap());
            }
            Fault::SameSequence => message["sequence_number"] = json!("1"),
            Fault::BadBase64 => message["media"]["payload"] = json!("not base64!"),
            Fault::OddBytes => bytes.truncate(319),
            Fault::OddChunk => bytes.truncate(318),
            Fault::TinyChunk => bytes.truncate(160),
            Fault::OtherBytes => bytes[5] ^= 1,
            _ => {}
        }
        if self.server.fault != Fault::BadBase64 {
            message["media"]["payload"] = json!(STANDARD.encode_to_string(&bytes));
        }
        if self.server.fault != Fault::Nothing {
            sent = Message::text(message.to_string());
        }
        if self.server.fault == Fault::BinaryAudio {
            sent = Message::binary(bytes);
        }
        self.socket.send(sent).await.is_ok()
    }
}

fn broken(report: &Report) -> Vec<&'static str> {
    report.results.iter().filter(|rule| rule.status == Status::Fail).map(|rule| rule.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn correct_servers_pass() {
    let (echo, agent) =
        (serve(Profile::Echo, Fault::Nothing).await, serve(Profile::Agent, Fault::Nothing).await);
    let (echo, agent) = tokio::join!(run(&echo), run(&agent));
    for report in [&echo, &agent] {
        assert_eq!((broken(report), report.skipped()), (vec![], 0), "{}", report.to_text());
        assert!(report.passed() > 40);
        assert!(report.took < Duration::from_secs(60), "{:?}", report.took);
    }
}

const ECHO_FAULTS: &[(Fault, &str)] = &[
    (Fault::SlowHandshake, "EXO-001"),
    (Fault::RefusesQuery, "EXO-002"),
    (Fault::AnyToken, "EXO-003"),
    (Fault::Deaf, "EXO-010"),
    (Fault::Only8000, "EXO-011"),
    (Fault::Only8000, "EXO-012"),
    (Fault::OnlyStrings, "EXO-020"),
    (Fault::OnlySnakeCase, "EXO-021"),
    (Fault::OnlyWithConnected, "EXO-022"),
    (Fault::DiesOf("early"), "EXO-023"),
    (Fault::DiesOfLateStart, "EXO-024"),
    (Fault::DiesOf("start"), "EXO-025"),
    (Fault::DiesOf("unknown"), "EXO-026"),
    (Fault::DiesOf("json"), "EXO-027"),
    (Fault::DiesOf("binary"), "EXO-028"),
    (Fault::DiesOf("odd"), "EXO-029"),
    (Fault::DiesOf("empty"), "EXO-030"),
    (Fault::OnlySmallFrames, "EXO-031"),
    (Fault::DiesOf("event"), "EXO-032"),
    (Fault::DiesOf("event"), "EXO-033"),
    (Fault::DiesOf("event"), "EXO-034"),
    (Fault::DiesOfPing, "EXO-040"),
    (Fault::NeverCloses, "EXO-041"),
    (Fault::OtherBytes, "EXO-042"),
    (Fault::TakesAnySize, "EXO-045"),
    (Fault::DiesOfAnAbruptEnd, "EXO-046"),
    (Fault::SaysNonsense, "EXO-101"),
    (Fault::BinaryAudio, "EXO-102"),
    (Fault::SaysHangup, "EXO-103"),
    (Fault::SaysConnected, "EXO-104"),
    (Fault::CamelCase, "EXO-105"),
    (Fault::WrongStream, "EXO-106"),
    (Fault::NumberTypes, "EXO-107"),
    (Fault::SameSequence, "EXO-108"),
    (Fault::BadBase64, "EXO-109"),
    (Fault::OddBytes, "EXO-110"),
    (Fault::OddChunk, "EXO-111"),
    (Fault::TinyChunk, "EXO-112"),
    (Fault::NamelessMark, "EXO-115"),
    (Fault::AudioBeforeStart, "EXO-116"),
    (Fault::AudioAfterStop, "EXO-117"),
];

const AGENT_FAULTS: &[(Fault, &str)] = &[
    (Fault::NeverClears, "EXO-043"),
    (Fault::GreetsAgain, "EXO-044"),
    (Fault::LargeChunk, "EXO-114"),
    (Fault::Burst, "EXO-118"),
    (Fault::LateGreeting, "EXO-119"),
    (Fault::GreetsTwice, "EXO-120"),
    (Fault::NoMark, "EXO-121"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_has_a_server_that_breaks_it() {
    // Against nobody: the rules are all in the report, and none is kept.
    let nobody = |profile| async move { run(&Target::new("ws://127.0.0.1:1/", profile)).await };
    let (echo, agent) = tokio::join!(nobody(Profile::Echo), nobody(Profile::Agent));
    assert_eq!((echo.passed(), agent.passed()), (0, 0));
    let rules: BTreeSet<&str> = echo.results.iter().chain(&agent.results).map(|rule| rule.id).collect();
    let tried: BTreeSet<&str> = ECHO_FAULTS.iter().chain(AGENT_FAULTS).map(|(_, rule)| *rule).collect();
    // Small chunks are only warned of.
    assert_eq!(rules.difference(&tried).collect::<Vec<_>>(), [&"EXO-113"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_breaks_its_own_rule() {
    let echo = ECHO_FAULTS.iter().map(|(fault, rule)| (Profile::Echo, *fault, *rule));
    let agent = AGENT_FAULTS.iter().map(|(fault, rule)| (Profile::Agent, *fault, *rule));
    let runs = echo.chain(agent).map(|(profile, fault, rule)| async move {
        let mut target = serve(profile, fault).await;
        target.options.only = vec![rule.to_owned()];
        let report = run(&target).await;
        (broken(&report) != [rule]).then(|| format!("{fault:?} does not break {rule}:\n{}", report.to_text()))
    });
    let missed: Vec<String> = futures_util::future::join_all(runs).await.into_iter().flatten().collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
