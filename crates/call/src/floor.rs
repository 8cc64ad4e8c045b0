//! Who has the word: the caller's stretches of speech become turns, and speech over the agent becomes an
//! interruption, a back-channel word or nothing. Each decision is an event with its numbers.

use audio::Pcm;

use crate::ears::{Ears, Edge, Stretch};
use crate::guess::Guess;
use crate::phase::{Interruption, Listening, Phase};
use crate::reply::{Purpose, Reply, ReplyClock};
use crate::settings::ms;
use crate::talk::{Awaited, CallerTurn, Talk};
use crate::turn::TextOf;
use crate::{
    AgentKind, Call, Event, Listen, Message, Micros, Output, SpeechId, Tick, Timer, ToCarrier, TurnId, words,
};

impl Call {
    /// A frame of the caller's audio.
    pub(crate) fn hear(&mut self, at: Tick, pcm: Pcm, out: &mut Vec<Output>) {
        if self.converses() {
            return self.converse(at, pcm, out);
        }
        let settings = self.settings.clone();
        let Some(Talk { playout, ears: Some(ears), .. }) = self.talk.as_deref_mut() else { return };
        let window = ms(settings.barge_in.echo_window_ms);
        playout.forget_levels(at, window);
        let mut edges = Vec::new();
        let played = |moment| playout.played_db(moment, window);
        ears.hear(at, &pcm, played, &mut edges);
        out.push(Output::Listen(Listen::Audio(pcm)));
        for edge in edges {
            self.edge(at, &edge, out);
        }
        self.check_barge_in(at, out);
    }

    fn edge(&mut self, at: Tick, edge: &Edge, out: &mut Vec<Output>) {
        if self.converses() {
            return self.agent_edge(at, edge, out);
        }
        let over_agent = self.phase.is_interruptible()
            && self.talk.as_ref().is_some_and(|talk| talk.playout.is_audible(at));
        out.push(Output::Event(edge.event(over_agent)));
        match *edge {
            Edge::Echo { .. } => {}
            Edge::Began { speech, length, .. } => {
                out.push(Output::Listen(Listen::Began(speech)));
                self.caller_began(at, (speech, at - length), out);
            }
            Edge::Ended { speech, length, last_voice } => {
                out.push(Output::Listen(Listen::Finish(speech)));
                self.caller_paused(at, speech, (length, last_voice), out);
            }
        }
    }

    fn caller_began(&mut self, at: Tick, (speech, began): (SpeechId, Tick), out: &mut Vec<Output>) {
        self.drop_guess(out);
        self.stop_filler(at, out);
        match &self.phase {
            // They had not finished: the question goes back into their mouth.
            Phase::Thinking(reply) if reply.purpose == Purpose::Answer && !reply.is_held() => {
                let pause = began.since(reply.clock.speech_ended);
                self.take_question_back(at, out);
                self.note_pause(pause);
            }
            // All was heard, only the marks are not back: the word is theirs.
            Phase::Greeting(_) | Phase::Speaking(_) => {
                let silent = self
                    .talk
                    .as_ref()
                    .is_some_and(|talk| talk.playout.is_all_sent() && !talk.playout.is_audible(at));
                if silent {
                    self.reply_heard(at, out);
                }
            }
            Phase::Listening(_) => {
                let last = self.talk.as_ref().and_then(|talk| talk.caller.as_ref());
                if let Some(last_voice) = last.filter(|last| !last.pressed).map(|last| last.last_voice) {
                    self.note_pause(began.since(last_voice));
                }
            }
            _ => {}
        }
        let Some(talk) = &mut self.talk else { return };
        let caller = talk.caller.get_or_insert_with(|| CallerTurn::new(began));
        caller.last_voice = caller.last_voice.max(at);
        caller.newest = caller.newest.max(speech);
        caller.sign = None;
        caller.partial.clear();
        if let Phase::Interrupted(_, interruption) = &mut self.phase {
            interruption.resume_due = None;
        }
    }

