//! All that a call can ask of the world.

use audio::Pcm;
use records::EndReason;
use serde::{Deserialize, Serialize};

use crate::{Event, SpeechId, Tick, TurnId, UtteranceId};

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
        text: String,
    },
    /// The audio of this utterance is not wanted any more.
    StopVoice(UtteranceId),
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The operator's instructions.
    pub system: String,
    /// What was said so far, oldest first. The agent's part is what the caller heard of it. The last message is
    /// the caller's.
    pub messages: Vec<Message>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person on the phone.
    Caller,
    /// The voice bot.
    Agent,
}
