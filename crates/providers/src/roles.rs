//! The roles that a vendor can take. A call knows only these; which vendor stands behind one is configuration.
//! Nothing here blocks: audio and requests are handed over, answers come back through the call's inbox.

use std::collections::BTreeMap;

use audio::SampleRate;
use call::{Converse, Input, Listen, Prompt, Tool, TurnId, UtteranceId};
use tokio::sync::mpsc;

use crate::{Note, Notes};

/// Where a vendor's answers go: the inbox of one call, which is bounded and read at once.
#[derive(Debug, Clone)]
pub struct Answers {
    inbox: mpsc::Sender<Input>,
    notes: Option<Notes>,
}

/// The call that asked is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call is over")]
pub struct CallOver;

impl Answers {
    /// Answers into `inbox`.
    pub const fn new(inbox: mpsc::Sender<Input>) -> Self {
        Self { inbox, notes: None }
    }

    /// The same with notes for the call's record.
    #[must_use]
    pub fn with_notes(mut self, notes: Notes) -> Self {
        self.notes = Some(notes);
        self
    }

    /// Notes something for the call's record, where one is kept. Never waits.
    pub fn note(&self, note: Note) {
        if let Some(notes) = &self.notes {
            notes.make(note);
        }
    }

    /// Hands an answer over, waiting for room.
    pub async fn send(&self, answer: Input) -> Result<(), CallOver> {
        self.inbox.send(answer).await.map_err(|_| CallOver)
    }

    /// The same from a thread that is not the runtime's.
    pub fn blocking_send(&self, answer: Input) -> Result<(), CallOver> {
        self.inbox.blocking_send(answer).map_err(|_| CallOver)
    }

    /// Whether the call is over.
    pub fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }
}

/// What a recogniser is told before the first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSpec {
    /// The rate of the frames that will come.
    pub rate: SampleRate,
    /// BCP 47, such as `en-IN`.
    pub language: String,
    /// What callers are expected to say, in lower case. A recogniser that works with a grammar makes it of
    /// these; others may take them as hints.
    pub phrases: Vec<String>,
}

/// Why a request can't be taken now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All places are taken: the call is to be told so, not starved.
    #[error("{0}")]
    Busy(String),
    /// It can't work at all here: a library or a file is missing.
    #[error("{0}")]
    Unavailable(String),
}

/// Speech to text.
pub trait SpeechToText: Send + Sync {
    /// The name in configuration, logs and metrics.
    fn name(&self) -> &str;

    /// Opens a recogniser for one call. Answers are `Input::Heard`: any number of partials and exactly one final
    /// or failure for each stretch that is begun and finished.
    fn open(&self, spec: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused>;
}

/// A recogniser that listens to one call. Dropping it ends it.
pub trait Recogniser: Send {
    /// Takes a frame or a sign, at once. `Err` when its bounded queue is full: the frame is lost and counted,
    /// the call goes on.
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull>;
}

/// A bounded queue had no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;

/// A language model.
pub trait LanguageModel: Send + Sync {
    /// The name in configuration, logs and metrics.
    fn name(&self) -> &str;

    /// A call is coming: opens what can be opened before the first question. Nothing blocks, and asking often
    /// costs nothing.
    fn warm(&self) {}

    /// Asks. Answers are `Input::Thought` of this turn: deltas and actions, then exactly one `Done` or `Failed`.
    fn ask(&self, turn: TurnId, prompt: Prompt, answers: Answers) -> Running;
}

/// What a voice is told before the first word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceSpec {
    /// What the call would like; the audio says what it is.
    pub rate: SampleRate,
    /// BCP 47, such as `en-IN`.
    pub language: String,
}

impl VoiceSpec {
    /// A voice at this rate, in `en-IN`.
    pub fn at(rate: SampleRate) -> Self {
        Self { rate, language: "en-IN".to_owned() }
    }
}

