//! Understands the events of a streamed message. What the model thinks and what it cites is not spoken.

use std::collections::BTreeMap;

use call::{Fault, FaultClass, Thought, ToolCall, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::anthropic::error;
use crate::dialect::ModelDecoder;

/// One answer so far.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The tool calls whose arguments are still coming, by the place of their block.
    calls: BTreeMap<u64, ToolCall>,
    usage: Usage,
    /// Whether anything came that is worth speaking or doing.
    gave: bool,
    began: bool,
    stop_reason: Option<String>,
    done: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        #[serde(default)]
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        #[serde(default)]
        index: u64,
        delta: Delta,
    },
    ContentBlockStop {
        #[serde(default)]
        index: u64,
    },
    MessageDelta {
        delta: Ending,
        #[serde(default)]
        usage: Option<Counts>,
    },
    MessageStop,
    Error {
        #[serde(default)]
        error: Value,
    },
    /// `ping`, and what may come to be.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Started {
    #[serde(default)]
    usage: Option<Counts>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: String },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Ending {
    stop_reason: Option<String>,
}

/// Each count is absent where it has not changed.
#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl ModelDecoder for Decoder {
    fn event(&mut self, _: &str, data: &str, out: &mut Vec<Thought>) -> Result<(), Fault> {
        if self.done || data.trim().is_empty() {
            return Ok(());
        }
        let event: Event = serde_json::from_str(data)
            .map_err(|_| Fault::new(FaultClass::Garbage, "an event of the answer is not understood"))?;
        match event {
            Event::Error { error } => return Err(error::in_stream(&error)),
            Event::Other => return Ok(()),
            Event::MessageStart { message } => self.count(message.usage, out),
            Event::ContentBlockStart { index, content_block } => self.block(index, content_block, out),
            Event::ContentBlockDelta { delta: Delta::Text { text }, .. } => self.say(text, out),
            Event::ContentBlockDelta { index, delta: Delta::Input { partial_json } } => {
                if let Some(call) = self.calls.get_mut(&index) {
                    call.arguments.push_str(&partial_json);
                }
            }
            Event::ContentBlockDelta { delta: Delta::Other, .. } => {}
            Event::ContentBlockStop { index } => {
                let call = self.calls.remove(&index);
                self.hand_over(call, out);
            }
            Event::MessageDelta { delta, usage } => {
                self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
                self.count(usage, out);
            }
            Event::MessageStop => return self.complete(out),
        }
        self.began = true;
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Thought>) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        if self.stop_reason.is_some() {
            // All was said, only the farewell is missing.
            return self.complete(out);
        }
        Err(match self.began {
            true => Fault::new(FaultClass::Network, "the answer broke off"),
            false => Fault::new(FaultClass::Garbage, "the answer has no event in it"),
        })
    }
}

impl Decoder {
    fn block(&mut self, index: u64, block: Block, out: &mut Vec<Thought>) {
        match block {
            Block::Text { text } => self.say(text, out),
            Block::ToolUse { id, name, input } => {
                // The documents begin with an empty object and send the arguments after it.
                let whole = input.as_object().is_some_and(|fields| !fields.is_empty());
                let arguments = if whole { input.to_string() } else { String::new() };
                self.calls.insert(index, ToolCall { id, name, arguments, signature: None });
            }
            Block::Other => {}
        }
    }

    fn say(&mut self, text: String, out: &mut Vec<Thought>) {
        if !text.is_empty() {
            self.gave = true;
            out.push(Thought::Delta(text));
        }
    }

    fn hand_over(&mut self, calls: impl IntoIterator<Item = ToolCall>, out: &mut Vec<Thought>) {
        for mut call in calls {
            if call.arguments.trim().is_empty() {
                "{}".clone_into(&mut call.arguments);
            }
            self.gave = true;
            out.push(Thought::Tool(call));
        }
    }

    /// Counts come at the start and, growing, with the end. An answer that is not wanted to its end has cost too.
    fn count(&mut self, counts: Option<Counts>, out: &mut Vec<Thought>) {
        let Some(counts) = counts else { return };
        if let Some(fresh) = counts.input_tokens {
            let cached = counts.cache_read_input_tokens.unwrap_or(0);
            self.usage.cached_tokens = cached;
            // `input_tokens` leaves out what was read from the cache or written to it.
            self.usage.input_tokens = fresh + cached + counts.cache_creation_input_tokens.unwrap_or(0);
        }
        self.usage.output_tokens = counts.output_tokens.unwrap_or(self.usage.output_tokens);
        out.push(Thought::Used(self.usage));
    }

    fn complete(&mut self, out: &mut Vec<Thought>) -> Result<(), Fault> {
        let rest = std::mem::take(&mut self.calls);
        self.hand_over(rest.into_values(), out);
        match self.stop_reason.as_deref() {
            Some("refusal") if !self.gave => {
                return Err(Fault::new(FaultClass::Config, "the model refuses to answer this"));
            }
            Some("model_context_window_exceeded") if !self.gave => {
                return Err(Fault::new(FaultClass::Config, "the conversation is too long for the model"));
            }
            _ => {}
        }
        out.push(Thought::Done);
        self.done = true;
        Ok(())
    }
}
