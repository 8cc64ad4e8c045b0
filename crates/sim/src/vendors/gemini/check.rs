//! What the API reference asks of a `GenerateContentRequest`. Google refuses a field that it does not know anywhere
//! in a request.

use serde_json::{Map, Value};

const REQUEST: &[&str] = &[
    "contents",
    "tools",
    "toolConfig",
    "safetySettings",
    "systemInstruction",
    "generationConfig",
    "cachedContent",
    "labels",
];
const CONTENT: &[&str] = &["role", "parts"];
const PART: &[&str] = &[
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "functionResponse",
    "inlineData",
    "fileData",
    "executableCode",
    "codeExecutionResult",
    "videoMetadata",
];
const CALL: &[&str] = &["id", "name", "args"];
const RESPONSE: &[&str] = &["id", "name", "response", "willContinue", "scheduling", "parts"];
const DECLARATION: &[&str] = &[
    "name",
    "description",
    "behavior",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
];
const SCHEMA: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

/// Checks a request's body; else says what is wrong, as the vendor does. `needs_signatures` is what newer models want
/// of function calls that come back.
pub(super) fn check(body: &Value, needs_signatures: bool) -> Result<(), String> {
    let fields = known(body, REQUEST, "")?;
    if let Some(system) = fields.get("systemInstruction") {
        known(system, CONTENT, "system_instruction")?;
    }
    for tool in list(fields, "tools") {
        for declaration in
            list(known(tool, &["functionDeclarations", "googleSearch"], "tools")?, "functionDeclarations")
        {
            let declaration = known(declaration, DECLARATION, "tools[0].function_declarations")?;
            if declaration.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(
                    "GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name"
                        .to_owned(),
                );
            }
            if let Some(parameters) = declaration.get("parameters") {
                schema(parameters)?;
            }
        }
    }
    let contents: Vec<&Value> = list(fields, "contents").collect();
    if contents.is_empty() {
        return Err("* GenerateContentRequest.contents: contents is not specified".to_owned());
    }
    conversation(&contents, needs_signatures)
}

fn known<'a>(value: &'a Value, names: &[&str], place: &str) -> Result<&'a Map<String, Value>, String> {
    let fields = value.as_object().ok_or_else(|| format!("Invalid value at '{place}'"))?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."
        )),
        None => Ok(fields),
    }
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    fields.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn schema(value: &Value) -> Result<(), String> {
    let fields = known(value, SCHEMA, "tools[0].function_declarations[0].parameters")?;
    let kind = fields.get("type");
    if kind.is_some_and(|kind| !kind.is_string()) {
        return Err("Proto field is not repeating, cannot start list. at 'parameters.type'".to_owned());
    }
    if list(fields, "enum").any(|value| !value.is_string()) {
        return Err("Invalid value at 'parameters.enum' (TYPE_STRING)".to_owned());
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    if kind.is_some_and(|kind| kind == "object") && properties.is_none_or(Map::is_empty) {
        return Err("parameters.properties: should be non-empty for OBJECT type".to_owned());
    }
    for name in list(fields, "required").filter_map(Value::as_str) {
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            return Err(format!("parameters.required: property is not defined: {name}"));
        }
    }
    let inner =
        properties.into_iter().flat_map(Map::values).chain(fields.get("items")).chain(list(fields, "anyOf"));
    inner.into_iter().try_for_each(schema)
}

