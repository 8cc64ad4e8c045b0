//! Keys that the caller presses: they reach the model as the caller's words, one by one or as a row, or as the
//! result of the tool that waits for them.

use crate::phase::{Listening, Phase};
use crate::reply::{Purpose, Reply};
use crate::run::{Run, State};
use crate::settings::ms;
use crate::talk::{CallerTurn, Talk};
use crate::{Call, Dtmf, DtmfMode, Event, Micros, Output, SpeechId, Tick, ToCarrier};

/// A row of keys that is not complete.
#[derive(Debug)]
pub(crate) struct Keys {
    digits: String,
    pub(crate) due: Tick,
}

/// How the model is told of pressed keys: `pressed 1 2 3`.
fn told(digits: &str) -> String {
    let keys: Vec<String> = digits.chars().map(String::from).collect();
    format!("pressed {}", keys.join(" "))
}

impl Call {
    pub(crate) fn key(&mut self, at: Tick, digit: char, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::Dtmf { digit }));
        if let Some(ears) = self.talk.as_mut().and_then(|talk| talk.ears.as_mut()) {
            ears.key(at);
        }
        if let Phase::Listening(listening) = &mut self.phase {
            *listening = Listening { since: at, prompted: false };
        }
        if self.talk.is_none() || self.consent_key(at, digit, out) {
            return;
        }
        if self.phase.reply_ref().is_some_and(Reply::collects) {
            return self.collect(at, digit, out);
        }
        let Dtmf { mode, terminator, digit_ms, longest, .. } = self.settings.dtmf.clone();
        if mode == DtmfMode::Off || matches!(self.phase, Phase::Closing(_)) {
            return;
        }
        self.interrupt_by_key(at, out);
        let Some(talk) = &mut self.talk else { return };
        let keys = talk.keys.get_or_insert_with(|| Keys { digits: String::new(), due: at });
        let ends = mode == DtmfMode::Collect && terminator.starts_with(digit);
        // A terminator alone is a key like any other.
        if !ends || keys.digits.is_empty() {
            keys.digits.push(digit);
        }
        keys.due = at + ms(digit_ms);
        if ends || mode == DtmfMode::Single || keys.digits.chars().count() >= longest.max(1) {
            self.keys_pressed(at, out);
        }
    }

    /// A key stops the agent that speaks, where the settings want it.
    fn interrupt_by_key(&mut self, at: Tick, out: &mut Vec<Output>) {
        let audible = self.talk.as_ref().is_some_and(|talk| talk.playout.is_audible(at));
        let can = self.settings.dtmf.interrupts && self.detached.is_none();
        if !(can && self.phase.is_interruptible() && audible) {
            return;
        }
        if self.converses() {
            self.interrupt_agent(at, Micros::default(), out);
        } else {
            self.interrupt(at, Micros::default(), 0, out);
        }
    }

    /// The row is complete: it is the caller's turn.
    fn keys_pressed(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(keys) = self.talk.as_mut().and_then(|talk| talk.keys.take()) else { return };
        out.push(Output::Event(Event::Digits { digits: keys.digits.clone() }));
        if self.converses() {
            return self.tell_agent(at, told(&keys.digits), out);
        }
        self.drop_guess(out);
        self.stop_filler(at, out);
        if matches!(&self.phase, Phase::Thinking(reply) if reply.purpose == Purpose::Answer && !reply.is_held())
        {
            self.take_question_back(at, out);
        }
        let Some(talk) = &mut self.talk else { return };
        let caller = talk.caller.get_or_insert_with(|| CallerTurn::new(at));
        // Texts that are still awaited are not waited for: whoever presses has finished speaking.
        caller.awaited.clear();
        caller.said.push(SpeechId(u32::MAX), &told(&keys.digits));
        caller.last_voice = at;
        caller.pressed = true;
        self.try_end_turn(at, out);
    }

    /// No further key came.
    pub(crate) fn keys_timer(&mut self, at: Tick, out: &mut Vec<Output>) {
        if self.talk.as_ref().is_some_and(|talk| talk.keys.as_ref().is_some_and(|keys| keys.due <= at)) {
            self.keys_pressed(at, out);
        } else {
            self.collected(at, out);
        }
    }

    /// A key for the tool that waits for them.
    fn collect(&mut self, at: Tick, digit: char, out: &mut Vec<Output>) {
        let Some(reply) = self.phase.reply() else { return };
        let mut complete = false;
        for run in reply.steps.running() {
            if let State::Collecting(collecting) = &mut run.state {
                collecting.since = at;
                let ends = collecting.terminator == Some(digit);
                if !ends {
                    collecting.digits.push(digit);
                }
                complete = ends || collecting.digits.chars().count() >= collecting.count;
                break;
            }
        }
        // Nobody presses keys and listens to how.
        reply.waiting.clear();
        out.extend(reply.asked.drain(..).map(Output::StopVoice));
        reply.voice_due = None;
        if let Some(talk) = &mut self.talk
            && talk.playout.cut(at)
            && self.detached.is_none()
        {
            out.push(Output::Carrier(ToCarrier::Clear));
        }
        if complete {
            self.collected(at, out);
        }
    }

    fn collected(&mut self, at: Tick, out: &mut Vec<Output>) {
        let digits = self.phase.reply_ref().and_then(|reply| {
            reply.steps.runs().iter().find_map(|run| match &run.state {
                State::Collecting(collecting) => Some(collecting.digits.clone()),
                _ => None,
            })
        });
        let Some(digits) = digits else { return };
        out.push(Output::Event(Event::Digits { digits: digits.clone() }));
        let result = if digits.is_empty() { "no key was pressed".to_owned() } else { digits };
        self.settle_tool(at, (result, true), out, |run| matches!(run.state, State::Collecting(_)));
    }

    /// When a row of keys that a tool waits for is over. The waiting begins when the words before it were heard.
    pub(crate) fn collect_due(&self, talk: &Talk) -> Option<Tick> {
        let reply =
            self.phase.reply_ref().filter(|reply| reply.asked.is_empty() && reply.waiting.is_empty())?;
        let due = |run: &Run| match &run.state {
            State::Collecting(collecting) => {
                let heard = talk.playout.head() + talk.playout.unsent();
                Some(collecting.since.max(heard) + ms(collecting.timeout_ms))
            }
            _ => None,
        };
        reply.steps.runs().iter().find_map(due)
    }
}

impl Reply {
    /// Whether a tool waits for keys.
    fn collects(&self) -> bool {
        self.steps.runs().iter().any(|run| matches!(run.state, State::Collecting(_)))
    }
}
