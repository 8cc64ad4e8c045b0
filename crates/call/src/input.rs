//! All that can happen to a call. Every variant has a defined answer in every phase: there is no error to
//! return, so no vendor's fault can close a caller's socket.

use std::collections::BTreeMap;

use audio::{Pcm, SampleRate};
use records::{AnsweredBy, EndReason};
use serde::{Deserialize, Serialize};

use crate::{Conversed, Fault, ToolAnswer, ToolCall, ToolId};

/// One turn of the agent: from the question to the model to the last word of the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TurnId(pub u32);

/// One piece of speech asked of the voice, usually a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtteranceId(pub u32);

/// One stretch of the caller's speech given to the recogniser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpeechId(pub u32);

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The carrier sent something.
    Carrier(CarrierEvent),
    /// A new socket took the running call over. What the carrier had queued for the caller is lost.
    Reattached,
    /// The carrier's socket is gone without a `stop`.
    Detached {
        /// Whether it was closed with a WebSocket close of 1000 or 1001, not broken.
        clean: bool,
    },
    /// The recogniser gave something.
    Heard {
        /// Which stretch of speech this is the text of.
        speech: SpeechId,
        /// What it gave.
        what: Heard,
    },
    /// The language model gave something.
    Thought {
        /// Which turn it was asked for.
        turn: TurnId,
        /// What it gave.
        what: Thought,
    },
    /// The voice gave something.
    Voiced {
        /// Which utterance it was asked for.
        utterance: UtteranceId,
        /// What it gave.
        what: Voiced,
    },
    /// A tool has run.
    Tool {
        /// Which run.
        tool: ToolId,
        /// What it gave.
        what: ToolAnswer,
    },
    /// The speech-to-speech agent gave something.
    Conversed(Conversed),
    /// The carrier found out who picked up.
    AnsweredBy(AnsweredBy),
    /// Nothing but time: the deadline of the last answer was reached.
    Time,
    /// The shell ends the call: drain, operator, dead line.
    End(EndReason),
}

/// What a carrier says, in words that all carriers share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierEvent {
    /// The socket's greeting, before the stream starts.
    Connected,
    /// The stream starts.
    Start(Box<StreamStart>),
    /// Audio from the caller, at the stream's rate.
    Audio(Pcm),
    /// A key was pressed.
    Dtmf {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
    },
    /// All audio before the mark of this name was played, or thrown away after a clear.
    Mark {
        /// The name that we gave it.
        name: String,
    },
    /// The carrier asks that audio which is queued here be dropped.
    Clear,
    /// The stream ends.
    Stop {
        /// Why, in the carrier's word, mapped; an unknown word gives `CarrierStopped`.
        reason: EndReason,
        /// The carrier's own word.
        word: String,
    },
}

/// How a stream started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStart {
    /// The carrier's id of the stream; empty when it gave none.
    pub stream: String,
    /// The carrier's id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The carrier's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The caller's number, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The called number, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Parameters that came with the call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, String>,
    /// The stream's rate, both ways.
    pub rate: SampleRate,
    /// With how many samples in a message the carrier is content, where that is less than a chunk as it is set: an answer
    /// is then heard as soon as there are so many of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_chunk: Option<usize>,
}

/// What a recogniser gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// A guess while the caller still speaks. Good for barge-in and for show, never to act upon.
    Partial(String),
    /// The text of the whole stretch, which it has now finished with. Empty when nothing was understood.
    Final(String),
    /// It can't say: it failed or was too slow. The stretch is over.
    Failed(Fault),
    /// The vendor's own ear found the caller quiet for as long as its endpointing wants, and this is all that was
    /// said. Where the words look finished, the turn is over.
    Pause(String),
    /// The vendor's turn model finds it likely that the caller has finished: worth thinking ahead.
    Likely(String),
    /// After `Likely`: they had not.
    GoesOn,
    /// The vendor's turn model is sure that the caller has finished, and this is all that was said.
    TurnOver(String),
    /// The recogniser itself is gone: no stretch gets an answer any more.
    Lost(Fault),
}

/// What a language model gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thought {
    /// More of the answer's text.
    Delta(String),
    /// A tool that it wants used.
    Tool(ToolCall),
    /// What the answer has cost, as far as the vendor says so. The last one counts.
    Used(Usage),
    /// The answer is complete.
    Done,
    /// It can't answer.
    Failed(Fault),
}

/// What a vendor counted of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Of those, tokens that the vendor had kept from before.
    pub cached_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// What a voice gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voiced {
    /// More audio.
    Audio {
        /// Its own rate; the playout converts it.
        rate: SampleRate,
        /// The samples.
        pcm: Pcm,
    },
    /// The utterance is complete.
    Done,
    /// It can't speak this.
    Failed(Fault),
}
