//! The Realtime API as a speech-to-speech agent.

use audio::{SampleRate, level_db, tone_level_db};
use call::{Converse, Conversed, FaultClass, ItemId};
use serde_json::json;

use crate::support::{Bench, session};

#[tokio::test]
async fn a_question_is_heard_and_answered_in_order() {
    let bench = Bench::new(&["We open at nine."]).await;
    let mut talk = bench.talk("test", "{}");
    talk.speak(800);
    talk.done().await;
    let summary = talk.summary();
    for wanted in [["ready", "speaks"], ["speaks", "stops"], ["text 0", "audio 0"], ["done 0", "done"]] {
        let found = summary.windows(2).any(|pair| pair == wanted);
        let place = |word: &str| summary.iter().position(|other| other == word);
        assert!(found || place(wanted[0]) < place(wanted[1]), "{wanted:?} in {summary:?}");
    }
    assert!(summary.contains(&"caller: what are your hours".to_owned()), "{summary:?}");

    let (words, rate, samples) = talk.item(0);
    assert_eq!((words.as_str(), rate), ("We open at nine.", SampleRate::HZ_8000));
    // 60 ms a letter, and the tone that the stand-in speaks with, at its level: mu-law both ways.
    assert_eq!(samples.len(), rate.samples(16 * 60_000));
    assert!((tone_level_db(&samples, rate, 440.0) - level_db(&samples)).abs() < 0.5);
    assert!((-16.0..-11.0).contains(&level_db(&samples)), "{}", level_db(&samples));

    let seen = bench.seen();
    // Every frame came: 0.8 s of voice and 0.8 s of silence, of which some may still be on its way.
    assert!((10_000..=12_800).contains(&seen.samples), "{}", seen.samples);
    assert_eq!(seen.target, "/v1/realtime?model=gpt-realtime");
    let session = session(&seen);
    assert_eq!(session["audio"]["input"]["format"], json!({ "type": "audio/pcmu" }));
    assert_eq!(session["audio"]["output"]["format"], json!({ "type": "audio/pcmu" }));
    assert_eq!(session["audio"]["input"]["transcription"]["language"], "en");
    assert_eq!(session["instructions"], "You answer for a clinic.");
    assert_eq!(session["tools"][0]["name"], "lookup");
    bench.is_without_breaches();
}

#[tokio::test]
async fn a_line_of_16_or_24_khz_is_carried_as_pcm() {
    for rate in [SampleRate::HZ_16000, SampleRate::HZ_24000] {
        let bench = Bench::new(&["Yes."]).await;
        let mut talk = bench.talk_at(rate, "test", "{}");
        talk.speak(800);
        talk.done().await;
        let (_, given, samples) = talk.item(0);
        assert_eq!(given, SampleRate::HZ_24000);
        assert!((tone_level_db(&samples, given, 440.0) - level_db(&samples)).abs() < 0.5, "at {rate}");
        let seen = bench.seen();
        assert_eq!(
            session(&seen)["audio"]["input"]["format"],
            json!({ "type": "audio/pcm", "rate": 24_000 })
        );
        // The resampler keeps a little back.
        assert!((30_000..=38_400).contains(&seen.samples), "{} at {rate}", seen.samples);
        bench.is_without_breaches();
    }
}

#[tokio::test]
async fn it_says_what_it_is_told_to_and_words_that_are_told_are_answered() {
    let bench = Bench::new(&["We have a table."]).await;
    let mut talk = bench.talk("test", "{}");
    talk.tell(Converse::Say("Hello, this is the clinic.".to_owned()));
    talk.done().await;
    assert_eq!(talk.item(0).0, "Hello, this is the clinic.");
    talk.tell(Converse::Told("pressed 1".to_owned()));
    talk.done().await;
    assert_eq!(talk.item(1).0, "We have a table.");
    assert_eq!(
        bench.seen().texts,
        ["system: Hello, this is the clinic.", "response.create", "user: pressed 1", "response.create"]
    );
    bench.is_without_breaches();
}

