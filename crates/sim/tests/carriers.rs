//! The carriers' stand-ins on real sockets: what they answer, what they call back, and how each number is treated.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::Pcm;
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Value, json};
use sim::carriers::{Answering, CarrierServer, Manner, Pace, Person, Settings, What, World};
use sim::phone::Speech;
use sim::twilio::signature;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TOKEN: &str = "12345";
const TO: &str = "+12025550123";
const FROM: &str = "+918000000002";
/// Longer than any of these calls can take on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A server that has itself called: answers webhooks with a stream, sends the caller's audio back, takes callbacks.
#[derive(Clone, Default)]
struct Gateway {
    address: String,
    /// Path and query, whether signed rightly, content type, body.
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone, Debug)]
struct Asked {
    target: String,
    signed: bool,
    kind: String,
    body: String,
}

impl Asked {
    fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

impl Gateway {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Self { address: listener.local_addr().unwrap().to_string(), ..Self::default() };
        let routes = Router::new()
            .route("/media", get(twilio_media))
            .route("/voicebot/ws", get(exotel_media))
            .route("/{*path}", any(ask))
            .with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        gateway
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.target.starts_with(path)).cloned().collect()
    }
}

async fn ask(State(gateway): State<Gateway>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let signed = text("x-twilio-signature") == signature(TOKEN, &gateway.url(&uri.to_string()), &form);
    let body = String::from_utf8_lossy(&body).into_owned();
    let asked = Asked { target: uri.to_string(), signed, kind: text("content-type"), body };
    gateway.asked.lock().unwrap().push(asked);
    if uri.path() != "/voice" {
        return StatusCode::NO_CONTENT.into_response();
    }
    let twiml = format!(
        "<Response><Connect><Stream url=\"ws://{}/media\"><Parameter name=\"call_ref\" value=\"r-1\"/></Stream>\
         </Connect></Response>",
        gateway.address
    );
    ([(header::CONTENT_TYPE, "text/xml")], twiml).into_response()
}

async fn twilio_media(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| echo(socket, "streamSid"))
}

async fn exotel_media(
    State(gateway): State<Gateway>,
    Query(query): Query<BTreeMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let body = json!(query).to_string();
    let asked = Asked { target: "/voicebot/ws".to_owned(), signed: false, kind: String::new(), body };
    gateway.asked.lock().unwrap().push(asked);
    upgrade.on_upgrade(|socket| echo(socket, "stream_sid"))
}

async fn echo(mut socket: WebSocket, sid: &'static str) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["event"] == "media" {
            let answer = json!({"event": "media", sid: message[sid], "media": {"payload": message["media"]["payload"]}});
            if socket.send(Message::text(answer.to_string())).await.is_err() {
                return;
            }
        }
    }
}

/// One request; status and body, or nothing where the connection broke.
async fn send(
    server: &CarrierServer,
    method: &str,
    path: &str,
    user: &str,
    form: &[(&str, &str)],
) -> Option<(u16, String)> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let basic = base64_simd::STANDARD.encode_to_string(user);
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {basic}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        server.address(),
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    read.ok()?.ok()?;
    let promised =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if promised.is_some_and(|length: usize| length > body.len()) {
        return None;
    }
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A number with this end.
fn number(end: &str) -> String {
    format!("+1202555{end}")
}

/// Carriers at which people are brief.
fn settings() -> Settings {
    let pcm: Pcm = (0..1600).map(|n| if n % 20 < 10 { 9_000 } else { -9_000 }).collect();
    let pace = Pace { patience: Duration::from_millis(200), ..Pace::default() };
    Settings { pace, speech: Some(Speech { label: "tone".to_owned(), pcm }), ..Settings::default() }
}

struct Twilio<'a>(&'a CarrierServer);

