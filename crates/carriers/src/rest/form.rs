//! A callback's form, in the encodings that need no reading in pieces.

use serde_json::Value;

use crate::form::unwrapped;

/// The longest body looked at.
const BODY: usize = 256 * 1024;

/// The pairs of a callback's body that is a form or a JSON object, whose members come as a form has them
/// (`Legs[0][Status]`). `None` for `multipart/form-data`, which whoever has the socket takes apart.
///
/// What the body is counts more than what its content type says: that is often wrong or missing.
pub fn form_pairs(content_type: Option<&str>, body: &[u8]) -> Option<Vec<(String, String)>> {
    let kind = content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
    if kind.starts_with("multipart/") {
        return None;
    }
    let body = String::from_utf8_lossy(&body[..body.len().min(BODY)]);
    let body = body.trim_start_matches('\u{FEFF}').trim();
    if body.starts_with(['{', '"']) {
        let mut pairs = Vec::new();
        if let Some(value) = unwrapped(body) {
            flatten(&mut pairs, String::new(), &value);
        }
        return Some(pairs);
    }
    Some(form_urlencoded::parse(body.as_bytes()).into_owned().collect())
}

fn flatten(pairs: &mut Vec<(String, String)>, name: String, value: &Value) {
    let inner = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") };
    match value {
        Value::Null => {}
        Value::String(text) => pairs.push((name, text.clone())),
        Value::Bool(_) | Value::Number(_) => pairs.push((name, value.to_string())),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                flatten(pairs, inner(&at.to_string()), item);
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                flatten(pairs, inner(key), item);
            }
        }
    }
}
