//! How a speech-to-speech agent leaves the word, the call or its connection: by falling quiet, by asking for the end,
//! by ending the conversation, by coming back on another connection, or by failing where others stand ready.

use records::EndReason;

use crate::ears::Ears;
use crate::phase::{Listening, Phase};
use crate::reply::{Purpose, Reply};
use crate::settings::ms;
use crate::{Call, Event, Micros, Output, Tick};

/// An agent that never says that it has finished is taken to have when all that came is about to be heard: it sends
/// faster than it plays, so what does not come by then is late anyway. The last of the audio is sent only then, since it
/// fills no chunk; it must not come late itself.
const BEFORE_END: Micros = Micros::from_ms(250);
/// And nothing came for so long.
const QUIET: Micros = Micros::from_ms(150);
/// How long such an agent may take for its last words once it wants the call to end.
const LAST_WORDS: Micros = Micros::from_ms(1_000);

/// When such an agent is taken to have finished, of whose audio the last came now and plays until `end`. What comes
/// later begins anew.
pub(super) fn settles(at: Tick, end: Tick) -> Tick {
    (at + QUIET).max(Tick(end.0.saturating_sub(BEFORE_END.0)))
}

impl Call {
    /// An agent that never says when it has finished was quiet for long enough. Returns whether that is what its
    /// deadline was about.
    pub(super) fn agent_settles(&mut self, at: Tick, out: &mut Vec<Output>) -> bool {
        let Some(talk) = &mut self.talk else { return false };
        let Some(conversation) = talk.conversation.as_mut().filter(|conversation| conversation.never_done)
        else {
            return false;
        };
        match (self.phase.reply().is_some(), conversation.ending) {
            (true, ending) if ending.is_some() || talk.playout.has_any_audio() => {
                conversation.due = None;
                self.agent_done(at, out);
            }
            (false, Some(reason)) => self.close(at, reason, out),
            _ => return false,
        }
        true
    }

    /// The agent wants the call to end, once its words were heard.
    pub(super) fn agent_wants_end(&mut self, at: Tick, reason: EndReason) {
        let speaks = matches!(self.phase, Phase::Greeting(_) | Phase::Speaking(_) | Phase::Closing(_));
        let Some(conversation) = self.conversation() else { return };
        conversation.ending = Some(reason);
        if conversation.never_done && (!speaks || conversation.due.is_none()) {
            conversation.due = Some(at + LAST_WORDS);
        }
    }

    /// The agent has ended the conversation: what it said is heard to its end, then the call ends.
    pub(super) fn agent_over(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(conversation) = self.conversation() else { return };
        (conversation.gone, conversation.due) = (true, None);
        let reason = *conversation.ending.get_or_insert(EndReason::AgentEnded);
        Self::happened(out, Event::Closing { reason });
        if self.phase.reply().is_some() {
            self.agent_done(at, out);
        } else {
            self.close(at, reason, out);
        }
    }

    /// The agent stopped its speech for the caller's.
    pub(super) fn agent_stopped(&mut self, at: Tick, out: &mut Vec<Output>) {
        let unspoken = self.talk.as_ref().is_some_and(|talk| !talk.playout.has_any_audio());
        match &self.phase {
            Phase::Thinking(reply) if reply.purpose == Purpose::Answer => {
                self.drop_reply(at, out);
            }
            Phase::Greeting(_) | Phase::Speaking(_) if unspoken || self.detached.is_some() => {
                self.drop_reply(at, out);
            }
            Phase::Greeting(_) | Phase::Speaking(_) => self.interrupt_agent(at, self.spoken_over(at), out),
            _ => {}
        }
    }

    /// The agent goes on over another connection. Nothing more comes of what it was saying.
    pub(super) fn agent_reopened(&mut self, at: Tick, out: &mut Vec<Output>) {
        let model_ms = self.settings.limits.model_ms;
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        conversation.told_result = false;
        conversation.tools.forget();
        if talk.playout.has_any_audio() && self.phase.reply().is_some() {
            return self.agent_done(at, out);
        }
        if matches!(self.phase, Phase::Thinking(_)) {
            conversation.due = Some(at + ms(model_ms));
        }
    }

    /// The agent is gone, and recogniser, model and voice take its place. They know what was said; the caller is
    /// asked to say again what may not have been heard.
    pub(super) fn replace_agent(&mut self, at: Tick, out: &mut Vec<Output>) {
        let unspoken = self.talk.as_ref().is_some_and(|talk| !talk.playout.has_any_audio());
        let greets = self.phase.reply().is_some_and(|reply| reply.purpose == Purpose::Greeting);
        let clears = !unspoken && self.drop_reply(at, out) && self.detached.is_none();
        if clears {
            out.push(Output::Carrier(crate::ToCarrier::Clear));
        }
        self.drop_reply(at, out);
        if let Some(talk) = &mut self.talk {
            talk.conversation = None;
            // Whoever speaks now is to be heard from the beginning, as far as there is one.
            talk.ears = Some(Ears::new(self.rate, &self.settings));
        }
        Self::happened(out, Event::AgentReplaced);
        self.phase = Phase::Listening(Listening { since: at, prompted: false });
        if greets && unspoken {
            let greeting = Reply::of(Purpose::Greeting, &self.settings.greeting, None);
            self.begin_reply(at, greeting, out);
        } else {
            self.say_apology(at, None, out);
        }
    }
}
