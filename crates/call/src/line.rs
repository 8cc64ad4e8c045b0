//! The carrier's side of a call: it starts once, however oddly; it may break and be taken over; it ends once.

use audio::{Pcm, tone};
use records::EndReason;

use crate::phase::{Listening, Opening, Phase};
use crate::reply::{Purpose, Reply};
use crate::settings::ms;
use crate::talk::Talk;
use crate::{AgentKind, Call, CarrierEvent, Converse, Event, Listen, Output, Tick, Timer, ToCarrier};

/// The beep of the beep agent.
const BEEP_HZ: f32 = 440.0;
const BEEP_MS: u32 = 500;
/// Its level, in dB below full scale: loud enough to be sure of, not to hurt.
pub(crate) const TONE_DB: f32 = -15.0;

impl Call {
    pub(crate) fn carrier(&mut self, at: Tick, event: CarrierEvent, out: &mut Vec<Output>) {
        match event {
            CarrierEvent::Connected => {
                if let Phase::Opening(opening) = &mut self.phase {
                    opening.first_sign.get_or_insert(at);
                }
            }
            CarrierEvent::Start(start) => {
                if matches!(self.phase, Phase::Opening(_)) {
                    if self.rate != start.rate {
                        // It was read at another rate than it has.
                        self.phase.take_early();
                    }
                    self.rate = start.rate;
                    self.bring(&start.custom);
                    self.answer(at, false, out);
                    if let (Some(talk), Some(least)) = (&mut self.talk, start.least_chunk) {
                        talk.playout.take_less(least);
                    }
                } else {
                    out.push(Output::Event(Event::Ignored { what: "a second start".to_owned() }));
                }
            }
            CarrierEvent::Audio(pcm) => self.audio(at, pcm, out),
            CarrierEvent::Dtmf { digit } => self.key(at, digit, out),
            CarrierEvent::Mark { name } => self.mark(at, &name, out),
            CarrierEvent::Clear => self.cleared(at, out),
            CarrierEvent::Stop { reason, word } => self.end(at, reason, &word, out),
        }
    }

    fn audio(&mut self, at: Tick, pcm: Pcm, out: &mut Vec<Output>) {
        match &mut self.phase {
            Phase::Echo => {
                if self.detached.is_none() {
                    out.push(Output::Carrier(ToCarrier::Media { pcm, plays_at: at }));
                }
            }
            Phase::Opening(opening) => {
                opening.first_sign.get_or_insert(at);
                opening.keep(pcm, self.rate);
            }
            Phase::Deaf | Phase::Ended => {}
            _ => self.hear(at, pcm, out),
        }
    }

