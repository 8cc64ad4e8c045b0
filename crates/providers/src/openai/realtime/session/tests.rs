//! The session on events as the reference writes them.

use std::sync::Arc;

use audio::SampleRate;
use call::{Converse, Conversed, FaultClass, ItemId, ToolCall, Usage};
use serde_json::{Value, json};

use super::*;
use crate::dialect::{AgentSocketDialect as _, HeaderText};
use crate::openai::Realtime;
use crate::{ConverseSpec, DialectOptions, RoleOptions};

const EVENTS: &str = include_str!("../../../../../../fixtures/openai/realtime.jsonl");

fn dialect(body: &Value) -> Realtime {
    Realtime::new(DialectOptions {
        base: "https://api.openai.com/v1".parse().unwrap(),
        key: Some("sk-real-key".to_owned().into()),
        headers: std::collections::BTreeMap::new(),
        role: RoleOptions { body: body.as_object().unwrap().clone(), ..RoleOptions::default() },
    })
}

fn spec() -> ConverseSpec {
    ConverseSpec {
        call: crate::CallFacts::default(),
        greeting: String::new(),
        rate: SampleRate::HZ_8000,
        language: "hi-IN".to_owned(),
        system: "Be kind.".to_owned(),
        tools: Arc::default(),
    }
}

/// Feeds frames. Gives the events that were sent and what was understood.
fn feed(session: &mut dyn AgentSession, lines: &[String]) -> (Vec<Value>, Vec<Conversed>) {
    let (mut send, mut out) = (Vec::new(), Vec::new());
    for line in lines {
        let flow = session.frame(Frame::Text(line.clone()), &mut send, &mut out).unwrap();
        assert_eq!(flow, Flow::Continue);
    }
    (values(&send), out)
}

fn values(frames: &[Frame]) -> Vec<Value> {
    let read = |frame: &Frame| match frame {
        Frame::Text(text) => serde_json::from_str(text).unwrap(),
        Frame::Binary(_) => panic!("the API takes text only"),
    };
    frames.iter().map(read).collect()
}

