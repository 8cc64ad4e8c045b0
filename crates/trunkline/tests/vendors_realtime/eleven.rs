//! ElevenLabs' conversational agent as a speech-to-speech agent.

use audio::{SampleRate, level_db, tone_level_db};
use call::{Converse, Conversed, FaultClass, ItemId};
use providers::{KeysTold, Override, RoleOptions, SpeechToSpeech as _};
use serde_json::{Value, json};
use sim::vendors::Delays;

use crate::support::{Bench, Talking, session};

const GREETING: &str = "Hello, you are talking to the agent.";
/// 60 ms for each of the greeting's letters.
const GREETING_MS: u64 = 36 * 60;

fn talk(bench: &Bench, key: &str) -> Talking {
    talk_as(bench, key, RoleOptions::default())
}

fn talk_as(bench: &Bench, key: &str, role: RoleOptions) -> Talking {
    Bench::talk_to(&bench.eleven(key, role), SampleRate::HZ_8000)
}

/// Waits until so much audio of an item came.
async fn hears(talk: &mut Talking, item: u32, length_ms: u64) {
    loop {
        let (_, rate, samples) = talk.item(item);
        if rate.micros(samples.len()) / 1000 >= length_ms {
            return;
        }
        talk.until(|what| matches!(what, Conversed::Audio { .. })).await;
    }
}

#[tokio::test]
async fn the_agent_greets_hears_and_answers() {
    let bench = Bench::new(&["We open at nine."]).await;
    let mut talk = talk(&bench, "test");
    hears(&mut talk, 0, GREETING_MS).await;
    talk.tell(Converse::Say("Hello, this is the clinic.".to_owned()));
    talk.speak(800);
    hears(&mut talk, 1, 16 * 60).await;
    let summary = talk.summary();
    let wanted = [
        "step invited",
        "step opened",
        "step ready",
        "elevenlabs_conversation_id = conv_1",
        "never done",
        "ready",
        "text 0",
        "audio 0",
        "step first_audio",
        "audio 0",
        "interrupted",
        "stops",
        "caller: what are your hours",
        "text 1",
        "audio 1",
    ];
    let mut left = summary.iter();
    for word in wanted {
        assert!(left.any(|other| other == word), "no {word:?} at its place in {summary:?}");
    }
    let (words, rate, samples) = talk.item(1);
    assert_eq!((words.as_str(), rate), ("We open at nine.", SampleRate::HZ_8000));
    assert_eq!(samples.len(), rate.samples(16 * 60_000));
    assert!((tone_level_db(&samples, rate, 440.0) - level_db(&samples)).abs() < 0.5);
    let seen = bench.seen();
    // 0.8 s of voice and 0.8 s of silence, of which some may still be on its way.
    assert!((9_000..=12_800).contains(&seen.samples), "{}", seen.samples);
    let first = session(&seen);
    assert_eq!(first["dynamic_variables"], json!({ "call_id": "call_7", "candidate_name": "Ana" }));
    assert_eq!(first["conversation_config_override"], Value::Null);
    assert!(seen.texts.is_empty(), "the greeting is the agent's own: {:?}", seen.texts);
    bench.is_without_breaches();
}

#[tokio::test]
async fn a_public_agent_is_opened_by_its_id_and_an_address_is_signed_for_one_conversation() {
    let bench = Bench::new(&["Yes."]).await;
    let mut talk = talk(&bench, "public:agent_open");
    hears(&mut talk, 0, GREETING_MS).await;
    assert_eq!(bench.seen().target, "/v1/convai/conversation?agent_id=agent_open");
    assert!(!talk.summary().contains(&"step invited".to_owned()));
    bench.is_without_breaches();
}

#[tokio::test]
async fn every_format_is_converted_to_the_lines_and_back() {
    for (key, given, least) in [
        ("x-format-pcm_8000", SampleRate::HZ_8000, 9_000),
        ("x-format-pcm_16000", SampleRate::HZ_16000, 18_000),
        ("x-format-pcm_22050", SampleRate::HZ_22050, 25_000),
        ("x-format-pcm_24000", SampleRate::HZ_24000, 27_000),
        ("x-format-pcm_48000", SampleRate::HZ_48000, 54_000),
        ("x-no-input-format", SampleRate::HZ_8000, 18_000),
    ] {
        for line in [SampleRate::HZ_8000, SampleRate::HZ_24000] {
            let bench = Bench::new(&["We open at nine."]).await;
            let mut talk = Bench::talk_to(&bench.eleven(key, RoleOptions::default()), line);
            talk.speak(800);
            talk.until(|what| matches!(what, Conversed::CallerSaid(_))).await;
            talk.until(|what| matches!(what, Conversed::Audio { .. })).await;
            let (_, rate, samples) = talk.item(0);
            assert_eq!(rate, given, "{key}");
            assert!(
                (tone_level_db(&samples, rate, 440.0) - level_db(&samples)).abs() < 0.5,
                "{key} at {line}"
            );
            let heard = bench.seen().samples;
            assert!(heard >= least, "{key} at {line}: {heard}");
            bench.is_without_breaches();
        }
    }
}

