//! The caller's words become turns: texts of the recogniser are put together, and its signs and our own silence
//! say when the turn is over.

use crate::detector::{Sign, SoFar};
use crate::ears::{Ears, Edge};
use crate::phase::{Listening, Phase};
use crate::reply::{Purpose, ReplyClock};
use crate::settings::ms;
use crate::talk::{Awaited, CallerTurn, Talk};
use crate::{
    Call, EndOfTurnWhy, Event, Fault, Heard, Listen, Micros, NotInterruptedWhy, Output, SpeechId, Tick,
    TurnEnd, VendorRole, words,
};

/// What stands in the conversation for speech of which no word was understood.
pub const UNCLEAR: &str = "(unclear)";
/// Sound this soon after a recogniser's sign is still the one that it is about.
const SIGN_GRACE: Micros = Micros::from_ms(100);
/// Our own ears must have been quiet for this long when the recogniser finds a pause.
const OWN_QUIET: Micros = Micros::from_ms(150);
/// For this long after the agent was heard, words that our own ears did not hear are taken for its echo.
const ECHO_GUARD: Micros = Micros::from_ms(1_500);

/// Which of the recogniser's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextOf {
    Stretch,
    Pause,
    Turn,
}

impl Call {
    /// The recogniser gave something.
    pub(crate) fn heard(&mut self, at: Tick, speech: SpeechId, what: Heard, out: &mut Vec<Output>) {
        if self.converses() {
            return;
        }
        match what {
            Heard::Partial(text) => self.partial(at, speech, text, out),
            Heard::Final(text) => self.final_text(at, speech, text.trim(), out),
            Heard::Failed(fault) => self.stretch_failed(at, speech, fault, out),
            Heard::Pause(text) => self.signed(at, speech, (Sign::Pause, text.trim()), out),
            Heard::TurnOver(text) => self.signed(at, speech, (Sign::TurnOver, text.trim()), out),
            Heard::Likely(text) => self.likely(at, text.trim(), out),
            Heard::GoesOn => self.drop_guess(out),
            Heard::Lost(fault) => self.recogniser_lost(at, fault, out),
        }
    }

    fn partial(&mut self, at: Tick, speech: SpeechId, text: String, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let open = talk.ears.as_ref().and_then(Ears::stretch).is_some_and(|open| open.speech == speech);
        let Some(caller) = &mut talk.caller else { return };
        let awaited = caller.awaited.iter().any(|awaited| awaited.speech == speech);
        if (open || awaited) && caller.partial != text {
            caller.partial.clone_from(&text);
            out.push(Output::Event(Event::Partial { text }));
            self.check_guess(out);
            self.check_barge_in(at, out);
        }
    }

    fn final_text(&mut self, at: Tick, speech: SpeechId, text: &str, out: &mut Vec<Output>) {
        let Some(talk) = &mut self.talk else { return };
        let open = talk.ears.as_ref().and_then(Ears::stretch).is_some_and(|open| open.speech == speech);
        let Some(caller) = &mut talk.caller else { return };
        if let Some(awaited) = caller.take_awaited(speech) {
            self.words_came(at, &awaited, (TextOf::Stretch, text), out);
        } else if open {
            // It has finished with this stretch before we asked.
            caller.settled = Some((speech, at));
            let length_ms = 0;
            self.words_came(at, &Awaited { speech, length_ms, due: at }, (TextOf::Stretch, text), out);
        } else if caller.said.is_of(speech) {
            caller.said.add(speech, text);
            self.try_end_turn(at, out);
        }
    }

    fn stretch_failed(&mut self, at: Tick, speech: SpeechId, fault: Fault, out: &mut Vec<Output>) {
        let Some(caller) = self.talk.as_mut().and_then(|talk| talk.caller.as_mut()) else { return };
        if let Some(awaited) = caller.take_awaited(speech) {
            caller.failed = true;
            out.push(Output::Event(Event::VendorFailed { role: VendorRole::Recogniser, fault }));
            self.words_came(at, &awaited, (TextOf::Stretch, ""), out);
        }
    }

    /// The recogniser itself is gone: nothing that is said will be understood.
    fn recogniser_lost(&mut self, at: Tick, fault: Fault, out: &mut Vec<Output>) {
        if self.settings.asks_first() && self.asks_consent() {
            // It was there for the answer alone, which may come by key; the agent that is to talk needs none.
            out.push(Output::Event(Event::VendorFailed { role: VendorRole::Recogniser, fault }));
            return;
        }
        let Some(talk) = self.talk.as_mut().filter(|talk| !talk.deaf) else { return };
        talk.deaf = true;
        if let Some(caller) = &mut talk.caller {
            caller.awaited.clear();
            caller.failed = true;
        }
        out.push(Output::Event(Event::VendorFailed { role: VendorRole::Recogniser, fault }));
        self.apologise_for_loss(at, out);
    }

