//! Whether a call is recorded: the caller is told or asked before the greeting where the settings say so, and a tool
//! can pause it. Nothing is recorded before the decision, and every doubt means no.

use crate::ears::Ears;
use crate::phase::{Listening, Phase};
use crate::reply::{Purpose, Reply};
use crate::settings::ms;
use crate::{
    Call, Consent, ConsentWhy, Event, Micros, Output, RecordState, Settings, Tick, ToCarrier, UNCLEAR, words,
};

/// The key that means yes; every other one means no.
const YES_KEY: char = '1';
/// How often the question is put.
const MOST_QUESTIONS: u8 = 2;
/// Words that began this long before the question's end, or later, answer it; what was said before did not hear it.
const OVERLAP: Micros = Micros::from_ms(1_500);
/// Whoever speaks when the time is up is heard out, for this long at most.
const HEARD_OUT: Micros = Micros::from_ms(10_000);

const YES: [&str; 34] = [
    "yes",
    "yeah",
    "yep",
    "yup",
    "ya",
    "sure",
    "okay",
    "ok",
    "alright",
    "all right",
    "of course",
    "certainly",
    "absolutely",
    "definitely",
    "i agree",
    "agreed",
    "fine",
    "go ahead",
    "please do",
    "you may",
    "you can",
    "haan",
    "han",
    "haa",
    "ji",
    "bilkul",
    "theek hai",
    "thik hai",
    "हाँ",
    "हां",
    "हा",
    "जी",
    "ठीक है",
    "बिल्कुल",
];
const NO: [&str; 26] = [
    "no",
    "nope",
    "nah",
    "not",
    "don't",
    "dont",
    "do not",
    "never",
    "can't",
    "cannot",
    "won't",
    "refuse",
    "disagree",
    "decline",
    "rather not",
    "stop",
    "without",
    "nahi",
    "nahin",
    "mat",
    "na",
    "नहीं",
    "नही",
    "ना",
    "मत",
    "मना",
];
/// Phrases that hold a word of those lists and say something else, or ask back.
const NEITHER: [&str; 20] = [
    "no problem",
    "no issue",
    "no issues",
    "not sure",
    "why",
    "what",
    "who",
    "how",
    "which",
    "pardon",
    "sorry",
    "don't mind",
    "repeat",
    "kya",
    "kyon",
    "kaun",
    "क्या",
    "क्यों",
    "कौन",
    "कैसे",
];

/// Whether the call is recorded now, and what the decision still waits for.
#[derive(Debug)]
pub(crate) struct Tape {
    state: RecordState,
    paused_at: Tick,
    asking: Option<Asking>,
}

/// The caller is being told or asked.
#[derive(Debug, Default)]
struct Asking {
    /// How often the question was put.
    questions: u8,
    /// Since when an answer is waited for; absent while the question is spoken.
    heard: Option<Tick>,
}

impl Tape {
    pub(crate) fn new(settings: &Settings) -> Self {
        let state =
            if settings.recording.consent == Consent::None { RecordState::On } else { RecordState::Off };
        Self { state, paused_at: Tick::default(), asking: None }
    }
}

impl Call {
    /// The call is answered: the caller is told or asked where that is wanted, and greeted after it.
    pub(crate) fn open(&mut self, at: Tick, out: &mut Vec<Output>) {
        if self.settings.consent_words().is_empty() {
            return self.greet(at, out);
        }
        self.tape.asking = Some(Asking::default());
        self.put_question(at, out);
    }

    /// Whether it is not decided yet whether the call is recorded.
    pub(crate) fn asks_consent(&self) -> bool {
        self.tape.asking.is_some()
    }

