//! The steps of one turn: each answer of the model with the tools that it asked for, and what became of them.
//! The conversation's history takes them all at once, at the turn's end, so that it never holds a tool's result
//! without its call or a call without its result.

use crate::{Message, Tick, ToolCall, ToolId, UtteranceId};

/// What stands for the result of a tool that was started and whose turn is over.
const UNKNOWN_RESULT: &str = "not known: it was started, and its result was not waited for";

/// Keys that are being gathered for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collecting {
    pub(crate) digits: String,
    pub(crate) count: usize,
    pub(crate) terminator: Option<char>,
    pub(crate) timeout_ms: u64,
    /// When the last key came, or the waiting began.
    pub(crate) since: Tick,
}

/// What became of a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Running {
        tool: ToolId,
        due: Tick,
    },
    Collecting(Collecting),
    Done(String),
    /// It ends the call, and has no result.
    Ending,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) call: ToolCall,
    pub(crate) began: Tick,
    pub(crate) side_effects: bool,
    pub(crate) state: State,
}

impl Run {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Collecting(_))
    }
}

/// One answer of the model.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Its words, as they are spoken.
    text: String,
    pub(crate) runs: Vec<Run>,
}

/// The answers of one turn, the last one under way.
#[derive(Debug)]
pub(crate) struct Steps {
    steps: Vec<Step>,
    /// Which step each utterance belongs to.
    spoken: Vec<(UtteranceId, usize)>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { steps: vec![Step::default()], spoken: Vec::new() }
    }
}

impl Steps {
    /// The number of the step under way.
    pub(crate) fn index(&self) -> usize {
        self.steps.len() - 1
    }

    pub(crate) fn now(&mut self) -> &mut Step {
        self.steps.last_mut().expect("there is always a step under way")
    }

    /// The tools of the step under way.
    pub(crate) fn runs(&self) -> &[Run] {
        self.steps.last().map_or(&[], |step| &step.runs)
    }

    /// The model is asked again.
    pub(crate) fn next(&mut self) {
        self.steps.push(Step::default());
    }

    /// Words of the step under way.
    pub(crate) fn says(&mut self, text: &str) {
        let said = &mut self.now().text;
        if !said.is_empty() {
            said.push(' ');
        }
        said.push_str(text);
    }

    /// The voice was asked for words of a step.
    pub(crate) fn speaks(&mut self, utterance: UtteranceId, step: usize) {
        self.spoken.push((utterance, step));
    }

    pub(crate) fn runs_tools(&self) -> bool {
        self.runs().iter().any(Run::is_open)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.runs().iter().any(|run| run.side_effects && run.is_open())
    }

    /// The tools that run now.
    pub(crate) fn running(&mut self) -> impl Iterator<Item = &mut Run> {
        self.now().runs.iter_mut().filter(|run| run.is_open())
    }

    /// What the model is shown of this turn when it is asked again: its words so far, as if all were heard.
    pub(crate) fn so_far(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        for step in &self.steps {
            push(&mut messages, step.text.clone(), step.runs.iter());
        }
        messages
    }

    /// What stays of this turn: `heard` gives what was heard of an utterance. Where nothing was, only tools that
    /// changed something stay.
    pub(crate) fn remembered(&self, mut heard: impl FnMut(UtteranceId) -> String) -> Vec<Message> {
        let mut texts: Vec<Vec<String>> = self.steps.iter().map(|_| Vec::new()).collect();
        for (utterance, step) in &self.spoken {
            let text = heard(*utterance);
            if let Some(texts) = texts.get_mut(*step).filter(|_| !text.is_empty()) {
                texts.push(text);
            }
        }
        let unheard = texts.iter().all(Vec::is_empty);
        let mut messages = Vec::new();
        for (step, texts) in self.steps.iter().zip(texts) {
            push(&mut messages, texts.join(" "), step.runs.iter().filter(|run| run.side_effects || !unheard));
        }
        messages
    }
}

/// Appends the messages of one step: words, calls that have results, and the results.
fn push<'a>(messages: &mut Vec<Message>, text: String, runs: impl Iterator<Item = &'a Run>) {
    let results: Vec<(&ToolCall, &str)> = runs
        .filter_map(|run| match &run.state {
            State::Done(result) => Some((&run.call, result.as_str())),
            State::Running { .. } if run.side_effects => Some((&run.call, UNKNOWN_RESULT)),
            _ => None,
        })
        .collect();
    if text.is_empty() && results.is_empty() {
        return;
    }
    let calls = results.iter().map(|(call, _)| (*call).clone()).collect();
    messages.push(Message::Agent { text, calls });
    for (call, result) in results {
        let (id, name, result) = (call.id.clone(), call.name.clone(), result.to_owned());
        messages.push(Message::Tool { id, name, result });
    }
}
