//! The Messages API, streamed: `POST /v1/messages`.

mod decode;

use call::{Fault, Prompt, Tool};
use http::HeaderName;
use serde_json::{Value, json};

use super::error;
use crate::DialectOptions;
use crate::dialect::{Called, Given, HttpRequest, ModelDecoder, ModelDialect, Refusal, Refuses, Turn, turns};

const DEFAULT_MODEL: &str = "claude-haiku-4-5";
/// The API wants a limit with every request. No answer on the phone is as long.
const MOST_TOKENS: u32 = 1_000;
/// The version of the API that this speaks, which goes with every request.
const VERSION: &str = "2023-06-01";
/// What stands for the caller where the agent spoke first: a conversation has to begin with the user. It says what
/// happened and asks for nothing.
const CALL_BEGAN: &str = "(The call has begun.)";

/// A language model behind the Messages API.
#[derive(Debug, Clone)]
pub struct Messages(DialectOptions);

impl Messages {
    /// The model that these options choose; `claude-haiku-4-5` where they choose none.
    pub const fn new(options: DialectOptions) -> Self {
        Self(options)
    }

    /// `request` with what goes with each.
    fn signed(&self, mut request: HttpRequest) -> HttpRequest {
        if let Some(key) = &self.0.key {
            request = request.secret(HeaderName::from_static("x-api-key"), key.clone());
        }
        request.header(HeaderName::from_static("anthropic-version"), VERSION).with_own_headers(&self.0)
    }
}

impl Refuses for Messages {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl ModelDialect for Messages {
    fn request(&self, prompt: &Prompt) -> HttpRequest {
        let mut body = json!({
            "model": self.0.role.model.as_deref().unwrap_or(DEFAULT_MODEL),
            "max_tokens": MOST_TOKENS,
            "messages": messages(prompt),
            "stream": true,
        });
        if !prompt.system.trim().is_empty() {
            body["system"] = prompt.system.as_str().into();
        }
        if !prompt.tools.is_empty() {
            body["tools"] = prompt.tools.iter().map(tool).collect();
        }
        self.signed(HttpRequest::json(self.0.url("v1/messages", &[]), &self.0.body(body)))
    }

    fn probe(&self) -> HttpRequest {
        let mut bare = self.0.clone();
        bare.role.query.clear();
        self.signed(HttpRequest::get(bare.url("v1/models", &[])))
    }

    fn decoder(&self) -> Box<dyn ModelDecoder> {
        Box::new(decode::Decoder::default())
    }
}

/// The conversation, with what one side says in a row as one message: a tool's results first, since they have to
/// stand right behind the message that asked for them.
fn messages(prompt: &Prompt) -> Vec<Value> {
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::with_capacity(prompt.messages.len() + 1);
    for turn in turns(&prompt.messages) {
        let (role, blocks) = match turn {
            Turn::Caller(text) => ("user", vec![text_block(text)]),
            Turn::Agent { text, calls } => {
                let said = (!text.trim().is_empty()).then(|| text_block(text));
                ("assistant", said.into_iter().chain(calls.iter().map(tool_use)).collect())
            }
            Turn::Results(given) => ("user", given.iter().map(tool_result).collect()),
        };
        match messages.last_mut() {
            // What follows a wish for a tool is its result, so two messages of the agent are both text, or the
            // second one asks.
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => messages.push((role, blocks)),
        }
    }
    if messages.first().is_none_or(|(role, _)| *role != "user") {
        messages.insert(0, ("user", vec![text_block(CALL_BEGAN)]));
    }
    messages.into_iter().map(|(role, blocks)| json!({"role": role, "content": blocks})).collect()
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn tool_use(called: &Called<'_>) -> Value {
    json!({"type": "tool_use", "id": called.id, "name": called.call.name, "input": called.arguments()})
}

fn tool_result(given: &Given<'_>) -> Value {
    json!({"type": "tool_result", "tool_use_id": given.id, "content": given.result})
}

fn tool(tool: &Tool) -> Value {
    json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})
}

#[cfg(test)]
mod tests;
