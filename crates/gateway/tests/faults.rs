//! Faults of carriers, networks and our own code: each ends what it must and nothing else.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use call::{AgentKind, FailureThen, Settings, UtteranceId, Voiced};
use gateway::{Agent, Config, Timing};
use providers::{
    Answers, ListenSpec, Recogniser, Refused, Running, Speaker, SpeechToText, TextToSpeech, VoiceSpec,
};
use records::EndReason;
use support::{Carrier, LONG, Server, plain};
use tokio::time::timeout;

/// A voice that speaks each text as a tenth of a second of a constant.
struct Constant;

impl TextToSpeech for Constant {
    fn name(&self) -> &str {
        "constant"
    }

    fn open(&self, spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
        Box::new(ConstantSpeaker { rate: spec.rate, answers })
    }
}

struct ConstantSpeaker {
    rate: audio::SampleRate,
    answers: Answers,
}

impl Speaker for ConstantSpeaker {
    fn speak(&mut self, utterance: UtteranceId, _: String) -> Running {
        let (rate, answers) = (self.rate, self.answers.clone());
        tokio::spawn(async move {
            let pcm = vec![1000; rate.samples(100_000)].into();
            for what in [Voiced::Audio { rate, pcm }, Voiced::Done] {
                let _ = answers.send(call::Input::Voiced { utterance, what }).await;
            }
        });
        Running::finished()
    }
}

struct Deaf;

impl Recogniser for Deaf {
    fn listen(&mut self, _: call::Listen) -> Result<(), providers::QueueFull> {
        Ok(())
    }
}

/// A recogniser that opens, refuses or panics.
enum Ears {
    Open,
    Full,
    Missing,
    Faulty,
}

impl SpeechToText for Ears {
    fn name(&self) -> &str {
        "ears"
    }

    fn open(&self, _: &ListenSpec, _: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        match self {
            Self::Open => Ok(Box::new(Deaf)),
            Self::Full => Err(Refused::Busy("all 2 places are taken".to_owned())),
            Self::Missing => Err(Refused::Unavailable("the library is missing".to_owned())),
            Self::Faulty => panic!("a fault on purpose"),
        }
    }
}

fn greeter(ears: Ears) -> Agent {
    let settings =
        Settings { agent: AgentKind::Greeting, greeting: "Hello there.".to_owned(), ..Settings::default() };
    let mut agent = Agent::new("greeter", settings);
    agent.voice = Some(Arc::new(Constant));
    agent.recogniser = Some(Arc::new(ears));
    agent
}

