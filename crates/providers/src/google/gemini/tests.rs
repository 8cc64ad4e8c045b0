//! Requests against the golden one, answers from transcripts that are cut everywhere.

use call::{FaultClass, Message, Thought, ToolCall, Usage};

use super::*;
use crate::RoleOptions;
use crate::dialect::golden;

const TEXT: &[u8] = include_bytes!("../../../../../fixtures/google/gemini-text.sse");
const TOOLS: &[u8] = include_bytes!("../../../../../fixtures/google/gemini-tools.sse");
const BLOCKED: &[u8] = include_bytes!("../../../../../fixtures/google/gemini-blocked.sse");
const BROKEN: &[u8] = include_bytes!("../../../../../fixtures/google/gemini-error.sse");

fn gemini(model: Option<&str>) -> Gemini {
    Gemini::new(golden::options(RoleOptions { model: model.map(str::to_owned), ..RoleOptions::default() }))
}

fn delta(text: &str) -> Thought {
    Thought::Delta(text.to_owned())
}

fn tool(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Thought {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Thought::Tool(ToolCall { id, name, arguments, signature: signature.map(str::to_owned) })
}

fn used(input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> Thought {
    Thought::Used(Usage { input_tokens, cached_tokens, output_tokens })
}

#[test]
fn the_request_is_the_documented_one() {
    let golden = include_str!("../../../../../fixtures/google/gemini-request.json");
    golden::assert_golden(&gemini(None).request(&golden::prompt()), golden);
}

#[test]
fn a_call_that_another_model_asked_for_is_signed_where_signatures_are_wanted() {
    let asks = Message::Agent { text: String::new(), calls: vec![ToolCall::of("lookup"); 1] };
    let given =
        Message::Tool { id: "call_lookup".to_owned(), name: "lookup".to_owned(), result: "[1]".to_owned() };
    let messages = vec![Message::Caller("Hi".to_owned()), asks, given];
    let prompt = Prompt { system: String::new(), messages, tools: [].into() };
    let contents = |model: &str| {
        golden::request_as_json(&gemini(Some(model)).request(&prompt))["body"]["contents"].clone()
    };
    let newer = contents("models/gemini-3-flash");
    assert_eq!(newer[1]["parts"][0]["thoughtSignature"], NO_SIGNATURE);
    assert_eq!(newer[2]["parts"][0]["functionResponse"]["response"], json!({"result": "[1]"}));
    assert_eq!(contents("gemini-2.5-flash")[1]["parts"][0].get("thoughtSignature"), None);
    let url = gemini(Some("models/gemini-3-flash")).request(&prompt).url;
    assert_eq!(url.path(), "/v1/v1beta/models/gemini-3-flash:streamGenerateContent");
}

#[test]
fn an_answer_is_its_text_without_thoughts() {
    let expected = vec![delta("नमस्ते"), delta(", we are "), delta("open."), used(40, 12, 9), Thought::Done];
    assert_eq!(golden::at_every_cut(&gemini(None), TEXT), (expected, Ok(())));
}

#[test]
fn function_calls_come_whole_and_keep_their_signature() {
    let expected = vec![
        delta("One moment."),
        tool("fc-1", "lookup", r#"{"id":7}"#, Some("c2ln")),
        tool("call_1", "end_call", "{}", None),
        used(40, 0, 20),
        Thought::Done,
    ];
    assert_eq!(golden::at_every_cut(&gemini(None), TOOLS), (expected, Ok(())));
}

#[test]
fn a_blocked_prompt_and_a_failure_end_the_answer() {
    let (thoughts, end) = golden::at_every_cut(&gemini(None), BLOCKED);
    assert_eq!((thoughts, end.map_err(|fault| fault.class)), (vec![], Err(FaultClass::Config)));
    let (thoughts, end) = golden::at_every_cut(&gemini(None), BROKEN);
    assert_eq!((thoughts, end.map_err(|fault| fault.class)), (vec![delta("We are")], Err(FaultClass::Busy)));
}

#[test]
fn a_reason_to_stop_counts_only_where_nothing_was_said() {
    let body = |parts: &str, reason: &str| {
        format!(r#"data: {{"candidates":[{{"content":{{"parts":[{parts}]}},"finishReason":"{reason}"}}]}}"#)
    };
    let class = |parts: &str, reason: &str| {
        let (_, end) = golden::thoughts(&gemini(None), &[body(parts, reason).as_bytes()]);
        end.err().map(|fault| fault.class)
    };
    assert_eq!(class("", "SAFETY"), Some(FaultClass::Config));
    assert_eq!(class("", "MALFORMED_FUNCTION_CALL"), Some(FaultClass::Busy));
    assert_eq!(class("", "A_NEW_REASON"), Some(FaultClass::Config));
    assert_eq!(class("", "MAX_TOKENS"), None);
    assert_eq!(class(r#"{"text":"Well"}"#, "SAFETY"), None);
}

#[test]
fn what_is_cut_off_or_no_answer_is_never_done() {
    for body in [TEXT, TOOLS] {
        golden::assert_no_early_end(&gemini(None), body);
    }
    for body in ["", "<html></html>", "data: 7\n\n"] {
        let (_, end) = golden::thoughts(&gemini(None), &[body.as_bytes()]);
        assert_eq!(end.map_err(|fault| fault.class), Err(FaultClass::Garbage), "{body}");
    }
}
