//! Requests against the golden one, answers from transcripts that are cut everywhere.

use call::{FaultClass, Message, Thought, ToolCall, Usage};

use super::*;
use crate::RoleOptions;
use crate::dialect::golden;

const TEXT: &[u8] = include_bytes!("../../../../../fixtures/anthropic/messages-text.sse");
const TOOLS: &[u8] = include_bytes!("../../../../../fixtures/anthropic/messages-tools.sse");
const BROKEN: &[u8] = include_bytes!("../../../../../fixtures/anthropic/messages-error.sse");

fn messages_api() -> Messages {
    Messages::new(golden::options(RoleOptions::default()))
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
    let golden = include_str!("../../../../../fixtures/anthropic/messages-request.json");
    golden::assert_golden(&messages_api().request(&golden::prompt()), golden);
}

#[test]
fn a_conversation_without_words_is_still_one() {
    let prompt =
        Prompt { system: String::new(), messages: vec![Message::Caller(" ".to_owned())], tools: [].into() };
    let request = golden::request_as_json(&messages_api().request(&prompt));
    let expected = json!([{"role": "user", "content": [{"type": "text", "text": CALL_BEGAN}]}]);
    assert_eq!(request["body"]["messages"], expected);
    assert!(request["body"].get("system").is_none());
}

#[test]
fn an_answer_is_its_text_without_thoughts_and_citations() {
    let expected =
        vec![used(42, 30, 1), delta("नमस्ते"), delta(", we are open."), used(42, 30, 20), Thought::Done];
    assert_eq!(golden::at_every_cut(&messages_api(), TEXT), (expected, Ok(())));
}

#[test]
fn fragments_of_tool_calls_are_joined_by_block() {
    let expected = vec![
        used(10, 0, 1),
        delta("One "),
        delta("moment."),
        tool("toolu_1", "lookup", r#"{"id":7}"#),
        tool("toolu_2", "end_call", "{}"),
        used(10, 0, 20),
        Thought::Done,
    ];
    assert_eq!(golden::at_every_cut(&messages_api(), TOOLS), (expected, Ok(())));
}

#[test]
fn a_failure_inside_the_answer_ends_it() {
    let (thoughts, end) = golden::at_every_cut(&messages_api(), BROKEN);
    assert_eq!(thoughts, [used(10, 0, 1), delta("We are")]);
    assert_eq!(end.map_err(|fault| fault.class), Err(FaultClass::Busy));
}

#[test]
fn a_refusal_without_a_word_is_a_failure() {
    let body = br#"data: {"type":"message_delta","delta":{"stop_reason":"refusal"}}"#;
    let (thoughts, end) = golden::thoughts(&messages_api(), &[body]);
    assert_eq!((thoughts, end.map_err(|fault| fault.class)), (vec![], Err(FaultClass::Config)));
}

#[test]
fn what_is_cut_off_or_no_answer_is_never_done() {
    for body in [TEXT, TOOLS] {
        golden::assert_no_early_end(&messages_api(), body);
    }
    for body in ["", "<html></html>", "event: ping\ndata: {\"type\":\"ping\"}\n\n", "data: []\n\n"] {
        let (_, end) = golden::thoughts(&messages_api(), &[body.as_bytes()]);
        assert_eq!(end.map_err(|fault| fault.class), Err(FaultClass::Garbage), "{body}");
    }
}
