//! The tools that one call has running.

use call::{Input, ToolAnswer, ToolId};
use providers::tools::{CallFacts, ToolBox};
use providers::{Answers, Running};
use records::CallRecord;

use crate::agent::Agent;

/// The tools of one call.
pub(super) struct Errands {
    tools: Option<ToolBox>,
    running: Vec<(ToolId, Running)>,
}

impl Errands {
    pub(super) const fn new() -> Self {
        Self { tools: None, running: Vec::new() }
    }

    /// Runs a tool. Gives the answer at once when there is none to run.
    pub(super) fn run(
        &mut self,
        (agent, record): (&Agent, &CallRecord),
        tool: ToolId,
        (name, arguments): (&str, String),
        answers: Answers,
    ) -> Option<Input> {
        let Some(runner) = &agent.tools else {
            let what = ToolAnswer::Failed("there is no such tool".to_owned());
            return Some(Input::Tool { tool, what });
        };
        let tools = self.tools.get_or_insert_with(|| runner.open(facts(agent, record), answers));
        self.running.push((tool, tools.run(tool, name, arguments)));
        None
    }

    /// Withdraws a run, or notes that it is over.
    pub(super) fn over(&mut self, tool: ToolId) {
        self.running.retain(|(asked, _)| *asked != tool);
    }
}

fn facts(agent: &Agent, record: &CallRecord) -> CallFacts {
    CallFacts {
        call_id: record.id.clone(),
        from: record.from.clone().unwrap_or_default(),
        to: record.to.clone().unwrap_or_default(),
        agent: agent.name.clone(),
        custom: record.custom.clone(),
    }
}