#[tokio::test]
async fn an_interruption_withdraws_what_comes_late_of_it() {
    let long = "This is a very long answer that nobody hears to its end. ".repeat(4);
    let bench = Bench::with(Delays::default(), &[&long, "Yes?"]).await;
    let mut talk = talk(&bench, "x-no-greeting");
    talk.tell(Converse::Told("tell me everything".to_owned()));
    hears(&mut talk, 0, 800).await;
    talk.speak(400);
    talk.until(|what| matches!(what, Conversed::Interrupted)).await;
    let before = talk.item(0).2.len();
    let corrected = talk.until(|what| matches!(what, Conversed::Corrected(_))).await;
    let Conversed::Corrected(heard) = corrected else { unreachable!("it was waited for") };
    assert!(long.starts_with(&heard) && heard.len() < long.len(), "{heard}");
    hears(&mut talk, 1, 4 * 60).await;
    assert_eq!(talk.item(0).2.len(), before, "stale audio was given on: {:?}", talk.summary());
    assert_eq!(talk.item(1).0, "Yes?");
    bench.is_without_breaches();
}

#[tokio::test]
async fn what_the_call_has_cut_is_not_given_on() {
    let long = "This is a very long answer that nobody hears to its end. ".repeat(4);
    let bench = Bench::with(Delays::default(), &[&long, "Yes?"]).await;
    let mut talk = talk(&bench, "x-no-greeting");
    talk.tell(Converse::Told("tell me everything".to_owned()));
    hears(&mut talk, 0, 500).await;
    talk.tell(Converse::Cut { item: ItemId(0), heard_ms: 300 });
    talk.tell(Converse::Told("go on".to_owned()));
    hears(&mut talk, 1, 4 * 60).await;
    assert_eq!(talk.item(1).0, "Yes?");
    let all = SampleRate::HZ_8000.samples(long.chars().count() as u64 * 60_000);
    assert!(talk.item(0).2.len() < all);
}

