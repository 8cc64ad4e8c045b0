//! Whole calls through the gateway: a caller on a real socket, the agent behind another.

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate, wav};
use call::{AgentKind, Settings};
use gateway::{Agent, Agents, Config, Gateway, Limits, Listener, bind};
use serde_json::Value;
use sim::phone::{CallPlan, EndedBy, Phone, PhoneReport, Speech, Step};
use sim::vendors::Delays;
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::support::{Bench, LONG};

/// Sentences over a telephone line, 8 kHz.
static RECORDED: &[u8] = include_bytes!("../../../audio/tests/fixtures/speech.wav");

/// A gateway whose only agent is a speech-to-speech one.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    data: tempfile::TempDir,
    stop: CancellationToken,
}

impl Server {
    fn start(bench: &Bench, key: &str, settings: Settings) -> Self {
        Self::of(Agent {
            speech_to_speech: Some(Arc::new(bench.vendor(key, "{}"))),
            call_log: true,
            ..Agent::new("realtime", settings)
        })
    }

    /// A gateway whose only agent is this one.
    pub(crate) fn of(agent: Agent) -> Self {
        let name = agent.name.clone();
        let agents: Agents = [(agent.name.clone(), Arc::new(agent))].into();
        let data = tempfile::tempdir().expect("there is room for a folder");
        let store = Store::open(data.path()).expect("a new folder is a store");
        let config = Config { default_agent: name, ..Config::default() };
        let gateway = Gateway::new(config, agents, Some(store)).expect("the agent is there");
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let stop = CancellationToken::new();
        tokio::spawn(Listener::new(Limits::default(), None).serve(listener, gateway.router(), stop.clone()));
        Self { address, data, stop }
    }

    pub(crate) async fn phone(&self, steps: Vec<Step>) -> PhoneReport {
        let mut plan = CallPlan::new(format!("ws://{}/voicebot/ws?sample-rate=8000", self.address));
        (plan.steps, plan.patience) = (steps, Duration::from_secs(6));
        Phone::call(plan, |_| {}).await.expect("the gateway takes the call")
    }

