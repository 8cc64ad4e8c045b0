//! What can be set about a call. The names here are the names in the configuration file and in
//! `trunkline replay --set`.

mod answers;
mod recording;
mod turns;

pub use answers::{
    Budget, Dtmf, DtmfMode, Failure, FailureThen, Filler, FillerKind, Numbers, Speech, Tools, Transfer, Urls,
};
pub use recording::{Consent, Recording};
pub use turns::{BargeIn, Speculate, Turn, TurnEnd};

use serde::{Deserialize, Serialize};

use crate::{AnsweringMachine, BUILTIN, Micros};

/// How a call is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// Stays connected and says nothing.
    Silent,
    /// Plays 440 Hz for half a second, then the mark `beep_done`.
    Beep,
    /// Sends the caller's own audio back, sample for sample.
    Echo,
    /// Speaks the greeting, then only listens.
    Greeting,
    /// Converses.
    #[default]
    Assistant,
}

impl AgentKind {
    /// The name in the configuration and in `/health`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Beep => "beep",
            Self::Echo => "echo",
            Self::Greeting => "greeting",
            Self::Assistant => "assistant",
        }
    }

    /// Whether this agent listens to what the caller says.
    pub const fn listens(self) -> bool {
        matches!(self, Self::Greeting | Self::Assistant)
    }
}

/// What the caller hears when the greeting can't be spoken in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GreetingFallback {
    /// One second of silence.
    #[default]
    Silence,
    /// A short tone.
    Tone,
    /// The greeting that is built in.
    Recorded,
}

/// Everything that can be set about one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How the call is answered.
    pub agent: AgentKind,
    /// Whether an assistant is one vendor that listens, thinks and speaks. The call then asks neither a model nor
    /// a voice.
    #[serde(skip_serializing_if = "is_no")]
    pub speech_to_speech: bool,
    /// Whether recogniser, model and voice take that vendor's place when it fails. They must be there then.
    #[serde(skip_serializing_if = "is_no")]
    pub speech_to_speech_fallback: bool,
    /// What is said first. Empty: nothing is.
    pub greeting: String,
    /// What the caller hears when the greeting fails.
    pub greeting_fallback: GreetingFallback,
    /// What is spoken, as BCP 47.
    pub language: String,
    /// The operator's instructions to the model.
    pub prompt: String,
    /// The tools that the model may ask for.
    pub tools: Tools,
    /// Said when the model or the voice fails to answer.
    pub apology: String,
    /// What happens when vendors keep failing.
    pub failure: Failure,
    /// How words are made ready for the voice.
    pub speech: Speech,
    /// What is heard while an answer is late.
    pub filler: Filler,
    /// How long an answer may take.
    pub budget: Budget,
    /// What keys do that the caller presses.
    pub dtmf: Dtmf,
    /// When the caller speaks and has finished.
    pub turn: Turn,
    /// When the caller may interrupt.
    pub barge_in: BargeIn,
    /// What is done when a machine picked up.
    pub answering_machine: AnsweringMachine,
    /// The message that is left on it.
    pub machine_message: String,
    /// What happens when the caller says nothing.
    pub idle: Idle,
    /// How long things may take.
    pub limits: Limits,
    /// How audio goes out.
    pub playout: Playout,
    /// Whether the call is recorded, and what the caller is told or asked before it is.
    #[serde(skip_serializing_if = "Recording::is_default")]
    pub recording: Recording,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            agent: AgentKind::default(),
            speech_to_speech: false,
            speech_to_speech_fallback: false,
            greeting: String::new(),
            greeting_fallback: GreetingFallback::default(),
            language: "en-IN".to_owned(),
            prompt: String::new(),
            tools: Tools::default(),
            apology: "Sorry, something went wrong. Please say that again.".to_owned(),
            failure: Failure::default(),
            speech: Speech::default(),
            filler: Filler::default(),
            budget: Budget::default(),
            dtmf: Dtmf::default(),
            turn: Turn::default(),
            barge_in: BargeIn::default(),
            answering_machine: AnsweringMachine::default(),
            machine_message: String::new(),
            idle: Idle::default(),
            limits: Limits::default(),
            playout: Playout::default(),
            recording: Recording::default(),
        }
    }
}

