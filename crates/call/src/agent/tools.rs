//! Tools that a speech-to-speech agent asks for: some the call does itself, the rest runs outside. Keys are not sent
//! or gathered by tools here: what the caller presses is told to the agent anyway.

use records::EndReason;
use serde_json::Value;

use crate::phase::Phase;
use crate::settings::ms;
use crate::{
    Call, Converse, END_CALL, Event, Output, PAUSE_RECORDING, RECORD_RESULT, RESUME_RECORDING, TRANSFER,
    Tick, Timer, ToolAnswer, ToolCall, ToolId, TurnId,
};

/// So many tools may run at once; an agent that asks without end must not fill the memory.
const MOST_RUNNING: usize = 8;
/// No more of a result is given to the agent than this many bytes.
const MOST_RESULT: usize = 16_000;

/// The tools that the agent asked for and that run.
#[derive(Debug, Default)]
pub(super) struct Tools {
    running: Vec<Running>,
    /// The next one's id.
    next: u32,
}

impl Tools {
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Nobody waits for their results any more.
    pub(super) fn forget(&mut self) {
        self.running.clear();
    }

    /// When the first of them has taken too long.
    pub(super) fn due(&self) -> Option<Tick> {
        self.running.iter().map(|running| running.due).min()
    }
}

/// A tool that runs.
#[derive(Debug)]
struct Running {
    tool: ToolId,
    turn: TurnId,
    /// The agent's id of its wish.
    id: String,
    name: String,
    began: Tick,
    due: Tick,
}

impl Call {
    pub(super) fn agent_tool(&mut self, at: Tick, call: ToolCall, out: &mut Vec<Output>) {
        let (tools, tool_ms) = (self.settings.tools.clone(), self.settings.limits.tool_ms);
        let speaks = self.talk.as_ref().is_some_and(|talk| talk.playout.has_any_audio());
        let Some(conversation) = self.conversation() else { return };
        let turn = conversation.turn;
        let ToolCall { id, name, arguments, .. } = call;
        Self::happened(out, Event::ToolAsked { turn, name: name.clone(), arguments: arguments.clone() });
        if tools.offers(&name) {
            return self.agent_uses_builtin(at, (id, name), &arguments, out);
        }
        if tools.declared(&name).is_none() {
            let result = format!("there is no tool \"{name}\"");
            return self.tool_settled(at, (turn, &name, at), (id, result, false), out);
        }
        if conversation.tools.running.len() >= MOST_RUNNING {
            let result = "too many tools run already".to_owned();
            return self.tool_settled(at, (turn, &name, at), (id, result, false), out);
        }
        let tool = ToolId(conversation.tools.next);
        conversation.tools.next += 1;
        // Until it has run, nothing is due from the agent but the end of what it says.
        conversation.due = conversation.due.filter(|_| conversation.never_done && speaks);
        let due = at + ms(tool_ms);
        conversation.tools.running.push(Running { tool, turn, id, name: name.clone(), began: at, due });
        out.push(Output::RunTool { tool, name, arguments });
    }

    /// A tool of the call's own.
    fn agent_uses_builtin(
        &mut self,
        at: Tick,
        (id, name): (String, String),
        arguments: &str,
        out: &mut Vec<Output>,
    ) {
        let given: Value = serde_json::from_str(arguments).unwrap_or(Value::Null);
        let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(conversation) = self.conversation() else { return };
        let turn = conversation.turn;
        let nobody;
        let (result, ok) = match name.as_str() {
            // Both are done when its words were heard; it is not asked for more.
            END_CALL => return self.agent_wants_end(at, EndReason::AgentEnded),
            TRANSFER => match self.settings.tools.transfer.target(&text("target")) {
                Ok(target) => {
                    Self::happened(out, Event::TransferAsked { target });
                    return self.agent_wants_end(at, EndReason::Transferred);
                }
                Err(why) => {
                    nobody = why;
                    (nobody.as_str(), false)
                }
            },
            RECORD_RESULT => {
                let value = match given.get("value") {
                    Some(Value::String(value)) => value.clone(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                Self::happened(out, Event::Result { name: text("name"), value });
                ("noted", true)
            }
            PAUSE_RECORDING => (self.pause_recording(at, true, out), true),
            RESUME_RECORDING => (self.pause_recording(at, false, out), true),
            _ => ("this line can't do that", false),
        };
        self.tool_settled(at, (turn, &name, at), (id, result.to_owned(), ok), out);
    }

    /// A tool has run.
    pub(crate) fn agent_tool_ran(&mut self, at: Tick, tool: ToolId, what: ToolAnswer, out: &mut Vec<Output>) {
        let Some(conversation) = self.conversation() else { return };
        let Some(index) = conversation.tools.running.iter().position(|running| running.tool == tool) else {
            return Self::happened(out, Event::Ignored { what: "the answer of an unknown tool".to_owned() });
        };
        let Running { turn, id, name, began, .. } = conversation.tools.running.remove(index);
        let (result, ok) = match what {
            ToolAnswer::Result(result) => (result, true),
            ToolAnswer::Failed(why) => (why, false),
        };
        self.tool_settled(at, (turn, &name, began), (id, result, ok), out);
    }

    /// A tool has a result, or is known to have none: the agent is told, and answers.
    fn tool_settled(
        &mut self,
        at: Tick,
        (turn, name, began): (TurnId, &str, Tick),
        (id, mut result, ok): (String, String, bool),
        out: &mut Vec<Output>,
    ) {
        let model_ms = self.settings.limits.model_ms;
        let took_ms = at.since(began).0 / 1000;
        Self::happened(out, Event::ToolEnded { turn, name: name.to_owned(), took_ms, ok });
        let Some(conversation) = self.conversation().filter(|conversation| !conversation.gone) else {
            return;
        };
        if result.len() > MOST_RESULT {
            let end = (0..=MOST_RESULT).rev().find(|end| result.is_char_boundary(*end));
            result.truncate(end.unwrap_or_default());
        }
        conversation.told_result = conversation.answering;
        out.push(Output::Converse(Converse::ToolResult { id, result, failed: !ok }));
        match &self.phase {
            Phase::Listening(_) => self.expect_answer(at),
            Phase::Thinking(_) => {
                if let Some(conversation) = self.conversation() {
                    conversation.due = Some(at + ms(model_ms));
                }
            }
            _ => {}
        }
    }

    /// When the first tool has taken too long.
    pub(super) fn agent_tool_late(&mut self, at: Tick, out: &mut Vec<Output>) -> bool {
        let tools = self.settings.tools.clone();
        let Some(conversation) = self.conversation() else { return false };
        let Some(late) = conversation.tools.running.iter().find(|running| running.due <= at) else {
            return false;
        };
        let tool = late.tool;
        let has_side_effects = tools.declared(&late.name).is_some_and(|tool| tool.side_effects);
        Self::happened(out, Event::TimedOut { timer: Timer::Tool });
        let why = if has_side_effects {
            "it took too long; whether it was done is not known"
        } else {
            out.push(Output::StopTool(tool));
            "it took too long"
        };
        self.agent_tool_ran(at, tool, ToolAnswer::Failed(why.to_owned()), out);
        true
    }
}
