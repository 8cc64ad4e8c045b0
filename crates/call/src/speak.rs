//! The agent's side: words become sentences, sentences become audio, audio goes out paced, and what was heard
//! of it becomes history.

use audio::{Pcm, SampleRate, dtmf};
use records::EndReason;

use crate::phase::Phase;
use crate::reply::{Part, Purpose, Reply};
use crate::settings::ms;
use crate::talk::Talk;
use crate::{
    Call, Event, Fault, FaultClass, Micros, Output, Say, Thought, Tick, Timer, TurnId, UtteranceId,
    VendorRole, Voiced,
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
/// How long a key sounds that is pressed on the line, and the gap behind it.
const KEY_MS: u32 = 100;

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
        if self.guess_thought(turn, &what, out) {
            return;
        }
        let settings = self.settings.clone();
        let of_turn = |reply: &&mut Reply| reply.turn == Some(turn) && reply.model.writing;
        let Some(reply) = self.phase.reply().filter(of_turn) else { return };
        reply.model.due = Some(at + ms(settings.limits.model_ms));
        reply.model.began = true;
        match what {
            Thought::Delta(text) => {
                reply.clock.first_word.get_or_insert(at);
                reply.model.written += text.len();
                reply.write(&text);
            }
            Thought::Tool(call) => self.tool_asked(at, turn, call, out),
            Thought::Used(_) => {}
            Thought::Done => {
                finish_writing(at, reply);
                let wants_more = !reply.steps.runs().is_empty();
                if reply.steps.index() > 0 && !wants_more && reply.clock.first_word.is_none() {
                    // Tools and not a word: the caller must not be left in silence.
                    self.apologise(out);
                }
            }
            Thought::Failed(fault) => {
                finish_writing(at, reply);
                let silent = reply.clock.first_word.is_none();
                out.push(Output::Event(Event::VendorFailed { role: VendorRole::Model, fault }));
                if silent {
                    self.apologise(out);
                }
            }
        }
        let Some(reply) = self.phase.reply() else { return };
        if reply.model.writing && reply.model.written > LONGEST_REPLY {
            finish_writing(at, reply);
            out.push(Output::StopThinking(turn));
            let why = format!("it wrote more than {LONGEST_REPLY} bytes in one answer");
            let fault = Fault::new(FaultClass::Garbage, why);
            out.push(Output::Event(Event::VendorFailed { role: VendorRole::Model, fault }));
        }
        if !reply.waiting.is_empty() {
            reply.clock.first_word.get_or_insert(at);
            reply.clock.first_sentence.get_or_insert(at);
        }
        self.advance(at, out);
    }

    /// Asks the voice for the next sentences, and notices when there is nothing more to say.
    pub(crate) fn ask_voice(&mut self, at: Tick, out: &mut Vec<Output>) {
        let voice_ms = self.settings.limits.voice_ms;
        let rate = self.rate;
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply() else { return };
        let mut sounds = false;
        while reply.asked.len() < ASKED_AHEAD && talk.playout.unsent() < AUDIO_AHEAD {
            let Some(part) = reply.waiting.pop_front() else { break };
            let utterance = talk.new_utterance();
            let is_last_of_greeting = reply.purpose == Purpose::Greeting && reply.waiting.is_empty();
            let mark =
                if is_last_of_greeting { GREETING_DONE.to_owned() } else { format!("u{}", utterance.0) };
            match part {
                Part::Words { text, step } => {
                    talk.playout.expect(utterance, text.clone(), mark);
                    reply.asked.push_back(utterance);
                    reply.steps.speaks(utterance, step);
                    reply.clock.voice_asked.get_or_insert(at);
                    if reply.purpose != Purpose::Greeting {
                        reply.voice_due.get_or_insert(at + ms(voice_ms));
                    }
                    out.push(Output::Voice { utterance, say: Say::Text(text) });
                }
                Part::Tones(digits) => {
                    talk.playout.expect(utterance, String::new(), mark);
                    talk.playout.audio(utterance, rate, tones(rate, &digits));
                    talk.playout.done(utterance);
                    reply.clock.first_audio.get_or_insert(at);
                    sounds = true;
                }
            }
        }
        if !reply.model.writing && reply.waiting.is_empty() && reply.asked.is_empty() && !reply.runs_tools() {
            talk.playout.complete();
        }
        if sounds {
            self.make_way(out);
            self.start_speaking();
        }
        self.pump(at, out);
        // The marks may have come back before it was known that nothing follows, or there was nothing to say.
        let is_held = matches!(self.phase, Phase::Interrupted(..));
        if !is_held && self.talk.as_ref().is_some_and(|talk| talk.playout.is_all_marked()) {
            self.reply_heard(at, out);
        }
    }

    /// The voice gave something.
    pub(crate) fn voiced(&mut self, at: Tick, utterance: UtteranceId, what: Voiced, out: &mut Vec<Output>) {
        if self.filler_voiced(at, utterance, &what, out) {
            return;
        }
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
                if !reply.clock.reported {
                    self.make_way(out);
                }
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
    pub(crate) fn utterance_over(&mut self, at: Tick, utterance: UtteranceId, out: &mut Vec<Output>) {
        let voice_ms = self.settings.limits.voice_ms;
        let Some(talk) = &mut self.talk else { return };
        talk.playout.done(utterance);
        if let Some(reply) = self.phase.reply() {
            reply.asked.retain(|asked| *asked != utterance);
            reply.voice_due = reply.asked.front().and(reply.voice_due).map(|_| at + ms(voice_ms));
        }
        self.ask_voice(at, out);
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
        let (answers, fills) = (talk.playout.began().is_some(), talk.playout.filled().is_some());
        if fills {
            talk.late.sent.get_or_insert(at);
        }
        let filler = talk.late.sent;
        let Some(reply) = self.phase.reply() else { return };
        if let Some(turn) = reply.turn.filter(|_| answers && !reply.clock.reported) {
            (reply.clock.reported, reply.clock.filler) = (true, filler);
            let parts = reply.clock.parts(at);
            out.push(Output::Event(Event::Latency { turn, parts }));
            self.judge_latency(Micros(parts.total_us));
        }
        let Some(reply) = self.phase.reply() else { return };
        if room && !reply.waiting.is_empty() && reply.asked.len() < ASKED_AHEAD {
            self.ask_voice(at, out);
        }
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
        at(reply.model.due.filter(|_| reply.model.writing), Timer::Model);
        at(reply.voice_due.filter(|_| !reply.asked.is_empty()), Timer::Voice);
        if talk.playout.is_all_sent() && talk.playout.has_sent() {
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

fn finish_writing(at: Tick, reply: &mut Reply) {
    (reply.model.writing, reply.model.done, reply.model.due) = (false, at, None);
    reply.flush();
}

/// The tones of these keys, one after the other.
fn tones(rate: SampleRate, digits: &str) -> Pcm {
    let gap = Pcm::silence(rate.samples(u64::from(KEY_MS) * 1_000));
    let mut samples = Vec::new();
    for key in digits.chars().filter_map(|digit| dtmf(rate, digit, KEY_MS)) {
        samples.extend_from_slice(&key);
        samples.extend_from_slice(&gap);
    }
    samples.into()
}