#[tokio::test]
async fn an_answer_of_several_items_keeps_them_apart() {
    let bench = Bench::new(&["First.\nThen this."]).await;
    let mut talk = bench.talk("test", "{}");
    talk.speak(500);
    talk.done().await;
    assert_eq!((talk.item(0).0.as_str(), talk.item(1).0.as_str()), ("First.", "Then this."));
    assert_eq!(talk.item(1).2.len(), SampleRate::HZ_8000.samples(10 * 60_000));
}

#[tokio::test]
async fn a_cut_is_told_and_nothing_more_comes_of_the_item() {
    for (key, body) in [
        (
            "test",
            r#"{"audio":{"input":{"turn_detection":{"type":"server_vad","interrupt_response":false}}}}"#,
        ),
        ("x-late-audio", "{}"),
    ] {
        let long = "This is a very long answer. ".repeat(20);
        let bench = Bench::new(&[&long, "Yes?"]).await;
        let mut talk = bench.talk(key, body);
        talk.tell(Converse::Told("tell me everything".to_owned()));
        talk.until(|what| matches!(what, Conversed::Audio { .. })).await;
        talk.until(|what| matches!(what, Conversed::Audio { .. })).await;
        // More than came: the vendor is told no more than it sent.
        talk.tell(Converse::Cut { item: ItemId(0), heard_ms: 99_000 });
        let noted = bench.noted("truncate: ").await;
        let numbers: Vec<u64> = noted.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!(numbers[0] >= 100 && numbers[0] <= numbers[1] && numbers[1] < 30_000, "{noted}");
        talk.done().await;
        let before = talk.gave.len();
        talk.tell(Converse::Told("go on".to_owned()));
        talk.done().await;
        let late = talk.gave[before..].iter().any(
            |what| matches!(what, Conversed::Audio { item, .. } | Conversed::Text { item, .. } if item.0 == 0),
        );
        assert!(!late, "{:?}", talk.summary());
        assert_eq!(talk.item(1).0, "Yes?");
        bench.is_without_breaches();
    }
}

