//! The agent's side: words become sentences, sentences become audio, audio goes out paced, and what was heard
//! of it becomes history.

use audio::{Pcm, tone};
use records::EndReason;

use crate::line::TONE_DB;
use crate::phase::{Listening, Phase};
use crate::reply::{Purpose, Reply};
use crate::settings::ms;
use crate::talk::Talk;
use crate::{
    Call, END_CALL, Event, Fault, FaultClass, GreetingFallback, Message, Micros, Output, Say, Thought, Tick,
    Timer, TurnId, UtteranceId, VendorRole, Voiced,
};

/// The mark behind the greeting.
pub(crate) const GREETING_DONE: &str = "greeting_done";
/// How many utterances the voice is asked for at once: the one that is spoken and the next.
const ASKED_AHEAD: usize = 2;
/// No further utterance is asked for while this much audio waits to be sent.
const AUDIO_AHEAD: Micros = Micros::from_ms(5_000);
/// No utterance may bring more than this: a voice that never stops must not fill the memory.
pub(crate) const AUDIO_LIMIT: Micros = Micros::from_ms(120_000);
/// No answer is longer than this many bytes, some ten minutes of speech: a model that never stops must not fill
/// the memory.
pub(crate) const LONGEST_REPLY: usize = 10_000;
/// What stands in for a reply that could not be spoken at all.
const FAILURE_TONE_HZ: f32 = 440.0;
const FAILURE_TONE_MS: u32 = 300;

impl Call {
    /// Begins a reply whose words are known.
    pub(crate) fn begin_reply(&mut self, at: Tick, reply: Reply, out: &mut Vec<Output>) {
        if self.converses() {
            return self.agent_says(at, reply, out);
        }
        let Some(talk) = &mut self.talk else { return };
        talk.playout.begin();
        let reply = Box::new(reply);
        self.phase = match (reply.purpose, reply.then_end) {
            (Purpose::Greeting, _) => Phase::Greeting(reply),
            (Purpose::Goodbye, Some(EndReason::MaxDuration)) => Phase::Closing(reply),
            _ => Phase::Speaking(reply),
        };
        if let Some(reply) = self.phase.reply() {
            reply.clock.asked = at;
        }
        self.ask_voice(at, out);
    }

    /// The model gave something.
    pub(crate) fn thought(&mut self, at: Tick, turn: TurnId, what: Thought, out: &mut Vec<Output>) {
        let limits = &self.settings.limits;
        let (model_ms, apology) = (limits.model_ms, self.settings.apology.as_str());
        let Some(reply) = self.phase.reply().filter(|reply| reply.turn == Some(turn) && reply.writing) else {
            return;
        };
        reply.model_due = Some(at + ms(model_ms));
        match what {
            Thought::Delta(text) => {
                reply.clock.first_word.get_or_insert(at);
                reply.written += text.len();
                let waiting = &mut reply.waiting;
                reply.sentences.push(&text, |sentence| waiting.push_back(sentence));
            }
            Thought::Tool(call) => {
                if call.name == END_CALL {
                    reply.then_end = Some(EndReason::AgentEnded);
                }
            }
            Thought::Used(_) => {}
            Thought::Done => finish_writing(reply),
            Thought::Failed(why) => {
                finish_writing(reply);
                if reply.clock.first_word.is_none() && !apology.is_empty() {
                    reply.waiting.push_back(apology.to_owned());
                }
                out.push(Output::Event(Event::VendorFailed { role: VendorRole::Model, fault: why }));
            }
        }
        if reply.writing && reply.written > LONGEST_REPLY {
            finish_writing(reply);
            out.push(Output::StopThinking(turn));
            let why = format!("it wrote more than {LONGEST_REPLY} bytes in one answer");
            let fault = Fault::new(FaultClass::Garbage, why);
            out.push(Output::Event(Event::VendorFailed { role: VendorRole::Model, fault }));
        }
        if !reply.waiting.is_empty() {
            reply.clock.first_word.get_or_insert(at);
            reply.clock.first_sentence.get_or_insert(at);
        }
        self.ask_voice(at, out);
    }

    /// Asks the voice for the next sentences, and notices when there is nothing more to say.
    fn ask_voice(&mut self, at: Tick, out: &mut Vec<Output>) {
        let voice_ms = self.settings.limits.voice_ms;
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply() else { return };
        while reply.asked.len() < ASKED_AHEAD && talk.playout.unsent() < AUDIO_AHEAD {
            let Some(text) = reply.waiting.pop_front() else { break };
            let utterance = talk.new_utterance();
            let is_last_of_greeting = reply.purpose == Purpose::Greeting && reply.waiting.is_empty();
            let mark =
                if is_last_of_greeting { GREETING_DONE.to_owned() } else { format!("u{}", utterance.0) };
            talk.playout.expect(utterance, text.clone(), mark);
            reply.asked.push_back(utterance);
            if reply.purpose != Purpose::Greeting {
                reply.voice_due.get_or_insert(at + ms(voice_ms));
            }
            out.push(Output::Voice { utterance, say: Say::Text(text) });
        }
        if !reply.writing && reply.waiting.is_empty() && reply.asked.is_empty() {
            talk.playout.complete();
        }
        self.pump(at, out);
        // The marks may have come back before it was known that nothing follows, or there was nothing to say.
        if self.talk.as_ref().is_some_and(|talk| talk.playout.is_all_marked()) {
            self.reply_heard(at, out);
        }
    }

