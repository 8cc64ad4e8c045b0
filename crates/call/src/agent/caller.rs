//! The caller's side of a conversation with a speech-to-speech agent: their frames, when they take the word, and
//! what the agent says that they said.

use std::collections::VecDeque;

use audio::Pcm;

use crate::ears::{Ears, Edge};
use crate::phase::Phase;
use crate::reply::Purpose;
use crate::settings::ms;
use crate::talk::Talk;
use crate::{
    Call, Converse, Event, Message, Micros, NotInterruptedWhy, Output, Tick, ToCarrier, TurnId, words,
};

/// So many things said may wait for their text; a vendor that never tells must not fill the memory.
const MOST_UNTOLD: usize = 16;

/// What is known of the caller's speech.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// When they began to speak, as far as is known.
    began: Option<Tick>,
    /// Their last sound, by our own ears.
    pub(super) last_voice: Option<Tick>,
    /// What they said and has no text yet, oldest first.
    untold: VecDeque<Untold>,
}

/// Something that the caller said and whose text is not known yet.
#[derive(Debug, Clone, Copy)]
struct Untold {
    turn: TurnId,
    began: Tick,
}

impl Caller {
    /// What they say belongs to this turn, and is over.
    fn stopped(&mut self, at: Tick, turn: TurnId) {
        let began = self.began.take().unwrap_or(at);
        self.untold.push_back(Untold { turn, began });
        if self.untold.len() > MOST_UNTOLD {
            self.untold.pop_front();
        }
    }
}

impl Call {
    /// A frame of the caller's audio.
    pub(crate) fn converse(&mut self, at: Tick, pcm: Pcm, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let Some(Talk { playout, ears: Some(ears), conversation: Some(conversation), .. }) =
            self.talk.as_deref_mut()
        else {
            return;
        };
        let window = ms(settings.barge_in.echo_window_ms);
        playout.forget_levels(at, window);
        let mut edges = Vec::new();
        ears.hear(at, &pcm, |moment| playout.played_db(moment, window), &mut edges);
        if !conversation.gone {
            out.push(Output::Converse(Converse::Audio(pcm)));
        }
        if let Some(stretch) = ears.stretch() {
            conversation.caller.last_voice = Some(stretch.last_voice);
            // Whoever speaks is not idle, whether the agent understands it or not.
            if let Phase::Listening(listening) = &mut self.phase {
                (listening.since, listening.prompted) = (at, false);
            }
        }
        for edge in edges {
            self.agent_edge(at, &edge, out);
        }
        self.check_speech_over_agent(at, out);
    }

    /// Our own ears found something.
    pub(crate) fn agent_edge(&mut self, at: Tick, edge: &Edge, out: &mut Vec<Output>) {
        let over_agent = self.is_agent_heard(at);
        out.push(Output::Event(edge.event(over_agent)));
        match *edge {
            Edge::Began { length, .. } => {
                if let Some(conversation) = self.conversation() {
                    conversation.caller.began.get_or_insert(at - length);
                }
                self.give_word_back(at, out);
            }
            Edge::Ended { length, .. } if over_agent => {
                let why = self.never_interrupts(at).unwrap_or(NotInterruptedWhy::Short);
                not_interrupted(why, length, "", out);
            }
            Edge::Ended { .. } => {
                if self.conversation().is_some_and(|conversation| !conversation.gone) {
                    out.push(Output::Converse(Converse::Finished));
                }
            }
            Edge::Echo { .. } => {}
        }
    }

    /// The agent hears the caller begin.
    pub(super) fn agent_hears(&mut self, at: Tick, out: &mut Vec<Output>) {
        let stretch = self.talk.as_ref().and_then(|talk| talk.ears.as_ref()).and_then(Ears::stretch);
        let began = stretch.map_or(at, |stretch| stretch.began);
        let length = stretch.map_or(Micros::default(), |stretch| at.since(stretch.began));
        if let Some(conversation) = self.conversation() {
            conversation.caller.began.get_or_insert(began);
        }
        self.give_word_back(at, out);
        let unspoken = self.talk.as_ref().is_some_and(|talk| !talk.playout.has_any_audio());
        match &self.phase {
            // They go on before a word was spoken: the agent answers all of it.
            Phase::Thinking(reply) if reply.purpose == Purpose::Answer => {
                self.drop_reply(at, out);
            }
            Phase::Greeting(_) if unspoken => {
                self.drop_reply(at, out);
            }
            Phase::Listening(_) => self.listen(at),
            _ if self.is_agent_heard(at) => match self.never_interrupts(at) {
                Some(why) => not_interrupted(why, length, "", out),
                None => self.interrupt_agent(at, length, out),
            },
            _ => {}
        }
    }

    /// The agent hears the caller stop: it will answer.
    pub(super) fn agent_heard(&mut self, at: Tick) {
        if matches!(self.phase, Phase::Listening(_)) {
            self.expect_answer(at);
        }
        let answering = self.phase.reply().and_then(|reply| reply.turn);
        let Some(talk) = &mut self.talk else { return };
        let turn = answering.unwrap_or_else(|| talk.new_turn());
        if let Some(conversation) = &mut talk.conversation {
            conversation.caller.stopped(at, turn);
        }
    }