#[tokio::test]
async fn a_tool_is_asked_for_and_its_result_is_answered() {
    let call = r#"{"tool":"lookup","arguments":{"order":7},"say":"One moment."}"#;
    let bench = Bench::new(&[call, "It is on its way."]).await;
    let mut talk = bench.talk("test", "{}");
    talk.speak(500);
    talk.done().await;
    let asked: Vec<_> = talk
        .gave
        .iter()
        .filter_map(|what| match what {
            Conversed::Tool(call) => Some(call.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 1, "{:?}", talk.summary());
    assert_eq!((asked[0].name.as_str(), asked[0].arguments.as_str()), ("lookup", r#"{"order":7}"#));
    talk.tell(Converse::ToolResult {
        id: asked[0].id.clone(),
        result: "on its way".to_owned(),
        failed: false,
    });
    talk.done().await;
    assert_eq!(talk.item(1).0, "It is on its way.");
    assert_eq!(bench.noted("result: ").await, "result: on its way");
    bench.is_without_breaches();
}

#[tokio::test]
async fn without_the_vendors_detection_our_ears_end_the_turn() {
    let bench = Bench::new(&["Yes."]).await;
    let mut talk = bench.talk("test", r#"{"audio":{"input":{"turn_detection":"none"}}}"#);
    talk.speak(600);
    talk.tell(Converse::Finished);
    talk.done().await;
    assert!(!talk.summary().contains(&"speaks".to_owned()), "{:?}", talk.summary());
    assert!(talk.summary().contains(&"stops".to_owned()), "{:?}", talk.summary());
    assert!(session(&bench.seen())["audio"]["input"]["turn_detection"].is_null());
    assert_eq!(talk.item(0).0, "Yes.");
    bench.is_without_breaches();
}

#[tokio::test]
async fn what_is_odd_is_borne() {
    for key in ["x-harmless-errors", "x-beta-names", "x-failed-once", "x-no-transcript"] {
        let bench = Bench::new(&["We open at nine."]).await;
        let mut talk = bench.talk(key, "{}");
        talk.speak(800);
        talk.done().await;
        let item = talk.gave.iter().find_map(|what| match what {
            Conversed::Audio { item, .. } => Some(item.0),
            _ => None,
        });
        let item = item.unwrap_or_else(|| panic!("{key}: {:?}", talk.summary()));
        assert_eq!(talk.item(item).0, "We open at nine.", "{key}");
        bench.is_without_breaches();
    }
}

#[tokio::test]
async fn pcm_that_is_called_mulaw_is_heard_as_what_it_is() {
    let bench = Bench::new(&["We open at nine."]).await;
    let mut talk = bench.talk("x-pcm-for-pcmu", "{}");
    talk.speak(800);
    talk.done().await;
    let (_, rate, samples) = talk.item(0);
    assert_eq!((rate, samples.len()), (SampleRate::HZ_24000, SampleRate::HZ_24000.samples(16 * 60_000)));
    assert!((tone_level_db(&samples, rate, 440.0) - level_db(&samples)).abs() < 0.5);
}

#[tokio::test]
async fn each_failure_has_its_class() {
    for (key, class) in [
        ("fail-401", FaultClass::Auth),
        ("fail-429", FaultClass::Rate),
        ("fail-500", FaultClass::Busy),
        ("no-credit", FaultClass::Quota),
        ("no-websocket", FaultClass::Auth),
        ("hang", FaultClass::Slow),
        ("mute", FaultClass::Slow),
        ("x-never-ready", FaultClass::Slow),
        ("x-wrong-format", FaultClass::Config),
        ("x-session-expired", FaultClass::Lifetime),
        ("x-fatal-error", FaultClass::Quota),
        ("in-stream-error", FaultClass::Busy),
        ("cut", FaultClass::Network),
        ("garbage", FaultClass::Garbage),
    ] {
        let bench = Bench::new(&["We open at nine."]).await;
        let mut talk = bench.talk(key, "{}");
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
        assert_eq!(failed.await, class, "{key}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_made_again_once_with_what_was_said() {
    let bench = Bench::new(&["We open at nine and we close at five.", "At five."]).await;
    let mut talk = bench.talk("x-cut-once", "{}");
    talk.tell(Converse::Told("pressed 1".to_owned()));
    talk.until(|what| matches!(what, Conversed::Text { .. })).await;
    talk.until(|what| matches!(what, Conversed::Reopened)).await;
    // What it had said of its answer is told, and is not asked for again.
    assert_eq!(bench.noted_anywhere("assistant: ").await.split_whitespace().nth(1), Some("We"));
    talk.speak(800);
    talk.done().await;
    let summary = talk.summary();
    assert!(summary.contains(&"text 1".to_owned()) && summary.contains(&"audio 1".to_owned()), "{summary:?}");
    let texts = bench.seen().texts;
    assert_eq!(texts[0], "user: pressed 1", "{texts:?}");
    assert!(!texts.contains(&"response.create".to_owned()), "{texts:?}");
    assert_eq!(bench.server.ledger().count("openai/realtime"), 2);
    bench.is_without_breaches();
}

#[tokio::test]
async fn words_that_nobody_wrote_down_are_heard_again_over_the_new_connection() {
    let bench = Bench::new(&["We open at nine."]).await;
    let mut talk = bench.talk("x-cut-unheard", "{}");
    talk.speak(800);
    talk.until(|what| matches!(what, Conversed::Reopened)).await;
    // Silence follows speech on a line that lives.
    talk.speak(0);
    talk.done().await;
    let summary = talk.summary();
    assert!(summary.contains(&"caller: what are your hours".to_owned()), "{summary:?}");
    assert_eq!(talk.item(0).0, "We open at nine.");
    // The whole of it: 0.8 s of voice and what stood around it.
    let seen = bench.seen();
    assert!(seen.samples >= 9_600, "{} samples", seen.samples);
    assert_eq!(bench.server.ledger().count("openai/realtime"), 2);
    bench.is_without_breaches();
}
