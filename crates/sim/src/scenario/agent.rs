//! A speech-to-speech vendor that does what it is told: what a scenario says of it.

use std::collections::VecDeque;

use call::ToolCall;

/// How a scripted speech-to-speech agent behaves.
#[derive(Debug, Clone)]
pub struct Partner {
    /// From the caller's first sound to its noticing, in milliseconds. `None`: it never says that it notices, and
    /// answers all the same.
    pub notices_ms: Option<u64>,
    /// How much silence ends the caller's turn.
    pub endpointing_ms: u64,
    /// From the end of the turn, or from being told to speak, to its first audio.
    pub first_audio_ms: u64,
    /// How long it speaks for each letter.
    pub letter_ms: u64,
    /// How much faster than it plays its audio comes.
    pub faster: u64,
    /// From the end of the turn to the caller's words. `None`: they never come.
    pub transcript_ms: Option<u64>,
    /// It never says that an answer is complete, and says when it stops for the caller.
    pub never_done: bool,
    /// When it fails for good.
    pub fails_at_ms: Option<u64>,
    pub(super) replies: VecDeque<Spoken>,
}

/// One answer of a speech-to-speech agent.
#[derive(Debug, Clone, Default)]
pub struct Spoken {
    /// Its words; each line is a piece of speech of its own.
    pub text: String,
    /// The tool that it asks for after them.
    pub tool: Option<ToolCall>,
    /// It says nothing at all, ever.
    pub hangs: bool,
    /// It stops in the middle.
    pub stops: bool,
}

impl Spoken {
    /// An answer of these words.
    pub fn of(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// The same, and then it wants this tool.
    pub fn with_tool(self, tool: ToolCall) -> Self {
        Self { tool: Some(tool), ..self }
    }
}

impl Default for Partner {
    fn default() -> Self {
        Self {
            notices_ms: Some(100),
            endpointing_ms: 500,
            first_audio_ms: 300,
            letter_ms: 60,
            faster: 5,
            transcript_ms: Some(400),
            never_done: false,
            fails_at_ms: None,
            replies: VecDeque::new(),
        }
    }
}