    fn put_question(&mut self, at: Tick, out: &mut Vec<Output>) {
        let settings = self.settings.clone();
        let Some(asking) = &mut self.tape.asking else { return };
        asking.questions += 1;
        asking.heard = None;
        let words = settings.consent_words();
        self.begin_reply(at, Reply::of(Purpose::Consent, words, None), out);
        if let Some(reply) = self.phase.reply().filter(|reply| reply.purpose == Purpose::Consent) {
            // As for a greeting: it is the call's first speech, and a cold voice takes longer.
            reply.voice_due = Some(at + ms(settings.limits.greeting_synthesis_ms));
        }
    }

    /// The caller has heard the announcement or the question.
    pub(crate) fn consent_heard(&mut self, at: Tick, out: &mut Vec<Output>) {
        if self.settings.recording.consent != Consent::Ask {
            return self.decide(at, ConsentWhy::Announced, out);
        }
        let Some(asking) = &mut self.tape.asking else { return };
        asking.heard = Some(at);
        self.phase = Phase::Listening(Listening { since: at, prompted: false });
        if let Some(talk) = &mut self.talk
            && talk.caller.as_ref().is_some_and(|caller| caller.began + OVERLAP < at)
        {
            talk.caller = None;
        }
        self.try_end_turn(at, out);
    }

    /// It can't be spoken: who was not asked has not agreed.
    pub(crate) fn consent_unheard(&mut self, at: Tick, out: &mut Vec<Output>) {
        self.decide(at, ConsentWhy::NotHeard, out);
    }

    /// The caller's words while they are asked.
    pub(crate) fn consent_said(&mut self, at: Tick, text: &str, out: &mut Vec<Output>) {
        match self.judge(text) {
            Some(true) => self.decide(at, ConsentWhy::SaidYes, out),
            Some(false) => self.decide(at, ConsentWhy::SaidNo, out),
            None => self.ask_again(at, out),
        }
    }

    /// A key while they are asked. Says whether it was one.
    pub(crate) fn consent_key(&mut self, at: Tick, digit: char, out: &mut Vec<Output>) -> bool {
        let closes = matches!(self.phase, Phase::Closing(_));
        let asked = self.asks_consent() && self.settings.recording.consent == Consent::Ask && !closes;
        if asked {
            let why = if digit == YES_KEY { ConsentWhy::PressedYes } else { ConsentWhy::PressedOther };
            self.decide(at, why, out);
        }
        asked
    }

    /// When to stop waiting for an answer.
    pub(crate) fn consent_due(&self) -> Option<Tick> {
        let heard = self.tape.asking.as_ref()?.heard.filter(|_| matches!(self.phase, Phase::Listening(_)))?;
        let due = heard + ms(self.settings.recording.wait_ms);
        let speaks = self.talk.as_ref().is_some_and(|talk| talk.caller.is_some());
        Some(if speaks { due + HEARD_OUT } else { due })
    }

    /// No answer came, or none that could be understood.
    pub(crate) fn ask_again(&mut self, at: Tick, out: &mut Vec<Output>) {
        match &self.tape.asking {
            Some(asking) if asking.questions < MOST_QUESTIONS => self.put_question(at, out),
            _ => self.decide(at, ConsentWhy::NoAnswer, out),
        }
    }

    /// The call ends before it was decided.
    pub(crate) fn consent_ends(&mut self, at: Tick, out: &mut Vec<Output>) {
        if self.tape.asking.take().is_some() {
            let (recorded, why) = (false, ConsentWhy::CallEnded);
            out.push(Output::Event(Event::Consent { at_ms: at.0 / 1000, recorded, why }));
        }
    }

