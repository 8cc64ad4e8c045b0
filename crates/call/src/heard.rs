//! The end of a reply: it was heard, or it is dropped where it is, and what was heard of it becomes history.

use crate::phase::{Listening, Phase};
use crate::reply::Purpose;
use crate::run::State;
use crate::{Call, Event, Message, Output, Tick};

impl Call {
    /// The whole reply was heard, by its marks or by the clock.
    pub(crate) fn reply_heard(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(reply) = self.phase.reply() else { return };
        let (purpose, then_end) = (reply.purpose, reply.then_end);
        self.drop_reply(at, out);
        match (then_end, purpose) {
            (Some(reason), _) => self.close(at, reason, out),
            (None, Purpose::Consent) => self.consent_heard(at, out),
            (None, Purpose::IdlePrompt { since }) => {
                self.phase = Phase::Listening(Listening { since, prompted: true });
            }
            // Words may have waited for their turn.
            (None, _) => self.try_end_turn(at, out),
        }
    }

    /// Ends the reply under way where it is: what was heard of it enters the history, the rest is withdrawn.
    /// The call listens afterwards. Returns whether there was one.
    pub(crate) fn drop_reply(&mut self, at: Tick, out: &mut Vec<Output>) -> bool {
        let most = self.settings.limits.history_messages;
        let Some(reply) = self.phase.reply() else { return false };
        if let Some(turn) = reply.turn.filter(|_| reply.model.writing) {
            out.push(Output::StopThinking(turn));
        }
        for run in reply.steps.running() {
            if let State::Running { tool, .. } = run.state
                && !run.side_effects
            {
                out.push(Output::StopTool(tool));
            }
        }
        out.extend(reply.asked.drain(..).map(Output::StopVoice));
        let (turn, unasked) = (reply.turn, reply.unasked());
        let (steps, apologised) = (std::mem::take(&mut reply.steps), reply.failed.apologised);
        self.withdraw_items(at, out);
        self.phase = Phase::Listening(Listening { since: at, prompted: false });
        let Some(talk) = self.talk.as_deref_mut() else { return true };
        if let Some(filler) = talk.late.end_wait() {
            out.push(Output::StopVoice(filler));
        }
        let mut ledger = talk.playout.ledger(at);
        let messages = steps.remembered(|utterance| talk.playout.heard_of(at, utterance));
        let began = talk.playout.began();
        talk.playout.begin();
        talk.playout.complete();
        if messages.is_empty() && !ledger.heard.is_empty() {
            talk.remember(Message::agent(&ledger.heard), most);
        }
        talk.remember_all(messages, most);
        if turn.is_some() && !apologised && !ledger.heard.is_empty() {
            talk.past.failed_turns = 0;
        }
        if let Some(began) = began {
            if !unasked.is_empty() {
                ledger.unheard = format!("{} {unasked}", ledger.unheard).trim_start().to_owned();
            }
            let evidence = ledger.evidence();
            let (heard, unheard) = (ledger.heard, ledger.unheard);
            let at_ms = began.0 / 1000;
            out.push(Output::Event(Event::AgentSaid { turn, at_ms, heard, unheard, evidence }));
        }
        true
    }
}
