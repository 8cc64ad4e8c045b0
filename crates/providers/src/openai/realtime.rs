//! The Realtime API in its generally available shape: one WebSocket that listens, thinks and speaks.
//!
//! By OpenAI's Realtime guide and reference. The beta's names of events are still understood, since compatible
//! servers send them; nothing of the beta is sent, since a socket that is opened so is closed with 4000.

pub(super) mod events;
pub(super) mod format;
mod memory;
pub(super) mod order;
mod response;
mod session;
pub(super) mod setup;

use call::{Fault, Tool};
use serde_json::{Value, json};

use super::error;
use crate::dialect::{AgentSession, AgentSocketDialect, Refusal, Refuses, SocketRequest};
use crate::{ConverseSpec, DialectOptions};

use format::Format;
use session::RealtimeSession;

/// The model where none is named.
const MODEL: &str = "gpt-realtime";
/// The voice where none is named.
const VOICE: &str = "marin";
/// What writes down the caller's words.
const TRANSCRIBER: &str = "gpt-4o-mini-transcribe";

/// OpenAI's Realtime API as a speech-to-speech agent.
#[derive(Debug)]
pub struct Realtime {
    options: DialectOptions,
}

impl Realtime {
    /// The dialect for these options. Fields of `body` are laid over the `session` object, however deep; a
    /// `turn_detection` of `"none"` there means null: our own ears then say when the caller has finished.
    pub const fn new(options: DialectOptions) -> Self {
        Self { options }
    }

    /// The `session` of `session.update`.
    fn wanted(&self, spec: &ConverseSpec) -> Value {
        let format = Format::of(spec.rate);
        let role = &self.options.role;
        let tools: Vec<Value> = spec.tools.iter().map(tool).collect();
        let session = json!({
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": spec.system,
            "audio": {
                "input": {
                    "format": format.to_json(),
                    "transcription": {
                        "model": TRANSCRIBER,
                        "language": setup::language(role.language.as_deref().unwrap_or(&spec.language)),
                    },
                    "turn_detection": setup::server_vad(&[("create_response", true), ("interrupt_response", true)]),
                },
                "output": { "format": format.to_json(), "voice": role.voice.as_deref().unwrap_or(VOICE) },
            },
            "tools": tools,
            "tool_choice": "auto",
        });
        setup::overlaid(session, &role.body)
    }
}

/// A tool as the session takes it: flat, unlike that of chat completions.
fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    })
}

impl Refuses for Realtime {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl AgentSocketDialect for Realtime {
    fn connect(&self, _: &ConverseSpec, _: Option<&[u8]>) -> Result<SocketRequest, Fault> {
        let model = self.options.role.model.as_deref().unwrap_or(MODEL);
        Ok(setup::connect(&self.options, ("model", model)))
    }

    fn session(&self, spec: &ConverseSpec) -> Box<dyn AgentSession> {
        Box::new(RealtimeSession::new(self.wanted(spec), spec.rate))
    }
}
