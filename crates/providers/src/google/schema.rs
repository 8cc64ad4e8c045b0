//! A tool's JSON schema as Gemini takes it. Its `Schema` is a part of OpenAPI 3.0's, and a field that it does not
//! know refuses the whole request. So only what it knows is kept, and what can be said in its words is:
//!
//! - `type: ["string", "null"]` becomes `nullable`; several types become `anyOf`; `oneOf` becomes `anyOf`;
//! - `const` and `enum` stay for strings; other values are said in the description;
//! - a `$ref` within the schema is put in its place, down to a depth of 8;
//! - `additionalProperties`, `allOf`, `not`, conditions, exclusive limits, `uniqueItems` and unknown `format`s go.
//!
//! What is lost loosens what the model is told, never what is accepted: arguments are checked against the operator's
//! own schema before a tool runs.

use serde_json::{Map, Value, json};

/// What is kept as it is.
const KEPT: &[&str] = &[
    "description",
    "title",
    "nullable",
    "default",
    "example",
    "required",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "propertyOrdering",
];
const FORMATS: &[&str] = &["enum", "date-time", "float", "double", "int32", "int64"];
const DEEPEST: usize = 8;

/// The schema of a tool's arguments; None for a tool that takes none, which is to be declared without.
pub(super) fn for_gemini(schema: &Value) -> Option<Value> {
    let translated = translate(schema, schema, 0);
    let has_arguments =
        translated.get("properties").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    has_arguments.then_some(translated)
}

fn translate(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(fields) = schema.as_object().filter(|_| depth < DEEPEST) else {
        // `true` and what is too deep: anything goes.
        return json!({"type": "string"});
    };
    if let Some(target) =
        fields.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.strip_prefix('#')?))
    {
        let mut target = translate(target, root, depth + 1);
        if let Some(description) = fields.get("description") {
            target["description"] = description.clone();
        }
        return target;
    }
    let mut out = Map::new();
    for name in KEPT {
        if let Some(value) = fields.get(*name) {
            out.insert((*name).to_owned(), value.clone());
        }
    }
    if let Some(format) = fields.get("format").filter(|format| FORMATS.iter().any(|known| *format == known)) {
        out.insert("format".to_owned(), format.clone());
    }
    add_type(fields, &mut out);
    add_choice(fields, &mut out);
    if let Some(items) = fields.get("items") {
        out.insert("items".to_owned(), translate(items, root, depth + 1));
    }
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let properties =
            properties.iter().map(|(name, schema)| (name.clone(), translate(schema, root, depth + 1)));
        out.insert("properties".to_owned(), Value::Object(properties.collect()));
    }
    if let Some(any) = ["anyOf", "oneOf"].iter().find_map(|name| fields.get(*name)?.as_array()) {
        add_any(any, root, depth, &mut out);
    }
    keep_known_requirements(&mut out);
    Value::Object(out)
}

fn add_type(fields: &Map<String, Value>, out: &mut Map<String, Value>) {
    match fields.get("type") {
        Some(Value::Array(types)) => {
            let mut rest: Vec<&Value> = types.iter().filter(|name| *name != "null").collect();
            if rest.len() < types.len() {
                out.insert("nullable".to_owned(), true.into());
            }
            if rest.len() == 1 {
                out.insert("type".to_owned(), rest.remove(0).clone());
            } else {
                let any = rest.into_iter().map(|name| json!({"type": name})).collect();
                out.insert("anyOf".to_owned(), any);
            }
        }
        Some(name) => {
            out.insert("type".to_owned(), name.clone());
        }
        None if fields.contains_key("properties") => {
            out.insert("type".to_owned(), "object".into());
        }
        None => {}
    }
}

/// The values that may be chosen from. Gemini's enum holds only strings.
fn add_choice(fields: &Map<String, Value>, out: &mut Map<String, Value>) {
    let values: Vec<&Value> = match (fields.get("enum"), fields.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().filter(|value| !value.is_null()).collect(),
        (_, Some(value)) => vec![value],
        _ => return,
    };
    if values.iter().all(|value| value.is_string()) {
        out.insert("enum".to_owned(), values.into_iter().cloned().collect());
        out.entry("type").or_insert_with(|| "string".into());
        return;
    }
    let list: Vec<String> = values.iter().map(ToString::to_string).collect();
    let said = out.get("description").and_then(Value::as_str).unwrap_or_default();
    let said = format!("{said} One of: {}.", list.join(", "));
    out.insert("description".to_owned(), said.trim().into());
}

fn add_any(any: &[Value], root: &Value, depth: usize, out: &mut Map<String, Value>) {
    let is_null = |schema: &&Value| schema.get("type").is_some_and(|name| name == "null");
    if any.iter().any(|schema| is_null(&schema)) {
        out.insert("nullable".to_owned(), true.into());
    }
    let rest: Vec<Value> = any
        .iter()
        .filter(|schema| !is_null(schema))
        .map(|schema| translate(schema, root, depth + 1))
        .collect();
    match <[Value; 1]>::try_from(rest) {
        Ok([Value::Object(only)]) => {
            for (name, value) in only {
                out.entry(name).or_insert(value);
            }
        }
        Ok([_]) => {}
        Err(rest) => {
            out.insert("anyOf".to_owned(), rest.into());
        }
    }
}

/// What is required has to be among the properties.
fn keep_known_requirements(out: &mut Map<String, Value>) {
    let Some(Value::Array(required)) = out.get("required") else { return };
    let properties = out.get("properties").and_then(Value::as_object);
    let known = |name: &&Value| {
        name.as_str().is_some_and(|name| properties.is_some_and(|properties| properties.contains_key(name)))
    };
    let required: Vec<Value> = required.iter().filter(known).cloned().collect();
    if required.is_empty() {
        out.remove("required");
    } else {
        out.insert("required".to_owned(), required.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gemini_does_not_know_is_left_out_or_said_in_its_words() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["when", "gone"],
            "properties": {
                "when": {"type": "string", "format": "date", "description": "The day."},
                "time": {"type": "string", "format": "date-time"},
                "party": {"type": ["integer", "null"], "minimum": 1, "exclusiveMaximum": 20},
                "size": {"enum": [1, 2], "description": "How big."},
                "room": {"const": "blue"},
                "guest": {"$ref": "#/$defs/guest"},
                "extra": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                "key": {"type": ["string", "integer"]},
            },
            "$defs": {"guest": {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}},
                "required": ["name"], "additionalProperties": false}},
        });
        assert_eq!(
            for_gemini(&schema).unwrap(),
            json!({
                "type": "object",
                "required": ["when"],
                "properties": {
                    "when": {"type": "string", "description": "The day."},
                    "time": {"type": "string", "format": "date-time"},
                    "party": {"type": "integer", "nullable": true, "minimum": 1},
                    "size": {"description": "How big. One of: 1, 2."},
                    "room": {"type": "string", "enum": ["blue"]},
                    "guest": {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}},
                        "required": ["name"]},
                    "extra": {"type": "string", "nullable": true},
                    "key": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
            })
        );
    }

    #[test]
    fn a_tool_without_arguments_has_no_schema_and_a_circle_ends() {
        assert_eq!(for_gemini(&json!({"type": "object", "properties": {}})), None);
        assert_eq!(for_gemini(&json!({})), None);
        let circle = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(for_gemini(&circle).unwrap().to_string().len() < 1_000);
    }
}