/// Text to speech.
pub trait TextToSpeech: Send + Sync {
    /// The name in configuration, logs and metrics.
    fn name(&self) -> &str;

    /// A call is coming: opens what can be opened before the first word. Nothing blocks, and asking often costs
    /// nothing.
    fn warm(&self) {}

    /// Speaks what every call will want into memory, in the background, where it keeps anything there. Needs a
    /// runtime.
    fn render_ahead(&self, _: &VoiceSpec) {}

    /// Opens a voice for one call. Nothing blocks: where a connection is needed, it is being opened.
    fn open(&self, spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker>;
}

/// A voice that speaks in one call. Dropping it ends it.
pub trait Speaker: Send {
    /// Speaks. Answers are `Input::Voiced` of this utterance: audio as it is made, then exactly one `Done` or
    /// `Failed`. Utterances are spoken in the order in which they are asked for, where the vendor can't do
    /// several at once.
    fn speak(&mut self, utterance: UtteranceId, text: String) -> Running;
}

/// What is known of a call before its agent is opened.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CallFacts {
    /// Our id of the call.
    pub id: String,
    /// The caller's number, as the carrier gave it.
    pub from: Option<String>,
    /// The number called, as the carrier gave it.
    pub to: Option<String>,
    /// Parameters that came with the call.
    pub custom: BTreeMap<String, String>,
}

impl std::fmt::Debug for CallFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallFacts").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a speech-to-speech agent is told before the first frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ConverseSpec {
    /// The call; empty where the agent is opened before there is one.
    pub call: CallFacts,
    /// The rate of the caller's frames, and the rate that the call would like to have back.
    pub rate: SampleRate,
    /// BCP 47, such as `en-IN`.
    pub language: String,
    /// The operator's instructions.
    pub system: String,
    /// What the call will have it say first; empty where it will not.
    pub greeting: String,
    /// The tools that it may ask for.
    pub tools: std::sync::Arc<[Tool]>,
}

/// One vendor that listens, thinks and speaks.
pub trait SpeechToSpeech: Send + Sync {
    /// The name in configuration, logs and metrics.
    fn name(&self) -> &str;

    /// Whether it must know the call before it is opened, so that it can't be opened ahead.
    fn needs_call(&self) -> bool {
        false
    }

    /// Opens a conversation for one call. Answers are `Input::Conversed`: `Ready` once, and nothing after
    /// `Failed`. Audio that comes before `Ready` is kept for it.
    fn open(&self, spec: &ConverseSpec, answers: Answers) -> Result<Box<dyn Converser>, Refused>;
}

/// A speech-to-speech agent in one call. Dropping it ends it.
pub trait Converser: Send {
    /// Takes a frame or a sign, at once. `Err` when its bounded queue is full.
    fn take(&mut self, what: Converse) -> Result<(), QueueFull>;
}

/// A request under way. Dropping it withdraws the request.
pub struct Running {
    stop: Option<Box<dyn FnOnce() + Send>>,
    hurry: Option<Box<dyn Fn() + Send>>,
}

impl Running {
    /// A request that `stop` withdraws.
    pub fn new(stop: impl FnOnce() + Send + 'static) -> Self {
        Self { stop: Some(Box::new(stop)), hurry: None }
    }

    /// The same for a request that can take another way when it is late.
    #[must_use]
    pub fn with_hurry(mut self, hurry: impl Fn() + Send + 'static) -> Self {
        self.hurry = Some(Box::new(hurry));
        self
    }

    /// The answer is late: take another way, where there is one.
    pub fn hurry(&self) {
        if let Some(hurry) = &self.hurry {
            hurry();
        }
    }

    /// A request that `work` answers, as a task of the runtime that this is called on.
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let task = tokio::spawn(work).abort_handle();
        Self::new(move || task.abort())
    }

    /// A request that is already answered.
    pub const fn finished() -> Self {
        Self { stop: None, hurry: None }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
    }
}
