//! A speech-to-speech agent: one vendor that listens, thinks and speaks. Where one is used, the call asks neither
//! a model nor a voice.

use audio::{Pcm, SampleRate};
use serde::{Deserialize, Serialize};

use crate::{Fault, ToolCall, Usage};

/// One piece of the agent's speech, numbered from 0 in the order in which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub u32);

/// What goes to a speech-to-speech agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Converse {
    /// A frame of the caller's audio at the stream's rate.
    Audio(Pcm),
    /// The agent is to speak first, and say this.
    Say(String),
    /// The caller said or pressed something that is not audio; the agent is to answer it.
    Told(String),
    /// By our own ears the caller has finished. For agents that do not listen for it themselves.
    Finished,
    /// The caller interrupted: of this item they had heard so much, the rest is withdrawn.
    Cut {
        /// The item that was playing.
        item: ItemId,
        /// How much of it the caller had heard.
        heard_ms: u64,
    },
    /// What a tool gave.
    ToolResult {
        /// The vendor's id of the tool call.
        id: String,
        /// The result, as text, or why there is none.
        result: String,
        /// Whether there is none.
        #[serde(default, skip_serializing_if = "is_no")]
        failed: bool,
    },
}

/// What a speech-to-speech agent gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversed {
    /// The session is set up; audio is understood from here on.
    Ready,
    /// This agent never says that an answer is complete: it is when all that came of it was heard and nothing
    /// followed.
    NeverDone,
    /// It hears the caller begin to speak.
    SpeechStarted,
    /// It hears the caller stop.
    SpeechStopped,
    /// It has stopped its own speech for the caller's: what was not heard of it is not wanted any more.
    Interrupted,
    /// What the caller said, whenever it is known.
    CallerSaid(String),
    /// More of the agent's audio.
    Audio {
        /// The piece of speech that it belongs to.
        item: ItemId,
        /// Its own rate; the playout converts it.
        rate: SampleRate,
        /// The samples.
        pcm: Pcm,
    },
    /// More of the text of a piece of speech.
    Text {
        /// The piece of speech.
        item: ItemId,
        /// The words.
        text: String,
    },
    /// After an interruption: what it said of its last words, by its own reckoning.
    Corrected(String),
    /// A piece of speech is complete.
    ItemDone(ItemId),
    /// It wants a tool used.
    Tool(ToolCall),
    /// Its answer is complete, and what it cost.
    Done(Usage),
    /// It wants the call to end, once its words were heard.
    Ending,
    /// It has ended the conversation: nothing comes any more, and nothing is wrong.
    Over,
    /// Its connection broke and another goes on in its place. Nothing more comes of the answer under way; where the
    /// caller was not answered, another one comes.
    Reopened,
    /// A step on the way to or through the conversation, for the call's log and record.
    Step {
        /// Which, in one word.
        step: String,
        /// More about it; nothing of what is said.
        detail: String,
    },
    /// Something about the conversation that the call's record is to have.
    Fact {
        /// Its name.
        name: String,
        /// What it is.
        value: String,
    },
    /// The session is gone, or can't be set up.
    Failed(Fault),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_no(flag: &bool) -> bool {
    !flag
}
