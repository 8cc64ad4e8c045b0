//! Parameters as webhooks and URLs carry them: pairs, decoded, cleaned and bounded. Total: anything reads as
//! something.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::text;

/// How many parameters of one request are kept. Carriers send twenty to forty.
const PAIRS: usize = 64;
/// How many characters of a parameter's value are kept: `passthru` holds a whole earlier request.
const VALUE: usize = 4096;
/// The longest body or query looked at.
const BODY: usize = 256 * 1024;

/// Parameters by name. Where a name comes twice the first stays.
pub(crate) type Fields = BTreeMap<String, String>;

/// Adds the pairs of a query string or a form body.
pub(crate) fn add_pairs(fields: &mut Fields, raw: &str) {
    let raw = raw.trim_start_matches('?');
    let raw = &raw[..raw.floor_char_boundary(BODY)];
    for (key, value) in form_urlencoded::parse(raw.as_bytes()) {
        add(fields, &key, &value);
    }
}

/// Adds the members of a JSON object. Texts, numbers and truth values as text, null as empty, the rest as JSON.
pub(crate) fn add_json(fields: &mut Fields, value: &Value) {
    let Value::Object(members) = value else { return };
    for (key, value) in members {
        match value {
            Value::String(text) => add(fields, key, text),
            Value::Null => add(fields, key, ""),
            other => add(fields, key, &other.to_string()),
        }
    }
}

/// Adds what a body holds: a JSON object if it is one, else a form. The content type is only a hint: it is often
/// wrong or missing, and a form never begins with a brace.
pub(crate) fn add_body(fields: &mut Fields, content_type: Option<&str>, body: &[u8]) {
    let body = String::from_utf8_lossy(&body[..body.len().min(BODY)]);
    let body = body.trim_start_matches('\u{FEFF}').trim();
    if body.starts_with(['{', '"']) || content_type.is_some_and(|kind| kind.contains("json")) {
        if let Some(value) = unwrapped(body) {
            add_json(fields, &value);
        }
    } else if content_type.is_none_or(|kind| !kind.contains("multipart")) {
        add_pairs(fields, body);
    }
}

/// The object in a JSON text, which may have been quoted as a text itself, even twice.
pub(crate) fn unwrapped(json: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    for _ in 0..3 {
        match value {
            Value::String(inner) => value = serde_json::from_str(&inner).ok()?,
            Value::Object(_) => return Some(value),
            _ => return None,
        }
    }
    None
}

fn add(fields: &mut Fields, key: &str, value: &str) {
    let key = text::cleaned(key.trim(), text::ID);
    if !key.is_empty() && fields.len() < PAIRS {
        fields.entry(key).or_insert_with(|| text::cleaned(value, VALUE));
    }
}