    /// The recogniser finds the caller quiet, or is sure that they have finished. What it says settles every
    /// stretch so far.
    fn signed(&mut self, at: Tick, speech: SpeechId, (sign, text): (Sign, &str), out: &mut Vec<Output>) {
        let believed = self.settings.turn.end != TurnEnd::Own;
        let Some(talk) = &mut self.talk else { return };
        let new = match &mut talk.past.answered {
            Some((through, said)) if speech <= *through || sign == Sign::TurnOver => {
                let new = said.beyond(speech, text);
                said.close();
                new
            }
            _ => text,
        };
        if new.is_empty() && !text.is_empty() {
            out.push(Output::Event(Event::Ignored { what: "words that were answered already".to_owned() }));
            return;
        }
        if talk.caller.is_none() && (new.is_empty() || !self.heard_without_ears(at, out)) {
            return;
        }
        let Some(caller) = self.talk.as_mut().and_then(|talk| talk.caller.as_mut()) else { return };
        let length_ms = caller.awaited.iter().map(|awaited| awaited.length_ms).sum();
        caller.awaited.retain(|awaited| awaited.speech > speech);
        caller.settled = Some((speech, at));
        caller.newest = caller.newest.max(speech);
        caller.sign = believed.then_some((sign, at));
        let of = if sign == Sign::TurnOver { TextOf::Turn } else { TextOf::Pause };
        self.words_came(at, &Awaited { speech, length_ms, due: at }, (of, new), out);
    }

    /// The recogniser heard words of which our own ears heard nothing. Returns whether they may be the caller's.
    fn heard_without_ears(&mut self, at: Tick, out: &mut Vec<Output>) -> bool {
        let quiet = self.talk.as_ref().is_some_and(|talk| {
            !talk.playout.is_audible(at) && at >= talk.playout.head() + ECHO_GUARD
                || !talk.playout.has_spoken()
        });
        let theirs = match &self.phase {
            Phase::Listening(_) => true,
            Phase::Thinking(reply) => reply.purpose == Purpose::Answer && !reply.is_held(),
            _ => false,
        };
        if !quiet || !theirs {
            let what = "words that our own ears did not hear while the agent spoke".to_owned();
            out.push(Output::Event(Event::Ignored { what }));
            return false;
        }
        if matches!(self.phase, Phase::Thinking(_)) {
            self.take_question_back(at, out);
        }
        if let Some(talk) = &mut self.talk {
            talk.caller.get_or_insert_with(|| CallerTurn::new(at));
        }
        true
    }

