//! Requests against the golden ones, answers from transcripts that are cut everywhere.

use call::{FaultClass, Thought, ToolCall, Usage};

use super::*;
use crate::RoleOptions;
use crate::dialect::golden;

const TEXT: &[u8] = include_bytes!("../../../../../fixtures/openai/chat-text.sse");
const TOOLS: &[u8] = include_bytes!("../../../../../fixtures/openai/chat-tools.sse");
const COMPATIBLE: &[u8] = include_bytes!("../../../../../fixtures/openai/chat-compatible.sse");
const BROKEN: &[u8] = include_bytes!("../../../../../fixtures/openai/chat-error.sse");

fn chat() -> Chat {
    Chat::new(golden::options(RoleOptions::default()))
}

fn delta(text: &str) -> Thought {
    Thought::Delta(text.to_owned())
}

fn tool(id: &str, name: &str, arguments: &str) -> Thought {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Thought::Tool(ToolCall { id, name, arguments, signature: None })
}

fn used(input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> Thought {
    Thought::Used(Usage { input_tokens, cached_tokens, output_tokens })
}

#[test]
fn the_request_is_the_documented_one() {
    let golden = include_str!("../../../../../fixtures/openai/chat-request.json");
    golden::assert_golden(&chat().request(&golden::prompt()), golden);
}

#[test]
fn an_older_server_gets_its_own_field_for_the_limit() {
    let body = r#"{"max_tokens": 200, "temperature": 0.4, "stream_options": null}"#;
    let role = RoleOptions { body: serde_json::from_str(body).unwrap(), ..RoleOptions::default() };
    let mut options = golden::options(RoleOptions { model: Some("llama".to_owned()), ..role });
    options.key = None;
    let request = Chat::new(options).request(&Prompt {
        system: " ".to_owned(),
        messages: vec![call::Message::Caller("Hi".to_owned())],
        tools: [].into(),
    });
    let request = golden::request_as_json(&request);
    let expected = serde_json::json!({
        "model": "llama", "max_tokens": 200, "temperature": 0.4, "stream": true,
        "messages": [{"role": "user", "content": "Hi"}],
    });
    assert_eq!(request["body"], expected);
    assert_eq!(request["headers"], serde_json::json!({"x-team": "secret blue"}));
}

#[test]
fn an_answer_is_its_text_its_usage_and_done() {
    let expected = vec![delta("नमस्ते"), delta(", we are open."), used(30, 12, 9), Thought::Done];
    assert_eq!(golden::at_every_cut(&chat(), TEXT), (expected, Ok(())));
}

#[test]
fn fragments_of_tool_calls_are_joined_by_index() {
    let expected = vec![
        delta("One moment."),
        tool("call_9", "lookup", r#"{"id":7}"#),
        tool("call_10", "end_call", "{}"),
        used(40, 0, 20),
        Thought::Done,
    ];
    assert_eq!(golden::at_every_cut(&chat(), TOOLS), (expected, Ok(())));
}

#[test]
fn a_compatible_server_may_leave_out_what_it_likes() {
    let expected = vec![
        delta("Sure."),
        tool("a1", "lookup", r#"{"id":7}"#),
        tool("a2", "lookup", r#"{"id":8}"#),
        tool("call_2", "end_call", "{}"),
        used(5, 0, 11),
        Thought::Done,
    ];
    assert_eq!(golden::at_every_cut(&chat(), COMPATIBLE), (expected, Ok(())));
}

#[test]
fn calls_that_share_an_index_are_told_apart_by_their_ids() {
    let chunk = |id: &str| {
        format!(
            r#"data: {{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"lookup","arguments":"{{}}"}}}}]}}}}]}}"#
        )
    };
    let body = format!("{}\n\n{}\n\ndata: [DONE]\n\n", chunk("a"), chunk("b"));
    let (thoughts, end) = golden::thoughts(&chat(), &[body.as_bytes()]);
    assert_eq!(thoughts, [tool("a", "lookup", "{}"), tool("b", "lookup", "{}"), Thought::Done]);
    assert_eq!(end, Ok(()));
}

#[test]
fn a_failure_inside_the_answer_ends_it() {
    let (thoughts, end) = golden::at_every_cut(&chat(), BROKEN);
    assert_eq!(thoughts, [delta("We are")]);
    assert_eq!(end.map_err(|fault| fault.class), Err(FaultClass::Busy));
}

#[test]
fn a_refusal_is_spoken_and_a_filtered_answer_is_a_failure() {
    let body = br#"data: {"choices":[{"delta":{"refusal":"I can't."},"finish_reason":"stop"}]}"#;
    assert_eq!(golden::thoughts(&chat(), &[body]), (vec![delta("I can't."), Thought::Done], Ok(())));
    let body = br#"data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#;
    let (thoughts, end) = golden::thoughts(&chat(), &[body]);
    assert_eq!((thoughts, end.map_err(|fault| fault.class)), (vec![], Err(FaultClass::Config)));
}

#[test]
fn what_is_cut_off_or_no_answer_is_never_done() {
    for body in [TEXT, TOOLS, COMPATIBLE] {
        golden::assert_no_early_end(&chat(), body);
    }
    for body in ["", "<html></html>", "{\"choices\":[]}"] {
        let (_, end) = golden::thoughts(&chat(), &[body.as_bytes()]);
        assert_eq!(end.map_err(|fault| fault.class), Err(FaultClass::Garbage), "{body}");
    }
    let (_, end) = golden::thoughts(&chat(), &[b"data: nonsense\n\n"]);
    assert_eq!(end.map_err(|fault| fault.class), Err(FaultClass::Garbage));
}
