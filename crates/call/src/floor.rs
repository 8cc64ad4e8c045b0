//! Who has the word: the caller's stretches of speech become turns, and speech over the agent becomes an
//! interruption, a back-channel word or nothing. Each decision is an event with its numbers.

use audio::Pcm;

use crate::ears::{Ears, Edge, Stretch};
use crate::phase::{Interruption, Listening, Phase};
use crate::reply::{Purpose, Reply, ReplyClock};
use crate::settings::ms;
use crate::talk::{Awaited, CallerTurn, Talk};
use crate::{
    AgentKind, Call, EndOfTurnWhy, Event, Heard, Listen, Message, Micros, NotInterruptedWhy, Output, Prompt,
    SpeechId, Tick, Timer, ToCarrier, Turn, TurnId, VendorRole, words,
};

/// What stands in the conversation for speech of which no word was understood.
pub const UNCLEAR: &str = "(unclear)";

/// Tells how long it must be quiet before the caller's turn is taken as over.
pub trait EndDetector: Send + Sync {
    /// The silence wanted after `text`, the caller's words so far, and why.
    fn wanted(&self, text: &str, settings: &Turn) -> (Micros, EndOfTurnWhy);
}

/// Waits longer where the words look unfinished.
#[derive(Debug, Clone, Copy)]
pub struct SilenceDetector;

