//! Tools: what a model may ask to be done. Some the call does itself, the rest is handed to the shell by name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