/// What happens when the caller says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Idle {
    /// After how long the caller is asked. 0: never.
    pub prompt_after_ms: u64,
    /// What they are asked.
    pub prompt: String,
    /// After how long, counted from the same moment, the call is ended. 0: never.
    pub hang_up_after_ms: u64,
    /// What is said before that, and before the longest call is ended.
    pub goodbye: String,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            prompt_after_ms: 10_000,
            prompt: "Are you still there?".to_owned(),
            hang_up_after_ms: 25_000,
            goodbye: "Goodbye.".to_owned(),
        }
    }
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The longest call. Exotel ends a stream at 60 minutes.
    pub max_call_ms: u64,
    /// From the socket's opening to the stream's start.
    pub start_ms: u64,
    /// From `connected` or the first audio to answering without a `start`.
    pub lazy_start_ms: u64,
    /// From asking for the greeting to its first audio.
    pub greeting_synthesis_ms: u64,
    /// From asking for the greeting to its last audio.
    pub greeting_ready_ms: u64,
    /// From the start to the first audio of any kind: after it, a moment of silence is sent.
    pub first_audio_ms: u64,
    /// From the end of speech to the recogniser's final text.
    pub transcript_ms: u64,
    /// From asking the model to its first word, and between its words.
    pub model_ms: u64,
    /// From asking the voice to its first audio, and between pieces of it.
    pub voice_ms: u64,
    /// From asking for a tool to its result.
    pub tool_ms: u64,
    /// From the expected end of the last audio to giving up on its mark.
    pub mark_ms: u64,
    /// From a broken socket to giving up on the carrier's reconnect.
    pub reattach_ms: u64,
    /// How many messages of the conversation the model is shown.
    pub history_messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_call_ms: 3_500_000,
            start_ms: 10_000,
            lazy_start_ms: 1_000,
            greeting_synthesis_ms: 10_000,
            greeting_ready_ms: 15_000,
            first_audio_ms: 1_500,
            transcript_ms: 2_500,
            model_ms: 4_000,
            voice_ms: 2_000,
            tool_ms: 10_000,
            mark_ms: 2_000,
            reattach_ms: 5_000,
            history_messages: 40,
        }
    }
}

/// How audio goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Playout {
    /// Bytes of 16-bit audio in one message: a multiple of 320, from 320 to 99,840.
    pub chunk_bytes: usize,
    /// How much audio may lie with the carrier ahead of what the caller hears. More survives a worse network;
    /// less makes an interruption bite sooner. At least one chunk goes out whatever this says.
    pub lead_ms: u64,
}

impl Default for Playout {
    fn default() -> Self {
        Self { chunk_bytes: 3200, lead_ms: 400 }
    }
}

impl Playout {
    /// The largest chunk that lies below both of Exotel's stated maxima (100,000 and 102,400 bytes).
    pub const MAX_CHUNK_BYTES: usize = 99_840;
    /// What every chunk is a multiple of.
    pub const CHUNK_STEP_BYTES: usize = 320;
}

impl Settings {
    /// Whether one vendor listens, thinks and speaks.
    pub fn converses(&self) -> bool {
        self.speech_to_speech && self.agent == AgentKind::Assistant
    }

    /// What is wrong with these settings, each with its name, or nothing.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let chunk = self.playout.chunk_bytes;
        if chunk == 0 || !chunk.is_multiple_of(Playout::CHUNK_STEP_BYTES) || chunk > Playout::MAX_CHUNK_BYTES
        {
            found.push(format!(
                "playout.chunk_bytes is {chunk}; it must be a multiple of 320 from 320 to {}",
                Playout::MAX_CHUNK_BYTES
            ));
        }
        for (name, score) in [
            ("turn.start_threshold", self.turn.start_threshold),
            ("turn.quiet_threshold", self.turn.quiet_threshold),
            ("turn.stay_threshold", self.turn.stay_threshold),
        ] {
            if !(0.0..=1.0).contains(&score) {
                found.push(format!("{name} is {score}; it must lie between 0 and 1"));
            }
        }
        if self.turn.end_silence_ms < self.turn.stop_ms {
            found.push(format!(
                "turn.end_silence_ms is {}, shorter than turn.stop_ms ({}); a turn can't end before its speech does",
                self.turn.end_silence_ms, self.turn.stop_ms
            ));
        }
        if self.turn.adaptive
            && self.turn.adaptive_max_ms < self.turn.adaptive_min_ms.max(self.turn.end_silence_ms)
        {
            found.push(format!(
                "turn.adaptive_max_ms is {}, less than turn.adaptive_min_ms ({}) or turn.end_silence_ms ({})",
                self.turn.adaptive_max_ms, self.turn.adaptive_min_ms, self.turn.end_silence_ms
            ));
        }
        for name in self.tools.builtin.iter().filter(|name| !BUILTIN.contains(&name.as_str())) {
            found.push(format!("tools.builtin names \"{name}\"; there are {}", BUILTIN.join(", ")));
        }
        if self.answering_machine == AnsweringMachine::Message && self.machine_message.trim().is_empty() {
            found.push("answering_machine is message, and machine_message is empty".to_owned());
        }
        self.recording.problems(self, &mut found);
        if self.limits.max_call_ms == 0 {
            found.push("limits.max_call_ms is 0; no call could live".to_owned());
        }
        found
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_no(setting: &bool) -> bool {
    !setting
}

/// A length from a setting in milliseconds.
pub(crate) fn ms(length: u64) -> Micros {
    Micros::from_ms(length)
}
