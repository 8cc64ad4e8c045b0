//! One live call as a pure machine: `(tick, input)` in, outputs out. No clock, no socket, no task, no chance,
//! so that a call can be tested in virtual time, fuzzed, and replayed bit for bit from its log.
//!
//! `Opening -> Greeting -> Listening -> Thinking -> Speaking -> Closing -> Ended`, with `Interrupted` between
//! `Speaking` and whatever the caller's words make of it. `handle` is the only way in.

mod agent;
mod consent;
mod converse;
mod detector;
mod ears;
mod event;
mod failing;
mod fault;
mod fixed;
mod floor;
mod guess;
mod heard;
mod input;
mod keys;
mod late;
mod line;
pub mod log;
mod machine;
mod output;
mod phase;
mod playout;
mod reply;
mod run;
mod said;
mod sentence;
mod settings;
mod speak;
mod speech;
mod talk;
mod tick;
mod timer;
mod tool;
mod tools;
mod turn;
mod variables;
mod words;

pub use converse::{Converse, Conversed, ItemId};
pub use detector::{AdaptiveDetector, EndDetector, Pauses, Sign, SilenceDetector, SoFar};
pub use event::{ConsentWhy, EndOfTurnWhy, Event, Evidence, Measure, NotInterruptedWhy, VendorRole, Waiting};
pub use fault::{Fault, FaultClass};
pub use input::{
    CarrierEvent, Heard, Input, SpeechId, StreamStart, Thought, TurnId, Usage, UtteranceId, Voiced,
};
pub use machine::AnsweringMachine;
pub use output::{Listen, Message, Output, Prompt, RecordState, Recorded, Say, ToCarrier};
pub use settings::{
    AgentKind, BargeIn, Budget, Consent, Dtmf, DtmfMode, Failure, FailureThen, Filler, FillerKind,
    GreetingFallback, Idle, Limits, Numbers, Playout, Recording, Settings, Speculate, Speech, Tools,
    Transfer, Turn, TurnEnd, Urls,
};
pub use tick::{Micros, Tick};
pub use timer::{Next, Timer};
pub use tool::{
    BUILTIN, COLLECT_DIGITS, END_CALL, PAUSE_RECORDING, RECORD_RESULT, RESUME_RECORDING, SEND_DTMF, TRANSFER,
    Tool, ToolAnswer, ToolCall, ToolId,
};

pub use turn::UNCLEAR;

use std::collections::BTreeMap;
use std::sync::Arc;

use audio::SampleRate;
use records::{AnsweredBy, EndReason};

use crate::consent::Tape;
use crate::phase::{Opening, Phase};
use crate::settings::ms;
use crate::talk::Talk;

/// One live call.
pub struct Call {
    settings: Arc<Settings>,
    rate: SampleRate,
    phase: Phase,
    /// Since when the carrier's socket has been gone.
    detached: Option<Tick>,
    /// When to send a moment of silence, while nothing was sent yet.
    first_audio_due: Option<Tick>,
    talk: Option<Box<Talk>>,
    /// Who picked up, where the carrier told.
    picked_up: Option<AnsweredBy>,
    /// When to stop waiting for the end of a machine's greeting.
    beep_due: Option<Tick>,
    /// Whether the call is recorded.
    tape: Tape,
    detector: Arc<dyn EndDetector>,
}

impl Call {
    /// A call whose socket has just opened, at tick zero. `fallback_rate` is the URL's rate, which holds when
    /// the call is answered without a `start`.
    pub fn new(settings: Arc<Settings>, fallback_rate: SampleRate) -> Self {
        let detector: Arc<dyn EndDetector> =
            if settings.turn.adaptive { Arc::new(AdaptiveDetector) } else { Arc::new(SilenceDetector) };
        Self::with_detector(settings, fallback_rate, detector)
    }

    /// The same with another way of telling when the caller has finished.
    pub fn with_detector(settings: Arc<Settings>, rate: SampleRate, detector: Arc<dyn EndDetector>) -> Self {
        let phase = Phase::Opening(Opening::default());
        let tape = Tape::new(&settings);
        Self {
            settings,
            rate,
            phase,
            detached: None,
            first_audio_due: None,
            talk: None,
            picked_up: None,
            beep_due: None,
            tape,
            detector,
        }
    }

    /// Takes one input at its moment, appends what is to be done to `out`, and says when it wants to be called
    /// again with `Input::Time` if nothing else happens. Ticks never go backwards. After `Output::Ended` every
    /// further input gives nothing.
    pub fn handle(&mut self, at: Tick, input: Input, out: &mut Vec<Output>) -> Next {
        if matches!(self.phase, Phase::Ended) {
            return Next { deadline: None };
        }
        self.take(at, input, out);
        // Each timer that fires moves its own deadline on; the bound only guards against a mistake here.
        for _ in 0..1000 {
            match self.deadline() {
                Some((due, timer)) if due <= at => self.fire(at, timer, out),
                deadline => return Next { deadline },
            }
        }
        debug_assert!(false, "a timer fires without end: {:?} in {:?}", self.deadline(), self.phase);
        Next { deadline: self.deadline().map(|(due, timer)| (due.max(at + ms(10)), timer)) }
    }