impl Twilio<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/2010-04-01/Accounts/{}{rest}", self.0.world().settings().twilio.sid)
    }

    async fn ask(&self, method: &str, rest: &str, form: &[(&str, &str)]) -> Option<(u16, Value)> {
        let user = format!("{}:{TOKEN}", self.0.world().settings().twilio.sid);
        let (status, body) = send(self.0, method, &self.path(rest), &user, form).await?;
        Some((status, serde_json::from_str(&body).unwrap_or(Value::String(body))))
    }

    async fn call(&self, gateway: &Gateway, to: &str, more: &[(&str, &str)]) -> Option<(u16, Value)> {
        let (voice, status) = (gateway.url("/voice?call=1"), gateway.url("/status?call=1"));
        let mut form =
            vec![("To", to), ("From", FROM), ("Url", voice.as_str()), ("StatusCallback", status.as_str())];
        form.extend(
            ["initiated", "ringing", "answered", "completed"].map(|event| ("StatusCallbackEvent", event)),
        );
        form.extend(more);
        self.ask("POST", "/Calls.json", &form).await
    }
}

fn ended(server: &CarrierServer, calls: usize) -> impl Future<Output = ()> {
    let ledger = server.ledger().clone();
    async move { tokio::time::timeout(LONG, ledger.until_ended(calls)).await.unwrap() }
}

fn statuses(gateway: &Gateway) -> Vec<(String, String)> {
    let asked = gateway.asked("/status");
    assert!(asked.iter().all(|asked| asked.signed), "{asked:?}");
    asked
        .iter()
        .map(|asked| (asked.form()["SequenceNumber"].clone(), asked.form()["CallStatus"].clone()))
        .collect()
}

#[tokio::test]
async fn a_twilio_call_lives_a_whole_life() {
    let (gateway, server) =
        (Gateway::start().await, CarrierServer::start(World::new(settings())).await.unwrap());
    let twilio = Twilio(&server);
    let amd = gateway.url("/amd?call=1");
    let recording = gateway.url("/recording?call=1");
    let more = [
        ("MachineDetection", "Enable"),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", amd.as_str()),
        ("Record", "true"),
        ("RecordingStatusCallback", recording.as_str()),
    ];
    let (status, fresh) = twilio.call(&gateway, TO, &more).await.unwrap();
    assert_eq!((status, fresh["status"].as_str()), (201, Some("queued")));
    let sid = fresh["sid"].as_str().unwrap().to_owned();
    assert!(
        sid.len() == 34
            && sid.starts_with("CA")
            && fresh["duration"].is_null()
            && fresh["start_time"].is_null()
    );
    ended(&server, 1).await;

    let order = |(number, status): &(&str, &str)| ((*number).to_owned(), (*status).to_owned());
    let wanted = [("0", "initiated"), ("1", "ringing"), ("2", "in-progress"), ("3", "completed")];
    assert_eq!(statuses(&gateway), wanted.iter().map(order).collect::<Vec<_>>());
    let voice = gateway.asked("/voice");
    assert_eq!(
        (voice.len(), voice[0].signed, voice[0].form()["Direction"].as_str()),
        (1, true, "outbound-api")
    );
    assert_eq!(voice[0].form()["CallStatus"], "in-progress");
    let last = gateway.asked("/status").last().unwrap().form();
    assert_eq!(
        (last["CallbackSource"].as_str(), last["SipResponseCode"].as_str()),
        ("call-progress-events", "200")
    );
    assert_eq!((last["AnsweredBy"].as_str(), last["Duration"].as_str()), ("human", "1"));
    assert!(last["RecordingUrl"].contains("/Recordings/RE"));
    let verdict = gateway.asked("/amd")[0].form();
    assert_eq!(verdict["AnsweredBy"], "human");
    assert_eq!(gateway.asked("/recording")[0].form()["RecordingStatus"], "completed");

    let (_, call) = twilio.ask("GET", &format!("/Calls/{sid}.json"), &[]).await.unwrap();
    assert_eq!((call["status"].as_str(), call["answered_by"].as_str()), (Some("completed"), Some("human")));
    assert!(call["duration"].is_string() && call["price"].as_str().unwrap().starts_with('-'), "{call}");
    let (_, listed) =
        twilio.ask("GET", &format!("/Calls.json?To=%2B{}&PageSize=5", &TO[1..]), &[]).await.unwrap();
    assert_eq!((listed["calls"].as_array().unwrap().len(), listed["page_size"].as_u64()), (1, Some(5)));
    assert_eq!(listed["calls"][0], call);
    let recording = last["RecordingSid"].clone();
    let (status, sound) = twilio.ask("GET", &format!("/Recordings/{recording}.wav"), &[]).await.unwrap();
    assert!(status == 200 && sound.as_str().unwrap().starts_with("RIFF"));
    // Over already: Twilio says so with 21220.
    let (status, refusal) =
        twilio.ask("POST", &format!("/Calls/{sid}.json"), &[("Status", "completed")]).await.unwrap();
    assert_eq!((status, refusal["code"].as_u64()), (400, Some(21220)));
    assert_eq!(twilio.ask("DELETE", &format!("/Calls/{sid}.json"), &[]).await.unwrap().0, 204);
    let (status, gone) = twilio.ask("GET", &format!("/Calls/{sid}.json"), &[]).await.unwrap();
    assert_eq!((status, gone["code"].as_u64()), (404, Some(20404)));
    let dials = server.ledger().dials();
    assert_eq!(dials, [(sid, TO.to_owned(), FROM.to_owned())]);
    assert_eq!(server.ledger().breaches(), Vec::<String>::new());
    let heard = server.ledger().all().into_iter().find_map(|entry| match entry.what {
        What::Talked { ended_by, audible_ms, findings, .. } => Some((ended_by, audible_ms > 100, findings)),
        _ => None,
    });
    assert_eq!(heard, Some(("caller".to_owned(), true, Vec::new())));
}

