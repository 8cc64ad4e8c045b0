//! The tools that a model asks for in the middle of its answer: some the call does itself, the rest runs outside.

use records::EndReason;
use serde_json::Value;

use crate::phase::Phase;
use crate::reply::Part;
use crate::run::{Collecting, Run, State};
use crate::settings::ms;
use crate::{
    COLLECT_DIGITS, Call, END_CALL, Event, Micros, Output, PAUSE_RECORDING, RECORD_RESULT, RESUME_RECORDING,
    SEND_DTMF, TRANSFER, Tick, Timer, Tool, ToolAnswer, ToolCall, ToolId, TurnId,
};

/// So many tools may be asked for in one answer.
const MOST_CALLS: usize = 8;
/// No more of a result is shown to the model or kept than this many bytes.
const MOST_RESULT: usize = 16_000;
/// The keys that there are on a telephone.
const KEYS: &str = "0123456789*#ABCDabcd";
/// The longest row of keys that is sent or gathered.
const MOST_KEYS: usize = 32;
/// How long a key is waited for when the model does not say.
const KEY_TIMEOUT_MS: u64 = 5_000;

impl Call {
    /// The model wants a tool used. The words before it are spoken.
    pub(crate) fn tool_asked(&mut self, at: Tick, turn: TurnId, call: ToolCall, out: &mut Vec<Output>) {
        let tools = self.settings.tools.clone();
        let Some(reply) = self.phase.reply() else { return };
        reply.flush();
        let too_many = reply.steps.index() >= tools.max_steps as usize && call.name != END_CALL;
        if too_many || reply.steps.runs().len() >= MOST_CALLS {
            out.push(Output::Event(Event::Ignored { what: format!("one tool too many: {}", call.name) }));
            return;
        }
        let (name, arguments) = (call.name.clone(), call.arguments.clone());
        out.push(Output::Event(Event::ToolAsked { turn, name, arguments }));
        let builtin = Tool::builtin(&call.name);
        let state = match &builtin {
            Some(_) if tools.offers(&call.name) => self.use_builtin(at, &call, out),
            None if tools.declared(&call.name).is_some() => self.run_tool(at, &call, out),
            _ => State::Done(format!("there is no tool \"{}\"", call.name)),
        };
        let side_effects =
            builtin.as_ref().or(tools.declared(&call.name)).is_some_and(|tool| tool.side_effects);
        if let State::Done(_) = &state {
            ended(turn, &call.name, Micros::default(), tools.offers(&call.name), out);
        }
        if let Some(reply) = self.phase.reply() {
            reply.steps.now().runs.push(Run { call, began: at, side_effects, state });
        }
    }

    fn run_tool(&mut self, at: Tick, call: &ToolCall, out: &mut Vec<Output>) -> State {
        let due = at + ms(self.settings.limits.tool_ms);
        let Some(talk) = &mut self.talk else { return State::Ending };
        let tool = talk.new_tool();
        let (name, arguments) = (call.name.clone(), call.arguments.clone());
        out.push(Output::RunTool { tool, name, arguments });
        State::Running { tool, due }
    }

