//! Chat completions, streamed: `POST /chat/completions`. The one API of OpenAI that every compatible server has.

mod decode;

use call::{Fault, Prompt, Tool};
use serde_json::{Value, json};

use super::{error, list_models};
use crate::DialectOptions;
use crate::dialect::{Called, HttpRequest, ModelDecoder, ModelDialect, Refusal, Refuses, Turn, turns};

const DEFAULT_MODEL: &str = "gpt-4o-mini";
/// No answer on the phone is as long. Older and compatible servers know the field as `max_tokens`; where an operator
/// sets that one (`body = { max_tokens = 200 }`), this one is not sent.
const MOST_TOKENS: u32 = 1_000;

/// A language model behind chat completions.
#[derive(Debug, Clone)]
pub struct Chat(DialectOptions);

impl Chat {
    /// The model that these options choose; `gpt-4o-mini` where they choose none.
    pub const fn new(options: DialectOptions) -> Self {
        Self(options)
    }
}

impl Refuses for Chat {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl ModelDialect for Chat {
    fn request(&self, prompt: &Prompt) -> HttpRequest {
        let mut body = json!({
            "model": self.0.role.model.as_deref().unwrap_or(DEFAULT_MODEL),
            "messages": messages(prompt),
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if !self.0.role.body.contains_key("max_tokens") {
            body["max_completion_tokens"] = MOST_TOKENS.into();
        }
        if !prompt.tools.is_empty() {
            body["tools"] = prompt.tools.iter().map(tool).collect();
            body["tool_choice"] = "auto".into();
        }
        HttpRequest::json(self.0.url("chat/completions", &[]), &self.0.body(body))
            .bearer(self.0.key.as_ref())
            .with_own_headers(&self.0)
    }

    fn probe(&self) -> HttpRequest {
        list_models(&self.0)
    }

    fn decoder(&self) -> Box<dyn ModelDecoder> {
        Box::new(decode::Decoder::default())
    }
}

fn messages(prompt: &Prompt) -> Vec<Value> {
    let mut messages = Vec::with_capacity(prompt.messages.len() + 1);
    if !prompt.system.trim().is_empty() {
        // Newer models call it `developer` and take `system` too; compatible servers know only `system`.
        messages.push(json!({"role": "system", "content": prompt.system}));
    }
    for turn in turns(&prompt.messages) {
        match turn {
            Turn::Caller(text) => messages.push(json!({"role": "user", "content": text})),
            Turn::Agent { text, calls } if calls.is_empty() => {
                messages.push(json!({"role": "assistant", "content": text}));
            }
            Turn::Agent { text, calls } => {
                let content = if text.trim().is_empty() { Value::Null } else { text.into() };
                let calls: Vec<Value> = calls.iter().map(called).collect();
                messages.push(json!({"role": "assistant", "content": content, "tool_calls": calls}));
            }
            Turn::Results(given) => messages.extend(
                given
                    .iter()
                    .map(|given| json!({"role": "tool", "tool_call_id": given.id, "content": given.result})),
            ),
        }
    }
    messages
}

fn called(called: &Called<'_>) -> Value {
    // As text, as OpenAI has it, but for certain an object: chat templates of compatible servers parse it.
    let arguments = Value::Object(called.arguments()).to_string();
    json!({
        "id": called.id,
        "type": "function",
        "function": {"name": called.call.name, "arguments": arguments},
    })
}

fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    })
}

#[cfg(test)]
mod tests;
