//! What the caller hears when vendors fail: an apology by the voice, a recording where the voice fails too, a tone
//! where nothing else is left. The call ends only where the settings say so.

use audio::{Pcm, tone};
use records::EndReason;

use crate::line::TONE_DB;
use crate::phase::Phase;
use crate::reply::{Part, Purpose, Reply};
use crate::settings::ms;
use crate::speak::GREETING_DONE;
use crate::talk::CallerTurn;
use crate::{
    Call, Event, FailureThen, Fault, GreetingFallback, Output, Recorded, Say, Tick, UtteranceId, VendorRole,
};

/// What stands in for a reply that could not be spoken at all.
const FAILURE_TONE_HZ: f32 = 440.0;
const FAILURE_TONE_MS: u32 = 300;

impl Call {
    /// A turn has failed: the apology takes the place of its answer, and may be the last thing said.
    pub(crate) fn apologise(&mut self, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let then_end = self.count_failed_turn(out);
        let Some(reply) = self.phase.reply() else { return };
        reply.failed.apologised = true;
        reply.then_end = reply.then_end.or(then_end);
        if !settings.apology.is_empty() {
            reply.waiting.push_back(Part::Words { text: settings.apology.clone(), step: 0 });
        }
    }

    /// Counts a turn in which vendors failed. Gives the reason with which the call ends, if it does.
    fn count_failed_turn(&mut self, out: &mut Vec<Output>) -> Option<EndReason> {
        let failure = &self.settings.failure;
        let talk = self.talk.as_mut()?;
        talk.past.failed_turns = talk.past.failed_turns.saturating_add(1);
        let reason = failure.then.reason().filter(|_| talk.past.failed_turns >= failure.after)?;
        if reason == EndReason::Transferred {
            let target = self.settings.tools.transfer.usual.clone();
            out.push(Output::Event(Event::TransferAsked { target }));
        }
        out.push(Output::Event(Event::Closing { reason }));
        Some(reason)
    }

    /// The recogniser failed on all that the caller said. Returns whether that was once too often.
    pub(crate) fn recogniser_failed_again(
        &mut self,
        at: Tick,
        caller: &CallerTurn,
        out: &mut Vec<Output>,
    ) -> bool {
        if !caller.failed || !caller.said.is_empty() {
            return false;
        }
        let Some(reason) = self.count_failed_turn(out) else { return false };
        self.say_apology(at, Some(reason), out);
        true
    }

    /// The recogniser is gone for good: the caller is told, and then the settings say how it goes on.
    pub(crate) fn apologise_for_loss(&mut self, at: Tick, out: &mut Vec<Output>) {
        if matches!(self.phase, Phase::Opening(_) | Phase::Closing(_) | Phase::Ended) {
            return;
        }
        let reason = self.settings.failure.then.reason();
        if let Some(reason) = reason {
            if reason == EndReason::Transferred {
                let target = self.settings.tools.transfer.usual.clone();
                out.push(Output::Event(Event::TransferAsked { target }));
            }
            out.push(Output::Event(Event::Closing { reason }));
        }
        if matches!(self.phase, Phase::Interrupted(..)) {
            self.drop_reply(at, out);
        }
        let apology = self.settings.apology.clone();
        match self.phase.reply() {
            // What is being said is said to its end.
            Some(reply) => {
                reply.then_end = reply.then_end.or(reason);
                if !apology.is_empty() {
                    reply.waiting.push_back(Part::Words { text: apology, step: 0 });
                }
                self.ask_voice(at, out);
            }
            None => self.say_apology(at, reason, out),
        }
    }

    /// Says the apology, and ends the call after it where there is a reason to.
    pub(crate) fn say_apology(&mut self, at: Tick, reason: Option<EndReason>, out: &mut Vec<Output>) {
        let mut reply = Reply::of(Purpose::Goodbye, &self.settings.apology, reason);
        reply.failed.apologised = true;
        if !reply.waiting.is_empty() {
            self.begin_reply(at, reply, out);
        } else if let Some(reason) = reason {
            self.close(at, reason, out);
        }
    }

