//! A call whose agent is one vendor that listens, thinks and speaks. The call asks neither a model nor a voice:
//! the caller's frames go to the agent, its audio goes through the same playout and the same ledger as a voice's,
//! and the call still decides when the caller has the word.

mod caller;
mod items;
mod known;
mod leaving;
mod tools;

use audio::{Pcm, SampleRate};
use records::EndReason;

use crate::phase::{Listening, Phase};
use crate::reply::{Purpose, Reply, ReplyClock};
use crate::settings::ms;
use crate::speak::GREETING_DONE;
use crate::{
    Call, Conversed, Event, Fault, FaultClass, ItemId, Micros, Output, Tick, TurnId, UtteranceId, VendorRole,
};

use caller::Caller;
use items::{Items, LONGEST_SPEECH};
use tools::Tools;

/// What a call keeps of its speech-to-speech agent.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// The pieces of speech of the reply under way.
    items: Items,
    /// When to stop waiting for the agent.
    due: Option<Tick>,
    /// How many answers in a row did not come.
    missed: u32,
    /// The agent is gone: nothing is given to it and nothing comes of it.
    gone: bool,
    /// It has asked for the call's end, which comes when its words were heard.
    ending: Option<EndReason>,
    /// An answer of its is not complete.
    answering: bool,
    /// It never says that an answer is complete.
    never_done: bool,
    /// It was given a tool's result meanwhile, and will answer again.
    told_result: bool,
    /// The turn that it answers, or did last.
    turn: TurnId,
    caller: Caller,
    tools: Tools,
}

