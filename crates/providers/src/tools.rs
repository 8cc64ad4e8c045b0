//! Tools over HTTP: what an operator lets a model do in the world. The model may obey whoever is on the phone, so
//! nothing that it writes is trusted: it picks from the declared tools, its arguments are checked by a schema
//! before anything is sent, and host, headers and what the server knows of the caller are not its to choose.

mod guard;
mod http;
mod options;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use call::{Input, Tool, ToolAnswer, ToolId};

use self::guard::{Lookup, SystemLookup};
use self::http::HttpTool;
use crate::{Answers, Running};

pub use self::options::{ToolMethod, ToolOptions};
pub use self::template::CallFacts;

/// How many tools may run in one call, all together.
const MAX_RUNS: u32 = 50;
/// The names of the tools that a call does itself; an operator's can't take them.
const BUILT_IN: [&str; 7] = call::BUILTIN;

/// What is wrong with a tool's options; the configuration has to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tools.{tool}.{key}: {why}")]
pub struct ToolProblem {
    /// The tool.
    pub tool: String,
    /// The option.
    pub key: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// The tools of an agent, shared by its calls.
pub struct ToolRunner {
    tools: BTreeMap<String, Arc<HttpTool>>,
}

impl std::fmt::Debug for ToolRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ToolRunner").field(&self.tools.keys()).finish()
    }
}

impl ToolRunner {
    /// Tools of these names and options. Every problem is given at once, so that they can be put right at once.
    pub fn new<'a>(
        tools: impl IntoIterator<Item = (&'a str, &'a ToolOptions)>,
    ) -> Result<Self, Vec<ToolProblem>> {
        Self::with_lookup(tools, &(Arc::new(SystemLookup) as Arc<dyn Lookup>))
    }

    fn with_lookup<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a ToolOptions)>,
        lookup: &Arc<dyn Lookup>,
    ) -> Result<Self, Vec<ToolProblem>> {
        let (mut tools, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, options) in options {
            let of = |(key, why)| ToolProblem { tool: name.to_owned(), key, why };
            let made = check_name(name)
                .map_err(|why| ("name", why))
                .and_then(|()| HttpTool::new(name, options, lookup.clone()));
            match made {
                Ok(tool) => drop(tools.insert(name.to_owned(), Arc::new(tool))),
                Err(problem) => problems.push(of(problem)),
            }
        }
        if problems.is_empty() { Ok(Self { tools }) } else { Err(problems) }
    }

    /// What the model is told of them.
    pub fn declared(&self) -> Vec<Tool> {
        self.tools.values().map(|tool| tool.declared()).collect()
    }

    /// Opens the tools for one call. Answers are `Input::Tool`, exactly one for each run.
    pub fn open(self: &Arc<Self>, facts: CallFacts, answers: Answers) -> ToolBox {
        ToolBox { runner: self.clone(), facts: Arc::new(facts), answers, runs: BTreeMap::new() }
    }
}

/// The tools in one call.
pub struct ToolBox {
    runner: Arc<ToolRunner>,
    facts: Arc<CallFacts>,
    answers: Answers,
    runs: BTreeMap<String, u32>,
}

impl ToolBox {
    /// Runs a tool. Dropping what is given withdraws the request, unless the tool has side effects: what has
    /// begun to change the world is done to its end, within its own time limit.
    pub fn run(&mut self, tool: ToolId, name: &str, arguments: String) -> Running {
        let answers = self.answers.clone();
        let (found, facts) = (self.admit(name), self.facts.clone());
        let side_effects = found.as_ref().is_ok_and(|found| found.side_effects());
        let work = async move {
            let what = match found {
                Ok(found) => found.run(&arguments, &facts).await,
                Err(why) => ToolAnswer::Failed(why),
            };
            // A call that is over wants no answer.
            let _ = answers.send(Input::Tool { tool, what }).await;
        };
        if side_effects {
            tokio::spawn(work);
            return Running::finished();
        }
        Running::spawn(work)
    }

    /// The tool of a name, counted; or why it can't be had, as text for the model.
    fn admit(&mut self, name: &str) -> Result<Arc<HttpTool>, String> {
        let Some(tool) = self.runner.tools.get(name) else {
            let known = self.runner.tools.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("there is no such tool; there are: {known}"));
        };
        let all: u32 = self.runs.values().sum();
        let runs = self.runs.entry(name.to_owned()).or_default();
        if *runs >= tool.max_runs() || all >= MAX_RUNS {
            tool.counted("over_budget");
            return Err("this tool was used too often in this call; do without it".to_owned());
        }
        *runs += 1;
        Ok(tool.clone())
    }
}

/// Every model vendor takes such names.
fn check_name(name: &str) -> Result<(), String> {
    if BUILT_IN.contains(&name) {
        return Err("a tool of this name is built in".to_owned());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err("a name is 1 to 64 letters, digits, _ and -".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
