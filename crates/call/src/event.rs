//! The decisions of a call, each with the numbers that led to it, so that "why did it stop talking?" has an
//! answer long after the call.

use records::{AnsweredBy, Speaker, TurnLatency};
use serde::{Deserialize, Serialize};

use crate::{Fault, SpeechId, Timer, TurnId, UtteranceId};

/// Something decided or found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The stream started and the call is answered. Given once a call.
    Answered {
        /// Whether it started on audio alone, without a `start`.
        lazily: bool,
    },
    /// The greeting is being spoken. Given at most once a call.
    Greeting,
    /// The greeting could not be spoken; the fallback was played.
    GreetingFailed {
        /// Why.
        why: String,
    },
    /// The caller began to speak.
    SpeechStarted {
        /// The stretch.
        speech: SpeechId,
        /// Voice activity's score of the last frame.
        score: f32,
        /// The level of the caller's line, dB below full scale.
        level_db: f32,
        /// The noise floor, dB below full scale.
        floor_db: f32,
        /// How long the speech was when it was noticed.
        speech_ms: u64,
        /// Whether the agent was speaking.
        over_agent: bool,
    },
    /// The caller stopped speaking.
    SpeechEnded {
        /// The stretch.
        speech: SpeechId,
        /// How long it was.
        speech_ms: u64,
    },
    /// Frames of speech were taken for our own echo.
    Echo {
        /// The level of the caller's line, dB below full scale.
        level_db: f32,
        /// The level of what was played within the echo window.
        played_db: f32,
    },
    /// The recogniser's guess while the caller speaks.
    Partial {
        /// What it guesses.
        text: String,
    },
    /// What the caller said, at the end of their turn.
    CallerSaid {
        /// The turn of the agent that answers.
        turn: TurnId,
        /// When the caller began, in milliseconds since the call's start.
        at_ms: u64,
        /// The words.
        text: String,
    },
    /// The caller's turn is over.
    TurnEnded {
        /// The turn of the agent that answers.
        turn: TurnId,
        /// How long it had been quiet.
        silence_ms: u64,
        /// How long the detector wanted it quiet.
        wanted_ms: u64,
        /// Why it was taken as over.
        why: EndOfTurnWhy,
    },
    /// Sound was heard that held no words; nothing is answered.
    NothingSaid {
        /// How long it was.
        spoke_ms: u64,
    },
    /// The caller's speech while the agent spoke was not an interruption.
    NotInterrupted {
        /// Why.
        why: NotInterruptedWhy,
        /// How long the speech was.
        speech_ms: u64,
        /// The words, if any were recognised.
        text: String,
    },
    /// The caller interrupted the agent.
    Interrupted {
        /// The agent's turn that was cut; absent for the greeting and the idle prompt.
        turn: Option<TurnId>,
        /// How long the caller had spoken.
        speech_ms: u64,
        /// How long was wanted.
        wanted_ms: u64,
        /// The words recognised so far.
        words: usize,
        /// The level of the caller's line, dB below full scale.
        level_db: f32,
        /// The level of what was played within the echo window; absent when nothing was.
        played_db: Option<f32>,
        /// What the caller had heard of the reply.
        heard: String,
        /// What they had not.
        unheard: String,
    },
    /// The interruption was nothing; the agent goes on.
    Resumed {
        /// The agent's turn; absent for the greeting and the idle prompt.
        turn: Option<TurnId>,
        /// How long it had waited.
        after_ms: u64,
    },
    /// What the agent said and the caller heard. One for each turn of the agent, at its end.
    AgentSaid {
        /// The turn; absent for the greeting and the idle prompt.
        turn: Option<TurnId>,
        /// When the caller heard the first of it, in milliseconds since the call's start.
        at_ms: u64,
        /// What was heard, cut to whole words.
        heard: String,
        /// What was not.
        unheard: String,
        /// What shows it.
        evidence: Evidence,
    },
    /// The first audio of an answer was handed to the carrier: where the time went.
    Latency {
        /// The turn.
        turn: TurnId,
        /// The parts.
        parts: TurnLatency,
    },
    /// The carrier ran out of audio in the middle of an utterance: the caller heard a gap.
    Underrun {
        /// The utterance.
        utterance: UtteranceId,
        /// How long it had been empty when more came.
        gap_ms: u64,
    },
    /// A key was pressed.
    Dtmf {
        /// Which.
        digit: char,
    },
    /// A silence chunk was sent because nothing else was ready.
    FirstAudioInsurance,
    /// The caller was asked whether they are still there.
    IdlePrompted,
    /// The socket broke; the call waits for the carrier's new one.
    Detached,
    /// A new socket took the call over.
    Reattached {
        /// How much audio was sent but not heard and is sent again.
        resent_ms: u64,
    },
    /// A vendor failed; what was done about it follows.
    VendorFailed {
        /// `recogniser`, `model`, `voice` or `agent`.
        role: VendorRole,
        /// What it said.
        fault: Fault,
    },
    /// The model was asked before the turn was surely over, and now it is known whether that was worth it.
    Speculated {
        /// The turn that it was asked for.
        turn: TurnId,
        /// Whether its answer is used: the caller had finished, and with the same words.
        kept: bool,
    },
    /// A step on a speech-to-speech agent's way.
    AgentStep {
        /// Which, in one word.
        step: String,
        /// More about it.
        detail: String,
    },
    /// After an interruption: what the speech-to-speech agent said of its last words, by its own reckoning.
    AgentCorrected {
        /// The words.
        text: String,
    },
    /// The speech-to-speech agent is gone; recogniser, model and voice go on in its place.
    AgentReplaced,
    /// The model asked for a tool.
    ToolAsked {
        /// The turn.
        turn: TurnId,
        /// Which tool.
        name: String,
        /// Its arguments, as the model wrote them.
        arguments: String,
    },
    /// A tool gave its result, or failed, or was stopped.
    ToolEnded {
        /// The turn.
        turn: TurnId,
        /// Which tool.
        name: String,
        /// How long it took.
        took_ms: u64,
        /// Whether it has a result.
        ok: bool,
    },
    /// The model put a result into the call's record.
    Result {
        /// Its name.
        name: String,
        /// What it is.
        value: String,
    },
    /// The call is to be handed on, once the agent's words were heard.
    TransferAsked {
        /// To whom: one of the configured names, or the model's word where there are none; empty for nobody.
        target: String,
    },
    /// A row of keys is complete.
    Digits {
        /// The keys.
        digits: String,
    },
    /// An answer is late: the caller hears that something is being done.
    Filler {
        /// The turn; absent while the caller's words are not known yet.
        turn: Option<TurnId>,
        /// How long after the end of the caller's turn.
        after_ms: u64,
    },
    /// An answer took longer than the budget allows.
    OverBudget {
        /// The turn; absent while the caller's words are not known yet.
        turn: Option<TurnId>,
        /// How long the caller has waited.
        spent_ms: u64,
        /// What is waited for.
        waiting_for: Waiting,
        /// What was done about it.
        did: Vec<Measure>,
    },
    /// The first mark of an answer came back: how long the carrier's leg is.
    CarrierDelay {
        /// The turn.
        turn: TurnId,
        /// How much later it came than the audio before it lasts.
        carrier_us: u64,
    },
    /// Something came for a request that is not wanted any more, or that can't be in this phase.
    Ignored {
        /// What.
        what: String,
    },
    /// A deadline was reached that changes what happens next.
    TimedOut {
        /// Which.
        timer: Timer,
    },
    /// The carrier found out who picked up.
    AnsweredBy {
        /// Who.
        by: AnsweredBy,
    },
    /// It is decided whether the call is recorded. Given once a call whose settings want the caller told or asked.
    Consent {
        /// When, in milliseconds since the call's start.
        at_ms: u64,
        /// Whether it is recorded from here on.
        recorded: bool,
        /// Why.
        why: ConsentWhy,
    },
    /// From here on silence is recorded.
    RecordingPaused {
        /// When, in milliseconds since the call's start.
        at_ms: u64,
    },
    /// The recording goes on.
    RecordingResumed {
        /// When it was paused, in milliseconds since the call's start.
        from_ms: u64,
        /// When it goes on, likewise.
        at_ms: u64,
    },
    /// The agent begins to close the call.
    Closing {
        /// Why.
        reason: records::EndReason,
    },
}