    /// The final text of a stretch is known; empty when there were no words in it.
    pub(crate) fn words_came(
        &mut self,
        at: Tick,
        stretch: &Awaited,
        (of, text): (TextOf, &str),
        out: &mut Vec<Output>,
    ) {
        let settings = self.settings.clone();
        let has_tools = self.phase.reply().is_some_and(|reply| reply.runs_tools());
        let Some(talk) = &mut self.talk else { return };
        let Some(caller) = &mut talk.caller else { return };
        caller.partial.clear();
        let back_channel = words::is_back_channel(text, &settings.barge_in.back_channel);
        let audible = self.phase.is_interruptible() && talk.playout.is_audible(at);
        let interrupted = matches!(self.phase, Phase::Interrupted(..));
        let says_something = !text.is_empty() && !(back_channel && (audible || interrupted || has_tools));
        if says_something {
            match of {
                TextOf::Stretch => caller.said.add(stretch.speech, text),
                TextOf::Pause => caller.said.add_pause(stretch.speech, text),
                TextOf::Turn => caller.said.add_turn(stretch.speech, text),
            }
        } else if !audible && !interrupted {
            caller.unclear |= stretch.length_ms >= settings.turn.unclear_ms;
        }
        let (speech_ms, text) = (stretch.length_ms, text.to_owned());
        if audible {
            let why = if !settings.barge_in.enabled {
                Some(NotInterruptedWhy::Disabled)
            } else if back_channel {
                Some(NotInterruptedWhy::BackChannel)
            } else {
                text.is_empty().then_some(NotInterruptedWhy::Short)
            };
            if let Some(why) = why {
                caller.said.clear();
                out.push(Output::Event(Event::NotInterrupted { why, speech_ms, text }));
            } else {
                self.interrupt(at, Micros::from_ms(speech_ms), words::count(&text), out);
            }
        } else if back_channel && (interrupted || has_tools) {
            let why = NotInterruptedWhy::BackChannel;
            out.push(Output::Event(Event::NotInterrupted { why, speech_ms, text }));
            if interrupted && self.caller_is_done() {
                self.resume(at, out);
            }
        } else if says_something && has_tools {
            self.stop_waiting_for_tools(at, out);
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
                    .is_none_or(|caller| caller.awaited.is_empty() && caller.said.is_empty())
        })
    }

    /// Ends the caller's turn if they have finished.
    pub(crate) fn try_end_turn(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some((due, why)) = self.end_of_turn() else { return };
        if at < due {
            return;
        }
        self.cut_stretch(out);
        let Some(talk) = &mut self.talk else { return };
        let Some(caller) = talk.caller.take() else { return };
        let listening = matches!(self.phase, Phase::Listening(_));
        let text = match caller.said.text() {
            empty if empty.is_empty() && caller.unclear && listening => UNCLEAR.to_owned(),
            text => text,
        };
        if text.is_empty() {
            self.drop_guess(out);
            self.nothing_said(&caller, out);
            return;
        }
        talk.past.answered = Some((caller.newest, caller.said.clone()));
        if self.asks_consent() {
            let Some(talk) = &mut self.talk else { return };
            let turn = talk.new_turn();
            let at_ms = caller.began.0 / 1000;
            out.push(Output::Event(Event::CallerSaid { turn, at_ms, text: text.clone() }));
            return self.consent_said(at, &text, out);
        }
        let guess = self.take_guess(&text, out);
        if matches!(self.phase, Phase::Interrupted(..)) {
            self.drop_reply(at, out);
        }
        let Some(talk) = &mut self.talk else { return };
        let turn = guess.as_ref().map_or_else(|| talk.new_turn(), |guess| guess.turn);
        out.push(Output::Event(Event::TurnEnded {
            turn,
            silence_ms: at.since(caller.last_voice).0 / 1000,
            wanted_ms: due.since(caller.last_voice).0 / 1000,
            why,
        }));
        out.push(Output::Event(Event::CallerSaid { turn, at_ms: caller.began.0 / 1000, text: text.clone() }));
        let clock =
            ReplyClock { speech_ended: caller.last_voice, endpoint: due, asked: at, ..ReplyClock::default() };
        if self.recogniser_failed_again(at, &caller, out) {
            return;
        }
        self.answer_caller(&text, (turn, clock), guess, out);
    }

    /// The recogniser says that the turn is over while our own ears still hear something: noise.
    fn cut_stretch(&mut self, out: &mut Vec<Output>) {
        let Some(Talk { ears: Some(ears), caller: Some(caller), .. }) = self.talk.as_deref_mut() else {
            return;
        };
        let Some(edge) = ears.cut() else { return };
        out.push(Output::Event(edge.event(false)));
        if let Edge::Ended { speech, last_voice, .. } = edge {
            out.push(Output::Listen(Listen::Finish(speech)));
            let heard_until = caller.sign.map_or(last_voice, |(_, when)| last_voice.min(when));
            caller.last_voice = caller.last_voice.max(heard_until);
        }
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
    pub(crate) fn end_of_turn(&self) -> Option<(Tick, EndOfTurnWhy)> {
        let talk = self.talk.as_ref()?;
        let caller = talk.caller.as_ref()?;
        let theirs = match &self.phase {
            Phase::Listening(_) => true,
            Phase::Interrupted(reply, _) => !reply.is_held(),
            phase => phase.is_interruptible() && caller.said.is_empty(),
        };
        if !theirs {
            return None;
        }
        if caller.pressed {
            return Some((caller.last_voice, EndOfTurnWhy::Keys));
        }
        let stretch = talk.ears.as_ref().and_then(Ears::stretch);
        let last_voice =
            stretch.map_or(caller.last_voice, |stretch| stretch.last_voice.max(caller.last_voice));
        let sign =
            caller.sign.filter(|(sign, when)| *sign == Sign::TurnOver || last_voice <= *when + SIGN_GRACE);
        if !caller.awaited.is_empty() || stretch.is_some() && sign.is_none() {
            return None;
        }
        let text = caller.said.text();
        let so_far = SoFar { text: &text, sign: sign.map(|(sign, _)| sign), pauses: talk.past.pauses };
        let (wanted, why) = self.detector.wanted(&so_far, &self.settings.turn);
        let due = match (sign, why) {
            (Some((_, when)), EndOfTurnWhy::VendorTurn) => when,
            (Some((_, when)), EndOfTurnWhy::VendorPause) if stretch.is_some() => {
                when.max(last_voice + OWN_QUIET)
            }
            (Some((_, when)), EndOfTurnWhy::VendorPause) => when,
            _ => last_voice + wanted,
        };
        Some((due, why))
    }

    /// Before anything of the answer was heard the caller went on: what they had said is said with the rest.
    pub(crate) fn take_question_back(&mut self, at: Tick, out: &mut Vec<Output>) {
        self.drop_reply(at, out);
        self.phase = Phase::Listening(Listening { since: at, prompted: false });
        let Some(talk) = &mut self.talk else { return };
        let Some(asked) = talk.forget_question() else { return };
        let mut caller = CallerTurn::new(at);
        if asked != UNCLEAR {
            let newest = talk.past.answered.as_ref().map_or(SpeechId(0), |(newest, _)| *newest);
            match talk.past.answered.take() {
                Some((_, said)) if said.text() == asked => caller.said = said,
                _ => caller.said.push(newest, &asked),
            }
            caller.newest = newest;
        }
        talk.caller = Some(caller);
    }
}
