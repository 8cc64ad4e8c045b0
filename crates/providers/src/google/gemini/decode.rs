//! Understands Gemini's streamed answer: each event is a whole `GenerateContentResponse` with the next parts. It ends
//! with the body; there is no last word.

use call::{Fault, FaultClass, Thought, ToolCall, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dialect::{ModelDecoder, one_line};
use crate::google::error;

/// One answer so far.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    usage: Option<Usage>,
    /// How many tools were asked for: part of the ids of calls that came without one.
    asked: usize,
    /// Whether anything came that is worth speaking or doing.
    gave: bool,
    began: bool,
    finish: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    error: Option<Value>,
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Counts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    index: u64,
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    thought_signature: Option<String>,
    function_call: Option<FunctionCall>,
}

#[derive(Deserialize)]
struct FunctionCall {
    #[serde(default)]
    id: String,
    name: String,
    #[serde(default)]
    args: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

/// Zeros are left out of Google's JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Counts {
    prompt_token_count: u64,
    cached_content_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
}

impl ModelDecoder for Decoder {
    fn event(&mut self, _: &str, data: &str, out: &mut Vec<Thought>) -> Result<(), Fault> {
        if data.trim().is_empty() {
            return Ok(());
        }
        let response: Response = serde_json::from_str(data)
            .map_err(|_| Fault::new(FaultClass::Garbage, "an event of the answer is not understood"))?;
        if let Some(error) = response.error.filter(|error| !error.is_null()) {
            return Err(error::in_stream(&error));
        }
        self.began = true;
        // Grows from event to event.
        self.usage = response.usage_metadata.map(Usage::from).or(self.usage);
        if let Some(reason) = response.prompt_feedback.and_then(|feedback| feedback.block_reason) {
            return Err(blocked(&reason));
        }
        for candidate in response.candidates.into_iter().filter(|candidate| candidate.index == 0) {
            for part in candidate.content.into_iter().flat_map(|content| content.parts) {
                self.part(part, out);
            }
            self.finish = candidate.finish_reason.or(self.finish.take());
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Thought>) -> Result<(), Fault> {
        match self.finish.as_deref() {
            None if self.began => return Err(Fault::new(FaultClass::Network, "the answer broke off")),
            None => return Err(Fault::new(FaultClass::Garbage, "the answer has no event in it")),
            Some("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL") if !self.gave => {
                // The model's slip, not ours: the next try may be right.
                return Err(Fault::new(FaultClass::Busy, "the model asked for a tool in a way that is none"));
            }
            Some("STOP" | "MAX_TOKENS" | "FINISH_REASON_UNSPECIFIED") => {}
            Some(reason) if !self.gave => return Err(blocked(reason)),
            Some(_) => {}
        }
        out.extend(self.usage.take().map(Thought::Used));
        out.push(Thought::Done);
        Ok(())
    }
}

impl Decoder {
    fn part(&mut self, part: Part, out: &mut Vec<Thought>) {
        if part.thought {
            return;
        }
        if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            self.gave = true;
            out.push(Thought::Delta(text));
        }
        if let Some(function) = part.function_call {
            let id = if function.id.is_empty() { format!("call_{}", self.asked) } else { function.id };
            self.asked += 1;
            self.gave = true;
            out.push(Thought::Tool(ToolCall {
                id,
                name: function.name,
                arguments: Value::Object(function.args).to_string(),
                signature: part.thought_signature,
            }));
        }
    }
}

fn blocked(reason: &str) -> Fault {
    Fault::new(FaultClass::Config, format!("the vendor stopped the answer ({})", one_line(reason)))
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        Self {
            input_tokens: counts.prompt_token_count,
            cached_tokens: counts.cached_content_token_count,
            output_tokens: counts.candidates_token_count + counts.thoughts_token_count,
        }
    }
}
