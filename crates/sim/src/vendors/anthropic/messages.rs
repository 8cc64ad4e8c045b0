//! `POST /v1/messages`.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::access::{admit, error, forbid};
use super::check::check;
use crate::vendors::World;
use crate::vendors::reply::{Reply, count};
use crate::vendors::script::Script;
use crate::vendors::visit::Visit;

/// What `x-slow-token` waits for.
const SLOW_MS: u64 = 6_000;

/// The route.
pub(super) async fn messages(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, &uri, &headers, &body).await.unwrap_or_else(|refusal| refusal)
}

async fn answer(world: &World, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Response, Response> {
    let visit = admit(world, "anthropic/messages", uri, headers).await?;
    visit.body(body);
    let Ok(body) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return Err(forbid(&visit, "The request body is not valid JSON."));
    };
    check(&body).map_err(|message| forbid(&visit, &message))?;
    let said = Said::of(&body, &visit);
    if body.get("stream") == Some(&Value::Bool(true)) {
        let failure = event(&error("overloaded_error", "Overloaded"));
        return Ok(said.streamed(&visit).answer(&visit, Some(failure)));
    }
    let mut script = Script::of("application/json");
    script.pause(world.delays.model_ms + world.delays.token_ms * said.reply.tokens.len() as u64);
    script.send(said.whole().to_string());
    Ok(script.answer(&visit, None))
}

/// An answer with what is needed to put it into shape.
struct Said {
    reply: Reply,
    model: Value,
    tool_id: String,
    prompt_tokens: usize,
}

impl Said {
    fn of(body: &Map<String, Value>, visit: &Visit) -> Self {
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let last = messages.last().map_or(&Value::Null, |last| &last["content"]);
        let of_last = last.as_array().into_iter().flatten();
        let result = of_last.clone().rfind(|block| block["type"] == "tool_result");
        // The caller may have said something since, which is then what is to be answered.
        let goes_on = of_last.clone().any(|block| block["type"] == "text");
        let result = result.filter(|_| !goes_on).and_then(|block| block["content"].as_str());
        Self {
            reply: Reply::next(&visit.world, of_caller(messages), result, visit.fault.as_ref()),
            model: body["model"].clone(),
            tool_id: format!("toolu_{}", visit.place),
            prompt_tokens: count(Value::from(messages).to_string().len()),
        }
    }

    fn stop_reason(&self) -> &'static str {
        if self.reply.tool.is_some() { "tool_use" } else { "end_turn" }
    }

    fn written(&self) -> usize {
        self.reply.tokens.len() + self.reply.tool.as_ref().map_or(0, |_| 10)
    }

    fn whole(&self) -> Value {
        let mut content = Vec::new();
        if !self.reply.tokens.is_empty() {
            content.push(json!({"type": "text", "text": self.reply.text()}));
        }
        if let Some(tool) = &self.reply.tool {
            content.push(
                json!({"type": "tool_use", "id": self.tool_id, "name": tool.name, "input": tool.arguments}),
            );
        }
        json!({"id": "msg_1", "type": "message", "role": "assistant", "content": content, "model": self.model,
            "stop_reason": self.stop_reason(), "stop_sequence": null,
            "usage": {"input_tokens": self.prompt_tokens, "output_tokens": self.written()}})
    }

    fn streamed(&self, visit: &Visit) -> Script {
        let delays = &visit.world.delays;
        let script = Script::of("text/event-stream; charset=utf-8");
        let mut blocks = Blocks { script, index: 0, token_ms: delays.token_ms };
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [],
            "model": self.model, "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": self.prompt_tokens, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "output_tokens": 1}});
        blocks.script.send(event(&json!({"type": "message_start", "message": message})));
        blocks.script.pause(if visit.has("slow-token") { SLOW_MS } else { delays.model_ms });
        if visit.has("thinking") {
            let deltas = [
                json!({"type": "thinking_delta", "thinking": "They ask something."}),
                json!({"type": "signature_delta", "signature": "c2ln"}),
            ];
            blocks.add(&json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
        }
        blocks.script.send(event(&json!({"type": "ping"})));
        if !self.reply.tokens.is_empty() {
            let delta = |text: &String| json!({"type": "text_delta", "text": text});
            blocks.add(&json!({"type": "text", "text": ""}), self.reply.tokens.iter().map(delta));
        }
        if let Some(tool) = &self.reply.tool {
            let delta = |json: String| json!({"type": "input_json_delta", "partial_json": json});
            let fragments = [String::new()].into_iter().chain(tool.fragments());
            let block = json!({"type": "tool_use", "id": self.tool_id, "name": tool.name, "input": {}});
            blocks.add(&block, fragments.map(delta));
        }
        blocks.script.send(event(&json!({"type": "message_delta",
            "delta": {"stop_reason": self.stop_reason(), "stop_sequence": null},
            "usage": {"output_tokens": self.written()}})));
        if !visit.has("no-stop") {
            blocks.script.send(event(&json!({"type": "message_stop"})));
        }
        blocks.script
    }
}

/// The blocks of one answer, with their places.
struct Blocks {
    script: Script,
    index: u64,
    token_ms: u64,
}

impl Blocks {
    fn add(&mut self, block: &Value, deltas: impl IntoIterator<Item = Value>) {
        let index = self.index;
        self.script
            .send(event(&json!({"type": "content_block_start", "index": index, "content_block": block})));
        for delta in deltas {
            self.script.send(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
            self.script.pause(self.token_ms);
        }
        self.script.send(event(&json!({"type": "content_block_stop", "index": index})));
        self.index += 1;
    }
}

/// How many messages of the caller there are: one text block each, as a client has to merge those in a row. The text
/// that stands for the caller where the agent spoke first is not one.
fn of_caller(messages: &[Value]) -> usize {
    let texts = |message: &Value| match &message["content"] {
        Value::Array(blocks) => blocks.iter().filter(|block| block["type"] == "text").count(),
        _ => 1,
    };
    let all: usize = messages.iter().filter(|message| message["role"] == "user").map(texts).sum();
    let first = &messages[0]["content"];
    let first = first[0]["text"].as_str().or(first.as_str()).unwrap_or_default();
    all - usize::from(first.starts_with('(') && first.ends_with(')') && messages.len() > 1)
}

/// With its type in both places, as the documents have it.
fn event(data: &Value) -> String {
    let kind = data["type"].as_str().unwrap_or_default();
    format!("event: {kind}\ndata: {data}\n\n")
}