#[tokio::test]
async fn a_tool_runs_here_and_its_result_is_answered() {
    let call = r#"{"tool":"lookup","arguments":{"order":7},"say":"One moment."}"#;
    let bench = Bench::new(&[call, "It is on its way.", "I could not do that."]).await;
    let mut talk = talk(&bench, "x-no-greeting");
    talk.speak(500);
    let asked = talk.until(|what| matches!(what, Conversed::Tool(_))).await;
    let Conversed::Tool(asked) = asked else { unreachable!("it was waited for") };
    assert_eq!((asked.name.as_str(), asked.arguments.as_str()), ("lookup", r#"{"order":7}"#));
    let result = |result: &str| Converse::ToolResult {
        id: asked.id.clone(),
        result: result.to_owned(),
        failed: result == "no such order",
    };
    talk.tell(result("no such order"));
    assert_eq!(bench.noted("result: ").await, "result: no such order (failed)");
    hears(&mut talk, 1, 17 * 60).await;
    assert_eq!(talk.item(1).0, "It is on its way.");
    // A second result of the same call would end the conversation there.
    talk.tell(result("again"));
    talk.speak(500);
    hears(&mut talk, 2, 20 * 60).await;
    bench.is_without_breaches();
}

#[tokio::test]
async fn words_and_keys_reach_it_as_is_set() {
    let bench = Bench::new(&["Sales."]).await;
    let mut talk = talk(&bench, "test");
    talk.tell(Converse::Say("Hello, this is the clinic.".to_owned()));
    talk.tell(Converse::Say("Are you still there?".to_owned()));
    hears(&mut talk, 1, 20 * 60).await;
    assert_eq!(talk.item(1).0, "Are you still there?");
    talk.tell(Converse::Told("pressed 1".to_owned()));
    assert_eq!(bench.noted("user: pressed").await, "user: pressed 1");
    bench.is_without_breaches();

    let bench = Bench::new(&["Sales."]).await;
    let mut talk = talk_as(&bench, "test", RoleOptions { keys: KeysTold::Context, ..RoleOptions::default() });
    talk.tell(Converse::Told("pressed 1".to_owned()));
    assert_eq!(bench.noted_anywhere("context: ").await, "context: The caller pressed 1 on the keypad.");
    bench.is_without_breaches();
}

#[tokio::test]
async fn overrides_are_sent_where_they_are_asked_for_and_only_then() {
    let overrides = vec![Override::Prompt, Override::Greeting, Override::Language, Override::Voice];
    let body = json!({ "dynamic_variables": { "shop": "north" }, "user_id": "u1" });
    let role = RoleOptions {
        overrides,
        voice: Some("v1".to_owned()),
        tell_numbers: true,
        body: body.as_object().cloned().expect("an object"),
        ..RoleOptions::default()
    };
    let bench = Bench::new(&["Yes."]).await;
    let mut talk = talk_as(&bench, "x-allows-overrides", role.clone());
    hears(&mut talk, 0, 26 * 60).await;
    assert_eq!(talk.item(0).0, "Hello, this is the clinic.");
    let first = session(&bench.seen());
    let wanted = json!({
        "agent": { "prompt": { "prompt": "You answer for a clinic." },
            "first_message": "Hello, this is the clinic.", "language": "en" },
        "tts": { "voice_id": "v1" },
    });
    assert_eq!(first["conversation_config_override"], wanted);
    let variables = json!({ "call_id": "call_7", "caller_number": "+911", "candidate_name": "Ana",
        "shop": "north" });
    assert_eq!((&first["dynamic_variables"], &first["user_id"]), (&variables, &json!("u1")));
    // Where the agent does not allow them, that is a fault of the configuration.
    let mut refused = talk_as(&bench, "test", role);
    assert_eq!(refused.fails().await, FaultClass::Config);
}

#[tokio::test]
async fn the_end_comes_by_its_own_tool_or_its_longest_time_and_is_no_failure() {
    let bench = Bench::new(&["Bye now."]).await;
    let mut talk = talk(&bench, "x-hangs-up");
    talk.speak(500);
    talk.until(|what| matches!(what, Conversed::Ending)).await;
    talk.until(|what| matches!(what, Conversed::Over)).await;

    let mut talk = self::talk(&bench, "x-max-duration");
    talk.speak(500);
    talk.until(|what| matches!(what, Conversed::Over)).await;
    bench.is_without_breaches();
}

#[tokio::test]
async fn a_broken_connection_is_made_again_once_with_what_was_said() {
    let bench = Bench::with(Delays::default(), &["We open at nine and we close at five.", "At five."]).await;
    let mut talk = talk(&bench, "x-cut-once");
    hears(&mut talk, 0, GREETING_MS).await;
    talk.speak(500);
    talk.until(|what| matches!(what, Conversed::Reopened)).await;
    let note = bench.noted_anywhere("context: ").await;
    let said = "Caller: what are your hours\nYou: We open at nine and we close at five.";
    assert!(note.contains("You: Hello") && note.ends_with(said), "{note}");
    // It greets again, since a new conversation knows no better, and nobody hears that.
    talk.speak(500);
    talk.until(|what| matches!(what, Conversed::CallerSaid(text) if text == "what are your hours")).await;
    let text = talk.until(|what| matches!(what, Conversed::Text { .. })).await;
    assert!(matches!(&text, Conversed::Text { text, .. } if text != GREETING), "{text:?}");
    let summary = talk.summary();
    assert!(summary.contains(&"elevenlabs_conversation_id_2 = conv_2".to_owned()), "{summary:?}");
    assert_eq!(bench.server.ledger().count("elevenlabs/signed-url"), 2, "an address is good for one");
    bench.is_without_breaches();
}

#[tokio::test]
async fn a_probe_asks_for_an_address_and_opens_no_conversation() {
    use providers::driver::Probe as _;
    let bench = Bench::new(&["Yes."]).await;
    assert!(bench.eleven("test", RoleOptions::default()).probe().await.is_ok());
    assert!(bench.eleven("fail-401", RoleOptions::default()).probe().await.is_err());
    assert_eq!(bench.server.ledger().count("elevenlabs/agent"), 0);
    assert!(bench.eleven("test", RoleOptions::default()).needs_call());
}

#[tokio::test]
async fn each_failure_has_its_class() {
    for (key, class) in [
        ("fail-401", FaultClass::Auth),
        ("fail-429", FaultClass::Rate),
        ("fail-500", FaultClass::Busy),
        ("no-credit", FaultClass::Quota),
        ("html", FaultClass::Garbage),
        ("no-websocket", FaultClass::Auth),
        ("hang", FaultClass::Slow),
        ("mute", FaultClass::Slow),
        ("x-never-ready", FaultClass::Slow),
        ("x-format-opus_48000", FaultClass::Config),
        ("x-llm-timeout", FaultClass::Busy),
        ("x-crash", FaultClass::Busy),
        ("in-stream-error", FaultClass::Busy),
        ("cut", FaultClass::Network),
        ("garbage", FaultClass::Garbage),
    ] {
        let bench = Bench::new(&["We open at nine."]).await;
        let mut talk = talk(&bench, key);
        talk.speak(800);
        // What breaks twice is given up: the answer breaks again on the second connection.
        let failed = async {
            loop {
                match talk.next().await {
                    Conversed::Failed(fault) => return fault.class,
                    Conversed::Reopened => talk.speak(800),
                    _ => {}
                }
            }
        };
        assert_eq!(failed.await, class, "{key}: {:?}", talk.summary());
    }
}
