//! Tools: what a model may ask to be done. Some the call does itself, the rest is handed to the shell by name.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Transfer;

/// The names of the tools that a call does itself.
pub const END_CALL: &str = "end_call";
/// Hands the caller to somebody else, where the carrier can.
pub const TRANSFER: &str = "transfer";
/// Presses keys on the line.
pub const SEND_DTMF: &str = "send_dtmf";
/// Waits for keys of the caller.
pub const COLLECT_DIGITS: &str = "collect_digits";
/// Puts a result into the call's record.
pub const RECORD_RESULT: &str = "record_result";
/// Has silence recorded from here on.
pub const PAUSE_RECORDING: &str = "pause_recording";
/// Has the call recorded again.
pub const RESUME_RECORDING: &str = "resume_recording";

/// All tools that a call does itself.
pub const BUILTIN: [&str; 7] =
    [END_CALL, TRANSFER, SEND_DTMF, COLLECT_DIGITS, RECORD_RESULT, PAUSE_RECORDING, RESUME_RECORDING];

/// A tool that the operator has declared, as the model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The name that the model calls it by.
    pub name: String,
    /// When to use it, for the model.
    pub description: String,
    /// Its arguments, as a JSON schema of an object.
    pub parameters: Value,
    /// Whether it changes something in the world. Such a tool is never cut by an interruption half-way.
    #[serde(default = "yes")]
    pub side_effects: bool,
}

impl Tool {
    /// The description of a tool that a call does itself; `None` where there is none of this name.
    pub fn builtin(name: &str) -> Option<Self> {
        let (description, parameters, side_effects) = match name {
            END_CALL => {
                ("Ends the call once your words were heard. Say goodbye first.", object(&[], &[]), false)
            }
            TRANSFER => return Some(Self::transfer(&Transfer::default())),
            SEND_DTMF => (
                "Presses keys on the line, after the words that you said before.",
                object(&[("digits", "string", "The keys: 0 to 9, *, # and A to D.")], &["digits"]),
                true,
            ),
            COLLECT_DIGITS => (
                "Waits for keys that the caller presses and gives them back. Ask for them first.",
                object(
                    &[
                        ("count", "integer", "How many keys to wait for."),
                        ("terminator", "string", "The key that ends them, such as #."),
                        ("timeout_ms", "integer", "How long to wait for a key, in milliseconds."),
                    ],
                    &[],
                ),
                false,
            ),
            RECORD_RESULT => (
                "Notes a result of this call for those who read its record later.",
                object(
                    &[
                        ("name", "string", "What it is, such as appointment."),
                        ("value", "string", "The result."),
                    ],
                    &["name", "value"],
                ),
                true,
            ),
            PAUSE_RECORDING => (
                "Stops recording the call until it is resumed. Use it before the caller gives card numbers and the like.",
                object(&[], &[]),
                true,
            ),
            RESUME_RECORDING => ("Goes on recording the call.", object(&[], &[]), true),
            _ => return None,
        };
        Some(Self { name: name.to_owned(), description: description.to_owned(), parameters, side_effects })
    }
}

impl Tool {
    /// The tool that hands callers on, as the model is told of it where it may hand them to these only.
    pub(crate) fn transfer(may: &Transfer) -> Self {
        let description = "Hands the caller to a person once your words were heard. Tell them so first.";
        let mut parameters =
            object(&[("target", "string", "Whom the caller wants: a department or a person.")], &[]);
        if !may.is_open() {
            parameters["properties"]["target"]["enum"] = json!(may.to);
            if may.usual.is_empty() {
                parameters["required"] = json!(["target"]);
            }
        }
        Self {
            name: TRANSFER.to_owned(),
            description: description.to_owned(),
            parameters,
            side_effects: false,
        }
    }
}

/// A JSON schema of an object with these properties (name, type, description).
fn object(properties: &[(&str, &str, &str)], required: &[&str]) -> Value {
    let properties: serde_json::Map<String, Value> = properties
        .iter()
        .map(|(name, kind, about)| ((*name).to_owned(), json!({ "type": kind, "description": about })))
        .collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

const fn yes() -> bool {
    true
}

/// A model's wish that a tool be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The vendor's id of this call; the result carries it back.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// The arguments as JSON text, as the model wrote them: not checked.
    pub arguments: String,
    /// What the vendor wants back unchanged beside the call (Gemini's `thoughtSignature`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl ToolCall {
    /// A call without arguments.
    pub fn of(name: &str) -> Self {
        Self {
            id: format!("call_{name}"),
            name: name.to_owned(),
            arguments: "{}".to_owned(),
            signature: None,
        }
    }
}

/// Which run of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToolId(pub u32);

/// What a tool gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolAnswer {
    /// Its result, as text for the model.
    Result(String),
    /// It was refused or it failed; the text is for the model too.
    Failed(String),
}
