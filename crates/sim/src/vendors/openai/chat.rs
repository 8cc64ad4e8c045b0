//! `POST /v1/chat/completions`, streamed or whole.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::access::{admit, failure, forbid};
use super::check::check;
use crate::vendors::World;
use crate::vendors::reply::{Reply, count};
use crate::vendors::script::Script;
use crate::vendors::visit::Visit;

/// What `x-slow-token` waits for.
const SLOW_MS: u64 = 6_000;

/// The route.
pub(super) async fn completions(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, &uri, &headers, &body).await.unwrap_or_else(|refusal| refusal)
}

async fn answer(world: &World, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Response, Response> {
    let visit = admit(world, "openai/chat", uri, headers).await?;
    visit.body(body);
    let Ok(body) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return Err(forbid(&visit, "We could not parse the JSON body of your request.", None, None));
    };
    check(&body).map_err(|wrong| forbid(&visit, &wrong.message, wrong.param, wrong.code))?;
    let said = Said::of(&body, &visit);
    if body.get("stream") == Some(&Value::Bool(true)) {
        let script = said.streamed(&visit);
        return Ok(script.answer(&visit, Some(format!("data: {}\n\n", failure()))));
    }
    let mut script = Script::of("application/json");
    script.pause(world.delays.model_ms + world.delays.token_ms * said.reply.tokens.len() as u64);
    script.send(said.whole().to_string());
    Ok(script.answer(&visit, None))
}

/// An answer with what is needed to put it into shape.
struct Said {
    reply: Reply,
    model: String,
    call_id: String,
    prompt_tokens: usize,
    with_usage: bool,
}

impl Said {
    fn of(body: &Map<String, Value>, visit: &Visit) -> Self {
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_caller = messages.iter().filter(|message| message["role"] == "user").count();
        let last = messages.last().filter(|message| message["role"] == "tool");
        let result = last.and_then(|message| message["content"].as_str());
        Self {
            reply: Reply::next(&visit.world, of_caller, result, visit.fault.as_ref()),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            call_id: format!("call_{}", visit.place),
            prompt_tokens: count(Value::from(messages).to_string().len()),
            with_usage: body.get("stream_options").is_some_and(|options| options["include_usage"] == true),
        }
    }

    fn usage(&self) -> Value {
        let written = self.reply.tokens.len() + self.reply.tool.as_ref().map_or(0, |_| 10);
        json!({"prompt_tokens": self.prompt_tokens, "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written, "prompt_tokens_details": {"cached_tokens": 0}})
    }

    fn finish_reason(&self) -> &'static str {
        if self.reply.tool.is_some() { "tool_calls" } else { "stop" }
    }

    fn whole(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.reply.text(), "refusal": null});
        if let Some(tool) = &self.reply.tool {
            message["tool_calls"] = json!([{"id": self.call_id, "type": "function", "function":
                {"name": tool.name, "arguments": Value::Object(tool.arguments.clone()).to_string()}}]);
        }
        json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish_reason()}],
            "usage": self.usage()})
    }

    fn chunk(&self, visit: &Visit, delta: &Value, finish_reason: Option<&str>) -> String {
        let mut choice = json!({"index": 0, "delta": delta, "finish_reason": finish_reason});
        if visit.has("no-index") {
            choice = json!({"delta": delta, "finish_reason": finish_reason});
        }
        let mut chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": self.model, "choices": [choice], "obfuscation": "x9"});
        if visit.has("usage-everywhere") {
            chunk["usage"] = self.usage();
        }
        format!("data: {chunk}\n\n")
    }

    fn streamed(&self, visit: &Visit) -> Script {
        let delays = &visit.world.delays;
        let mut script = Script::of("text/event-stream; charset=utf-8");
        script.pause(if visit.has("slow-token") { SLOW_MS } else { delays.model_ms });
        if !visit.has("no-index") {
            script.send(self.chunk(
                visit,
                &json!({"role": "assistant", "content": "", "refusal": null}),
                None,
            ));
        }
        for token in &self.reply.tokens {
            script.send(self.chunk(visit, &json!({"content": token}), None));
            if visit.has("comments") {
                script.send(": PROCESSING\n\n");
            }
            script.pause(delays.token_ms);
        }
        for calls in self.tool_deltas(visit) {
            script.send(self.chunk(visit, &json!({"tool_calls": [calls]}), None));
            script.pause(delays.token_ms);
        }
        script.send(self.chunk(visit, &json!({}), Some(self.finish_reason())));
        if self.with_usage && !visit.has("no-usage") && !visit.has("usage-everywhere") {
            let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
                "model": self.model, "choices": [], "usage": self.usage()});
            script.send(format!("data: {chunk}\n\n"));
        }
        if !visit.has("no-done") {
            script.send("data: [DONE]\n\n");
        }
        script
    }

    /// The tool call in fragments, as the key wants them.
    fn tool_deltas(&self, visit: &Visit) -> Vec<Value> {
        let Some(tool) = &self.reply.tool else { return Vec::new() };
        let first = |arguments: &str| {
            json!({"index": 0, "id": self.call_id, "type": "function",
                "function": {"name": tool.name, "arguments": arguments}})
        };
        let mut deltas = if visit.has("whole-tool-call") {
            vec![first(&tool.fragments().concat())]
        } else {
            let more = |arguments: String| json!({"index": 0, "function": {"arguments": arguments}});
            [first("")].into_iter().chain(tool.fragments().into_iter().map(more)).collect()
        };
        if visit.has("no-index") {
            for delta in &mut deltas {
                delta.as_object_mut().map(|fields| fields.remove("index"));
            }
        }
        deltas
    }
}
