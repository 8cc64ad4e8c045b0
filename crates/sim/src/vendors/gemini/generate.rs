//! `POST /v1beta/models/{model}:streamGenerateContent`, and the same without the stream.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::access::{admit, error, forbid, refuse};
use super::check::check;
use crate::vendors::World;
use crate::vendors::reply::{Reply, count};
use crate::vendors::script::Script;
use crate::vendors::visit::Visit;

/// What `x-slow-token` waits for.
const SLOW_MS: u64 = 6_000;
/// What function calls are signed with.
const SIGNATURE: &str = "c3RhbmQtaW4=";
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The route.
pub(super) async fn generate(
    State(world): State<World>,
    Path(call): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, &call, &uri, &headers, &body).await.unwrap_or_else(|refusal| refusal)
}

async fn answer(
    world: &World,
    call: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Response> {
    let visit = admit(world, "gemini/generate", uri, headers).await?;
    visit.body(body);
    let (model, method) = call.split_once(':').unwrap_or((call, ""));
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Err(forbid(&visit, "Invalid JSON payload received."));
    };
    check(&body, model.starts_with("gemini-3")).map_err(|message| forbid(&visit, &message))?;
    check_signatures(&body).map_err(|message| forbid(&visit, message))?;
    let said = Said::of(&body, model, &visit);
    let as_events = uri.query().unwrap_or_default().split('&').any(|pair| pair == "alt=sse");
    let failure = error(503, "The model is overloaded. Please try again later.", "UNAVAILABLE", None);
    match method {
        "streamGenerateContent" if as_events => {
            let script = said.streamed(&visit);
            Ok(script.answer(&visit, Some(format!("data: {failure}\r\n\r\n"))))
        }
        "streamGenerateContent" => Ok(whole(&Value::from(said.events(&visit)), &visit)),
        "generateContent" => Ok(whole(&said.event(&said.parts(), Some("STOP")), &visit)),
        _ => {
            visit.breach("an unknown method");
            Err(refuse(404, &error(404, "Requested entity was not found.", "NOT_FOUND", None)))
        }
    }
}

fn whole(answer: &Value, visit: &Visit) -> Response {
    let mut script = Script::of("application/json; charset=UTF-8");
    script.pause(visit.world.delays.model_ms);
    script.send(answer.to_string());
    script.answer(visit, None)
}

/// A signature comes back unchanged, or says that there is none.
fn check_signatures(body: &Value) -> Result<(), &'static str> {
    let parts =
        body["contents"].as_array().into_iter().flatten().flat_map(|content| content["parts"].as_array());
    let mut signatures = parts.flatten().filter_map(|part| part.get("thoughtSignature"));
    match signatures.all(|signature| signature == SIGNATURE || signature == NO_SIGNATURE) {
        true => Ok(()),
        false => Err("Thought signature is not valid."),
    }
}

/// An answer with what is needed to put it into shape.
struct Said {
    reply: Reply,
    model: String,
    call_id: Option<String>,
    prompt_tokens: usize,
}

impl Said {
    fn of(body: &Value, model: &str, visit: &Visit) -> Self {
        let contents = body["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parts = |content: &Value| content["parts"].as_array().cloned().unwrap_or_default();
        let last = contents.last().map(parts).unwrap_or_default();
        let result = last.iter().rev().find_map(|part| part.pointer("/functionResponse/response"));
        let goes_on = last.iter().any(|part| part.get("text").is_some());
        // An object's text, or that of its only field where the client had to make one.
        let text = |response: &Value| match &response["result"] {
            Value::String(text) => text.clone(),
            _ => response.to_string(),
        };
        let result = result.filter(|_| !goes_on).map(text);
        Self {
            reply: Reply::next(&visit.world, of_caller(contents), result.as_deref(), visit.fault.as_ref()),
            model: model.to_owned(),
            call_id: (!visit.has("no-id")).then(|| format!("fc-{}", visit.place)),
            prompt_tokens: count(body["contents"].to_string().len()),
        }
    }

    fn event(&self, parts: &[Value], finish: Option<&str>) -> Value {
        let written = self.reply.tokens.len() + self.reply.tool.as_ref().map_or(0, |_| 10);
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        let mut usage =
            json!({"promptTokenCount": self.prompt_tokens, "totalTokenCount": self.prompt_tokens});
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
            usage["candidatesTokenCount"] = written.into();
            usage["totalTokenCount"] = (self.prompt_tokens + written).into();
        }
        json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": self.model, "responseId": "r1"})
    }

    fn parts(&self) -> Vec<Value> {
        let text = (!self.reply.tokens.is_empty()).then(|| json!({"text": self.reply.text()}));
        text.into_iter().chain(self.function_call()).collect()
    }

    fn function_call(&self) -> Option<Value> {
        let tool = self.reply.tool.as_ref()?;
        let mut call = json!({"name": tool.name, "args": tool.arguments});
        if let Some(id) = &self.call_id {
            call["id"] = id.as_str().into();
        }
        Some(json!({"functionCall": call, "thoughtSignature": SIGNATURE}))
    }

    /// All that is sent, as responses.
    fn events(&self, visit: &Visit) -> Vec<Value> {
        let mut events = Vec::new();
        if visit.has("blocked") {
            return vec![json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"promptTokenCount": self.prompt_tokens}, "modelVersion": self.model})];
        }
        for (own, reason) in [("safety", "SAFETY"), ("malformed", "MALFORMED_FUNCTION_CALL")] {
            if visit.has(own) {
                return vec![self.event(&[], Some(reason))];
            }
        }
        if visit.has("thinking") {
            events.push(self.event(&[json!({"text": "They ask something.", "thought": true})], None));
        }
        // Gemini sends more than a token at a time.
        for tokens in self.reply.tokens.chunks(3) {
            events.push(self.event(&[json!({"text": tokens.concat()})], None));
        }
        if let Some(call) = self.function_call() {
            events.push(self.event(&[call], None));
        }
        events.push(self.event(&[json!({"text": ""})], Some("STOP")));
        events
    }

    fn streamed(&self, visit: &Visit) -> Script {
        let delays = &visit.world.delays;
        let mut script = Script::of("text/event-stream");
        script.pause(if visit.has("slow-token") { SLOW_MS } else { delays.model_ms });
        for event in self.events(visit) {
            script.send(format!("data: {event}\r\n\r\n"));
            script.pause(delays.token_ms);
        }
        script
    }
}

/// How many messages of the caller there are: one text part each, as a client has to merge those in a row. The text
/// that stands for the caller where the agent spoke first is not one.
fn of_caller(contents: &[Value]) -> usize {
    let texts = |content: &Value| {
        content["parts"].as_array().into_iter().flatten().filter(|part| part.get("text").is_some()).count()
    };
    let all: usize = contents.iter().filter(|content| content["role"] == "user").map(texts).sum();
    let first = contents[0].pointer("/parts/0/text").and_then(Value::as_str).unwrap_or_default();
    all - usize::from(first.starts_with('(') && first.ends_with(')') && contents.len() > 1)
}
