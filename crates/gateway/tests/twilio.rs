//! Calls of Twilio over real sockets: who is let in, what the webhook answers, and a call from its start to its record.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

#[path = "twilio/onward.rs"]
mod onward;
mod support;

use std::time::Duration;

use call::AgentKind;
use carriers::twilio::signature::{pairs, sign};
use futures_util::SinkExt;
use gateway::{Config, Timing};
use records::{AnsweredBy, Direction, EndReason};
use serde_json::json;
use store::CallId;
use support::{Carrier, LONG, Server, plain};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

const TOKEN: &str = "12345";
const PUBLIC: &str = "https://gw.example.com";
const CALL: &str = "CAcccccccccccccccccccccccccccccccc";

fn config() -> Config {
    Config { twilio: Some(TOKEN.into()), public_url: Some(PUBLIC.to_owned()), ..Config::default() }
}

fn form(call: &str, more: &str) -> String {
    format!(
        "AccountSid=AC1&CallSid={call}&CallStatus=ringing&Direction=inbound&From=%2B12025550123\
         &To=%2B919876543210{more}"
    )
}

fn signed(url: &str, body: &str) -> String {
    sign(TOKEN.as_bytes(), url, &pairs(body))
}

/// Posts a form as Twilio does, signed for the public address.
async fn post(server: &Server, target: &str, body: &str) -> (u16, String) {
    let signature = signed(&format!("{PUBLIC}{target}"), body);
    post_with(server, target, body, &format!("X-Twilio-Signature: {signature}\r\n")).await
}

async fn post_with(server: &Server, target: &str, body: &str, headers: &str) -> (u16, String) {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: inner.test\r\n{headers}Content-Type: application/x-www-form-urlencoded"
    );
    server.request(&head, body).await
}

/// The value of a parameter in TwiML.
fn parameter<'a>(twiml: &'a str, name: &str) -> Option<&'a str> {
    twiml.split_once(&format!("<Parameter name=\"{name}\" value=\""))?.1.split('"').next()
}

/// The reference that the webhook gives for a call.
async fn reference(server: &Server, call: &str) -> String {
    let (status, twiml) = post(server, "/twilio/voice", &form(call, "")).await;
    assert_eq!(status, 200);
    parameter(&twiml, "call_ref").unwrap().to_owned()
}

async fn open_signed(server: &Server, signature: Option<&str>) -> Result<Carrier, u16> {
    let mut request = format!("ws://{}/twilio/media", server.address).into_client_request().unwrap();
    if let Some(signature) = signature {
        request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
    }
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    match tokio::time::timeout(LONG, client_async(request, stream)).await.unwrap() {
        Ok((socket, _)) => Ok(Carrier::of(socket)),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn open(server: &Server) -> Carrier {
    let signature = signed("wss://gw.example.com/twilio/media", "");
    open_signed(server, Some(&signature)).await.unwrap()
}

async fn start(carrier: &mut Carrier, call: &str, reference: &str) {
    carrier.json(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})).await;
    carrier
        .json(json!({
            "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
            "start": {
                "accountSid": "AC1", "streamSid": "MZ1", "callSid": call, "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {
                    "call_ref": reference, "from": "+12025550123", "to": "+919876543210", "direction": "inbound"
                }
            }
        }))
        .await;
}

async fn media(carrier: &mut Carrier, payload: &[u8]) {
    let payload = base64_simd::STANDARD.encode_to_string(payload);
    carrier
        .json(
            json!({"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": payload}}),
        )
        .await;
}

