//! One answer as the events that it is told in, each with its moment.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::shape::Format;
use crate::vendors::sound::spoken;

/// How long a piece of audio is, and how much faster than it plays it is sent.
const PIECE_MS: u64 = 100;
const FASTER: u64 = 5;

/// What an answer is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// Each is an item of its own.
    pub(super) lines: Vec<String>,
    /// A tool's name and its arguments.
    pub(super) tool: Option<(String, Value)>,
}

impl Answer {
    /// By the world's text: `{"tool":..,"arguments":..,"say":..}`, or words.
    pub(super) fn of(text: &str) -> Self {
        let lines = |text: &str| text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect();
        match serde_json::from_str::<Value>(text) {
            Ok(call) if call.get("tool").is_some() => Self {
                lines: lines(call["say"].as_str().unwrap_or_default()),
                tool: Some((call["tool"].as_str().unwrap_or_default().to_owned(), call["arguments"].clone())),
            },
            _ => Self { lines: lines(text), tool: None },
        }
    }
}

/// Names and form of an answer.
pub(super) struct Form {
    pub(super) response: String,
    pub(super) format: Format,
    /// It sounds of nothing and says nothing.
    pub(super) is_silent: bool,
    /// The number of its first item.
    pub(super) first_item: usize,
}

/// An event at its moment, and how much audio of which item is in it.
pub(super) struct Told {
    pub(super) at: Instant,
    pub(super) event: Value,
    pub(super) audio: Option<(String, u64)>,
}

/// The events of an answer that begins at `at`, but for the last, which says how it ended, and the moment for that.
pub(super) fn told(answer: &Answer, form: &Form, mut at: Instant) -> (Vec<Told>, Instant) {
    let mut events = Vec::new();
    let mut tell = |at: Instant, event: Value, audio: Option<(String, u64)>| {
        events.push(Told { at, event, audio });
    };
    let response = form.response.as_str();
    let begun =
        json!({ "id": response, "object": "realtime.response", "status": "in_progress", "output": [] });
    tell(at, json!({ "type": "response.created", "response": begun }), None);
    for (index, line) in answer.lines.iter().enumerate() {
        let id = format!("item_{}", form.first_item + index);
        let place =
            json!({ "response_id": response, "item_id": id, "output_index": index, "content_index": 0 });
        let at_place = |kind: &str, more: Value| -> Value {
            let mut event = place.clone();
            event["type"] = json!(kind);
            super::shape::update(&mut event, &more);
            event
        };
        let item = json!({ "id": id, "object": "realtime.item", "type": "message", "role": "assistant",
            "status": "in_progress", "content": [] });
        tell(
            at,
            json!({ "type": "response.output_item.added", "response_id": response, "output_index": index,
            "item": item }),
            None,
        );
        tell(at, json!({ "type": "conversation.item.added", "previous_item_id": null, "item": item }), None);
        let part = json!({ "part": { "type": "audio", "transcript": "" } });
        tell(at, at_place("response.content_part.added", part), None);
        let words = if form.is_silent { "" } else { line };
        for word in words.split_inclusive(' ') {
            tell(at, at_place("response.output_audio_transcript.delta", json!({ "delta": word })), None);
        }
        let sound = spoken(line, form.format.rate());
        let piece = form.format.rate().samples(PIECE_MS * 1000);
        for samples in sound.chunks(piece) {
            let silence = vec![0; samples.len()];
            let samples = if form.is_silent { &silence } else { samples };
            let delta = base64_simd::STANDARD.encode_to_string(form.format.encode(samples));
            let length_ms = form.format.rate().micros(samples.len()) / 1000;
            let event = at_place("response.output_audio.delta", json!({ "delta": delta }));
            tell(at, event, Some((id.clone(), length_ms)));
            at += Duration::from_millis(length_ms / FASTER);
        }
        tell(at, at_place("response.output_audio.done", json!({})), None);
        tell(at, at_place("response.output_audio_transcript.done", json!({ "transcript": words })), None);
        let part = json!({ "part": { "type": "audio", "transcript": words } });
        tell(at, at_place("response.content_part.done", part), None);
        let mut item = item;
        item["status"] = json!("completed");
        item["content"] = json!([{ "type": "output_audio", "transcript": words }]);
        tell(
            at,
            json!({ "type": "response.output_item.done", "response_id": response, "output_index": index,
            "item": item }),
            None,
        );
    }
    if let Some((name, arguments)) = &answer.tool {
        let index = answer.lines.len();
        let id = format!("item_{}", form.first_item + index);
        let (call, arguments) = (format!("call_{response}"), arguments.to_string());
        let mut item = json!({ "id": id, "object": "realtime.item", "type": "function_call", "status": "in_progress",
            "name": name, "call_id": call, "arguments": "" });
        let place = json!({ "response_id": response, "item_id": id, "output_index": index, "call_id": call });
        tell(
            at,
            json!({ "type": "response.output_item.added", "response_id": response, "output_index": index,
            "item": item }),
            None,
        );
        tell(at, json!({ "type": "conversation.item.added", "previous_item_id": null, "item": item }), None);
        let mut delta = place.clone();
        (delta["type"], delta["delta"]) = (json!("response.function_call_arguments.delta"), json!(arguments));
        tell(at, delta, None);
        let mut done = place;
        done["type"] = json!("response.function_call_arguments.done");
        (done["name"], done["arguments"]) = (json!(name), json!(arguments));
        tell(at, done, None);
        (item["status"], item["arguments"]) = (json!("completed"), json!(arguments));
        tell(
            at,
            json!({ "type": "response.output_item.done", "response_id": response, "output_index": index,
            "item": item }),
            None,
        );
    }
    (events, at)
}

/// How an answer ended.
pub(super) fn ended(response: &str, status: &str, details: &Value) -> Value {
    let usage = json!({ "total_tokens": 40, "input_tokens": 30, "output_tokens": 10,
        "input_token_details": { "cached_tokens": 12, "text_tokens": 20, "audio_tokens": 10 } });
    json!({ "type": "response.done", "response": { "id": response, "object": "realtime.response",
        "status": status, "status_details": details, "output": [], "usage": usage } })
}