#[tokio::test]
async fn who_is_at_a_number_decides_how_the_call_ends() {
    let (gateway, server) =
        (Gateway::start().await, CarrierServer::start(World::new(settings())).await.unwrap());
    let twilio = Twilio(&server);
    let ends = [("9001", "busy"), ("9002", "no-answer"), ("9003", "failed"), ("9005", "completed")];
    let amd = gateway.url("/amd");
    for (end, _) in ends {
        let to = number(end);
        let more = [
            ("MachineDetection", "DetectMessageEnd"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", &amd),
            ("Timeout", "1"),
        ];
        assert_eq!(twilio.call(&gateway, &to, &more).await.unwrap().0, 201);
    }
    ended(&server, 4).await;
    for (end, wanted) in ends {
        let to = number(end);
        let last =
            gateway.asked("/status").into_iter().rfind(|asked| asked.form()["To"] == to).unwrap().form();
        assert_eq!(last["CallStatus"], wanted, "{to}");
    }
    assert_eq!(gateway.asked("/amd")[0].form()["AnsweredBy"], "machine_end_beep");
    // Set by the control route, in another spelling of the number.
    let body = r#"{"number":"12025550123","person":{"silent":300}}"#;
    let request = format!(
        "POST /sim/treat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    twilio.call(&gateway, TO, &[]).await.unwrap();
    ended(&server, 5).await;
}

#[tokio::test]
async fn a_call_is_hung_up_while_it_rings_and_while_it_talks() {
    let gateway = Gateway::start().await;
    let world = World::new(Settings { pace: Pace { longest_ring: LONG, ..settings().pace }, ..settings() });
    world.treat(TO, Manner { person: Person::Silent(60_000), ..Manner::default() });
    let server = CarrierServer::start(world).await.unwrap();
    let twilio = Twilio(&server);
    for (to, at, end) in
        [(number("9002"), "ringing", "canceled"), (TO.to_owned(), "in-progress", "completed")]
    {
        let (_, call) = twilio.call(&gateway, &to, &[]).await.unwrap();
        let path = format!("/Calls/{}.json", call["sid"].as_str().unwrap());
        loop {
            let (_, call) = twilio.ask("GET", &path, &[]).await.unwrap();
            if call["status"] == at {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (status, _) = twilio.ask("POST", &path, &[("Status", "completed")]).await.unwrap();
        assert_eq!(status, 200);
        let is_end = move |what: &What| matches!(what, What::Ended { status } if status == end);
        let over = server.ledger().until(|entries| entries.iter().any(|entry| is_end(&entry.what)));
        tokio::time::timeout(LONG, over).await.unwrap();
    }
}

#[tokio::test]
async fn twilio_refuses_in_its_own_words() {
    let (gateway, server) =
        (Gateway::start().await, CarrierServer::start(World::new(settings())).await.unwrap());
    let twilio = Twilio(&server);
    let magic = |last: u8| format!("+1500555{last:04}");
    for (to, status, code) in [
        ("12345".to_owned(), 400, 21211),
        (FROM.to_owned(), 400, 21211),
        (magic(1), 400, 21217),
        (magic(2), 400, 21214),
        (magic(3), 400, 21215),
        (magic(4), 400, 21216),
        (number("9031"), 400, 21211),
        (number("9033"), 429, 20429),
    ] {
        let (seen, body) = twilio.call(&gateway, &to, &[]).await.unwrap();
        assert_eq!(
            (seen, body["code"].as_u64(), body["status"].as_u64()),
            (status, Some(code), Some(status.into())),
            "{to}"
        );
        assert_eq!(body["more_info"], format!("https://www.twilio.com/docs/errors/{code}"));
    }
    let (status, body) = send(&server, "GET", &twilio.path("/Calls.json"), "AC1:wrong", &[]).await.unwrap();
    assert_eq!((status, body.contains("20003")), (401, true));
    assert_eq!(server.ledger().dials(), []);
    // The second time it is taken.
    assert_eq!(twilio.call(&gateway, &number("9032"), &[]).await.unwrap().0, 429);
    assert_eq!(twilio.call(&gateway, &number("9032"), &[("Timeut", "7")]).await.unwrap().0, 201);
    assert_eq!(server.ledger().breaches(), ["twilio: the Calls resource has no field Timeut"]);
}

#[tokio::test]
async fn an_answer_can_be_lost_with_or_without_a_call() {
    let (gateway, server) =
        (Gateway::start().await, CarrierServer::start(World::new(settings())).await.unwrap());
    let twilio = Twilio(&server);
    for (end, status, dials) in [
        ("9021", None, 1),
        ("9022", None, 0),
        ("9023", None, 1),
        ("9024", None, 0),
        ("9025", Some(200), 1),
        ("9026", Some(502), 1),
        ("9027", Some(500), 1),
        ("9028", Some(500), 0),
    ] {
        let to = number(end);
        let answer = twilio.call(&gateway, &to, &[]).await;
        assert_eq!(answer.map(|(status, _)| status), status, "{end}");
        let (_, listed) = twilio.ask("GET", &format!("/Calls.json?To=%2B1202555{end}"), &[]).await.unwrap();
        assert_eq!(listed["calls"].as_array().unwrap().len(), dials, "{end}");
    }
}

#[tokio::test]
async fn callbacks_come_late_twice_reversed_forged_or_not() {
    let (gateway, server) =
        (Gateway::start().await, CarrierServer::start(World::new(settings())).await.unwrap());
    let twilio = Twilio(&server);
    let ends = ["9011", "9012", "9014", "9015", "9016", "9017"];
    for end in ends {
        twilio.call(&gateway, &number(end), &[]).await.unwrap();
    }
    ended(&server, ends.len()).await;
    let seen = |end: &str| -> Vec<(String, bool)> {
        let to = number(end);
        let asked = gateway.asked("/status").into_iter().filter(|asked| asked.form()["To"] == to);
        asked.map(|asked| (asked.form()["SequenceNumber"].clone(), asked.signed)).collect()
    };
    let numbers = |end: &str| seen(end).into_iter().map(|(number, _)| number).collect::<Vec<_>>().concat();
    assert_eq!(numbers("9011"), "3210");
    assert_eq!(numbers("9012"), "00112233");
    assert_eq!(numbers("9014"), "");
    assert_eq!(numbers("9015"), "012");
    assert_eq!(numbers("9016"), "3");
    assert!(seen("9017").iter().all(|(_, signed)| !signed) && numbers("9017") == "0123");
}

#[tokio::test]
async fn twilio_dials_one_call_a_second_and_queues_the_rest() {
    let gateway = Gateway::start().await;
    let pace = Pace { calls_a_second: 2, ..settings().pace };
    let server = CarrierServer::start(World::new(Settings { pace, ..settings() })).await.unwrap();
    let twilio = Twilio(&server);
    let place = || async {
        let (status, call) = twilio.call(&gateway, &number("9001"), &[]).await.unwrap();
        assert_eq!((status, call["status"].as_str()), (201, Some("queued")));
        let wait = call["queue_time"].as_str().unwrap().parse::<i64>().unwrap();
        (call["sid"].as_str().unwrap().to_owned(), wait)
    };
    let (one, two, three) = tokio::join!(place(), place(), place());
    ended(&server, 3).await;
    let all = server.ledger().all();
    let when = |sid: &str, is_it: fn(&What) -> bool| {
        let found = all.iter().find(|entry| entry.call == sid && is_it(&entry.what));
        found.unwrap().at.as_millisecond()
    };
    let mut waits = Vec::new();
    for (sid, wait) in [one, two, three] {
        let asked = when(&sid, |what| matches!(what, What::Request { .. }));
        let dialled = when(&sid, |what| matches!(what, What::Dialled { .. }));
        assert!(dialled - asked >= wait - 20, "{sid} waited {} ms, not {wait}", dialled - asked);
        waits.push(wait);
    }
    waits.sort_unstable();
    assert!(waits[0] == 0 && waits[2] > 0 && waits[2] <= 1000, "{waits:?}");
}

struct Exotel<'a>(&'a CarrierServer);

impl Exotel<'_> {
    async fn ask(&self, method: &str, rest: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let (status, body) =
            send(self.0, method, &format!("/v1/Accounts/acme1{rest}"), "key:token", form).await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }
}

#[tokio::test]
async fn an_exotel_call_to_a_bot_lives_a_whole_life() {
    let (gateway, server) =
        (Gateway::start().await, CarrierServer::start(World::new(settings())).await.unwrap());
    let exotel = Exotel(&server);
    let media = format!("ws://{}/voicebot/ws?sample-rate=16000&call_ref=call_1", gateway.address);
    let status = gateway.url("/exotel?k=s");
    let form = [
        ("From", "+919800000001"),
        ("CallerId", "08000000002"),
        ("StreamUrl", &media),
        ("StreamType", "bidirectional"),
        ("StatusCallback", &status),
        ("StatusCallbackEvents[]", "terminal"),
        ("StatusCallbackEvents[]", "answered"),
        ("CustomField", "call_1"),
    ];
    let (code, answer) = exotel.ask("POST", "/Calls/connect.json", &form).await;
    assert_eq!((code, answer["Call"]["Status"].as_str()), (200, Some("in-progress")));
    assert_eq!(answer["Call"]["From"], "09800000001");
    let sid = answer["Call"]["Sid"].as_str().unwrap().to_owned();
    ended(&server, 1).await;

    assert_eq!(
        gateway.asked("/voicebot/ws")[0].body,
        json!({"call_ref": "call_1", "sample-rate": "16000"}).to_string()
    );
    let told = gateway.asked("/exotel");
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|told| told.kind.starts_with("multipart/form-data; boundary=")));
    assert!(told[0].body.contains("name=\"EventType\"\r\n\r\nanswered\r\n"), "{}", told[0].body);
    let last = &told[1].body;
    for (name, value) in [
        ("EventType", "terminal"),
        ("Status", "completed"),
        ("CallSid", &sid),
        ("CustomField", "call_1"),
        ("Legs[0][Status]", "completed"),
    ] {
        assert!(last.contains(&format!("name=\"{name}\"\r\n\r\n{value}\r\n")), "{name}: {last}");
    }
    let path = format!("/Calls/{sid}.json?details=true");
    tokio::time::timeout(LONG, async {
        // The price comes some time after the end.
        while exotel.ask("GET", &path, &[]).await.1["Call"]["Price"].is_null() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    let (_, call) = exotel.ask("GET", &path, &[]).await;
    assert_eq!(
        (call["Call"]["Status"].as_str(), call["Call"]["AnsweredBy"].as_str()),
        (Some("completed"), Some("human"))
    );
    assert_eq!(call["Call"]["Details"]["Leg1Status"], "completed");
    let (_, listed) = exotel
        .ask("GET", "/Calls.json?From=%2B919800000001&DateCreated=gte:2020-01-01%2000:00:00", &[])
        .await;
    assert_eq!(listed["Calls"].as_array().unwrap().len(), 1);
    let (_, streams) = exotel.ask("GET", "/ActiveStreams", &[]).await;
    assert!(
        streams
            .as_str()
            .unwrap()
            .contains("<ActiveStreamCount>0</ActiveStreamCount><ThrottleLimit>100</ThrottleLimit>")
    );
    assert_eq!(server.ledger().breaches(), Vec::<String>::new());
}

#[tokio::test]
async fn exotel_refuses_in_its_own_words_and_answers_xml_without_a_suffix() {
    let server = CarrierServer::start(World::new(settings())).await.unwrap();
    let exotel = Exotel(&server);
    let bot = [
        ("CallerId", "08000000002"),
        ("StreamUrl", "wss://gw.example.com/ws"),
        ("StreamType", "bidirectional"),
    ];
    for (from, more, status) in [
        (None, &bot[..], 400),
        (Some("0001"), &bot[..1], 400),
        (Some("0001"), &bot[..2], 400),
        (Some("9031"), &bot[..], 400),
        (Some("9033"), &bot[..], 429),
        (Some("9001"), &bot[..], 200),
    ] {
        let from = from.map(|end| format!("+91980000{end}"));
        let mut form: Vec<(&str, &str)> = from.iter().map(|from| ("From", from.as_str())).collect();
        form.extend(more);
        let (seen, body) = exotel.ask("POST", "/Calls/connect.json", &form).await;
        assert_eq!(seen, status, "{form:?}");
        assert_eq!(
            body["RestException"]["Status"].as_u64(),
            (status != 200).then_some(status.into()),
            "{body}"
        );
    }
    let (status, body) =
        send(&server, "GET", "/v1/Accounts/acme1/Calls.json", "key:wrong", &[]).await.unwrap();
    assert!(status == 401 && body.contains("RestException"), "{body}");
    let busy = format!("+91980000{}", 9001);
    let mut form = vec![("From", busy.as_str())];
    form.extend(bot);
    let (_, xml) = exotel.ask("POST", "/Calls/connect", &form).await;
    let xml = xml.as_str().unwrap();
    assert!(xml.contains("<TwilioResponse><Call>") && xml.contains("<Status>in-progress</Status>"), "{xml}");
    let (_, xml) = exotel.ask("POST", "/Calls/connect", &[]).await;
    assert!(xml.as_str().unwrap().contains("<RestException><Message>From is mandatory</Message>"), "{xml}");
}

#[tokio::test]
async fn exotel_takes_so_many_calls_a_minute() {
    let world = World::new(Settings { pace: Pace { calls_a_minute: 2, ..settings().pace }, ..settings() });
    let server = CarrierServer::start(world).await.unwrap();
    let busy = format!("+91980000{}", 9001);
    let form = [("From", busy.as_str()), ("To", FROM), ("CallerId", "08000000002")];
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(Exotel(&server).ask("POST", "/Calls/connect.json", &form).await.0);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn twilios_numbers_are_listed_and_set() {
    let mut settings = settings();
    settings.twilio.numbers = vec![FROM.to_owned()];
    let server = CarrierServer::start(World::new(settings)).await.unwrap();
    let twilio = Twilio(&server);
    let (_, listed) = twilio.ask("GET", "/IncomingPhoneNumbers.json", &[]).await.unwrap();
    let number = &listed["incoming_phone_numbers"][0];
    assert_eq!((number["phone_number"].as_str(), number["voice_url"].as_str()), (Some(FROM), Some("")));
    let path = format!("/IncomingPhoneNumbers/{}.json", number["sid"].as_str().unwrap());
    let (status, _) =
        twilio.ask("POST", &path, &[("VoiceUrl", "https://gw.example.com/twilio/voice")]).await.unwrap();
    let (_, number) = twilio.ask("GET", &path, &[]).await.unwrap();
    assert_eq!((status, number["voice_url"].as_str()), (200, Some("https://gw.example.com/twilio/voice")));
    // Only its own numbers may be shown.
    let gateway = Gateway::start().await;
    let form = [("To", TO), ("From", "+919800000001"), ("Url", &gateway.url("/voice"))];
    let (_, refusal) = twilio.ask("POST", "/Calls.json", &form).await.unwrap();
    assert_eq!(refusal["code"], 21210);
    assert_eq!(Manner::default().answering, Answering::Taken);
}
