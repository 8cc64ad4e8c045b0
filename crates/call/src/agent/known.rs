//! Words that are known before the agent speaks them (greeting, idle prompt, goodbye), and what the caller hears
//! when the agent does not speak at all.

use records::EndReason;

use crate::phase::{Listening, Phase};
use crate::reply::{Purpose, Reply, ReplyClock};
use crate::settings::ms;
use crate::{Call, Converse, Event, FailureThen, Fault, Output, Recorded, Say, Tick, Timer, VendorRole};

/// After so many answers in a row that never came, the agent counts as gone.
const MOST_MISSED: u32 = 2;

impl Call {
    /// Has the agent say a reply whose words are known.
    pub(crate) fn agent_says(&mut self, at: Tick, mut reply: Reply, out: &mut Vec<Output>) {
        let limits = self.settings.limits.clone();
        let text = reply.unasked();
        reply.waiting.clear();
        reply.clock.asked = at;
        let wait =
            if reply.purpose == Purpose::Greeting { limits.greeting_synthesis_ms } else { limits.model_ms };
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        conversation.due = Some(at + ms(wait));
        let gone = conversation.gone;
        talk.playout.begin();
        let reply = Box::new(reply);
        self.phase = match (reply.purpose, reply.then_end) {
            (Purpose::Greeting, _) => Phase::Greeting(reply),
            (Purpose::Goodbye, Some(EndReason::MaxDuration)) => Phase::Closing(reply),
            _ => Phase::Speaking(reply),
        };
        if gone {
            self.add_recorded(at, Recorded::Goodbye, out);
        } else {
            out.push(Output::Converse(Converse::Say(text)));
        }
    }

    /// The agent made no progress for too long.
    pub(crate) fn agent_timer(&mut self, at: Tick, out: &mut Vec<Output>) {
        if self.agent_tool_late(at, out) || self.agent_settles(at, out) {
            return;
        }
        Self::happened(out, Event::TimedOut { timer: Timer::Agent });
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        conversation.due = None;
        conversation.missed += 1;
        if talk.playout.has_any_audio() {
            // It stopped in the middle: what came of it was heard, and nothing follows.
            return self.agent_done(at, out);
        }
        let lost = conversation.missed >= MOST_MISSED;
        match self.phase.reply().map(|reply| reply.purpose) {
            Some(Purpose::Goodbye) => {
                conversation.gone = true;
                self.add_recorded(at, Recorded::Goodbye, out);
            }
            Some(Purpose::Greeting) => self.agent_failed(at, Fault::slow(), out),
            Some(Purpose::Consent) => self.consent_unheard(at, out),
            _ if lost => self.agent_failed(at, Fault::slow(), out),
            Some(Purpose::IdlePrompt { since }) => {
                self.drop_reply(at, out);
                self.phase = Phase::Listening(Listening { since, prompted: true });
            }
            Some(Purpose::Answer) => {
                self.agent_fault(Fault::slow(), out);
                self.add_recorded(at, Recorded::Apology, out);
            }
            None => {}
        }
    }

    /// The agent is gone. Where recogniser, model and voice stand ready, they go on; else what it said is played to
    /// its end, then the caller hears an apology that needs no vendor, and the call ends or is handed on.
    pub(super) fn agent_failed(&mut self, at: Tick, fault: Fault, out: &mut Vec<Output>) {
        let why = fault.why.clone();
        self.agent_fault(fault, out);
        let is_last = self.phase.reply().is_some_and(|reply| reply.then_end.is_some());
        if self.settings.speech_to_speech_fallback && !is_last {
            return self.replace_agent(at, out);
        }
        let transfers = self.settings.failure.then == FailureThen::Transfer;
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        (conversation.gone, conversation.due) = (true, None);
        for utterance in conversation.items.finish_all() {
            talk.playout.done(utterance);
        }
        let said_something = talk.playout.has_any_audio();
        if self.phase.reply().is_none() {
            talk.playout.begin();
            let reply = Reply::answered(talk.new_turn(), ReplyClock::default());
            self.phase = Phase::Speaking(Box::new(Reply { turn: None, purpose: Purpose::Goodbye, ..reply }));
        }
        let Some(reply) = self.phase.reply() else { return };
        if reply.purpose == Purpose::Greeting && !said_something {
            Self::happened(out, Event::GreetingFailed { why });
        }
        reply.purpose = Purpose::Goodbye;
        let says_goodbye = reply.then_end.is_some();
        let usual = if transfers { EndReason::Transferred } else { EndReason::VendorsDown };
        let reason = *reply.then_end.get_or_insert(usual);
        if transfers && !says_goodbye {
            let target = self.settings.tools.transfer.usual.clone();
            Self::happened(out, Event::TransferAsked { target });
        }
        Self::happened(out, Event::Closing { reason });
        self.close_with(at, says_goodbye, out);
    }

    /// The words under way are the last ones: nothing stops them any more.
    fn close_with(&mut self, at: Tick, says_goodbye: bool, out: &mut Vec<Output>) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Greeting(reply) | Phase::Thinking(reply) | Phase::Speaking(reply) => Phase::Closing(reply),
            other => other,
        };
        let recorded = if says_goodbye { Recorded::Goodbye } else { Recorded::Apology };
        self.add_recorded(at, recorded, out);
    }

    fn agent_fault(&self, fault: Fault, out: &mut Vec<Output>) {
        Self::happened(out, Event::VendorFailed { role: VendorRole::Agent, fault });
    }

    /// Adds a recording to the reply under way.
    fn add_recorded(&mut self, at: Tick, recorded: Recorded, out: &mut Vec<Output>) {
        let voice_ms = self.settings.limits.voice_ms;
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply() else { return };
        let utterance = talk.new_utterance();
        talk.playout.reopen();
        talk.playout.expect(utterance, String::new(), format!("u{}", utterance.0));
        reply.asked.push_back(utterance);
        reply.voice_due = Some(at + ms(voice_ms));
        out.push(Output::Voice { utterance, say: Say::Recorded(recorded) });
    }
}