impl Call {
    /// Whether one vendor listens, thinks and speaks in this call.
    pub(crate) fn converses(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.conversation.is_some())
    }

    fn conversation(&mut self) -> Option<&mut Conversation> {
        self.talk.as_mut().and_then(|talk| talk.conversation.as_deref_mut())
    }

    /// The agent gave something.
    pub(crate) fn conversed(&mut self, at: Tick, what: Conversed, out: &mut Vec<Output>) {
        let Some(conversation) = self.conversation().filter(|conversation| !conversation.gone) else {
            return;
        };
        conversation.answering |=
            matches!(what, Conversed::Audio { .. } | Conversed::Text { .. } | Conversed::Tool(_));
        match what {
            Conversed::Ready => {}
            Conversed::NeverDone => conversation.never_done = true,
            Conversed::SpeechStarted => self.agent_hears(at, out),
            Conversed::SpeechStopped => self.agent_heard(at),
            Conversed::Interrupted => self.agent_stopped(at, out),
            Conversed::Corrected(text) => Self::happened(out, Event::AgentCorrected { text }),
            Conversed::CallerSaid(text) => self.caller_said(at, text.trim(), out),
            Conversed::Audio { item, rate, pcm } => self.agent_audio(at, item, (rate, pcm), out),
            Conversed::Text { item, text } => self.agent_text(at, item, &text),
            Conversed::ItemDone(item) => self.item_done(at, item, out),
            Conversed::Tool(call) => self.agent_tool(at, call, out),
            Conversed::Done(_) => self.agent_done(at, out),
            Conversed::Ending => self.agent_wants_end(at, EndReason::AgentEnded),
            Conversed::Over => self.agent_over(at, out),
            Conversed::Reopened => self.agent_reopened(at, out),
            Conversed::Step { step, detail } => Self::happened(out, Event::AgentStep { step, detail }),
            Conversed::Fact { name, value } => Self::happened(out, Event::Result { name, value }),
            Conversed::Failed(fault) => self.agent_failed(at, fault, out),
        }
    }

    fn agent_audio(&mut self, at: Tick, item: ItemId, (rate, pcm): (SampleRate, Pcm), out: &mut Vec<Output>) {
        if pcm.is_empty() {
            return;
        }
        let Some(utterance) = self.utterance_of(at, item) else { return };
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        if conversation.items.are_too_long() {
            return;
        }
        conversation.missed = 0;
        conversation.items.add_audio(Micros(rate.micros(pcm.len())));
        let goes_on = !conversation.items.are_too_long();
        talk.playout.audio(utterance, rate, pcm);
        if let Some(reply) = self.phase.reply() {
            let clock = &mut reply.clock;
            clock.first_word.get_or_insert(at);
            clock.first_sentence.get_or_insert(at);
            clock.first_audio.get_or_insert(at);
        }
        self.start_speaking();
        self.pump(at, out);
        if goes_on {
            return self.expect_more(at);
        }
        let why = format!("it spoke for more than {} s", LONGEST_SPEECH.0 / 1_000_000);
        let fault = Fault::new(FaultClass::Garbage, why);
        Self::happened(out, Event::VendorFailed { role: VendorRole::Agent, fault });
        self.agent_done(at, out);
    }

    fn agent_text(&mut self, at: Tick, item: ItemId, text: &str) {
        let Some(utterance) = self.utterance_of(at, item) else { return };
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        if conversation.items.add_text(text) {
            talk.playout.add_text(utterance, text);
        }
    }

    /// The utterance that plays this item: a new one where it is new and wanted.
    fn utterance_of(&mut self, at: Tick, item: ItemId) -> Option<UtteranceId> {
        let conversation = self.conversation()?;
        let goes_on = conversation.never_done;
        if let Some(known) = conversation.items.utterance(item, goes_on) {
            return Some(known);
        }
        if !conversation.items.may_begin(item) {
            return None;
        }
        if matches!(self.phase, Phase::Listening(_)) {
            self.expect_answer(at);
        }
        let greets = match &self.phase {
            Phase::Greeting(reply)
            | Phase::Thinking(reply)
            | Phase::Speaking(reply)
            | Phase::Closing(reply) => reply.purpose == Purpose::Greeting,
            _ => return None,
        };
        let talk = self.talk.as_mut()?;
        let utterance = talk.new_utterance();
        let items = &mut talk.conversation.as_mut()?.items;
        let mark =
            if greets && items.is_empty() { GREETING_DONE.to_owned() } else { format!("u{}", utterance.0) };
        items.begin(item, utterance);
        talk.playout.reopen();
        talk.playout.expect(utterance, String::new(), mark);
        Some(utterance)
    }

    /// The agent is about to answer: a reply begins, of which nothing is known yet.
    fn expect_answer(&mut self, at: Tick) {
        let model_ms = self.settings.limits.model_ms;
        let Some(talk) = &mut self.talk else { return };
        let turn = talk.new_turn();
        let Some(conversation) = &mut talk.conversation else { return };
        let ended = conversation.caller.last_voice.unwrap_or(at);
        // What answers nobody took no time to answer.
        let reported = conversation.caller.last_voice.is_none();
        let clock =
            ReplyClock { speech_ended: ended, endpoint: at, asked: at, reported, ..ReplyClock::default() };
        (conversation.due, conversation.turn) = (Some(at + ms(model_ms)), turn);
        talk.playout.begin();
        self.phase = Phase::Thinking(Box::new(Reply::answered(turn, clock)));
    }

    fn item_done(&mut self, at: Tick, item: ItemId, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        if let Some(utterance) = conversation.items.finish(item) {
            talk.playout.done(utterance);
            self.pump(at, out);
        }
    }

    /// The agent's answer is complete.
    fn agent_done(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        let said_something = talk.playout.has_any_audio();
        let ending = conversation.ending;
        conversation.answering = false;
        let answers_again = std::mem::take(&mut conversation.told_result) || !conversation.tools.is_empty();
        for utterance in conversation.items.finish_all() {
            talk.playout.done(utterance);
        }
        if said_something {
            conversation.due = None;
            talk.playout.complete();
            if let (Some(reply), Some(reason)) = (self.phase.reply(), ending) {
                reply.then_end.get_or_insert(reason);
            }
            self.pump(at, out);
            self.heard_all(at, out);
        } else if let Some(reason) = ending {
            self.close(at, reason, out);
        } else if matches!(self.phase, Phase::Thinking(_)) && !answers_again {
            // It has nothing to say.
            self.drop_reply(at, out);
        }
    }

    /// Goes on if all was heard already.
    fn heard_all(&mut self, at: Tick, out: &mut Vec<Output>) {
        if self.talk.as_ref().is_some_and(|talk| talk.playout.is_all_marked()) {
            self.reply_heard(at, out);
        }
    }

    /// While it speaks the agent must give more before all that it gave was heard, and a little longer.
    fn expect_more(&mut self, at: Tick) {
        let voice_ms = self.settings.limits.voice_ms;
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        let end = talk.playout.head().max(at) + talk.playout.unsent();
        conversation.due =
            Some(if conversation.never_done { leaving::settles(at, end) } else { end + ms(voice_ms) });
    }

    /// The reply is over where it is: the agent is told what was not heard, and what comes late of it is dropped.
    pub(crate) fn withdraw_items(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let Some(conversation) = &mut talk.conversation else { return };
        let goes_on = conversation.never_done;
        let cuts = conversation.items.withdraw(goes_on, |utterance| talk.playout.progress(at, utterance));
        // The end that it wants is still wanted where all before it was heard.
        conversation.ending = conversation.ending.filter(|_| goes_on && cuts.is_empty());
        conversation.due = conversation.due.filter(|_| conversation.ending.is_some());
        if !conversation.gone {
            out.extend(cuts.into_iter().map(Output::Converse));
        }
    }

    /// When to stop waiting for the agent, or for a tool that it asked for.
    pub(crate) fn agent_due(&self) -> Option<Tick> {
        let conversation = self.talk.as_ref()?.conversation.as_ref()?;
        conversation.tools.due().into_iter().chain(conversation.due).min()
    }

    fn listen(&mut self, at: Tick) {
        self.phase = Phase::Listening(Listening { since: at, prompted: false });
    }

    fn happened(out: &mut Vec<Output>, event: Event) {
        out.push(Output::Event(event));
    }
}
