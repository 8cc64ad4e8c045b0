//! What the tests of several vendors' dialects share: one prompt, one way to read a request, and one to cut an answer
//! everywhere.

use std::sync::Arc;

use call::{Fault, Message, Prompt, Thought, Tool, ToolCall};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Body, HeaderText, HttpRequest, ModelDialect, SseDecoder};
use crate::{DialectOptions, RoleOptions};

/// A vendor at `https://vendor.example/v1` with the key `k` and a header of the operator's.
pub(crate) fn options(role: RoleOptions) -> DialectOptions {
    DialectOptions {
        base: "https://vendor.example/v1".parse().unwrap(),
        key: Some("k".into()),
        headers: [("x-team".to_owned(), "blue".to_owned())].into(),
        role,
    }
}

/// A conversation with all that can be in one: the agent speaks first, asks for two tools at once, the caller speaks
/// before they are done and twice in a row.
pub(crate) fn prompt() -> Prompt {
    let call = |id: &str, name: &str, arguments: &str, signature: Option<&str>| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: signature.map(str::to_owned),
    };
    let result = |id: &str, name: &str, result: &str| Message::Tool {
        id: id.to_owned(),
        name: name.to_owned(),
        result: result.to_owned(),
    };
    let parameters = json!({
        "type": "object",
        "properties": {"id": {"type": "integer"}},
        "required": ["id"],
        "additionalProperties": false,
    });
    let tool = |name: &str, parameters: &Value| Tool {
        name: name.to_owned(),
        description: format!("Use {name}."),
        parameters: parameters.clone(),
        side_effects: true,
    };
    Prompt {
        system: "You answer the phone.".to_owned(),
        messages: vec![
            Message::agent("Hello!"),
            Message::Caller("Where is my order?".to_owned()),
            Message::Agent {
                text: "One moment.".to_owned(),
                calls: vec![
                    call("call_1", "lookup", r#"{"id":7}"#, Some("c2ln")),
                    call("call_2", "lookup", "not json", None),
                ],
            },
            Message::Caller("Are you there?".to_owned()),
            result("call_2", "lookup", "no such order"),
            result("call_1", "lookup", r#"{"ok":true}"#),
            Message::agent("It is on its way."),
            Message::Caller("Thanks.".to_owned()),
            Message::Caller("And the other one?".to_owned()),
        ],
        tools: Arc::new([tool("lookup", &parameters), tool("end_call", &json!({"type": "object"}))]),
    }
}

/// A request as JSON: `method`, `url`, `headers` (secrets with `secret ` before them) and `body`.
pub(crate) fn request_as_json(request: &HttpRequest) -> Value {
    let Body::Json(body) = &request.body else { panic!("{:?} is not JSON", request.body) };
    let headers = request.headers.iter().map(|(name, value)| match value {
        HeaderText::Plain(value) => (name.to_string(), value.clone()),
        HeaderText::Secret(value) => (name.to_string(), format!("secret {}", value.expose_secret())),
    });
    json!({
        "method": request.method.as_str(),
        "url": request.url.as_str(),
        "headers": headers.collect::<std::collections::BTreeMap<_, _>>(),
        "body": serde_json::from_slice::<Value>(body).unwrap(),
    })
}

/// The request has to be the one of the file.
pub(crate) fn assert_golden(request: &HttpRequest, golden: &str) {
    let found = request_as_json(request);
    let wanted: Value = serde_json::from_str(golden).unwrap();
    assert_eq!(found, wanted, "found:\n{found:#}");
}

/// What a dialect makes of an answer in these pieces.
pub(crate) fn thoughts(dialect: &dyn ModelDialect, pieces: &[&[u8]]) -> (Vec<Thought>, Result<(), Fault>) {
    let (mut events, mut decoder) = (SseDecoder::new(), dialect.decoder());
    let mut out = Vec::new();
    let mut read = || {
        for piece in pieces {
            events.push(piece, |event, data| decoder.event(event, data, &mut out))?;
        }
        events.end(|event, data| decoder.event(event, data, &mut out))?;
        decoder.end(&mut out)
    };
    let end = read();
    (out, end)
}

/// The same for a body that is cut at every place: all cuts have to give the same, which is returned.
pub(crate) fn at_every_cut(dialect: &dyn ModelDialect, body: &[u8]) -> (Vec<Thought>, Result<(), Fault>) {
    let whole = thoughts(dialect, &[body]);
    for cut in 0..=body.len() {
        assert_eq!(thoughts(dialect, &[&body[..cut], &body[cut..]]), whole, "cut at {cut}");
    }
    assert_eq!(thoughts(dialect, &body.chunks(1).collect::<Vec<_>>()), whole);
    whole
}

/// Every answer that ends too early is a failure, or all that was needed had come: it is never `Done` without the
/// whole text.
pub(crate) fn assert_no_early_end(dialect: &dyn ModelDialect, body: &[u8]) {
    let (whole, _) = thoughts(dialect, &[body]);
    let text = |thoughts: &[Thought]| {
        thoughts.iter().filter(|thought| !matches!(thought, Thought::Used(_))).cloned().collect::<Vec<_>>()
    };
    for end in 0..body.len() {
        match thoughts(dialect, &[&body[..end]]) {
            (short, Ok(())) => assert_eq!(text(&short), text(&whole), "ends at {end}"),
            (short, Err(_)) => assert!(!short.contains(&Thought::Done), "ends at {end}"),
        }
    }
}