    /// The caller went on after a pause. One behind words that looked unfinished says nothing about the others.
    fn note_pause(&mut self, pause: Micros) {
        let Some(talk) = &mut self.talk else { return };
        let so_far = talk.caller.as_ref().map(CallerTurn::words_so_far);
        if so_far.is_some_and(|text| !text.is_empty() && !words::looks_unfinished(&text)) {
            talk.past.pauses.note(pause);
        }
    }

    fn caller_paused(
        &mut self,
        at: Tick,
        speech: SpeechId,
        (length, last_voice): (Micros, Tick),
        out: &mut Vec<Output>,
    ) {
        let due = at + ms(self.settings.limits.transcript_ms);
        let Some(talk) = &mut self.talk else { return };
        let Some(caller) = talk.caller.as_mut() else { return };
        caller.last_voice = caller.last_voice.max(last_voice);
        let awaited = Awaited { speech, length_ms: length.0 / 1000, due };
        if talk.deaf {
            caller.failed = true;
            self.words_came(at, &awaited, (TextOf::Stretch, ""), out);
        } else if caller.has_settled(speech, last_voice) {
            self.try_end_turn(at, out);
        } else {
            caller.awaited.push(awaited);
        }
    }

    /// Interrupts when the caller has spoken over the agent for long enough, or in enough words.
    pub(crate) fn check_barge_in(&mut self, at: Tick, out: &mut Vec<Output>) {
        let wanted = &self.settings.barge_in;
        if !wanted.enabled || !self.phase.is_interruptible() || self.detached.is_some() {
            return;
        }
        let Some(talk) = &self.talk else { return };
        let Some(Stretch { began, last_voice, .. }) = talk.ears.as_ref().and_then(Ears::stretch) else {
            return;
        };
        let is_protected = talk.playout.began().is_none_or(|began| at < began + ms(wanted.protect_ms));
        if is_protected || !talk.playout.is_audible(at) {
            return;
        }
        let partial = talk.caller.as_ref().map_or("", |caller| caller.partial.as_str());
        if words::is_back_channel(partial, &wanted.back_channel) {
            return;
        }
        let (length, count) = (last_voice.since(began), words::count(partial));
        if length >= ms(wanted.min_speech_ms) || (wanted.min_words > 0 && count >= wanted.min_words) {
            self.interrupt(at, length, count, out);
        }
    }

    pub(crate) fn interrupt(&mut self, at: Tick, length: Micros, words: usize, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let Some(talk) = &mut self.talk else { return };
        let played_db = talk.playout.played_db(at, ms(settings.barge_in.echo_window_ms));
        let level_db = talk.ears.as_ref().map_or(f32::NEG_INFINITY, |ears| ears.levels().level_db);
        talk.playout.hold(at);
        let ledger = talk.playout.ledger(at);
        let (Phase::Greeting(reply) | Phase::Speaking(reply)) =
            std::mem::replace(&mut self.phase, Phase::Ended)
        else {
            unreachable!("only an interruptible phase is interrupted");
        };
        out.push(Output::Carrier(ToCarrier::Clear));
        out.push(Output::Event(Event::Interrupted {
            turn: reply.turn,
            speech_ms: length.0 / 1000,
            wanted_ms: settings.barge_in.min_speech_ms,
            words,
            level_db,
            played_db,
            heard: ledger.heard,
            unheard: ledger.unheard,
        }));
        self.phase = Phase::Interrupted(reply, Interruption { at, resume_due: None });
    }

    /// The interruption was nothing: the agent goes on where it stopped.
    pub(crate) fn resume(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Phase::Interrupted(reply, interruption) = std::mem::replace(&mut self.phase, Phase::Ended) else {
            unreachable!("only an interruption is resumed from");
        };
        out.push(Output::Event(Event::Resumed {
            turn: reply.turn,
            after_ms: at.since(interruption.at).0 / 1000,
        }));
        if let Some(talk) = &mut self.talk {
            talk.caller = None;
            if self.detached.is_none() {
                talk.playout.release(at);
            }
        }
        self.phase =
            if reply.purpose == Purpose::Greeting { Phase::Greeting(reply) } else { Phase::Speaking(reply) };
        // A tool may have run meanwhile.
        self.advance(at, out);
    }