async fn stop(carrier: &mut Carrier, call: &str) {
    carrier
        .json(json!({"event": "stop", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": call}}))
        .await;
}

#[tokio::test]
async fn without_a_token_the_routes_say_what_to_configure() {
    let server = Server::start(AgentKind::Silent).await;
    for target in ["/twilio/voice", "/twilio/after"] {
        let (status, body) = post(&server, target, &form(CALL, "")).await;
        assert_eq!(status, 404);
        assert!(body.contains("twilio.auth_token"), "{body}");
    }
    assert_eq!(open_signed(&server, Some("x")).await.err(), Some(404));
}

#[tokio::test]
async fn only_twilio_is_listened_to() {
    let server = Server::with(config(), plain(AgentKind::Silent)).await;
    let body = form(CALL, "");
    for target in ["/twilio/voice", "/twilio/after"] {
        assert_eq!(post_with(&server, target, &body, "").await.0, 400, "{target}");
        assert_eq!(post_with(&server, target, &body, "X-Twilio-Signature: x\r\n").await.0, 403, "{target}");
        let other = signed("https://evil.example.com/twilio/voice", &body);
        let forged = format!("X-Twilio-Signature: {other}\r\nX-Forwarded-Host: evil.example.com\r\n");
        assert_eq!(post_with(&server, target, &body, &forged).await.0, 403, "{target}");
    }
    assert_eq!(open_signed(&server, None).await.err(), Some(400));
    assert_eq!(open_signed(&server, Some("x")).await.err(), Some(403));
    let elsewhere = signed("wss://gw.example.com/twilio/voice", "");
    assert_eq!(open_signed(&server, Some(&elsewhere)).await.err(), Some(403));
}

#[tokio::test]
async fn the_webhook_answers_get_and_post_with_a_stream() {
    let server = Server::with(config(), plain(AgentKind::Silent)).await;
    let (status, twiml) = post(&server, "/twilio/voice", &form(CALL, "")).await;
    assert_eq!(status, 200);
    assert!(twiml.contains("<Stream url=\"wss://gw.example.com/twilio/media\""), "{twiml}");
    let values = ["from", "to", "direction"].map(|name| parameter(&twiml, name).unwrap());
    assert_eq!(values, ["+12025550123", "+919876543210", "inbound"]);
    let id = parameter(&twiml, "call_ref").unwrap().split('.').next().unwrap();
    assert!(id.parse::<CallId>().is_ok(), "{id}");
    for path in ["/twilio/after?call=", "/twilio/stream-status?call="] {
        assert!(twiml.contains(&format!("\"{PUBLIC}{path}{id}\"")), "{path}: {twiml}");
    }
    let target = format!("/twilio/voice?{}", form(CALL, "&AnsweredBy=human"));
    let signature = signed(&format!("{PUBLIC}{target}"), "");
    let head = format!("GET {target} HTTP/1.1\r\nHost: inner.test\r\nX-Twilio-Signature: {signature}");
    let (status, twiml) = server.request(&head, "").await;
    assert_eq!((status, parameter(&twiml, "answered_by")), (200, Some("human")));
}

#[tokio::test]
async fn a_proxy_is_believed_only_where_it_is_named() {
    let body = form(CALL, "");
    let signature = signed("https://proxy.example.com/twilio/voice", &body);
    let headers = format!(
        "X-Twilio-Signature: {signature}\r\nX-Forwarded-Host: proxy.example.com\r\nX-Forwarded-Proto: https\r\n"
    );
    for (named, wanted) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 403)] {
        let trusted_proxies = vec![named.parse().unwrap()];
        let config = Config { public_url: None, trusted_proxies, ..config() };
        let server = Server::with(config, plain(AgentKind::Silent)).await;
        let (status, twiml) = post_with(&server, "/twilio/voice", &body, &headers).await;
        assert_eq!(status, wanted, "{named}");
        if status == 200 {
            assert!(twiml.contains("wss://proxy.example.com/twilio/media"), "{twiml}");
        }
    }
}

#[tokio::test]
async fn a_call_goes_from_webhook_to_record_and_its_audio_comes_back_code_for_code() {
    let server = Server::with(config(), plain(AgentKind::Echo)).await;
    let reference = reference(&server, CALL).await;
    let id = reference.split('.').next().unwrap().to_owned();
    let mut carrier = open(&server).await;
    start(&mut carrier, CALL, &reference).await;
    for frame in 0..50u16 {
        let payload: Vec<u8> = (0..160).map(|index| (frame * 7 + index * 3) as u8).collect();
        media(&mut carrier, &payload).await;
        let message = carrier.next().await.unwrap();
        assert_eq!((&message["event"], &message["streamSid"]), (&json!("media"), &json!("MZ1")));
        let back =
            base64_simd::STANDARD.decode_to_vec(message["media"]["payload"].as_str().unwrap()).unwrap();
        assert_eq!(back, payload, "frame {frame}");
    }
    let every: Vec<u8> = (0..=255).chain(0..64).collect();
    media(&mut carrier, &every).await;
    assert_eq!(carrier.audio().await, every);
    let call: CallId = id.parse().unwrap();
    assert_eq!(server.gateway.live().iter().map(|(call, _)| *call).collect::<Vec<_>>(), [call]);
    assert!(server.gateway.answered_by(call, AnsweredBy::Human));
    stop(&mut carrier, CALL).await;
    assert_eq!(carrier.close_code().await, Some(1000));
    let record = server.record().await;
    assert_eq!(
        (record.id.as_str(), record.carrier.as_str(), record.carrier_call_id.as_str()),
        (&*id, "twilio", CALL)
    );
    assert_eq!((record.from.as_deref(), record.to.as_deref()), (Some("+12025550123"), Some("+919876543210")));
    assert_eq!((record.direction, record.end_reason), (Direction::Inbound, Some(EndReason::CallerHungUp)));
    assert_eq!((record.stream_id.as_deref(), record.sample_rate), (Some("MZ1"), 8000));
    assert_eq!(record.answered_by, Some(AnsweredBy::Human));
    assert!(record.custom.is_empty(), "the reference is nobody's to see: {:?}", record.custom);
    assert!(!server.gateway.answered_by(call, AnsweredBy::Human), "it is over");
}

#[tokio::test]
async fn a_reference_opens_one_socket_of_its_own_call() {
    let server = Server::with(config(), plain(AgentKind::Silent)).await;
    let good = reference(&server, CALL).await;
    let mut other = open(&server).await;
    start(&mut other, "CAdddddddddddddddddddddddddddddddd", &good).await;
    assert_eq!(other.close_code().await, Some(1008), "another call's");
    let mut bare = open(&server).await;
    start(&mut bare, CALL, "").await;
    assert_eq!(bare.close_code().await, Some(1008), "none");
    let mut first = open(&server).await;
    start(&mut first, CALL, &good).await;
    while server.gateway.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let mut again = open(&server).await;
    start(&mut again, CALL, &good).await;
    assert_eq!(again.close_code().await, Some(1008), "used before");
    stop(&mut first, CALL).await;
    assert_eq!(first.close_code().await, Some(1000), "the call that has it goes on");
    assert_eq!(server.records().await.len(), 1);
}

#[tokio::test]
async fn a_reference_expires() {
    let timing = Timing { token_ttl: Duration::ZERO, ..Timing::default() };
    let server = Server::with(Config { timing, ..config() }, plain(AgentKind::Silent)).await;
    let late = reference(&server, CALL).await;
    // It holds to the end of the second in which it was made.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let mut carrier = open(&server).await;
    start(&mut carrier, CALL, &late).await;
    assert_eq!(carrier.close_code().await, Some(1008));
}

#[tokio::test]
async fn a_socket_that_never_starts_is_closed() {
    let server = Server::with(config(), plain(AgentKind::Silent)).await;
    let mut carrier = open(&server).await;
    carrier.json(json!({"event": "connected"})).await;
    media(&mut carrier, &[0xFF; 160]).await;
    assert_eq!(carrier.close_code().await, Some(1008), "audio is no start");
    let mut silent = open(&server).await;
    assert_eq!(silent.close_code().await, Some(1008), "nor is silence");
    assert!(server.records().await.is_empty());
}

#[tokio::test]
async fn twenty_bad_frames_end_the_call_with_1007() {
    let server = Server::with(config(), plain(AgentKind::Silent)).await;
    let reference = reference(&server, CALL).await;
    let mut carrier = open(&server).await;
    start(&mut carrier, CALL, &reference).await;
    for _ in 0..20 {
        carrier.text("{\"event\":").await;
    }
    assert_eq!(carrier.close_code().await, Some(1007));
    let record = server.record().await;
    assert_eq!(record.end_reason, Some(EndReason::ProtocolError));
    assert_eq!(record.counters.findings.get("bad_json"), Some(&20));
}

#[tokio::test]
async fn a_call_that_lost_its_stream_is_given_a_new_one_and_a_finished_one_is_hung_up() {
    let server = Server::with(config(), plain(AgentKind::Echo)).await;
    let reference = reference(&server, CALL).await;
    let id = reference.split('.').next().unwrap().to_owned();
    let mut first = open(&server).await;
    start(&mut first, CALL, &reference).await;
    media(&mut first, &[1; 160]).await;
    assert_eq!(first.audio().await, [1; 160]);
    // Without a goodbye, as a broken connection.
    drop(first);
    let after = format!("/twilio/after?call={id}");
    let body = form(CALL, "");
    let (_, twiml) = post(&server, &after, &body).await;
    let again = parameter(&twiml, "call_ref").expect(&twiml);
    assert!(again.starts_with(&id) && again != reference, "{again}");
    let mut second = open(&server).await;
    start(&mut second, CALL, again).await;
    media(&mut second, &[2; 160]).await;
    assert_eq!(second.audio().await, [2; 160]);
    assert!(server.gateway.end(id.parse().unwrap(), EndReason::Operator));
    assert_eq!(second.close_code().await, Some(1000));
    let record = server.record().await;
    assert_eq!((record.id, record.end_reason), (id, Some(EndReason::Operator)));
    assert_eq!(record.counters.reconnects, 1);
    let (_, twiml) = post(&server, &after, &body).await;
    assert!(twiml.ends_with("<Response><Hangup/></Response>"), "{twiml}");
}

#[tokio::test]
async fn our_id_of_a_call_that_we_placed_is_its_records_id() {
    let server = Server::with(config(), plain(AgentKind::Silent)).await;
    let id = CallId::new(jiff::Timestamp::now(), [7; 10]);
    let placed = format!("&{}", form(CALL, "")).replace("inbound", "outbound-api");
    let (_, twiml) = post(&server, &format!("/twilio/voice?call={id}"), &placed).await;
    assert_eq!(parameter(&twiml, "direction"), Some("outbound"));
    let reference = parameter(&twiml, "call_ref").unwrap();
    let mut carrier = open(&server).await;
    carrier.json(json!({"event": "connected"})).await;
    let custom = json!({"call_ref": reference, "direction": "outbound", "answered_by": "machine"});
    let opens =
        json!({"event": "start", "streamSid": "MZ1", "start": {"callSid": CALL, "customParameters": custom}});
    carrier.json(opens).await;
    stop(&mut carrier, CALL).await;
    assert_eq!(carrier.close_code().await, Some(1000));
    let record = server.record().await;
    assert_eq!((record.id, record.direction), (id.to_string(), Direction::Outbound));
    assert_eq!(record.answered_by, Some(AnsweredBy::Machine));
    // The same at a carrier whose URL brings it, and only once.
    for wanted in [true, false] {
        let id = CallId::new(jiff::Timestamp::UNIX_EPOCH, [9; 10]);
        let mut carrier = server.open(&format!("call_id=e{wanted}&call_ref={id}")).await.unwrap();
        carrier.connected().await;
        carrier.start("e", 8000).await;
        carrier.stop("callended").await;
        assert_eq!(carrier.close_code().await, Some(1000));
        server.quiet().await;
        let is_its = server.records().await.iter().any(|record| {
            record.id == id.to_string()
                && record.carrier_call_id == "e"
                && record.direction == Direction::Outbound
        });
        assert!(is_its, "the first call keeps its record");
    }
    assert_eq!(server.records().await.len(), 3);
}

#[tokio::test]
async fn a_call_that_finds_no_place_is_turned_down_without_being_answered() {
    let server = Server::with(Config { max_calls: 1, ..config() }, plain(AgentKind::Silent)).await;
    let spare = reference(&server, "CA2").await;
    let mut first = open(&server).await;
    start(&mut first, CALL, &reference(&server, CALL).await).await;
    while server.gateway.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let (_, twiml) = post(&server, "/twilio/voice", &form("CA3", "")).await;
    assert!(twiml.contains("<Reject reason=\"busy\"/>"), "{twiml}");
    let (_, twiml) = post(&server, "/twilio/voice", &form("CA3", "").replace("ringing", "in-progress")).await;
    assert!(twiml.contains("<Hangup/>"), "{twiml}");
    let mut late = open(&server).await;
    start(&mut late, "CA2", &spare).await;
    assert_eq!(late.close_code().await, Some(1013));
    // A goodbye without a stop.
    first.socket.send(Message::Close(None)).await.unwrap();
    assert_eq!(server.record().await.end_reason, Some(EndReason::CarrierClosed));
}