/// Why the caller's turn was taken as over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndOfTurnWhy {
    /// It was quiet for long enough.
    Silence,
    /// The words looked unfinished, and it was quiet for longer.
    Unfinished,
    /// It was quiet for as long as this caller's own pauses want.
    Adaptive,
    /// The recogniser found the caller quiet.
    VendorPause,
    /// The recogniser is sure that they have finished.
    VendorTurn,
    /// They pressed keys.
    Keys,
}

/// Why a call is recorded or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentWhy {
    /// The caller was told, and heard it.
    Announced,
    /// They said yes.
    SaidYes,
    /// They pressed 1.
    PressedYes,
    /// They said no.
    SaidNo,
    /// They pressed another key.
    PressedOther,
    /// No answer came that could be understood.
    NoAnswer,
    /// The announcement or the question could not be spoken.
    NotHeard,
    /// The call ended before.
    CallEnded,
}

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// The caller's words.
    Recogniser,
    /// The model's words.
    Model,
    /// A tool's result.
    Tool,
    /// The voice's audio.
    Voice,
}

/// What is done when an answer overruns its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The filler is played.
    Filler,
    /// The next model is tried.
    NextModel,
    /// The next answers begin at their first clause.
    FirstClause,
}

/// Why the caller's speech did not interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotInterruptedWhy {
    /// Interruptions are switched off.
    Disabled,
    /// The reply had only just begun.
    Protected,
    /// It was too short.
    Short,
    /// The words say "I am listening".
    BackChannel,
    /// The agent is saying goodbye.
    Closing,
}

/// What shows that words were heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The carrier returned the mark behind them.
    Mark,
    /// The clock says that they must have been played.
    Clock,
}

/// Which vendor's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VendorRole {
    /// Speech to text.
    Recogniser,
    /// The language model.
    Model,
    /// Text to speech.
    Voice,
    /// A speech-to-speech agent.
    Agent,
}

/// Whose words an event carries, for those that carry any.
impl Event {
    /// Who spoke the words in this event.
    pub const fn speaker(&self) -> Option<Speaker> {
        match self {
            Self::CallerSaid { .. } | Self::Partial { .. } => Some(Speaker::Caller),
            Self::AgentSaid { .. } => Some(Speaker::Agent),
            _ => None,
        }
    }
}
