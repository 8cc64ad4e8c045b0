//! Tools that a speech-to-speech agent asks for.

use crate::phase::Phase;
use crate::settings::ms;
use crate::{Call, Converse, END_CALL, Event, Output, Tick, ToolAnswer, ToolCall, ToolId};

/// So many tools may run at once; an agent that asks without end must not fill the memory.
const MOST_RUNNING: usize = 16;

impl Call {
    pub(super) fn agent_tool(&mut self, at: Tick, call: ToolCall, out: &mut Vec<Output>) {
        let Some(conversation) = self.conversation() else { return };
        if call.name == END_CALL {
            conversation.ending = true;
            return;
        }
        if conversation.tools.len() >= MOST_RUNNING {
            let result = "too many tools at once".to_owned();
            out.push(Output::Converse(Converse::ToolResult { id: call.id, result }));
            return;
        }
        let tool = ToolId(conversation.next_tool);
        conversation.next_tool += 1;
        conversation.tools.push((tool, call.id));
        // The shell limits how long a tool may run, and always answers.
        conversation.due = None;
        if matches!(self.phase, Phase::Listening(_)) {
            self.listen(at);
        }
        out.push(Output::RunTool { tool, name: call.name, arguments: call.arguments });
    }

    /// A tool has run: the agent is told, and answers.
    pub(crate) fn agent_tool_ran(&mut self, at: Tick, tool: ToolId, what: ToolAnswer, out: &mut Vec<Output>) {
        let model_ms = self.settings.limits.model_ms;
        let Some(conversation) = self.conversation() else { return };
        let Some(index) = conversation.tools.iter().position(|(running, _)| *running == tool) else {
            return Self::happened(out, Event::Ignored { what: "the answer of an unknown tool".to_owned() });
        };
        let (_, id) = conversation.tools.remove(index);
        if conversation.gone {
            return;
        }
        let (ToolAnswer::Result(result) | ToolAnswer::Failed(result)) = what;
        out.push(Output::Converse(Converse::ToolResult { id, result }));
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
}
