//! Who picked up. The carrier may find out that it was a machine; the agent is told, and hangs up or leaves a message
//! where the settings say so.

use records::{AnsweredBy, EndReason};
use serde::{Deserialize, Serialize};

use crate::phase::Phase;
use crate::reply::{Purpose, Reply};
use crate::settings::ms;
use crate::{AgentKind, Call, Event, Output, Tick, Timer, ToCarrier};

/// A machine's greeting is over by then, whatever the carrier says: the message is left without its sign.
const BEEP_MS: u64 = 30_000;

/// What is done when a machine picked up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnsweringMachine {
    /// The call goes on; the model knows.
    #[default]
    Talk,
    /// The call ends.
    HangUp,
    /// A message is left after the machine's greeting, and the call ends.
    Message,
}

impl Call {
    /// The carrier found out who picked up. More is never given up for less.
    pub(crate) fn answered_by(&mut self, at: Tick, by: AnsweredBy, out: &mut Vec<Output>) {
        if self.picked_up >= Some(by) {
            return;
        }
        self.picked_up = Some(by);
        out.push(Output::Event(Event::AnsweredBy { by }));
        if !matches!(self.phase, Phase::Opening(_) | Phase::Closing(_)) {
            self.meet_machine(at, out);
        }
    }

    /// Does what is to be done with whoever picked up. Whether that takes the agent's place.
    pub(crate) fn meet_machine(&mut self, at: Tick, out: &mut Vec<Output>) -> bool {
        if let Some(talk) = &mut self.talk {
            talk.past.picked_up = self.picked_up;
        }
        let leaves_message = self.talk.is_some() && self.settings.agent != AgentKind::Beep;
        match (self.settings.answering_machine, self.picked_up) {
            (AnsweringMachine::Talk, _) | (_, None | Some(AnsweredBy::Unknown | AnsweredBy::Human)) => false,
            (AnsweringMachine::HangUp, _) | (_, Some(AnsweredBy::Fax)) => {
                self.leave(at, "a machine picked up", out);
                true
            }
            (AnsweringMachine::Message, _) if !leaves_message => false,
            (AnsweringMachine::Message, Some(AnsweredBy::MachineBeep)) => {
                self.leave_message(at, out);
                true
            }
            (AnsweringMachine::Message, Some(AnsweredBy::Machine)) => {
                self.fall_silent(at, out);
                self.beep_due = Some(at + ms(BEEP_MS));
                true
            }
        }
    }

    /// The machine's greeting took too long.
    pub(crate) fn beep_timer(&mut self, at: Tick, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::TimedOut { timer: Timer::Beep }));
        self.leave_message(at, out);
    }

    /// Speaks the message to its end, whatever the machine says meanwhile, and ends the call.
    fn leave_message(&mut self, at: Tick, out: &mut Vec<Output>) {
        self.fall_silent(at, out);
        let reason = EndReason::AgentEnded;
        let reply = Reply::of(Purpose::Goodbye, &self.settings.machine_message, Some(reason));
        if reply.waiting.is_empty() {
            return self.leave(at, "a machine picked up, and there is no message", out);
        }
        out.push(Output::Event(Event::Closing { reason }));
        self.begin_reply(at, reply, out);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Thinking(reply) | Phase::Speaking(reply) => Phase::Closing(reply),
            other => other,
        };
    }

    /// Nothing more is said, and nothing is listened to: a machine's greeting is no question.
    fn fall_silent(&mut self, at: Tick, out: &mut Vec<Output>) {
        self.beep_due = None;
        self.drop_guess(out);
        if self.drop_reply(at, out) && self.detached.is_none() {
            out.push(Output::Carrier(ToCarrier::Clear));
        }
        if let Some(talk) = &mut self.talk {
            (talk.ears, talk.caller, talk.keys) = (None, None, None);
        }
        self.phase = Phase::Deaf;
    }

    fn leave(&mut self, at: Tick, why: &str, out: &mut Vec<Output>) {
        if self.detached.is_none() {
            out.push(Output::Carrier(ToCarrier::Close));
        }
        self.end(at, EndReason::AgentEnded, why, out);
    }
}

/// What the model is told of who picked up.
pub(crate) const fn told(by: Option<AnsweredBy>) -> Option<&'static str> {
    match by {
        None | Some(AnsweredBy::Unknown) => None,
        Some(AnsweredBy::Human) => Some("The telephone carrier says that a person picked up."),
        Some(AnsweredBy::Fax) => Some("The telephone carrier says that a fax machine picked up."),
        Some(AnsweredBy::Machine | AnsweredBy::MachineBeep) => {
            Some("The telephone carrier says that an answering machine picked up, not a person.")
        }
    }
}
