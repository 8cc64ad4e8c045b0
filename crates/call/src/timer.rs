//! Every wait of a call has a name here: the next deadline always says why.

use serde::{Deserialize, Serialize};

use crate::Tick;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// When to give up on a stream that never starts.
    Start,
    /// When to answer without a `start`, if audio came.
    LazyStart,
    /// When to send a moment of silence, so that the carrier does not take a silent bot for a dead one.
    FirstAudio,
    /// When to stop waiting for the greeting's first audio.
    GreetingSynthesis,
    /// When to stop waiting for the greeting's last audio.
    GreetingReady,
    /// When to hand the next chunk to the carrier.
    Pace,
    /// When silence has lasted long enough to end a stretch of the caller's speech.
    SpeechEnd,
    /// When silence has lasted long enough to end the caller's turn.
    EndOfTurn,
    /// When to go on without the recogniser's final text.
    Transcript,
    /// When to stop waiting for the model.
    Model,
    /// When to stop waiting for the voice.
    Voice,
    /// When to stop waiting for the speech-to-speech agent.
    Agent,
    /// When to stop waiting for a tool.
    Tool,
    /// When to ask the model before the caller's turn is surely over.
    Speculate,
    /// When to try the next model, since the first word is late.
    Hurry,
    /// When to play the filler, since the answer is late.
    Filler,
    /// When the filler's own voice is late, so that the recorded one is played.
    FillerVoice,
    /// When an answer overruns its budget.
    Budget,
    /// When to stop waiting for the caller's answer to whether they may be recorded.
    Consent,
    /// When a row of pressed keys is over.
    Digits,
    /// When an interruption without words is taken for a false one and the agent goes on.
    Resume,
    /// When the agent's last word is taken as heard without its mark.
    Mark,
    /// When to leave the message although the machine's greeting has no end.
    Beep,
    /// When to ask whether the caller is still there.
    IdlePrompt,
    /// When to hang up on a caller who says nothing.
    IdleHangUp,
    /// When the longest allowed call is over.
    MaxDuration,
    /// When to give up on a carrier's reconnect.
    Reattach,
}

/// When the call wants to be handled again, if nothing happens before, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The moment. Absent only when the call is over.
    pub deadline: Option<(Tick, Timer)>,
}
