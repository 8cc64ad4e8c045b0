//! What the API reference asks of a Messages request.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The fields of the reference.
const KNOWN: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "container",
    "context_management",
    "inference_geo",
    "mcp_servers",
    "metadata",
    "output_config",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// Checks a request's body; else says what is wrong, as the vendor does.
pub(super) fn check(body: &Map<String, Value>) -> Result<(), String> {
    if let Some(name) = body.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(format!("{name}: Extra inputs are not permitted"));
    }
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("model: Field required".to_owned());
    }
    if body.get("max_tokens").and_then(Value::as_u64).is_none_or(|tokens| tokens == 0) {
        return Err("max_tokens: Field required".to_owned());
    }
    let temperature = body.get("temperature").map(|value| value.as_f64().unwrap_or(-1.0));
    if temperature.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return Err("temperature: range: 0..1".to_owned());
    }
    for (at, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let schema = tool.pointer("/input_schema/type").and_then(Value::as_str);
        if !tool.get("name").and_then(Value::as_str).is_some_and(|name| is_word(name, 128)) {
            return Err(format!(
                "tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            ));
        }
        if schema != Some("object") {
            return Err(format!("tools.{at}.custom.input_schema.type: Field required"));
        }
    }
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    conversation(messages.ok_or("messages: at least one message is required")?)
}

fn is_word(text: &str, most: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=most).contains(&text.len()) && text.bytes().all(plain)
}

/// A block, or the text that stands for one.
enum Block<'a> {
    Text(&'a str),
    ToolUse(&'a str),
    ToolResult(&'a str),
}

fn conversation(messages: &[Value]) -> Result<(), String> {
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    let mut all_ids: BTreeSet<&str> = BTreeSet::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let is_user = match role {
            "user" => true,
            "assistant" => false,
            other => return Err(format!("messages.{at}.role: unexpected role \"{other}\"")),
        };
        if at == 0 && !is_user {
            return Err("messages: first message must use the \"user\" role".to_owned());
        }
        let blocks = blocks(message, at)?;
        let results = blocks.iter().take_while(|block| matches!(block, Block::ToolResult(_))).count();
        let mut answered = std::mem::take(&mut asked);
        for (place, block) in blocks.iter().enumerate() {
            match block {
                Block::Text(text) if text.trim().is_empty() => {
                    return Err(format!("messages.{at}: text content blocks must be non-empty"));
                }
                Block::Text(_) => {}
                Block::ToolUse(id) if !is_user && is_word(id, 64) && all_ids.insert(*id) => {
                    asked.insert(*id);
                }
                Block::ToolUse(id) => {
                    return Err(format!("messages.{at}: `tool_use` id {id} is not allowed here"));
                }
                Block::ToolResult(id) if is_user && place < results && answered.remove(*id) => {}
                Block::ToolResult(id) => {
                    return Err(format!(
                        "messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}"
                    ));
                }
            }
        }
        if !answered.is_empty() {
            return Err(format!(
                "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after",
                at - 1
            ));
        }
    }
    match asked.is_empty() {
        true => Ok(()),
        false => Err("the last `tool_use` has no `tool_result`".to_owned()),
    }
}

fn blocks(message: &Value, at: usize) -> Result<Vec<Block<'_>>, String> {
    let wrong = || format!("messages.{at}.content: Input should be a valid list");
    match message.get("content") {
        Some(Value::String(text)) => Ok(vec![Block::Text(text)]),
        Some(Value::Array(blocks)) if !blocks.is_empty() => blocks
            .iter()
            .map(|block| {
                let text = |name: &str| block.get(name).and_then(Value::as_str);
                let has_content =
                    block.get("content").is_none_or(|content| content.is_string() || content.is_array());
                match text("type") {
                    Some("text") => text("text").map(Block::Text),
                    Some("tool_use") if block["input"].is_object() && text("name").is_some() => {
                        text("id").map(Block::ToolUse)
                    }
                    Some("tool_result") if has_content => text("tool_use_id").map(Block::ToolResult),
                    _ => None,
                }
                .ok_or_else(wrong)
            })
            .collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(messages: &Value) -> Result<(), String> {
        check(json!({"model": "m", "max_tokens": 9, "messages": messages}).as_object().unwrap())
    }

    #[test]
    fn the_order_of_roles_and_blocks_is_checked() {
        let user = json!({"role": "user", "content": "hi"});
        let asks = json!({"role": "assistant", "content":
            [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]});
        let result = json!({"type": "tool_result", "tool_use_id": "t", "content": "x"});
        let text = json!({"type": "text", "text": "so"});
        let gives = |blocks: &[&Value]| json!({"role": "user", "content": blocks});
        assert_eq!(says(&json!([user, asks, gives(&[&result, &text])])), Ok(()));
        assert!(says(&json!([user, asks, gives(&[&text, &result])])).is_err());
        assert!(says(&json!([user, asks, user])).is_err());
        assert!(says(&json!([user, asks])).is_err());
        assert!(
            says(&json!([user, asks, gives(&[&result]), asks, gives(&[&result])])).is_err(),
            "an id twice"
        );
        assert!(says(&json!([{"role": "assistant", "content": "hi"}])).is_err());
        assert!(says(&json!([{"role": "system", "content": "hi"}])).is_err());
        assert!(says(&json!([{"role": "user", "content": ""}])).is_err());
        assert!(says(&json!([])).is_err());
    }

    #[test]
    fn fields_that_the_reference_lacks_or_wants_are_named() {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let check = |body: Value| check(body.as_object().unwrap());
        assert!(check(json!({"model": "m", "messages": messages})).unwrap_err().starts_with("max_tokens"));
        assert!(check(json!({"max_tokens": 9, "messages": messages})).unwrap_err().starts_with("model"));
        let extra = json!({"model": "m", "max_tokens": 9, "messages": messages, "seed": 7});
        assert!(check(extra).unwrap_err().starts_with("seed"));
        let tool = json!({"model": "m", "max_tokens": 9, "messages": messages,
            "tools": [{"name": "f", "input_schema": {}}]});
        assert!(check(tool).unwrap_err().starts_with("tools.0"));
    }
}