fn tell(session: &mut dyn AgentSession, what: Converse) -> Vec<Value> {
    let mut send = Vec::new();
    session.take(what, &mut send);
    values(&send)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// A session that is set up.
fn ready() -> Box<dyn AgentSession> {
    let mut session = dialect(&json!({})).session(&spec());
    feed(&mut *session, &lines(EVENTS)[..2]);
    assert!(session.is_ready());
    session
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn the_socket_is_opened_with_the_key_and_nothing_of_the_beta() {
    let request = dialect(&json!({})).connect(&spec(), None).unwrap();
    assert_eq!(request.url.as_str(), "wss://api.openai.com/v1/realtime?model=gpt-realtime");
    let names = request.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["authorization"]);
    assert!(matches!(request.headers[0].1, HeaderText::Secret(_)));
    assert!(!format!("{request:?}").contains("sk-real-key"));
}

#[test]
fn a_conversation_is_understood_from_the_first_event_to_the_last() {
    let mut session = dialect(&json!({})).session(&spec());
    let (sent, out) = feed(&mut *session, &lines(EVENTS));
    assert_eq!(kinds(&sent), ["session.update"]);
    let item = ItemId(0);
    let text = |text: &str| Conversed::Text { item, text: text.to_owned() };
    let without_audio: Vec<_> =
        out.iter().filter(|what| !matches!(what, Conversed::Audio { .. })).cloned().collect();
    let arguments = r#"{"order":7}"#.to_owned();
    let tool = ToolCall { id: "call_1".to_owned(), name: "lookup".to_owned(), arguments, signature: None };
    assert_eq!(
        without_audio,
        [
            Conversed::Ready,
            Conversed::SpeechStarted,
            Conversed::SpeechStopped,
            text("One "),
            text("moment."),
            Conversed::ItemDone(item),
            Conversed::Tool(tool),
            Conversed::Done(Usage { input_tokens: 132, cached_tokens: 64, output_tokens: 121 }),
            Conversed::CallerSaid("Where is my order?".to_owned()),
        ]
    );
    let samples: usize = out
        .iter()
        .map(|what| match what {
            Conversed::Audio { rate, pcm, .. } => {
                assert_eq!(*rate, SampleRate::HZ_8000);
                pcm.len()
            }
            _ => 0,
        })
        .sum();
    assert_eq!(samples, 32);
}

#[test]
fn the_betas_names_mean_the_same() {
    let old = EVENTS
        .replace("response.output_audio", "response.audio")
        .replace("conversation.item.added", "conversation.item.created");
    let understood = |text: &str| feed(&mut *dialect(&json!({})).session(&spec()), &lines(text)).1;
    assert_eq!(understood(&old), understood(EVENTS));
}

#[test]
fn the_operators_fields_are_laid_over_the_session() {
    let body = json!({
        "max_output_tokens": 500,
        "audio": {
            "input": { "turn_detection": { "type": "semantic_vad", "eagerness": "high" } },
            "output": { "speed": 1.1 },
        },
    });
    let mut session = dialect(&body).session(&spec());
    let (sent, _) = feed(&mut *session, &lines(EVENTS)[..1]);
    let wanted = &sent[0]["session"];
    assert_eq!(wanted["max_output_tokens"], 500);
    assert_eq!(
        wanted["audio"]["input"]["turn_detection"],
        json!({ "type": "semantic_vad", "eagerness": "high" })
    );
    assert_eq!(wanted["audio"]["output"]["voice"], "marin");
    assert_eq!(wanted["audio"]["output"]["speed"], 1.1);
    assert_eq!(wanted["audio"]["input"]["transcription"]["language"], "hi");
    assert_eq!(wanted["audio"]["input"]["format"], json!({ "type": "audio/pcmu" }));
}

#[test]
fn an_answer_is_asked_for_once_and_the_next_when_it_is_over() {
    let mut session = ready();
    assert_eq!(
        kinds(&tell(&mut *session, Converse::Told("hello".to_owned()))),
        ["conversation.item.create", "response.create"]
    );
    let created = json!({ "type": "response.created", "response": { "id": "resp_1" } }).to_string();
    feed(&mut *session, &[created]);
    // One is under way: it is withdrawn, and the other waits for its end.
    assert_eq!(
        kinds(&tell(&mut *session, Converse::Say("Goodbye.".to_owned()))),
        ["response.cancel", "conversation.item.create"]
    );
    let late = json!({ "type": "response.output_audio.delta", "response_id": "resp_1", "item_id": "item_1",
        "delta": "//8=" })
    .to_string();
    let done =
        json!({ "type": "response.done", "response": { "id": "resp_1", "status": "cancelled" } }).to_string();
    let (sent, out) = feed(&mut *session, &[late, done]);
    assert_eq!(kinds(&sent), ["response.create"]);
    assert_eq!(out, [Conversed::Done(Usage::default())]);
}

#[test]
fn an_answer_that_came_in_between_does_not_lose_the_one_that_was_asked_for() {
    let mut session = ready();
    tell(&mut *session, Converse::Told("hello".to_owned()));
    let events = [
        json!({ "type": "response.created", "response": { "id": "resp_1" } }),
        json!({ "type": "error", "error": { "type": "invalid_request_error",
            "code": "conversation_already_has_active_response", "message": "m" } }),
        json!({ "type": "response.done", "response": { "id": "resp_1", "status": "completed" } }),
    ];
    // The vendor found a turn over just before it read our wish.
    let (sent, _) = feed(&mut *session, &events.map(|event| event.to_string()));
    assert_eq!(kinds(&sent), ["response.create"]);
}

#[test]
fn a_cut_says_no_more_than_was_sent() {
    let mut session = ready();
    let deltas = (0..2).map(|_| {
        let delta = base64_simd::STANDARD.encode_to_string([0xD5; 800]);
        json!({ "type": "response.output_audio.delta", "response_id": "resp_1", "item_id": "item_1",
            "delta": delta })
        .to_string()
    });
    feed(&mut *session, &deltas.collect::<Vec<_>>());
    let cut = tell(&mut *session, Converse::Cut { item: ItemId(0), heard_ms: 150 });
    let truncate = json!({ "type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0,
        "audio_end_ms": 150 });
    assert_eq!(cut, [truncate]);
    let again = tell(&mut *session, Converse::Cut { item: ItemId(0), heard_ms: 900 });
    assert_eq!(again[0]["audio_end_ms"], 200);
    assert_eq!(tell(&mut *session, Converse::Cut { item: ItemId(7), heard_ms: 1 }), Vec::<Value>::new());
}

#[test]
fn the_answer_to_several_tools_waits_for_all_of_them() {
    let mut session = ready();
    let call = |id: &str| {
        json!({ "type": "response.function_call_arguments.done", "call_id": id, "name": "lookup",
            "arguments": "{}" })
        .to_string()
    };
    feed(&mut *session, &[call("a"), call("b")]);
    let result = |id: &str| Converse::ToolResult { id: id.to_owned(), result: "1".to_owned(), failed: false };
    assert_eq!(kinds(&tell(&mut *session, result("b"))), ["conversation.item.create"]);
    assert_eq!(kinds(&tell(&mut *session, result("a"))), ["conversation.item.create", "response.create"]);
}

#[test]
fn closings_are_told_apart() {
    let session = ready();
    for (code, reason, class) in [
        (Some(1001), "", FaultClass::Lifetime),
        (Some(1000), "session_expired", FaultClass::Lifetime),
        (Some(4000), "invalid_request_error.beta_api_shape_disabled", FaultClass::Config),
        (Some(3000), "invalid_request_error.invalid_api_key", FaultClass::Auth),
        (Some(1011), "", FaultClass::Busy),
        (None, "", FaultClass::Network),
    ] {
        let Parting::Failed(fault) = session.closed(code, reason) else { panic!("{code:?} {reason}") };
        assert_eq!(fault.class, class, "{code:?} {reason}");
    }
}

#[test]
fn what_is_no_event_is_garbage() {
    let mut session = ready();
    let (mut send, mut out) = (Vec::new(), Vec::new());
    for text in ["{", "7"] {
        let fault = session.frame(Frame::Text(text.to_owned()), &mut send, &mut out).unwrap_err();
        assert_eq!(fault.class, FaultClass::Garbage, "{text}");
    }
}
