//! Understands the chunks of a streamed chat completion, also those of servers that leave parts of them out.

use call::{Fault, FaultClass, Thought, ToolCall, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::dialect::ModelDecoder;
use crate::openai::error;

/// One answer so far.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The tool calls whose arguments are still coming.
    calls: Vec<Fragments>,
    /// Whether any tool was asked for: part of the ids of calls that came without one.
    asked: usize,
    usage: Option<Usage>,
    /// Whether anything came that is a chunk.
    began: bool,
    /// Whether anything came that is worth speaking or doing.
    gave: bool,
    finish: Option<String>,
    done: bool,
}

/// A tool call in the making.
#[derive(Debug, Default)]
struct Fragments {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct Chunk {
    error: Option<Value>,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<u64>,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<Content>,
    refusal: Option<String>,
    tool_calls: Option<Vec<Fragment>>,
}

/// Text, or a list of parts of which some are text and others are not to be spoken.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    r#type: String,
    text: Option<String>,
}

#[derive(Deserialize)]
struct Fragment {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    /// Text by the documents; some servers send the object itself.
    arguments: Option<Value>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

impl ModelDecoder for Decoder {
    fn event(&mut self, event: &str, data: &str, out: &mut Vec<Thought>) -> Result<(), Fault> {
        let data = data.trim();
        if self.done || data.is_empty() {
            return Ok(());
        }
        if data.starts_with("[DONE]") {
            return self.complete(out);
        }
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|_| Fault::new(FaultClass::Garbage, "a chunk of the answer is not understood"))?;
        if let Some(error) = chunk.error.as_ref().filter(|error| !error.is_null()) {
            return Err(error::in_stream(error));
        }
        if event == "error" {
            return Err(error::in_stream(&Value::Null));
        }
        // Some servers repeat the count with every chunk, growing: the last one is the bill.
        if let Some(counts) = chunk.usage {
            self.usage = Some(counts.into());
        }
        let Some(choices) = chunk.choices else { return Ok(()) };
        self.began = true;
        for choice in choices {
            if choice.index.unwrap_or(0) == 0 {
                self.choice(choice, out);
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Thought>) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        if self.finish.is_some() {
            // No `[DONE]`: a compatible server's way to end.
            return self.complete(out);
        }
        Err(match self.began {
            true => Fault::new(FaultClass::Network, "the answer broke off"),
            false => Fault::new(FaultClass::Garbage, "the answer has no chunk in it"),
        })
    }
}

impl Decoder {
    fn choice(&mut self, choice: Choice, out: &mut Vec<Thought>) {
        if let Some(delta) = choice.delta {
            let parts = match delta.content {
                None => Vec::new(),
                Some(Content::Text(text)) => vec![text],
                Some(Content::Parts(parts)) => parts
                    .into_iter()
                    .filter(|part| part.r#type == "text")
                    .filter_map(|part| part.text)
                    .collect(),
            };
            // A refusal is said in words of the model, to be spoken like an answer.
            for text in parts.into_iter().chain(delta.refusal).filter(|text| !text.is_empty()) {
                self.gave = true;
                out.push(Thought::Delta(text));
            }
            for fragment in delta.tool_calls.into_iter().flatten() {
                self.fragment(fragment);
            }
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish = Some(reason);
            self.hand_over_calls(out);
        }
    }

    fn fragment(&mut self, fragment: Fragment) {
        let id = fragment.id.unwrap_or_default();
        let (name, arguments) = match fragment.function {
            Some(function) => (function.name.unwrap_or_default(), function.arguments),
            None => (String::new(), None),
        };
        let call = match self.place_of(fragment.index, &id, &name) {
            Some(place) => &mut self.calls[place],
            None => {
                self.calls.push(Fragments { index: fragment.index, ..Fragments::default() });
                self.calls.last_mut().expect("one was just pushed")
            }
        };
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        match arguments {
            Some(Value::String(text)) => call.arguments.push_str(&text),
            Some(Value::Null) | None => {}
            Some(whole) => call.arguments.push_str(&whole.to_string()),
        }
    }

    /// Which call a fragment belongs to: the one of its index, or the last one where there is none. A fragment that
    /// names another id, or a tool where the last one is named already, begins a new call: some servers give every
    /// call the same index, or none.
    fn place_of(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        let place = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index)?,
            None => self.calls.len().checked_sub(1)?,
        };
        let call = &self.calls[place];
        let other_id = !id.is_empty() && !call.id.is_empty() && id != call.id;
        let named_again = index.is_none() && id.is_empty() && !name.is_empty() && !call.name.is_empty();
        (!other_id && !named_again).then_some(place)
    }

    fn hand_over_calls(&mut self, out: &mut Vec<Thought>) {
        for call in self.calls.drain(..).filter(|call| !call.name.is_empty()) {
            let id = if call.id.is_empty() { format!("call_{}", self.asked) } else { call.id };
            let arguments = if call.arguments.trim().is_empty() { "{}".to_owned() } else { call.arguments };
            self.asked += 1;
            self.gave = true;
            out.push(Thought::Tool(ToolCall { id, name: call.name, arguments, signature: None }));
        }
    }

    fn complete(&mut self, out: &mut Vec<Thought>) -> Result<(), Fault> {
        self.hand_over_calls(out);
        if !self.gave && self.finish.as_deref() == Some("content_filter") {
            return Err(Fault::new(FaultClass::Config, "the vendor's content filter stopped the answer"));
        }
        out.extend(self.usage.take().map(Thought::Used));
        out.push(Thought::Done);
        self.done = true;
        Ok(())
    }
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        Self {
            input_tokens: counts.prompt_tokens.unwrap_or(0),
            cached_tokens: counts
                .prompt_tokens_details
                .and_then(|details| details.cached_tokens)
                .unwrap_or(0),
            output_tokens: counts.completion_tokens.unwrap_or(0),
        }
    }
}