    /// The call's record and its log, once they are final.
    pub(crate) async fn kept(&self) -> (Value, String) {
        let looking = async {
            loop {
                if let Some(kept) = look(self.data.path()) {
                    return kept;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, looking).await.expect("the store writes the record")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn look(folder: &std::path::Path) -> Option<(Value, String)> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = look(&path) {
                return Some(found);
            }
        } else if path.ends_with("record.json") {
            let record: Value = serde_json::from_str(&std::fs::read_to_string(&path).ok()?).ok()?;
            let log = std::fs::read_to_string(path.with_file_name("call.jsonl")).ok()?;
            return (!record["ended_at"].is_null()).then_some((record, log));
        }
    }
    None
}

pub(crate) fn settings(greeting: &str) -> Settings {
    Settings {
        agent: AgentKind::Assistant,
        speech_to_speech: true,
        greeting: greeting.to_owned(),
        prompt: "You answer for a clinic.".to_owned(),
        ..Settings::default()
    }
}

pub(crate) fn speech(label: &str, for_ms: u64) -> Speech {
    let all = wav::read(RECORDED).expect("the recording is part of the program").to_mono();
    let samples = &all[..SampleRate::HZ_8000.samples(for_ms * 1000)];
    Speech { label: label.to_owned(), pcm: Pcm::from(samples) }
}

pub(crate) fn texts(record: &Value, speaker: &str) -> Vec<String> {
    let turns = record["turns"].as_array().cloned().unwrap_or_default();
    let of = turns.iter().filter(|turn| turn["speaker"] == speaker);
    of.filter_map(|turn| turn["text"].as_str().map(str::to_owned)).collect()
}

/// A report without the recording.
pub(crate) fn told(report: &PhoneReport) -> String {
    serde_json::to_string(report).expect("a report is plain")
}

pub(crate) fn replays(log: &str) {
    let replay = call::log::replay(log, |_| Ok(())).expect("a call's own log can be read");
    assert_eq!((replay.differences, replay.cut), (vec![], false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_greeted_answered_and_written_down() {
    let bench = Bench::with(Delays::default(), &["We open at nine."]).await;
    let server = Server::start(&bench, "test", settings("Hello."));
    let report = server.phone(vec![Step::Say(speech("hours", 1_500)), Step::HangUp]).await;
    assert!(report.greeting_ms.is_some() && report.turns[0].answer_ms.is_some(), "{}", told(&report));
    let (record, log) = server.kept().await;
    assert_eq!(texts(&record, "caller"), ["what are your hours"], "{record}");
    assert_eq!(texts(&record, "agent"), ["Hello.", "We open at nine."], "{record}");
    let latency = &record["turns"][2]["latency"];
    assert!(latency["total_us"].as_u64().is_some_and(|total| total > 0), "{record}");
    assert!(bench.seen().samples > 8_000);
    replays(&log);
    bench.is_without_breaches();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_clears_the_line_and_tells_the_agent_what_was_heard() {
    let long = "This answer is so long that nobody would ever listen to the end of it. ".repeat(4);
    let bench = Bench::with(Delays::default(), &[&long, "Yes?"]).await;
    let server = Server::start(&bench, "test", settings("Hello."));
    let barge_in = Step::BargeIn { speech: speech("stop", 1_500), after: Duration::from_millis(2_500) };
    let report = server.phone(vec![Step::Say(speech("hours", 1_500)), barge_in, Step::HangUp]).await;
    assert_eq!(report.received.clears, 1, "{}", told(&report));
    assert!(report.turns[1].clear_ms.is_some_and(|after| after < 1_500), "{}", told(&report));

    let noted = bench.noted("truncate: ").await;
    let numbers: Vec<u64> = noted.split(' ').filter_map(|word| word.parse().ok()).collect();
    // It began to speak over it 2.5 s into the answer, and was noticed a moment later; far more had been sent.
    assert!((2_000..5_000).contains(&numbers[0]), "{noted}");
    assert!(numbers[1] > numbers[0], "{noted}");

    let (record, log) = server.kept().await;
    let agent = texts(&record, "agent");
    assert_eq!(agent.last().map(String::as_str), Some("Yes?"), "{record}");
    let cut = &record["turns"].as_array().expect("turns")[2];
    assert!(cut["text"].as_str().is_some_and(|heard| long.starts_with(heard) && heard.len() > 20), "{cut}");
    assert!(cut["unheard"].as_str().is_some_and(|unheard| !unheard.is_empty()), "{cut}");
    assert_eq!(record["counters"]["interruptions"], 1);
    replays(&log);
    bench.is_without_breaches();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_asks_for_the_end_is_heard_to_its_last_word() {
    let bench =
        Bench::with(Delays::default(), &[r#"{"tool":"end_call","arguments":{},"say":"Bye now."}"#]).await;
    let server = Server::start(&bench, "test", settings(""));
    let steps = vec![Step::Say(speech("bye", 1_500)), Step::Wait(Duration::from_secs(6))];
    let report = server.phone(steps).await;
    assert_eq!((report.end.by, report.end.close_code), (EndedBy::Server, Some(1000)), "{}", told(&report));
    let (record, _) = server.kept().await;
    assert_eq!(record["end_reason"], "agent_ended");
    assert_eq!(texts(&record, "agent"), ["Bye now."]);
    assert!(report.received.audible_ms >= 450, "{}", told(&report));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_outlives_its_agent_by_an_apology() {
    for key in ["fail-401", "x-session-expired"] {
        let bench = Bench::with(Delays::default(), &["We open at nine."]).await;
        let server = Server::start(&bench, key, settings("Hello."));
        let report = server.phone(vec![Step::Wait(Duration::from_secs(8))]).await;
        assert_eq!(
            (report.end.by, report.end.close_code),
            (EndedBy::Server, Some(1000)),
            "{key}: {}",
            told(&report)
        );
        assert!(report.received.audible_ms > 0, "{key}: {}", told(&report));
        let (record, _) = server.kept().await;
        assert_eq!(record["end_reason"], "vendors_down", "{key}");
    }
}