    /// The voice gave something.
    pub(crate) fn voiced(&mut self, at: Tick, utterance: UtteranceId, what: Voiced, out: &mut Vec<Output>) {
        let voice_ms = self.settings.limits.voice_ms;
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply().filter(|reply| reply.asked.contains(&utterance)) else { return };
        match what {
            Voiced::Audio { rate, pcm } => {
                if talk.playout.unsent() < AUDIO_LIMIT {
                    talk.playout.audio(utterance, rate, pcm);
                }
                reply.clock.first_audio.get_or_insert(at);
                reply.voice_due = reply.voice_due.map(|_| at + ms(voice_ms));
                self.start_speaking();
                self.pump(at, out);
            }
            Voiced::Done if talk.playout.has_audio(utterance) => self.utterance_over(at, utterance, out),
            // Silence is no speech: a voice that gives none has failed.
            Voiced::Done => {
                let fault = Fault::new(FaultClass::Garbage, "the voice gave no audio");
                self.voice_failed(at, utterance, fault, out);
            }
            Voiced::Failed(fault) => self.voice_failed(at, utterance, fault, out),
        }
    }

    /// An utterance will bring no more audio.
    fn utterance_over(&mut self, at: Tick, utterance: UtteranceId, out: &mut Vec<Output>) {
        let voice_ms = self.settings.limits.voice_ms;
        let Some(talk) = &mut self.talk else { return };
        talk.playout.done(utterance);
        if let Some(reply) = self.phase.reply() {
            reply.asked.retain(|asked| *asked != utterance);
            reply.voice_due = reply.asked.front().and(reply.voice_due).map(|_| at + ms(voice_ms));
        }
        self.ask_voice(at, out);
    }

    fn voice_failed(&mut self, at: Tick, utterance: UtteranceId, fault: Fault, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let rate = self.rate;
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply() else { return };
        let filler_id = talk.new_utterance();
        let why = fault.why.clone();
        out.push(Output::Event(Event::VendorFailed { role: VendorRole::Voice, fault }));
        out.push(Output::StopVoice(utterance));
        if reply.purpose == Purpose::Greeting {
            for other in reply.asked.drain(..).filter(|other| *other != utterance) {
                out.push(Output::StopVoice(other));
            }
            reply.waiting.clear();
            // What was made of it is spoken to its end; else the fallback takes its place.
            let was_heard = talk.playout.has_any_audio();
            let filler = match settings.greeting_fallback {
                _ if was_heard => Pcm::silence(rate.samples(20_000)),
                GreetingFallback::Silence | GreetingFallback::Recorded => Pcm::silence(rate.hz() as usize),
                GreetingFallback::Tone => tone(rate, FAILURE_TONE_HZ, FAILURE_TONE_MS, TONE_DB),
            };
            talk.playout.stand_in(filler_id, filler, GREETING_DONE);
            out.push(Output::Event(Event::GreetingFailed { why }));
        } else if !talk.playout.has_any_audio()
            && !reply.writing
            && reply.waiting.is_empty()
            && reply.asked.len() == 1
        {
            // Not a word of the reply could be spoken: the caller hears at least that something happened.
            let filler = tone(rate, FAILURE_TONE_HZ, FAILURE_TONE_MS, TONE_DB);
            talk.playout.stand_in(filler_id, filler, "failed");
        }
        self.start_speaking();
        self.utterance_over(at, utterance, out);
    }