    /// A tool of the call's own.
    fn use_builtin(&mut self, at: Tick, call: &ToolCall, out: &mut Vec<Output>) -> State {
        let given: Value = serde_json::from_str(&call.arguments).unwrap_or(Value::Null);
        let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(reply) = self.phase.reply() else { return State::Ending };
        match call.name.as_str() {
            TRANSFER => match self.settings.tools.transfer.target(&text("target")) {
                Ok(target) => {
                    reply.then_end = Some(EndReason::Transferred);
                    out.push(Output::Event(Event::TransferAsked { target }));
                    State::Ending
                }
                Err(nobody) => State::Done(nobody),
            },
            SEND_DTMF => {
                let digits: String =
                    text("digits").chars().filter(|key| KEYS.contains(*key)).take(MOST_KEYS).collect();
                let result = if digits.is_empty() { "there are no keys in it" } else { "sent" };
                if !digits.is_empty() {
                    reply.waiting.push_back(Part::Tones(digits));
                }
                State::Done(result.to_owned())
            }
            COLLECT_DIGITS => State::Collecting(collecting(at, &given)),
            RECORD_RESULT => {
                let value = match given.get("value") {
                    Some(Value::String(value)) => value.clone(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                out.push(Output::Event(Event::Result { name: text("name"), value }));
                State::Done("noted".to_owned())
            }
            name @ (PAUSE_RECORDING | RESUME_RECORDING) => {
                State::Done(self.pause_recording(at, name == PAUSE_RECORDING, out).to_owned())
            }
            _ => {
                reply.then_end.get_or_insert(EndReason::AgentEnded);
                State::Ending
            }
        }
    }

    /// A tool has run.
    pub(crate) fn tool_ran(&mut self, at: Tick, tool: ToolId, what: ToolAnswer, out: &mut Vec<Output>) {
        if self.converses() {
            return self.agent_tool_ran(at, tool, what, out);
        }
        let (result, ok) = match what {
            ToolAnswer::Result(result) => (result, true),
            ToolAnswer::Failed(why) => (why, false),
        };
        self.settle_tool(
            at,
            (result, ok),
            out,
            |run| matches!(run.state, State::Running { tool: running, .. } if running == tool),
        );
    }

    /// The first running tool for which `which` holds has its result.
    pub(crate) fn settle_tool(
        &mut self,
        at: Tick,
        (mut result, ok): (String, bool),
        out: &mut Vec<Output>,
        which: impl Fn(&Run) -> bool,
    ) {
        let reply = self.phase.reply();
        let turn = reply.as_ref().and_then(|reply| reply.turn);
        let run = reply.and_then(|reply| reply.steps.running().find(|run| which(run)));
        let (Some(run), Some(turn)) = (run, turn) else {
            out.push(Output::Event(Event::Ignored { what: "the answer of an unknown tool".to_owned() }));
            return;
        };
        cut_to(&mut result, MOST_RESULT);
        run.state = State::Done(result);
        ended(turn, &run.call.name, at.since(run.began), ok, out);
        self.advance(at, out);
    }

    /// Goes on with the turn when nothing is waited for any more: the model is asked again with the tools' results.
    pub(crate) fn advance(&mut self, at: Tick, out: &mut Vec<Output>) {
        if let Phase::Interrupted(..) = self.phase {
            // The caller has the word, and what they said waited only for the tool.
            return self.try_end_turn(at, out);
        }
        let settings = self.settings.clone();
        let is_waited_for = self.caller_waits(at);
        let Some(reply) = self.phase.reply() else { return };
        let Some(turn) = reply.turn else { return self.ask_voice(at, out) };
        let has_results = reply.steps.runs().iter().any(|run| matches!(run.state, State::Done(_)));
        if reply.model.writing || reply.runs_tools() || !has_results || reply.then_end.is_some() {
            return self.ask_voice(at, out);
        }
        if is_waited_for {
            self.drop_reply(at, out);
            return self.try_end_turn(at, out);
        }
        let messages = reply.steps.so_far();
        reply.steps.next();
        if reply.clock.first_word.is_none() {
            reply.clock.tools = Micros(reply.clock.tools.0 + at.since(reply.model.done).0);
        }
        reply.model.ask(at, at + ms(settings.limits.model_ms));
        if let Some(talk) = &self.talk {
            out.push(Output::Think { turn, prompt: talk.prompt(&settings, &messages) });
        }
        self.ask_voice(at, out);
    }

    /// Whether the caller has spoken while the agent was silent.
    fn caller_waits(&self, at: Tick) -> bool {
        self.talk.as_ref().is_some_and(|talk| {
            let speaks = talk.ears.as_ref().is_some_and(|ears| ears.stretch().is_some());
            let said = talk
                .caller
                .as_ref()
                .is_some_and(|caller| !caller.said.is_empty() || !caller.awaited.is_empty());
            (speaks || said) && !talk.playout.is_audible(at)
        })
    }

    /// The caller speaks while tools run: they have the word, unless a tool must not be cut.
    pub(crate) fn stop_waiting_for_tools(&mut self, at: Tick, out: &mut Vec<Output>) {
        let audible = self.talk.as_ref().is_some_and(|talk| talk.playout.is_audible(at));
        let can_stop = match &self.phase {
            Phase::Speaking(reply) => reply.runs_tools() && !reply.is_held(),
            _ => false,
        };
        if can_stop && !audible {
            self.drop_reply(at, out);
        }
    }

    /// When to stop waiting for a tool.
    pub(crate) fn tool_due(&self) -> Option<Tick> {
        let due = |run: &Run| match run.state {
            State::Running { due, .. } => Some(due),
            _ => None,
        };
        self.phase.reply_ref()?.steps.runs().iter().filter_map(due).min()
    }

    /// A tool took too long.
    pub(crate) fn tool_timer(&mut self, at: Tick, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::TimedOut { timer: Timer::Tool }));
        let late = |run: &Run| matches!(run.state, State::Running { due, .. } if due <= at);
        let Some(reply) = self.phase.reply() else { return };
        let Some(run) = reply.steps.running().find(|run| late(run)) else { return };
        let State::Running { tool, .. } = run.state else { return };
        let result = if run.side_effects {
            "it took too long; whether it was done is not known"
        } else {
            out.push(Output::StopTool(tool));
            "it took too long"
        };
        self.settle_tool(at, (result.to_owned(), false), out, late);
    }
}

fn ended(turn: TurnId, name: &str, took: Micros, ok: bool, out: &mut Vec<Output>) {
    let (name, took_ms) = (name.to_owned(), took.0 / 1000);
    out.push(Output::Event(Event::ToolEnded { turn, name, took_ms, ok }));
}

fn collecting(at: Tick, given: &Value) -> Collecting {
    let number = |key: &str| given.get(key).and_then(Value::as_u64);
    let terminator = given.get("terminator").and_then(Value::as_str).and_then(|text| text.chars().next());
    Collecting {
        digits: String::new(),
        count: number("count").map_or(MOST_KEYS, |count| count as usize).clamp(1, MOST_KEYS),
        terminator,
        timeout_ms: number("timeout_ms").unwrap_or(KEY_TIMEOUT_MS).clamp(500, 60_000),
        since: at,
    }
}

fn cut_to(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
}