    /// Whether the call is over.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The call brings these parameters along, which the words to be said may have places for.
    fn bring(&mut self, custom: &BTreeMap<String, String>) {
        if let Some(filled) = self.settings.filled(custom) {
            self.settings = Arc::new(filled);
        }
    }

    fn take(&mut self, at: Tick, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Carrier(event) => self.carrier(at, event, out),
            Input::Reattached => self.reattached(at, out),
            Input::Detached { clean } => self.detached(at, clean, out),
            Input::Heard { speech, what } => self.heard(at, speech, what, out),
            Input::Thought { turn, what } => self.thought(at, turn, what, out),
            Input::Voiced { utterance, what } => self.voiced(at, utterance, what, out),
            Input::Tool { tool, what } => self.tool_ran(at, tool, what, out),
            Input::Conversed(what) => self.conversed(at, what, out),
            Input::AnsweredBy(by) => self.answered_by(at, by, out),
            Input::Time => {}
            Input::End(reason) => {
                if self.detached.is_none() {
                    out.push(Output::Carrier(ToCarrier::Close));
                }
                self.end(at, reason, "", out);
            }
        }
    }

    /// The earliest moment at which something is to happen by itself, and what.
    fn deadline(&mut self) -> Option<(Tick, Timer)> {
        let limits = &self.settings.limits;
        let mut earliest: Option<(Tick, Timer)> = None;
        let mut at = |due: Option<Tick>, timer: Timer| {
            if let Some(due) = due.filter(|due| earliest.is_none_or(|(first, _)| *due < first)) {
                earliest = Some((due, timer));
            }
        };
        at(self.detached.map(|since| since + ms(limits.reattach_ms)), Timer::Reattach);
        match &self.phase {
            Phase::Ended => return None,
            Phase::Opening(opening) => {
                at(Some(Tick::default() + ms(limits.start_ms)), Timer::Start);
                let sign = opening.first_sign.filter(|_| opening.has_audio());
                at(sign.map(|sign| sign + ms(limits.lazy_start_ms)), Timer::LazyStart);
                return earliest;
            }
            Phase::Closing(_) => {}
            _ => at(Some(Tick::default() + ms(limits.max_call_ms)), Timer::MaxDuration),
        }
        if let Some(talk) = &self.talk {
            at(talk.playout.due().filter(|_| self.detached.is_none()), Timer::Pace);
            at(self.first_audio_due, Timer::FirstAudio);
            at(self.beep_due, Timer::Beep);
            self.floor_deadlines(talk, &mut at);
            self.reply_deadlines(talk, &mut at);
            self.late_deadlines(talk, &mut at);
            at(self.tool_due(), Timer::Tool);
            at(self.collect_due(talk), Timer::Digits);
            at(self.agent_due(), Timer::Agent);
            at(self.consent_due(), Timer::Consent);
        }
        earliest
    }

    fn fire(&mut self, at: Tick, timer: Timer, out: &mut Vec<Output>) {
        match timer {
            Timer::Start => self.end(at, EndReason::StartTimeout, "the stream never started", out),
            Timer::LazyStart => {
                self.bring(&BTreeMap::new());
                self.answer(at, true, out);
            }
            Timer::FirstAudio => self.send_first_silence(at, out),
            Timer::Pace => self.pump(at, out),
            Timer::Reattach => {
                self.end(at, EndReason::ConnectionLost, "the socket broke and no new one came", out);
            }
            Timer::MaxDuration => self.reach_longest(at, out),
            Timer::SpeechEnd
            | Timer::EndOfTurn
            | Timer::Transcript
            | Timer::Resume
            | Timer::Speculate
            | Timer::Digits => {
                self.floor_timer(at, timer, out);
            }
            Timer::GreetingSynthesis | Timer::GreetingReady | Timer::Model | Timer::Voice | Timer::Mark => {
                self.reply_timer(at, timer, out);
            }
            Timer::Beep => self.beep_timer(at, out),
            Timer::Agent => self.agent_timer(at, out),
            Timer::IdlePrompt | Timer::IdleHangUp => self.idle_timer(at, timer, out),
            Timer::Tool => self.tool_timer(at, out),
            Timer::Consent => {
                out.push(Output::Event(Event::TimedOut { timer }));
                self.ask_again(at, out);
            }
            Timer::Hurry | Timer::Filler | Timer::FillerVoice | Timer::Budget => {
                self.late_timer(at, timer, out);
            }
        }
    }
}