    /// There is something to hear of the answer.
    pub(crate) fn start_speaking(&mut self) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Thinking(reply) => Phase::Speaking(reply),
            other => other,
        };
    }

    /// Sends what is due, and reports a turn's latency with its first audio.
    pub(crate) fn pump(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(talk) = self.talk.as_mut().filter(|_| self.detached.is_none()) else { return };
        let before = talk.playout.head();
        if let Some(gap) = talk.playout.pump(at, out) {
            out.push(Output::Event(Event::Underrun {
                utterance: gap.utterance,
                gap_ms: gap.length.0 / 1000,
            }));
        }
        if talk.playout.head() == before {
            return;
        }
        self.first_audio_due = None;
        let room = talk.playout.unsent() < AUDIO_AHEAD;
        let Some(reply) = self.phase.reply() else { return };
        if let Some(turn) = reply.turn.filter(|_| !reply.clock.reported) {
            reply.clock.reported = true;
            out.push(Output::Event(Event::Latency { turn, parts: reply.clock.parts(at) }));
        }
        if room && !reply.waiting.is_empty() && reply.asked.len() < ASKED_AHEAD {
            self.ask_voice(at, out);
        }
    }

    /// The whole reply was heard, by its marks or by the clock.
    pub(crate) fn reply_heard(&mut self, at: Tick, out: &mut Vec<Output>) {
        let (purpose, then_end) = match self.phase.reply() {
            Some(reply) => (reply.purpose, reply.then_end),
            None => return,
        };
        self.drop_reply(at, out);
        match (then_end, purpose) {
            (Some(reason), _) => self.close(at, reason, out),
            (None, Purpose::IdlePrompt { since }) => {
                self.phase = Phase::Listening(Listening { since, prompted: true });
            }
            (None, _) => {}
        }
    }

    /// Ends the reply under way where it is: what was heard of it enters the history, the rest is withdrawn.
    /// The call listens afterwards. Returns whether there was one.
    pub(crate) fn drop_reply(&mut self, at: Tick, out: &mut Vec<Output>) -> bool {
        let most = self.settings.limits.history_messages;
        let Some(reply) = self.phase.reply() else { return false };
        if let Some(turn) = reply.turn.filter(|_| reply.writing) {
            out.push(Output::StopThinking(turn));
        }
        out.extend(reply.asked.drain(..).map(Output::StopVoice));
        let (turn, unasked) = (reply.turn, reply.unasked());
        self.withdraw_items(at, out);
        self.phase = Phase::Listening(Listening { since: at, prompted: false });
        let Some(talk) = self.talk.as_deref_mut() else { return true };
        let mut ledger = talk.playout.ledger(at);
        let began = talk.playout.began();
        talk.playout.begin();
        talk.playout.complete();
        if let Some(began) = began {
            if !unasked.is_empty() {
                ledger.unheard = format!("{} {unasked}", ledger.unheard).trim_start().to_owned();
            }
            if !ledger.heard.is_empty() {
                talk.remember(Message::agent(&ledger.heard), most);
            }
            let evidence = ledger.evidence();
            let (heard, unheard) = (ledger.heard, ledger.unheard);
            out.push(Output::Event(Event::AgentSaid {
                turn,
                at_ms: began.0 / 1000,
                heard,
                unheard,
                evidence,
            }));
        }
        true
    }

    pub(crate) fn reply_deadlines(&self, talk: &Talk, at: &mut impl FnMut(Option<Tick>, Timer)) {
        let limits = &self.settings.limits;
        let (Phase::Greeting(reply)
        | Phase::Thinking(reply)
        | Phase::Speaking(reply)
        | Phase::Closing(reply)) = &self.phase
        else {
            return;
        };
        if reply.purpose == Purpose::Greeting && !reply.asked.is_empty() {
            if reply.clock.first_audio.is_none() {
                at(Some(reply.clock.asked + ms(limits.greeting_synthesis_ms)), Timer::GreetingSynthesis);
            }
            at(Some(reply.clock.asked + ms(limits.greeting_ready_ms)), Timer::GreetingReady);
        }
        at(reply.model_due.filter(|_| reply.writing), Timer::Model);
        at(reply.voice_due.filter(|_| !reply.asked.is_empty()), Timer::Voice);
        if talk.playout.is_all_sent() && talk.playout.began().is_some() {
            at(Some(talk.playout.head() + ms(limits.mark_ms)), Timer::Mark);
        }
    }

    pub(crate) fn reply_timer(&mut self, at: Tick, timer: Timer, out: &mut Vec<Output>) {
        let Some(reply) = self.phase.reply() else { return };
        let (turn, first) = (reply.turn, reply.asked.front().copied());
        if timer != Timer::Mark {
            out.push(Output::Event(Event::TimedOut { timer }));
        }
        match (timer, turn, first) {
            (Timer::Mark, ..) => self.reply_heard(at, out),
            (Timer::Model, Some(turn), _) => {
                out.push(Output::StopThinking(turn));
                self.thought(at, turn, Thought::Failed(Fault::slow()), out);
            }
            (_, _, Some(utterance)) => self.voice_failed(at, utterance, Fault::slow(), out),
            _ => {}
        }
    }

    pub(crate) fn idle_timer(&mut self, at: Tick, timer: Timer, out: &mut Vec<Output>) {
        let Phase::Listening(listening) = &mut self.phase else { return };
        let since = listening.since;
        listening.prompted = true;
        if timer == Timer::IdlePrompt {
            out.push(Output::Event(Event::IdlePrompted));
            let reply = Reply::of(Purpose::IdlePrompt { since }, &self.settings.idle.prompt, None);
            if !reply.waiting.is_empty() {
                self.begin_reply(at, reply, out);
            }
            return;
        }
        out.push(Output::Event(Event::TimedOut { timer }));
        out.push(Output::Event(Event::Closing { reason: EndReason::IdleTimeout }));
        let reply = Reply::of(Purpose::Goodbye, &self.settings.idle.goodbye, Some(EndReason::IdleTimeout));
        if reply.waiting.is_empty() {
            self.close(at, EndReason::IdleTimeout, out);
        } else {
            self.begin_reply(at, reply, out);
        }
    }
}

fn finish_writing(reply: &mut Reply) {
    reply.writing = false;
    reply.model_due = None;
    let waiting = &mut reply.waiting;
    reply.sentences.finish(|sentence| waiting.push_back(sentence));
}
