//! All that a call can ask of the world.

use std::sync::Arc;

use audio::Pcm;
use records::EndReason;
use serde::{Deserialize, Serialize};

use crate::{Converse, Event, SpeechId, Tick, Tool, ToolCall, ToolId, TurnId, UtteranceId};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Send this to the carrier.
    Carrier(ToCarrier),
    /// Give this to the recogniser.
    Listen(Listen),
    /// Ask the model.
    Think {
        /// The turn that this is for; answers carry it.
        turn: TurnId,
        /// What it is asked.
        prompt: Prompt,
    },
    /// The model's answer to this turn is not wanted any more.
    StopThinking(TurnId),
    /// Ask the voice.
    Voice {
        /// The utterance that this is for; audio carries it.
        utterance: UtteranceId,
        /// What to say.
        say: Say,
    },
    /// The audio of this utterance is not wanted any more.
    StopVoice(UtteranceId),
    /// The model's answer to this turn is late: take the next vendor, if there is one.
    Hurry(TurnId),
    /// Use a tool.
    RunTool {
        /// The run; the answer carries it.
        tool: ToolId,
        /// Its name.
        name: String,
        /// Its arguments as JSON text, as the model wrote them.
        arguments: String,
    },
    /// The tool's answer is not wanted any more. Given only for tools without side effects.
    StopTool(ToolId),
    /// Give this to the speech-to-speech agent.
    Converse(Converse),
    /// From now on the call is recorded, or not, or silence takes the place of both sides. Where the settings want no
    /// consent it is recorded from the start, and only a pause and its end are given.
    Record(RecordState),
    /// A decision or a fact worth keeping.
    Event(Event),
    /// The call is over. The last output of a call, given exactly once.
    Ended {
        /// Why.
        reason: EndReason,
        /// More about it, where there is more to say.
        detail: String,
    },
}

/// Whether a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// It is.
    On,
    /// It is not, and nothing of it was.
    Off,
    /// Not at the moment: silence takes its place.
    Paused,
}

/// What goes to the carrier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToCarrier {
    /// Audio at the stream's rate, cut to the carrier's chunk.
    Media {
        /// The samples.
        pcm: Pcm,
        /// When the caller is expected to hear its first sample.
        plays_at: Tick,
    },
    /// Ask to be told when all audio so far has been played.
    Mark {
        /// The name that comes back.
        name: String,
    },
    /// Drop what is queued and not played.
    Clear,
    /// Close the socket with 1000: the flow goes on to its next step.
    Close,
}

/// What goes to the recogniser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    /// A frame of the caller's audio at the stream's rate. Every frame is given, speech or not: a recogniser
    /// keeps its own pre-roll.
    Audio(Pcm),
    /// Voice activity began; the speech itself began a little earlier.
    Began(SpeechId),
    /// Voice activity ended: give the final text now.
    Finish(SpeechId),
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// The operator's instructions.
    pub system: String,
    /// What was said so far, oldest first. The agent's part is what the caller heard of it. The last message is
    /// the caller's, or a tool's.
    pub messages: Vec<Message>,
    /// The tools that it may ask for.
    #[serde(default, skip_serializing_if = "<[Tool]>::is_empty")]
    pub tools: Arc<[Tool]>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The person on the phone said this, or pressed it.
    Caller(String),
    /// The voice bot said this, and asked for these tools.
    Agent {
        /// What the caller heard of it.
        text: String,
        /// The tools that it asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// What a tool gave. Stands behind the agent's message that asked for it.
    Tool {
        /// The vendor's id of the tool call.
        id: String,
        /// The tool.
        name: String,
        /// Its result, or why there is none.
        result: String,
    },
}

impl Message {
    /// The agent's words without tools.
    pub fn agent(text: impl Into<String>) -> Self {
        Self::Agent { text: text.into(), calls: Vec::new() }
    }
}

/// What a voice is asked to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Say {
    /// Words.
    Text(String),
    /// A recording in the agent's language that needs no vendor.
    Recorded(Recorded),
}

/// The recordings that are built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// "Hello. Please go ahead."
    Greeting,
    /// "One moment, please."
    Filler,
    /// "I am sorry, there is a technical problem."
    Apology,
    /// "Goodbye."
    Goodbye,
}