    /// The voice can't speak this utterance.
    pub(crate) fn voice_failed(
        &mut self,
        at: Tick,
        utterance: UtteranceId,
        fault: Fault,
        out: &mut Vec<Output>,
    ) {
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply() else { return };
        let why = fault.why.clone();
        let is_recording = reply.failed.recorded == Some(utterance);
        out.push(Output::Event(Event::VendorFailed { role: VendorRole::Voice, fault }));
        out.push(Output::StopVoice(utterance));
        if reply.purpose == Purpose::Consent {
            return self.consent_unheard(at, out);
        }
        let is_last = !reply.model.writing && reply.waiting.is_empty() && reply.asked.len() == 1;
        if reply.purpose == Purpose::Greeting {
            self.greeting_failed(at, utterance, why, out);
        } else if !talk.playout.has_any_audio() && is_last {
            // Not a word of the reply could be spoken: the caller hears at least that something happened.
            talk.playout.done(utterance);
            if is_recording {
                let filler = talk.new_utterance();
                let pcm = tone(self.rate, FAILURE_TONE_HZ, FAILURE_TONE_MS, TONE_DB);
                talk.playout.stand_in(filler, pcm, "failed");
            } else {
                if reply.turn.is_some() && !reply.failed.apologised {
                    reply.failed.apologised = true;
                    let then_end = self.count_failed_turn(out);
                    if let Some(reply) = self.phase.reply() {
                        reply.then_end = reply.then_end.or(then_end);
                    }
                }
                self.say_recorded(at, (Recorded::Apology, None), out);
            }
        }
        self.start_speaking();
        self.utterance_over(at, utterance, out);
    }

    fn greeting_failed(&mut self, at: Tick, utterance: UtteranceId, why: String, out: &mut Vec<Output>) {
        let (fallback, rate) = (self.settings.greeting_fallback, self.rate);
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply() else { return };
        for other in reply.asked.drain(..).filter(|other| *other != utterance) {
            out.push(Output::StopVoice(other));
        }
        reply.waiting.clear();
        // What was made of it is spoken to its end; else the fallback takes its place.
        let was_heard = talk.playout.has_any_audio();
        let first = reply.failed.recorded.is_none();
        if first {
            out.push(Output::Event(Event::GreetingFailed { why }));
        }
        if fallback == GreetingFallback::Recorded && !was_heard && first {
            reply.clock.asked = at;
            talk.playout.abandon();
            return self.say_recorded(at, (Recorded::Greeting, Some(GREETING_DONE)), out);
        }
        let pcm = match fallback {
            _ if was_heard => Pcm::silence(rate.samples(20_000)),
            GreetingFallback::Silence | GreetingFallback::Recorded => Pcm::silence(rate.hz() as usize),
            GreetingFallback::Tone => tone(rate, FAILURE_TONE_HZ, FAILURE_TONE_MS, TONE_DB),
        };
        let stands_in = talk.new_utterance();
        talk.playout.stand_in(stands_in, pcm, GREETING_DONE);
    }

    /// A recording that needs no vendor becomes part of the reply.
    fn say_recorded(&mut self, at: Tick, (recorded, mark): (Recorded, Option<&str>), out: &mut Vec<Output>) {
        let voice_ms = self.settings.limits.voice_ms;
        let Some(talk) = &mut self.talk else { return };
        let Some(reply) = self.phase.reply() else { return };
        let utterance = talk.new_utterance();
        let mark = mark.map_or_else(|| format!("u{}", utterance.0), str::to_owned);
        talk.playout.expect(utterance, String::new(), mark);
        reply.failed.recorded = Some(utterance);
        reply.asked.push_back(utterance);
        reply.voice_due = Some(at + ms(voice_ms));
        out.push(Output::Voice { utterance, say: Say::Recorded(recorded) });
    }
}

impl FailureThen {
    /// The reason with which the call ends after the apology, if it does.
    const fn reason(self) -> Option<EndReason> {
        match self {
            Self::Stay => None,
            Self::HangUp => Some(EndReason::VendorsDown),
            Self::Transfer => Some(EndReason::Transferred),
        }
    }
}