fn conversation(contents: &[&Value], needs_signatures: bool) -> Result<(), String> {
    let mut asked: Vec<String> = Vec::new();
    let mut last_role = "";
    for content in contents {
        let fields = known(content, CONTENT, "contents")?;
        let role = fields.get("role").and_then(Value::as_str).unwrap_or_default();
        if !matches!(role, "user" | "model") {
            return Err("Please use a valid role: user, model.".to_owned());
        }
        let parts: Vec<&Value> = list(fields, "parts").collect();
        if parts.is_empty() {
            return Err(
                "* GenerateContentRequest.contents.parts: contents.parts must not be empty.".to_owned()
            );
        }
        let calls = calls(&parts, needs_signatures)?;
        let given = responses(&parts)?;
        if given != asked {
            return Err("Please ensure that the number of function response parts is equal to the number of function \
                        call parts of the function call turn."
                .to_owned());
        }
        if !calls.is_empty() && (role != "model" || last_role != "user") {
            return Err(
                "Please ensure that function call turn comes immediately after a user turn or after a \
                        function response turn."
                    .to_owned(),
            );
        }
        asked = calls;
        last_role = role;
    }
    match last_role {
        "user" => Ok(()),
        _ => {
            Err("Please ensure that single turn requests end with a user role or the role is not specified."
                .to_owned())
        }
    }
}

/// The names of the functions that are called.
fn calls(parts: &[&Value], needs_signatures: bool) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for part in parts {
        let fields = known(part, PART, "contents.parts")?;
        if fields.get("text").is_some_and(|text| text.as_str().is_none_or(str::is_empty)) {
            return Err("Unable to submit request because it must have a text parameter.".to_owned());
        }
        let Some(call) = fields.get("functionCall") else { continue };
        let call = known(call, CALL, "contents.parts.function_call")?;
        if call.get("args").is_some_and(|args| !args.is_object()) {
            return Err(
                "Invalid value at 'contents.parts.function_call.args' (google.protobuf.Struct)".to_owned()
            );
        }
        if names.is_empty() && needs_signatures && !fields.contains_key("thoughtSignature") {
            return Err("Function call is missing a thought_signature in functionCall parts.".to_owned());
        }
        names.push(call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    Ok(names)
}

/// The names of the functions that are answered.
fn responses(parts: &[&Value]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for response in parts.iter().filter_map(|part| part.get("functionResponse")) {
        let response = known(response, RESPONSE, "contents.parts.function_response")?;
        if response.get("response").is_none_or(|response| !response.is_object()) {
            return Err(
                "Invalid value at 'contents.parts.function_response.response' (google.protobuf.Struct)"
                    .to_owned(),
            );
        }
        names.push(response.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(contents: &Value) -> Result<(), String> {
        check(&json!({"contents": contents}), false)
    }

    #[test]
    fn the_order_of_turns_is_checked() {
        let user = json!({"role": "user", "parts": [{"text": "hi"}]});
        let model = json!({"role": "model", "parts": [{"text": "hi"}]});
        let asks = json!({"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]});
        let gives = json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]});
        assert_eq!(says(&json!([user, asks, gives, model, user])), Ok(()));
        assert!(says(&json!([asks, gives])).is_err());
        assert!(says(&json!([user, asks, user])).is_err());
        assert!(says(&json!([user, gives])).is_err());
        assert!(says(&json!([user, model])).is_err());
        assert!(says(&json!([{"role": "assistant", "parts": [{"text": "hi"}]}])).is_err());
        assert!(says(&json!([{"role": "user", "parts": [{"text": ""}]}])).is_err());
        assert!(says(&json!([])).is_err());
        let signed = check(&json!({"contents": [user, asks, gives]}), true);
        assert!(signed.unwrap_err().contains("thought_signature"));
    }

    #[test]
    fn a_field_that_is_not_known_refuses_the_request_anywhere() {
        let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
        let with = |parameters: Value| {
            check(
                &json!({"contents": contents, "tools": [{"functionDeclarations":
                    [{"name": "f", "description": "d", "parameters": parameters}]}]}),
                false,
            )
        };
        assert_eq!(with(json!({"type": "object", "properties": {"a": {"type": "string"}}})), Ok(()));
        assert!(with(json!({"type": "object", "properties": {}})).is_err());
        assert!(with(json!({"type": "object", "properties": {"a": {"type": ["string"]}}})).is_err());
        let extra = with(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}),
        );
        assert!(extra.unwrap_err().contains("additionalProperties"));
        assert!(check(&json!({"contents": contents, "system": "x"}), false).is_err());
    }
}
