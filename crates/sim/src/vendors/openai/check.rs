//! What the API reference asks of a chat completion's request.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The fields of the reference.
const KNOWN: &[&str] = &[
    "messages",
    "model",
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

/// Why a request is refused.
pub(super) struct Wrong {
    /// In the vendor's manner.
    pub(super) message: String,
    /// Where.
    pub(super) param: Option<&'static str>,
    /// The code that the vendor has for it.
    pub(super) code: Option<&'static str>,
}

fn wrong(message: impl Into<String>, param: &'static str) -> Wrong {
    Wrong { message: message.into(), param: Some(param), code: None }
}

/// Refuses what the reference does not know.
pub(super) fn known_fields(body: &Map<String, Value>, known: &[&str]) -> Result<(), Wrong> {
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Wrong {
            message: format!("Unrecognized request argument supplied: {name}"),
            param: None,
            code: Some("unknown_parameter"),
        }),
        None => Ok(()),
    }
}

/// Checks a request's body.
pub(super) fn check(body: &Map<String, Value>) -> Result<(), Wrong> {
    known_fields(body, KNOWN)?;
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(wrong("you must provide a model parameter", "model"));
    }
    if body.contains_key("max_tokens") && body.contains_key("max_completion_tokens") {
        return Err(wrong(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
        ));
    }
    if body.contains_key("stream_options") && body.get("stream") != Some(&Value::Bool(true)) {
        return Err(wrong(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        ));
    }
    let temperature = body.get("temperature").map(|value| value.as_f64().unwrap_or(-1.0));
    if temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
        return Err(wrong("Invalid 'temperature': expected a number between 0 and 2.", "temperature"));
    }
    tools(body)?;
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let Some(messages) = messages else {
        return Err(wrong(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
        ));
    };
    conversation(messages)
}

fn tools(body: &Map<String, Value>) -> Result<(), Wrong> {
    let Some(tools) = body.get("tools") else {
        return match body.get("tool_choice") {
            Some(_) => Err(wrong("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")),
            None => Ok(()),
        };
    };
    let tools = tools.as_array().filter(|tools| !tools.is_empty());
    let tools = tools.ok_or_else(|| wrong("Invalid 'tools': empty array.", "tools"))?;
    for tool in tools {
        let function = tool.get("function");
        let name =
            function.and_then(|function| function.get("name")).and_then(Value::as_str).unwrap_or_default();
        let parameters = function.and_then(|function| function.get("parameters"));
        if tool.get("type").and_then(Value::as_str) != Some("function") || !is_name(name) {
            return Err(wrong("Invalid 'tools': a type or a name is missing or wrong.", "tools"));
        }
        if parameters.is_some_and(|schema| schema.get("type").and_then(Value::as_str) != Some("object")) {
            return Err(wrong(
                format!("Invalid schema for function '{name}': schema must be an object."),
                "tools",
            ));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Roles, contents, and that each tool call is answered by the messages right behind it.
fn conversation(messages: &[Value]) -> Result<(), Wrong> {
    let mut unanswered: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        let text = |field: &str| message.get(field).and_then(Value::as_str);
        let role = text("role").unwrap_or_default();
        if role != "tool" && !unanswered.is_empty() {
            return Err(wrong(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
                 'tool_call_id'.",
                "messages",
            ));
        }
        let has_content =
            message.get("content").is_some_and(|content| content.is_string() || content.is_array());
        match role {
            "system" | "developer" | "user" if has_content => {}
            "assistant" => match message.get("tool_calls") {
                Some(calls) => unanswered = tool_calls(calls)?,
                None if has_content => {}
                None => {
                    return Err(wrong(
                        "Invalid value for 'content': expected a string, got null.",
                        "messages",
                    ));
                }
            },
            "tool" if has_content => {
                if !text("tool_call_id").is_some_and(|id| unanswered.remove(id)) {
                    return Err(wrong(
                        "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                        "messages",
                    ));
                }
            }
            _ => return Err(wrong(format!("Invalid message of role '{role}'."), "messages")),
        }
    }
    match unanswered.is_empty() {
        true => Ok(()),
        false => Err(wrong("The last tool call has no response.", "messages")),
    }
}

fn tool_calls(calls: &Value) -> Result<BTreeSet<&str>, Wrong> {
    let mut ids = BTreeSet::new();
    for call in calls.as_array().into_iter().flatten() {
        let text = |path: &str| call.pointer(path).and_then(Value::as_str);
        let arguments = text("/function/arguments");
        let is_right = text("/type") == Some("function") && text("/function/name").is_some_and(is_name);
        let id = text("/id").filter(|id| (1..=64).contains(&id.len()));
        let (Some(id), Some(_), true) = (id, arguments, is_right) else {
            return Err(wrong("Invalid 'tool_calls': a field is missing or wrong.", "messages"));
        };
        if !ids.insert(id) {
            return Err(wrong(format!("Duplicate tool call id '{id}'."), "messages"));
        }
    }
    if ids.is_empty() {
        return Err(wrong("Invalid 'tool_calls': empty array.", "messages"));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &Value) -> Option<String> {
        check(body.as_object().unwrap()).err().map(|wrong| wrong.message)
    }

    fn says(messages: &Value) -> Option<String> {
        refused(&json!({"model": "m", "messages": messages}))
    }

    #[test]
    fn the_order_of_roles_is_checked() {
        let asks = json!({"role": "assistant", "content": null, "tool_calls":
            [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        let gives = json!({"role": "tool", "tool_call_id": "c", "content": "x"});
        let user = json!({"role": "user", "content": "hi"});
        assert_eq!(says(&json!([user, asks, gives, user])), None);
        assert!(says(&json!([user, asks, user])).is_some());
        assert!(says(&json!([user, asks])).is_some());
        assert!(says(&json!([user, gives])).is_some());
        assert!(says(&json!([asks, gives, gives])).is_some());
        assert!(says(&json!([{"role": "assistant", "content": null}])).is_some());
        assert!(says(&json!([{"role": "caller", "content": "hi"}])).is_some());
        assert!(says(&json!([])).is_some());
    }

    #[test]
    fn fields_that_the_reference_lacks_or_forbids_are_refused() {
        let with = |name: &str, value: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            body[name] = value;
            refused(&body)
        };
        assert_eq!(with("seed", json!(7)), None);
        assert!(with("language", json!("en")).is_some());
        assert!(with("stream_options", json!({"include_usage": true})).is_some());
        assert!(with("tool_choice", json!("auto")).is_some());
        assert!(with("tools", json!([])).is_some());
        assert!(with("tools", json!([{"type": "function", "function": {"name": "a b"}}])).is_some());
        assert!(with("temperature", json!(3)).is_some());
        assert!(with("model", json!("")).is_some());
    }
}
