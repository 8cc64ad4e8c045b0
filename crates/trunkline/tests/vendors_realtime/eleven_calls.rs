//! Whole calls through the gateway with ElevenLabs' agent.

use std::sync::Arc;
use std::time::Duration;

use call::Settings;
use gateway::Agent;
use providers::RoleOptions;
use providers::fake::{FakeModel, FakeRecogniser, FakeVoice, Manner};
use serde_json::Value;
use sim::phone::{EndedBy, Step};
use sim::vendors::Delays;

use crate::calls::{Server, replays, settings, speech, texts, told};
use crate::support::Bench;

fn agent(bench: &Bench, key: &str, settings: Settings) -> Agent {
    Agent {
        speech_to_speech: Some(Arc::new(bench.eleven(key, RoleOptions::default()))),
        call_log: true,
        ..Agent::new("eleven", settings)
    }
}

/// The steps on the call's timeline, in order.
fn steps(record: &Value) -> Vec<String> {
    let incidents = record["incidents"].as_array().cloned().unwrap_or_default();
    let of = incidents.iter().filter(|incident| incident["kind"] == "agent_step");
    of.filter_map(|incident| incident["who"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_greeted_answered_and_each_step_is_on_its_record() {
    let bench = Bench::with(Delays::default(), &["We open at nine."]).await;
    let server = Server::of(agent(&bench, "test", settings("Hello.")));
    let report = server.phone(vec![Step::Say(speech("hours", 1_500)), Step::HangUp]).await;
    assert!(report.greeting_ms.is_some() && report.turns[0].answer_ms.is_some(), "{}", told(&report));
    let (record, log) = server.kept().await;
    assert_eq!(texts(&record, "caller"), ["what are your hours"], "{record}");
    let said = texts(&record, "agent");
    assert_eq!(said, ["Hello, you are talking to the agent.", "We open at nine."], "{record}");
    assert_eq!(steps(&record), ["invited", "opened", "ready", "first_audio"], "{record}");
    assert_eq!(record["results"]["elevenlabs_conversation_id"], "conv_1", "{record}");
    let id = record["id"].as_str().expect("a record has an id");
    let first: Value = serde_json::from_str(&bench.seen().body).expect("the first message was noted");
    assert_eq!(first["dynamic_variables"]["call_id"], id);
    replays(&log);
    bench.is_without_breaches();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_clears_the_line_and_the_record_has_what_was_heard() {
    let long = "This answer is so long that nobody would ever listen to the end of it. ".repeat(4);
    let bench = Bench::with(Delays::default(), &[&long, "Yes?"]).await;
    let server = Server::of(agent(&bench, "test", settings("Hello.")));
    let barge_in = Step::BargeIn { speech: speech("stop", 1_500), after: Duration::from_millis(2_500) };
    let report = server.phone(vec![Step::Say(speech("hours", 1_500)), barge_in, Step::HangUp]).await;
    assert_eq!(report.received.clears, 1, "{}", told(&report));
    let (record, log) = server.kept().await;
    assert_eq!(texts(&record, "agent").last().map(String::as_str), Some("Yes?"), "{record}");
    let turns = record["turns"].as_array().expect("turns");
    let cut = turns.iter().find(|turn| !turn["unheard"].is_null()).expect("a turn was cut");
    assert!(cut["text"].as_str().is_some_and(|heard| long.starts_with(heard) && heard.len() > 20), "{cut}");
    assert_eq!(record["counters"]["interruptions"], 1);
    replays(&log);
    bench.is_without_breaches();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_hangs_up_is_heard_to_its_last_word() {
    for (key, answer) in
        [("x-hangs-up", "Bye now."), ("test", r#"{"tool":"end_call","arguments":{},"say":"Bye now."}"#)]
    {
        let bench = Bench::with(Delays::default(), &[answer]).await;
        let server = Server::of(agent(&bench, key, settings("Hello.")));
        let steps = vec![Step::Say(speech("bye", 1_500)), Step::Wait(Duration::from_secs(8))];
        let report = server.phone(steps).await;
        assert_eq!(
            (report.end.by, report.end.close_code),
            (EndedBy::Server, Some(1000)),
            "{}",
            told(&report)
        );
        let (record, log) = server.kept().await;
        assert_eq!(record["end_reason"], "agent_ended", "{key}: {record}");
        assert_eq!(texts(&record, "agent").last().map(String::as_str), Some("Bye now."), "{key}");
        replays(&log);
        bench.is_without_breaches();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_cannot_be_set_up_says_so_and_ends_with_a_reason() {
    for key in ["fail-401", "x-format-opus_48000"] {
        let bench = Bench::with(Delays::default(), &["We open at nine."]).await;
        let server = Server::of(agent(&bench, key, settings("Hello.")));
        let report = server.phone(vec![Step::Wait(Duration::from_secs(8))]).await;
        assert_eq!(
            (report.end.by, report.end.close_code),
            (EndedBy::Server, Some(1000)),
            "{}",
            told(&report)
        );
        assert!(report.received.audible_ms > 0, "{key}: {}", told(&report));
        let (record, _) = server.kept().await;
        assert_eq!(record["end_reason"], "vendors_down", "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_after_its_connection_broke() {
    // A conversation begins with the first answer, so the second one gives it too, and to its end.
    let answer = "We open at nine and close at five.";
    let bench = Bench::with(Delays::default(), &[answer, "At five."]).await;
    let server = Server::of(agent(&bench, "x-cut-once", settings("Hello.")));
    let say = |label: &str| Step::Say(speech(label, 1_500));
    let report = server.phone(vec![say("hours"), say("again"), Step::HangUp]).await;
    assert!(report.turns[1].answer_ms.is_some(), "{}", told(&report));
    let (record, log) = server.kept().await;
    let steps = steps(&record);
    assert_eq!(steps[4..], ["reconnecting", "invited", "opened", "ready"], "{steps:?}");
    assert_eq!(record["end_reason"], "caller_hung_up", "{record}");
    assert_eq!(texts(&record, "agent").last().map(String::as_str), Some(answer), "{record}");
    replays(&log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_vendors_take_the_place_of_an_agent_that_is_gone() {
    for key in ["fail-401", "garbage"] {
        let bench = Bench::with(Delays::default(), &["We open at nine."]).await;
        let settings = Settings { speech_to_speech_fallback: true, ..settings("Hello.") };
        let hears = vec!["what are your hours".to_owned()];
        let server = Server::of(Agent {
            recogniser: Some(Arc::new(FakeRecogniser::new(hears, Manner::default()))),
            model: Some(Arc::new(FakeModel::echo(Manner::default()))),
            voice: Some(Arc::new(FakeVoice::default())),
            ..agent(&bench, key, settings)
        });
        let say = |label: &str| Step::Say(speech(label, 1_500));
        let report = server.phone(vec![say("hours"), say("again"), Step::HangUp]).await;
        let (record, log) = server.kept().await;
        assert!(report.turns[1].answer_ms.is_some(), "{key}: {}\n{record}", told(&report));
        let replaced = record["incidents"]
            .as_array()
            .is_some_and(|incidents| incidents.iter().any(|incident| incident["kind"] == "agent_replaced"));
        assert!(replaced, "{key}: {record}");
        assert_eq!(record["end_reason"], "caller_hung_up", "{key}: {record}");
        replays(&log);
    }
}