/// Reads until the mark behind the greeting, and returns it as the carrier does when it was played.
async fn hear_greeting(carrier: &mut Carrier) -> usize {
    let mut chunks = 0;
    loop {
        let message = carrier.next().await.expect("the socket is closed");
        match message["event"].as_str() {
            Some("media") => chunks += 1,
            Some("mark") if message["mark"]["name"] == "greeting_done" => {
                carrier.json(message).await;
                return chunks;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_greeting_is_heard_once_whatever_the_order_of_its_causes() {
    let server = Server::with(Config::default(), greeter(Ears::Open)).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    for _ in 0..2 {
        carrier.connected().await;
        carrier.start("a", 8000).await;
        carrier.media(&[0; 320]).await;
    }
    assert!(hear_greeting(&mut carrier).await > 0);
    carrier.connected().await;
    carrier.start("a", 8000).await;
    carrier.stop("callended").await;
    let mut after = 0;
    while let Some(message) = carrier.next().await {
        after += usize::from(message["event"] == "media");
    }
    assert_eq!(after, 0, "nothing is spoken again");
    let record = server.record().await;
    assert_eq!(record.turns.len(), 1, "{:?}", record.turns);
    assert_eq!(
        (record.turns[0].text.as_str(), record.turns[0].evidence.as_deref()),
        ("Hello there.", Some("mark"))
    );
    assert!(record.counters.findings.contains_key("repeated_start"));
}

#[tokio::test]
async fn a_call_that_starts_with_audio_is_answered_and_a_late_start_still_tells_who_called() {
    let mut agent = greeter(Ears::Open);
    let mut settings = (*agent.settings).clone();
    settings.limits.lazy_start_ms = 50;
    agent.settings = Arc::new(settings);
    let server = Server::with(Config::default(), agent).await;
    let mut carrier = server.open("call_id=a&sample-rate=16000").await.unwrap();
    carrier.media(&[0; 640]).await;
    let first = carrier.next().await.unwrap();
    assert_eq!((&first["event"], &first["stream_sid"]), (&"media".into(), &"stream-1".into()));
    carrier.start("a", 16_000).await;
    hear_greeting(&mut carrier).await;
    carrier.stop("callended").await;
    let record = server.record().await;
    assert_eq!((record.sample_rate, record.stream_id.as_deref()), (16_000, Some("stream-1")));
    assert_eq!((record.from.as_deref(), record.turns.len()), (Some("09800000001"), 1));
}

#[test]
fn a_public_address_that_is_none_is_refused_at_the_start() {
    let config = Config {
        public_url: Some("ftp://x".to_owned()),
        default_agent: "echo".to_owned(),
        ..Config::default()
    };
    let made = gateway::Gateway::new(config, support::agents([plain(AgentKind::Echo)]), None);
    assert!(made.err().unwrap().to_string().contains("public base URL"));
    let made = gateway::Gateway::new(Config::default(), support::agents([plain(AgentKind::Echo)]), None);
    assert!(made.err().unwrap().to_string().contains("there are: echo"));
}

/// When the carrier opens its second socket.
#[derive(Debug, Clone, Copy)]
enum Point {
    Opened,
    Connected,
    Started,
    FirstAudio,
    Greeted,
    Detached,
}

#[tokio::test]
async fn a_new_socket_takes_a_call_over_at_any_point() {
    use Point::{Connected, Detached, FirstAudio, Greeted, Opened, Started};
    for point in [Opened, Connected, Started, FirstAudio, Greeted, Detached] {
        for named in [true, false] {
            takeover_at(point, named).await;
        }
    }
}

async fn takeover_at(point: Point, named: bool) {
    let server = Server::with(Config::default(), greeter(Ears::Open)).await;
    let query = if named { "call_id=a" } else { "" };
    let mut first = server.open(query).await.unwrap();
    let reached = point as usize;
    if reached >= Point::Connected as usize {
        first.connected().await;
    }
    if reached >= Point::Started as usize {
        first.start("a", 8000).await;
    }
    let mut greeted = false;
    if reached >= Point::Greeted as usize {
        hear_greeting(&mut first).await;
        greeted = true;
    } else if reached >= Point::FirstAudio as usize {
        first.audio().await;
    }
    let mut first = Some(first);
    if matches!(point, Point::Detached) {
        // The socket breaks without a word.
        drop(first.take());
    }
    let mut second = server.open(query).await.unwrap();
    second.stream = "stream-2".to_owned();
    second.connected().await;
    second.start("a", 8000).await;
    if !greeted {
        hear_greeting(&mut second).await;
    }
    second.stop("callended").await;
    let case = format!("{point:?}, named: {named}");
    assert_eq!(second.close_code().await, Some(1000), "{case}");
    if let Some(mut first) = first.filter(|_| named || reached >= Point::Started as usize) {
        assert_eq!(first.close_code().await, Some(1000), "{case}");
    } else {
        // An unnamed socket that never said whose it is belongs to no call.
    }
    let records = server.records().await;
    assert_eq!(records.len(), 1, "{case}: {records:?}");
    let record = &records[0];
    assert_eq!(record.end_reason, Some(EndReason::CallerHungUp), "{case}");
    let greetings = record.turns.iter().filter(|turn| turn.text == "Hello there.").count();
    assert_eq!(greetings, 1, "{case}: {:?}", record.turns);
    if named || reached >= Point::Started as usize {
        assert_eq!(record.stream_id.as_deref(), Some("stream-2"), "{case}");
    }
}

#[tokio::test]
async fn a_carrier_that_gives_no_sign_of_life_is_given_up() {
    let timing = Timing {
        ping_every: Duration::from_millis(50),
        silent_for: Duration::from_millis(1500),
        ..Timing::default()
    };
    let config = Config { timing, ..Config::default() };
    let server = Server::with(config, plain(AgentKind::Silent)).await;
    let mut dead = server.open("call_id=dead").await.unwrap();
    dead.connected().await;
    dead.start("dead", 8000).await;
    let mut living = server.open("call_id=living").await.unwrap();
    living.connected().await;
    living.start("living", 8000).await;
    // The living one says nothing either, but reads, and so answers the pings.
    let reading = tokio::spawn(async move {
        let closed = living.close_code().await;
        (living, closed)
    });
    // The dead one's socket is open and nobody reads it: no pong is sent.
    let ended = async {
        while server.gateway.calls() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, ended).await.unwrap();
    drop(dead);
    assert!(!reading.is_finished(), "the living one stays");
    assert_eq!(server.gateway.drain(Duration::ZERO).await, 1);
    assert_eq!(reading.await.unwrap().1, Some(1001));
    let mut ends: Vec<_> = server
        .records()
        .await
        .into_iter()
        .map(|record| (record.carrier_call_id, record.end_reason))
        .collect();
    ends.sort_unstable();
    let wanted =
        [("dead".to_owned(), Some(EndReason::HalfOpen)), ("living".to_owned(), Some(EndReason::Drained))];
    assert_eq!(ends, wanted);
}

#[tokio::test]
async fn a_peer_that_stops_reading_is_ended_and_others_are_not() {
    let timing = Timing { send_limit: Duration::from_millis(300), ..Timing::default() };
    let server = Server::with(Config { timing, ..Config::default() }, plain(AgentKind::Echo)).await;
    let mut neighbour = server.open("call_id=neighbour").await.unwrap();
    neighbour.connected().await;
    neighbour.start("neighbour", 8000).await;
    let mut stalled = server.open("call_id=stalled").await.unwrap();
    stalled.connected().await;
    stalled.start("stalled", 8000).await;
    // It talks and never reads: its echo fills every buffer on the way, and then it is ended. Its own writes
    // fail or hang when that has happened.
    let talking = async {
        loop {
            let spoken = timeout(
                Duration::from_secs(1),
                futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(
                    stalled.media(&[1; 32_000]),
                )),
            );
            if !matches!(spoken.await, Ok(Ok(()))) {
                break;
            }
            if server.gateway.calls() == 1 {
                break;
            }
        }
    };
    timeout(LONG, talking).await.unwrap();
    let ended = async {
        while server.gateway.calls() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, ended).await.unwrap();
    neighbour.media(&[5; 320]).await;
    assert_eq!(neighbour.audio().await, [5; 320]);
    neighbour.stop("callended").await;
    let records = server.records().await;
    let stalled = records.iter().find(|record| record.carrier_call_id == "stalled").unwrap();
    assert_eq!(stalled.end_reason, Some(EndReason::PeerStalled));
}

#[tokio::test]
async fn a_fault_of_ours_ends_one_call() {
    let server = Server::with(Config::default(), greeter(Ears::Faulty)).await;
    server.gateway.reload(support::agents([greeter(Ears::Faulty), plain(AgentKind::Echo)])).unwrap();
    let mut neighbour = server.open("call_id=neighbour&agent=echo").await.unwrap();
    neighbour.connected().await;
    neighbour.start("neighbour", 8000).await;
    let mut faulty = server.open("call_id=faulty").await.unwrap();
    faulty.connected().await;
    faulty.start("faulty", 8000).await;
    assert_eq!(faulty.close_code().await, Some(1011));
    neighbour.media(&[5; 320]).await;
    assert_eq!(neighbour.audio().await, [5; 320]);
    neighbour.stop("callended").await;
    let records = server.records().await;
    let faulty = records.iter().find(|record| record.carrier_call_id == "faulty").unwrap();
    assert_eq!(faulty.end_reason, Some(EndReason::InternalError));
    assert_eq!(records.len(), 2);
}

#[tokio::test]
async fn without_room_at_the_recogniser_the_caller_is_told_and_the_call_ends_as_it_is_set() {
    for ears in [Ears::Full, Ears::Missing] {
        let mut agent = greeter(ears);
        let mut settings = (*agent.settings).clone();
        settings.failure.then = FailureThen::HangUp;
        agent.settings = Arc::new(settings);
        let server = Server::with(Config::default(), agent).await;
        let mut carrier = server.open("call_id=a").await.unwrap();
        carrier.connected().await;
        carrier.start("a", 8000).await;
        let mut marks = 0;
        while let Some(message) = carrier.next().await {
            if message["event"] == "mark" {
                marks += 1;
                carrier.json(message).await;
            }
        }
        assert!(marks >= 2, "greeting and apology");
        let record = server.record().await;
        assert_eq!(record.end_reason, Some(EndReason::VendorsDown));
        let said: String = record.turns.iter().map(|turn| turn.text.as_str()).collect();
        assert!(said.contains("Hello there.") && said.contains("Sorry"), "{said}");
        assert_eq!(record.from.as_deref(), Some("09800000001"));
    }
}

#[tokio::test]
async fn a_drain_takes_no_new_call_waits_for_those_that_run_and_then_ends_them() {
    let server = Server::start(AgentKind::Echo).await;
    let mut short = server.open("call_id=short").await.unwrap();
    short.connected().await;
    short.start("short", 8000).await;
    let mut long = server.open("call_id=long").await.unwrap();
    long.connected().await;
    long.start("long", 8000).await;
    for carrier in [&mut short, &mut long] {
        carrier.media(&[1; 320]).await;
        carrier.audio().await;
    }
    let gateway = server.gateway.clone();
    let drain = tokio::spawn(async move { gateway.drain(Duration::from_millis(500)).await });
    while !server.gateway.is_draining() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.open("call_id=new").await.err(), Some(503));
    short.media(&[2; 320]).await;
    assert_eq!(short.audio().await, [2; 320], "a running call goes on");
    short.stop("callended").await;
    assert_eq!(short.close_code().await, Some(1000));
    assert_eq!(long.close_code().await, Some(1001));
    assert_eq!(drain.await.unwrap(), 1);
    let ends: Vec<_> = server.records().await.into_iter().filter_map(|record| record.end_reason).collect();
    assert!(ends.contains(&EndReason::CallerHungUp) && ends.contains(&EndReason::Drained), "{ends:?}");
}

#[tokio::test]
async fn a_recording_and_a_log_of_a_call_are_whole() {
    let mut agent = greeter(Ears::Open);
    (agent.record, agent.call_log) = (true, true);
    let server = Server::with(Config::default(), agent).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    hear_greeting(&mut carrier).await;
    carrier.stop("callended").await;
    let record = server.record().await;
    let folder = server.store.folder(record.id.parse().unwrap());
    let wav = audio::wav::read(&std::fs::read(folder.join(record.recording.unwrap())).unwrap()).unwrap();
    assert_eq!(wav.channels, 2);
    assert!(wav.channel(1).contains(&1000), "the agent is on the right");
    assert!(!wav.channel(0).contains(&1000));
    let log = std::fs::read_to_string(folder.join("call.jsonl")).unwrap();
    let replay = call::log::replay(&log, |_| Ok(())).unwrap();
    assert_eq!((replay.differences, replay.cut), (vec![], false));
    assert!(replay.inputs > 5);
}