    /// The agent says what the caller said: before, while or after it answers.
    pub(super) fn caller_said(&mut self, at: Tick, text: &str, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let heard = self.is_agent_heard(at);
        let Some(talk) = &mut self.talk else { return };
        let untold =
            talk.conversation.as_mut().and_then(|conversation| conversation.caller.untold.pop_front());
        if text.is_empty() {
            return;
        }
        let Untold { turn, began } = untold.unwrap_or_else(|| Untold { turn: talk.new_turn(), began: at });
        talk.remember(Message::Caller(text.to_owned()), settings.limits.history_messages);
        out.push(Output::Event(Event::CallerSaid { turn, at_ms: began.0 / 1000, text: text.to_owned() }));
        if heard && words::is_back_channel(text, &settings.barge_in.back_channel) {
            not_interrupted(NotInterruptedWhy::BackChannel, at.since(began), text, out);
        }
    }

    /// Interrupts when the caller has spoken over the agent for long enough by our own ears, whether the agent
    /// hears it or not.
    fn check_speech_over_agent(&mut self, at: Tick, out: &mut Vec<Output>) {
        if !self.is_agent_heard(at) || self.never_interrupts(at).is_some() {
            return;
        }
        let stretch = self.talk.as_ref().and_then(|talk| talk.ears.as_ref()).and_then(Ears::stretch);
        let length = stretch.map_or(Micros::default(), |stretch| stretch.last_voice.since(stretch.began));
        if stretch.is_some() && length >= ms(self.settings.barge_in.min_speech_ms) {
            self.interrupt_agent(at, length, out);
        }
    }

    /// Whether the caller hears the agent and may take the word.
    fn is_agent_heard(&self, at: Tick) -> bool {
        self.phase.is_interruptible() && self.talk.as_ref().is_some_and(|talk| talk.playout.is_audible(at))
    }

    /// Why speech now would not interrupt, however long it is.
    fn never_interrupts(&self, at: Tick) -> Option<NotInterruptedWhy> {
        let wanted = &self.settings.barge_in;
        let began = self.talk.as_ref().and_then(|talk| talk.playout.began());
        if !wanted.enabled {
            Some(NotInterruptedWhy::Disabled)
        } else if self.detached.is_some() || began.is_none_or(|began| at < began + ms(wanted.protect_ms)) {
            Some(NotInterruptedWhy::Protected)
        } else {
            None
        }
    }

    /// All was heard and only the marks are not back: the word is the caller's.
    fn give_word_back(&mut self, at: Tick, out: &mut Vec<Output>) {
        let silent =
            self.talk.as_ref().is_some_and(|talk| talk.playout.is_all_sent() && !talk.playout.is_audible(at));
        if silent && self.phase.is_interruptible() {
            self.reply_heard(at, out);
        }
    }

    /// For how long the caller has spoken by now.
    pub(super) fn spoken_over(&self, at: Tick) -> Micros {
        let stretch = self.talk.as_ref().and_then(|talk| talk.ears.as_ref()).and_then(Ears::stretch);
        stretch.map_or(Micros::default(), |stretch| at.since(stretch.began))
    }

    /// The agent is told of something that the caller did and that is no audio.
    pub(crate) fn tell_agent(&mut self, at: Tick, told: String, out: &mut Vec<Output>) {
        let most = self.settings.limits.history_messages;
        let Some(talk) = &mut self.talk else { return };
        let turn = talk.new_turn();
        let Some(conversation) = talk.conversation.as_mut().filter(|conversation| !conversation.gone) else {
            return;
        };
        conversation.caller.last_voice = Some(at);
        talk.remember(Message::Caller(told.clone()), most);
        out.push(Output::Event(Event::CallerSaid { turn, at_ms: at.0 / 1000, text: told.clone() }));
        out.push(Output::Converse(Converse::Told(told)));
    }

    pub(crate) fn interrupt_agent(&mut self, at: Tick, length: Micros, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let turn = self.phase.reply().and_then(|reply| reply.turn);
        let Some(talk) = &mut self.talk else { return };
        let played_db = talk.playout.played_db(at, ms(settings.barge_in.echo_window_ms));
        let level_db = talk.ears.as_ref().map_or(f32::NEG_INFINITY, |ears| ears.levels().level_db);
        talk.playout.hold(at);
        let ledger = talk.playout.ledger(at);
        out.push(Output::Carrier(ToCarrier::Clear));
        out.push(Output::Event(Event::Interrupted {
            turn,
            speech_ms: length.0 / 1000,
            wanted_ms: settings.barge_in.min_speech_ms,
            words: 0,
            level_db,
            played_db,
            heard: ledger.heard,
            unheard: ledger.unheard,
        }));
        self.drop_reply(at, out);
    }
}

fn not_interrupted(why: NotInterruptedWhy, length: Micros, text: &str, out: &mut Vec<Output>) {
    let (speech_ms, text) = (length.0 / 1000, text.to_owned());
    out.push(Output::Event(Event::NotInterrupted { why, speech_ms, text }));
}