    /// Pauses or resumes the recording. Gives what the model is told.
    pub(crate) fn pause_recording(&mut self, at: Tick, pause: bool, out: &mut Vec<Output>) -> &'static str {
        match (self.tape.state, pause) {
            (RecordState::Off, _) => "this call is not recorded",
            (RecordState::On, true) => {
                self.tape.state = RecordState::Paused;
                self.tape.paused_at = at;
                out.push(Output::Record(RecordState::Paused));
                out.push(Output::Event(Event::RecordingPaused { at_ms: at.0 / 1000 }));
                "the recording is paused"
            }
            (RecordState::Paused, false) => {
                self.tape.state = RecordState::On;
                out.push(Output::Record(RecordState::On));
                let from_ms = self.tape.paused_at.0 / 1000;
                out.push(Output::Event(Event::RecordingResumed { from_ms, at_ms: at.0 / 1000 }));
                "the recording goes on"
            }
            (RecordState::Paused, true) => "the recording is paused already",
            (RecordState::On, false) => "the recording is running already",
        }
    }

    fn decide(&mut self, at: Tick, why: ConsentWhy, out: &mut Vec<Output>) {
        if self.tape.asking.take().is_none() {
            return;
        }
        let audible = self.talk.as_ref().is_some_and(|talk| talk.playout.is_audible(at));
        if self.drop_reply(at, out) && audible && self.detached.is_none() {
            out.push(Output::Carrier(ToCarrier::Clear));
        }
        if let Some(talk) = &mut self.talk {
            talk.caller = None;
            if self.settings.asks_first() {
                // The agent has its turn now, and hears the caller from here on.
                talk.conversation = Some(Box::default());
                talk.ears = Some(Ears::new(self.rate, &self.settings));
            }
        }
        let recorded = why.is_yes();
        self.tape.state = if recorded { RecordState::On } else { RecordState::Off };
        out.push(Output::Event(Event::Consent { at_ms: at.0 / 1000, recorded, why }));
        out.push(Output::Record(self.tape.state));
        self.greet(at, out);
    }

    /// Whether these words mean yes or no; `None` when they mean neither for sure.
    fn judge(&self, text: &str) -> Option<bool> {
        let recording = &self.settings.recording;
        let said = format!(" {} ", words::normalised(text).replace('’', "'"));
        let holds = |phrase: &str| said.contains(&format!(" {} ", words::normalised(phrase)));
        let of = |known: &[&str], more: &[String]| {
            known.iter().any(|phrase| holds(phrase)) || more.iter().any(|phrase| holds(phrase))
        };
        if text == UNCLEAR || text.contains('?') {
            return None;
        }
        let (yes, no) = (of(&YES, &recording.yes), of(&NO, &recording.no));
        match (yes, no) {
            _ if NEITHER.iter().any(|phrase| holds(phrase)) => None,
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        }
    }
}

impl ConsentWhy {
    /// Whether the call may be recorded.
    const fn is_yes(self) -> bool {
        matches!(self, Self::Announced | Self::SaidYes | Self::PressedYes)
    }
}

impl crate::Recording {
    /// What callers may say to the question, for a recogniser that must be told: English, and the operator's own.
    pub fn phrases(&self) -> Vec<String> {
        if self.consent != Consent::Ask {
            return Vec::new();
        }
        let known =
            YES.iter().chain(&NO).filter(|phrase| phrase.is_ascii()).map(|phrase| (*phrase).to_owned());
        known.chain(self.yes.iter().cloned()).chain(self.no.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use audio::SampleRate;

    use super::*;

    #[test]
    fn words_are_yes_no_or_neither() {
        let mut settings = Settings::default();
        settings.recording.yes = vec!["aamaam".to_owned()];
        let call = Call::new(Arc::new(settings), SampleRate::HZ_8000);
        for text in ["Yes.", "yeah sure", "Okay, go ahead.", "haan ji", "हाँ", "जी हाँ।", "ठीक है", "Aamaam!"]
        {
            assert_eq!(call.judge(text), Some(true), "{text}");
        }
        for text in
            ["No.", "no thank you", "I do not agree", "yes, no, don't", "जी नहीं", "nahi ji", "please don’t"]
        {
            assert_eq!(call.judge(text), Some(false), "{text}");
        }
        for text in ["", "Hello", "I know", "yes but why", "no problem", "okay?", "क्या हुआ", UNCLEAR]
        {
            assert_eq!(call.judge(text), None, "{text}");
        }
    }
}