impl EndDetector for SilenceDetector {
    fn wanted(&self, text: &str, settings: &Turn) -> (Micros, EndOfTurnWhy) {
        if words::looks_unfinished(text) {
            (ms(settings.unfinished_silence_ms), EndOfTurnWhy::Unfinished)
        } else {
            (ms(settings.end_silence_ms), EndOfTurnWhy::Silence)
        }
    }
}

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
                self.caller_began(at, at - length, out);
            }
            Edge::Ended { speech, length, last_voice } => {
                out.push(Output::Listen(Listen::Finish(speech)));
                self.caller_paused(at, speech, (length, last_voice));
            }
        }
    }

    fn caller_began(&mut self, at: Tick, began: Tick, out: &mut Vec<Output>) {
        match &self.phase {
            // They had not finished: the question goes back into their mouth.
            Phase::Thinking(reply) if reply.purpose == Purpose::Answer => self.take_question_back(at, out),
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
            _ => {}
        }
        let Some(talk) = &mut self.talk else { return };
        let caller = talk.caller.get_or_insert_with(|| CallerTurn::new(began));
        caller.last_voice = caller.last_voice.max(at);
        caller.partial.clear();
        if let Phase::Interrupted(_, interruption) = &mut self.phase {
            interruption.resume_due = None;
        }
    }

    fn caller_paused(&mut self, at: Tick, speech: SpeechId, (length, last_voice): (Micros, Tick)) {
        let due = at + ms(self.settings.limits.transcript_ms);
        let Some(caller) = self.talk.as_mut().and_then(|talk| talk.caller.as_mut()) else { return };
        caller.last_voice = caller.last_voice.max(last_voice);
        caller.awaited.push(Awaited { speech, length_ms: length.0 / 1000, due });
    }

    /// The recogniser gave something.
    pub(crate) fn heard(&mut self, at: Tick, speech: SpeechId, what: Heard, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let open = talk.ears.as_ref().and_then(Ears::stretch).is_some_and(|open| open.speech == speech);
        let Some(caller) = &mut talk.caller else { return };
        let awaited = caller.awaited.iter().position(|awaited| awaited.speech == speech);
        match what {
            Heard::Partial(text) if open || awaited.is_some() => {
                if caller.partial != text {
                    caller.partial.clone_from(&text);
                    out.push(Output::Event(Event::Partial { text }));
                    self.check_barge_in(at, out);
                }
            }
            Heard::Final(text) => {
                if let Some(index) = awaited {
                    let awaited = caller.awaited.remove(index);
                    self.understood(at, awaited, text.trim(), out);
                }
            }
            Heard::Failed(why) => {
                if let Some(index) = awaited {
                    let awaited = caller.awaited.remove(index);
                    out.push(Output::Event(Event::VendorFailed { role: VendorRole::Recogniser, fault: why }));
                    self.understood(at, awaited, "", out);
                }
            }
            Heard::Partial(_)
            | Heard::Pause(_)
            | Heard::Likely(_)
            | Heard::GoesOn
            | Heard::TurnOver(_)
            | Heard::Lost(_) => {}
        }
    }

    /// The final text of a stretch is known; empty when there were no words in it.
    fn understood(&mut self, at: Tick, stretch: Awaited, text: &str, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let Some(talk) = &mut self.talk else { return };
        let Some(caller) = &mut talk.caller else { return };
        caller.partial.clear();
        let back_channel = words::is_back_channel(text, &settings.barge_in.back_channel);
        let audible = self.phase.is_interruptible() && talk.playout.is_audible(at);
        let interrupted = matches!(self.phase, Phase::Interrupted(..));
        let says_something = !text.is_empty() && !(back_channel && (audible || interrupted));
        if says_something {
            caller.texts.push(text.to_owned());
        } else if !audible && !interrupted {
            caller.unclear |= stretch.length_ms >= settings.turn.unclear_ms;
        }
        if audible {
            let why = if !settings.barge_in.enabled {
                Some(NotInterruptedWhy::Disabled)
            } else if back_channel {
                Some(NotInterruptedWhy::BackChannel)
            } else {
                text.is_empty().then_some(NotInterruptedWhy::Short)
            };
            if let Some(why) = why {
                caller.texts.clear();
                let (speech_ms, text) = (stretch.length_ms, text.to_owned());
                out.push(Output::Event(Event::NotInterrupted { why, speech_ms, text }));
            } else {
                self.interrupt(at, Micros::from_ms(stretch.length_ms), words::count(text), out);
            }
        } else if interrupted && back_channel {
            let (speech_ms, text) = (stretch.length_ms, text.to_owned());
            out.push(Output::Event(Event::NotInterrupted {
                why: NotInterruptedWhy::BackChannel,
                speech_ms,
                text,
            }));
            if self.caller_is_done() {
                self.resume(at, out);
            }
        }
        self.try_end_turn(at, out);
    }

    /// Whether nobody speaks and nothing more is awaited.
    fn caller_is_done(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| {
            talk.ears.as_ref().is_none_or(|ears| ears.stretch().is_none())
                && talk
                    .caller
                    .as_ref()
                    .is_none_or(|caller| caller.awaited.is_empty() && caller.texts.is_empty())
        })
    }

    /// Interrupts when the caller has spoken over the agent for long enough, or in enough words.
    fn check_barge_in(&mut self, at: Tick, out: &mut Vec<Output>) {
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

    fn interrupt(&mut self, at: Tick, length: Micros, words: usize, out: &mut Vec<Output>) {
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
    fn resume(&mut self, at: Tick, out: &mut Vec<Output>) {
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
    }

    /// Ends the caller's turn if they have finished.
    fn try_end_turn(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some((due, why)) = self.end_of_turn() else { return };
        if at < due {
            return;
        }
        let Some(talk) = &mut self.talk else { return };
        let Some(caller) = talk.caller.take() else { return };
        let listening = matches!(self.phase, Phase::Listening(_));
        let text = match caller.text() {
            empty if empty.is_empty() && caller.unclear && listening => UNCLEAR.to_owned(),
            text => text,
        };
        if text.is_empty() {
            self.nothing_said(&caller, out);
            return;
        }
        let turn = talk.new_turn();
        if matches!(self.phase, Phase::Interrupted(..)) {
            self.drop_reply(at, out);
        }
        let wanted = due.since(caller.last_voice);
        out.push(Output::Event(Event::TurnEnded {
            turn,
            silence_ms: at.since(caller.last_voice).0 / 1000,
            wanted_ms: wanted.0 / 1000,
            why,
        }));
        out.push(Output::Event(Event::CallerSaid { turn, at_ms: caller.began.0 / 1000, text: text.clone() }));
        let clock =
            ReplyClock { speech_ended: caller.last_voice, endpoint: due, asked: at, ..ReplyClock::default() };
        self.answer_caller(turn, &text, clock, out);
    }

    fn answer_caller(&mut self, turn: TurnId, text: &str, clock: ReplyClock, out: &mut Vec<Output>) {
        let at = clock.asked;
        let settings = self.settings.clone();
        let Some(talk) = &mut self.talk else { return };
        talk.remember(Message::Caller(text.to_owned()), settings.limits.history_messages);
        if settings.agent != AgentKind::Assistant {
            self.phase = Phase::Listening(Listening { since: at, prompted: false });
            return;
        }
        let prompt = Prompt {
            system: settings.prompt.clone(),
            messages: talk.history.clone(),
            tools: settings.tools.declared.clone(),
        };
        talk.playout.begin();
        out.push(Output::Think { turn, prompt });
        let reply = Reply::asked(turn, clock, at + ms(settings.limits.model_ms));
        self.phase = Phase::Thinking(Box::new(reply));
    }

    fn nothing_said(&mut self, caller: &CallerTurn, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::NothingSaid {
            spoke_ms: caller.last_voice.since(caller.began).0 / 1000,
        }));
        if let Phase::Interrupted(_, interruption) = &mut self.phase {
            interruption.resume_due = Some(caller.last_voice + ms(self.settings.barge_in.resume_ms));
        }
    }

    /// When the caller's turn ends if they say nothing more, and why; `None` while they speak, while a text is
    /// awaited, or while the agent has the word.
    fn end_of_turn(&self) -> Option<(Tick, EndOfTurnWhy)> {
        let talk = self.talk.as_ref()?;
        let caller = talk.caller.as_ref().filter(|caller| caller.awaited.is_empty())?;
        let speaking = talk.ears.as_ref().is_some_and(|ears| ears.stretch().is_some());
        let theirs = matches!(self.phase, Phase::Listening(_) | Phase::Interrupted(..))
            || (self.phase.is_interruptible() && caller.texts.is_empty());
        if speaking || !theirs {
            return None;
        }
        let (wanted, why) = self.detector.wanted(&caller.text(), &self.settings.turn);
        Some((caller.last_voice + wanted, why))
    }

    /// Before anything of the answer was heard the caller went on: what they had said is said with the rest.
    fn take_question_back(&mut self, at: Tick, out: &mut Vec<Output>) {
        self.drop_reply(at, out);
        self.phase = Phase::Listening(Listening { since: at, prompted: false });
        let Some(talk) = &mut self.talk else { return };
        if let Some(Message::Caller(asked)) = talk.history.pop_if(|last| matches!(last, Message::Caller(_))) {
            let asked = Some(asked).filter(|text| text != UNCLEAR);
            let mut caller = CallerTurn::new(at);
            caller.texts.extend(asked);
            talk.caller = Some(caller);
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
        match &self.phase {
            Phase::Interrupted(_, interruption) => at(interruption.resume_due, Timer::Resume),
            Phase::Listening(listening)
                if settings.agent == AgentKind::Assistant && talk.caller.is_none() =>
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
                    out.push(Output::Event(Event::TimedOut { timer }));
                    self.understood(at, awaited, "", out);
                }
            }
            Timer::Resume => self.resume(at, out),
            _ => self.try_end_turn(at, out),
        }
    }
}
