//! Gemini: `POST /v1beta/models/{model}:streamGenerateContent?alt=sse`. Without `alt=sse` the answer would be one
//! JSON list.

mod decode;

use call::{Fault, Prompt, Tool};
use http::HeaderName;
use serde_json::{Value, json};

use super::{error, schema};
use crate::DialectOptions;
use crate::dialect::{Called, Given, HttpRequest, ModelDecoder, ModelDialect, Refusal, Refuses, Turn, turns};

/// Where Gemini is.
pub const GEMINI_BASE_URL: &str = "https://generativelanguage.googleapis.com";

/// Small, quick, and does not think before it answers unless it is told to.
const DEFAULT_MODEL: &str = "gemini-2.5-flash-lite";
/// What stands for the caller where the agent spoke first: a function call has to follow a message of the user.
const CALL_BEGAN: &str = "(The call has begun.)";
/// What Google's page on thought signatures has instead of one, for function calls that another model asked for.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// A language model behind Gemini's API.
#[derive(Debug, Clone)]
pub struct Gemini(DialectOptions);

impl Gemini {
    /// The model that these options choose; `gemini-2.5-flash-lite` where they choose none. Temperature and limits
    /// are fields of `generationConfig` in the body of the options.
    pub const fn new(options: DialectOptions) -> Self {
        Self(options)
    }

    fn model(&self) -> &str {
        let model = self.0.role.model.as_deref().unwrap_or(DEFAULT_MODEL);
        model.strip_prefix("models/").unwrap_or(model)
    }

    /// Gemini 3 refuses a function call that comes back without a signature.
    fn wants_signatures(&self) -> bool {
        !["gemini-1", "gemini-2", "gemma"].iter().any(|older| self.model().starts_with(older))
    }

    /// `request` with what goes with each.
    fn signed(&self, mut request: HttpRequest) -> HttpRequest {
        if let Some(key) = &self.0.key {
            request = request.secret(HeaderName::from_static("x-goog-api-key"), key.clone());
        }
        request.with_own_headers(&self.0)
    }

    /// The conversation, with what one side says in a row as one message.
    fn contents(&self, prompt: &Prompt) -> Vec<Value> {
        let mut contents: Vec<(&str, Vec<Value>)> = Vec::with_capacity(prompt.messages.len() + 1);
        for turn in turns(&prompt.messages) {
            let (role, parts) = match turn {
                Turn::Caller(text) => ("user", vec![json!({"text": text})]),
                Turn::Agent { text, calls } => {
                    let said = (!text.trim().is_empty()).then(|| json!({"text": text}));
                    let calls =
                        calls.iter().enumerate().map(|(at, called)| self.function_call(called, at == 0));
                    ("model", said.into_iter().chain(calls).collect())
                }
                Turn::Results(given) => ("user", given.iter().map(function_response).collect()),
            };
            match contents.last_mut() {
                Some((last, so_far)) if *last == role => so_far.extend(parts),
                _ => contents.push((role, parts)),
            }
        }
        if contents.first().is_none_or(|(role, _)| *role != "user") {
            contents.insert(0, ("user", vec![json!({"text": CALL_BEGAN})]));
        }
        contents.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect()
    }

    fn function_call(&self, called: &Called<'_>, is_first: bool) -> Value {
        let mut part = json!({
            "functionCall": {"id": called.id, "name": called.call.name, "args": called.arguments()},
        });
        // Of several calls at once only the first is signed.
        let missing = || (is_first && self.wants_signatures()).then_some(NO_SIGNATURE);
        if let Some(signature) = called.call.signature.as_deref().or_else(missing) {
            part["thoughtSignature"] = signature.into();
        }
        part
    }
}

impl Refuses for Gemini {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl ModelDialect for Gemini {
    fn request(&self, prompt: &Prompt) -> HttpRequest {
        let mut body = json!({"contents": self.contents(prompt)});
        if !prompt.system.trim().is_empty() {
            body["systemInstruction"] = json!({"parts": [{"text": prompt.system}]});
        }
        if !prompt.tools.is_empty() {
            let declarations: Vec<Value> = prompt.tools.iter().map(declaration).collect();
            body["tools"] = json!([{"functionDeclarations": declarations}]);
        }
        let path = format!("v1beta/models/{}:streamGenerateContent", self.model());
        let url = self.0.url(&path, &[("alt", "sse".to_owned())]);
        self.signed(HttpRequest::json(url, &self.0.body(body)))
    }

    fn probe(&self) -> HttpRequest {
        let mut bare = self.0.clone();
        bare.role.query.clear();
        self.signed(HttpRequest::get(bare.url("v1beta/models", &[("pageSize", "1".to_owned())])))
    }

    fn decoder(&self) -> Box<dyn ModelDecoder> {
        Box::new(decode::Decoder::default())
    }
}

/// A response has to be an object; what is none is put into one.
fn function_response(given: &Given<'_>) -> Value {
    let response = serde_json::from_str::<Value>(given.result)
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({"result": given.result}));
    json!({"functionResponse": {"id": given.id, "name": given.name, "response": response}})
}

fn declaration(tool: &Tool) -> Value {
    let mut declaration = json!({"name": tool.name, "description": tool.description});
    if let Some(parameters) = schema::for_gemini(&tool.parameters) {
        declaration["parameters"] = parameters;
    }
    declaration
}

#[cfg(test)]
mod tests;