    /// The caller's turn is over: the model is asked, or was already.
    pub(crate) fn answer_caller(
        &mut self,
        text: &str,
        (turn, clock): (TurnId, ReplyClock),
        guess: Option<Box<Guess>>,
        out: &mut Vec<Output>,
    ) {
        let at = clock.asked;
        let settings = self.settings.clone();
        let Some(talk) = &mut self.talk else { return };
        talk.remember(Message::Caller(text.to_owned()), settings.limits.history_messages);
        if settings.agent != AgentKind::Assistant {
            self.phase = Phase::Listening(Listening { since: at, prompted: false });
            return;
        }
        talk.begin_answer();
        let asked = guess.as_ref().map_or(at, |guess| guess.asked);
        match &guess {
            Some(guess) => out.push(Output::Event(Event::Speculated { turn: guess.turn, kept: true })),
            None => out.push(Output::Think { turn, prompt: talk.prompt(&settings, &[]) }),
        }
        let mut reply = Reply::asked(turn, clock, &settings, talk.late.hurried);
        reply.model.ask(asked, at + ms(settings.limits.model_ms));
        self.phase = Phase::Thinking(Box::new(reply));
        for thought in guess.into_iter().flat_map(|guess| guess.thoughts) {
            self.thought(at, turn, thought, out);
        }
    }

    pub(crate) fn floor_deadlines(&self, talk: &Talk, at: &mut impl FnMut(Option<Tick>, Timer)) {
        let settings = &self.settings;
        if let Some(ears) = &talk.ears {
            at(ears.due(), Timer::SpeechEnd);
        }
        let awaited =
            talk.caller.iter().flat_map(|caller| caller.awaited.iter().map(|awaited| awaited.due)).min();
        at(awaited, Timer::Transcript);
        at(self.end_of_turn().map(|(due, _)| due), Timer::EndOfTurn);
        at(self.speculate_due(talk), Timer::Speculate);
        at(talk.keys.as_ref().map(|keys| keys.due), Timer::Digits);
        match &self.phase {
            Phase::Interrupted(_, interruption) => at(interruption.resume_due, Timer::Resume),
            Phase::Listening(listening)
                if settings.agent == AgentKind::Assistant
                    && talk.caller.is_none()
                    && !self.asks_consent() =>
            {
                let after = |length: u64| (length > 0).then(|| listening.since + ms(length));
                at(after(settings.idle.prompt_after_ms).filter(|_| !listening.prompted), Timer::IdlePrompt);
                at(after(settings.idle.hang_up_after_ms), Timer::IdleHangUp);
            }
            _ => {}
        }
    }

    pub(crate) fn floor_timer(&mut self, at: Tick, timer: Timer, out: &mut Vec<Output>) {
        match timer {
            Timer::SpeechEnd => {
                let ears = self.talk.as_mut().and_then(|talk| talk.ears.as_mut());
                if let Some(edge) = ears.and_then(|ears| ears.settle(at)) {
                    self.edge(at, &edge, out);
                }
            }
            Timer::Transcript => {
                let Some(caller) = self.talk.as_mut().and_then(|talk| talk.caller.as_mut()) else { return };
                if let Some(index) = caller.awaited.iter().position(|awaited| awaited.due <= at) {
                    let awaited = caller.awaited.remove(index);
                    caller.failed = true;
                    out.push(Output::Event(Event::TimedOut { timer }));
                    self.words_came(at, &awaited, (TextOf::Stretch, ""), out);
                }
            }
            Timer::Resume => self.resume(at, out),
            Timer::Speculate => self.speculate_timer(at, out),
            Timer::Digits => self.keys_timer(at, out),
            _ => self.try_end_turn(at, out),
        }
    }
}