    /// The stream starts. Whatever comes later, this can't happen again: it consumes the opening phase.
    pub(crate) fn answer(&mut self, at: Tick, lazily: bool, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::Answered { lazily }));
        let (settings, early) = (self.settings.clone(), self.phase.take_early());
        match settings.agent {
            AgentKind::Silent => {
                self.phase = Phase::Deaf;
                self.meet_machine(at, out);
            }
            AgentKind::Echo => {
                self.phase = Phase::Echo;
                self.meet_machine(at, out);
            }
            AgentKind::Beep => {
                let mut talk = Box::new(Talk::new(self.rate, &settings));
                let utterance = talk.new_utterance();
                talk.playout.begin();
                talk.playout.expect(utterance, String::new(), "beep_done".to_owned());
                talk.playout.audio(utterance, self.rate, tone(self.rate, BEEP_HZ, BEEP_MS, TONE_DB));
                talk.playout.done(utterance);
                talk.playout.complete();
                self.talk = Some(talk);
                self.phase = Phase::Deaf;
            }
            AgentKind::Greeting | AgentKind::Assistant => {
                self.talk = Some(Box::new(Talk::new(self.rate, &settings)));
                self.first_audio_due = Some(at + ms(settings.limits.first_audio_ms));
                let converses = self.converses();
                // What was said before the start is for whoever listens; turns are taken from here on.
                out.extend(early.into_iter().map(|pcm| match converses {
                    true => Output::Converse(Converse::Audio(pcm)),
                    false => Output::Listen(Listen::Audio(pcm)),
                }));
                if !self.meet_machine(at, out) {
                    self.open(at, out);
                }
            }
        }
    }

    pub(crate) fn greet(&mut self, at: Tick, out: &mut Vec<Output>) {
        let reply = Reply::of(Purpose::Greeting, &self.settings.greeting, None);
        if reply.waiting.is_empty() {
            self.phase = Phase::Listening(Listening { since: at, prompted: false });
            return;
        }
        out.push(Output::Event(Event::Greeting));
        self.begin_reply(at, reply, out);
    }

    fn mark(&mut self, at: Tick, name: &str, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let Some(marked) = talk.playout.mark(at, name) else { return };
        let all = talk.playout.is_all_marked();
        if let Some(reply) = self.phase.reply().filter(|reply| reply.clock.reported && !marked.filler)
            && let Some(turn) = reply.turn.filter(|_| !reply.clock.carrier_known)
        {
            reply.clock.carrier_known = true;
            out.push(Output::Event(Event::CarrierDelay { turn, carrier_us: marked.late.0 }));
        }
        if all {
            self.reply_heard(at, out);
        }
    }

    /// The carrier wants queued audio dropped. What it holds itself is its own affair.
    fn cleared(&mut self, at: Tick, out: &mut Vec<Output>) {
        if self.phase.is_interruptible() {
            self.drop_reply(at, out);
            self.phase = Phase::Listening(Listening { since: at, prompted: false });
        }
    }

    pub(crate) fn send_first_silence(&mut self, at: Tick, out: &mut Vec<Output>) {
        self.first_audio_due = None;
        if let Some(talk) = self.talk.as_mut().filter(|_| self.detached.is_none()) {
            out.push(Output::Event(Event::FirstAudioInsurance));
            talk.playout.send_silence(at, out);
        }
    }

    pub(crate) fn detached(&mut self, at: Tick, clean: bool, out: &mut Vec<Output>) {
        if clean {
            self.end(at, EndReason::CarrierClosed, "", out);
        } else if self.detached.is_none() {
            self.detached = Some(at);
            out.push(Output::Event(Event::Detached));
            if let Some(talk) = &mut self.talk {
                talk.playout.lose(at);
            }
        }
    }

    pub(crate) fn reattached(&mut self, at: Tick, out: &mut Vec<Output>) {
        self.detached = None;
        if matches!(self.phase, Phase::Opening(_)) {
            self.phase = Phase::Opening(Opening::default());
            return;
        }
        let mut resent_ms = 0;
        if let Some(talk) = &mut self.talk {
            // What the old stream had queued is lost with it.
            talk.playout.lose(at);
            if !matches!(self.phase, Phase::Interrupted(..)) {
                resent_ms = talk.playout.release(at).0 / 1000;
            }
        }
        out.push(Output::Event(Event::Reattached { resent_ms }));
    }

    /// The longest call is over: whoever speaks is cut off with a goodbye.
    pub(crate) fn reach_longest(&mut self, at: Tick, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::TimedOut { timer: Timer::MaxDuration }));
        self.say_goodbye(at, EndReason::MaxDuration, out);
    }

    /// Cuts off whatever is being said, says goodbye and closes.
    fn say_goodbye(&mut self, at: Tick, reason: EndReason, out: &mut Vec<Output>) {
        let goodbye = Reply::of(Purpose::Goodbye, &self.settings.idle.goodbye, Some(reason));
        if self.talk.is_none() || self.settings.agent == AgentKind::Beep || goodbye.waiting.is_empty() {
            self.close(at, reason, out);
            return;
        }
        if self.drop_reply(at, out) && self.detached.is_none() {
            out.push(Output::Carrier(ToCarrier::Clear));
        }
        out.push(Output::Event(Event::Closing { reason }));
        self.begin_reply(at, goodbye, out);
    }

    /// Closes the socket: the carrier's flow goes on to its next step.
    pub(crate) fn close(&mut self, at: Tick, reason: EndReason, out: &mut Vec<Output>) {
        if self.detached.is_none() {
            out.push(Output::Carrier(ToCarrier::Close));
        }
        self.end(at, reason, "", out);
    }

    /// The call is over. Every end comes through here, and only once: it consumes the last phase.
    pub(crate) fn end(&mut self, at: Tick, reason: EndReason, detail: &str, out: &mut Vec<Output>) {
        self.drop_guess(out);
        self.drop_reply(at, out);
        self.consent_ends(at, out);
        self.phase = Phase::Ended;
        self.talk = None;
        out.push(Output::Ended { reason, detail: detail.to_owned() });
    }
}
