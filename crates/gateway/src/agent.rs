//! Who answers a call: the core's settings and the vendors that stand behind its roles.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use call::Settings;
use providers::tools::ToolRunner;
use providers::{LanguageModel, Role, SpeechToSpeech, SpeechToText, TextToSpeech};

use crate::handover::Transfers;

/// One agent, as configured.
#[derive(Clone)]
pub struct Agent {
    /// The name under which calls ask for it.
    pub name: String,
    /// What the core is told.
    pub settings: Arc<Settings>,
    /// The language spoken, BCP 47, such as `en-IN`.
    pub language: String,
    /// What callers are expected to say, in lower case: given to the recogniser.
    pub phrases: Vec<String>,
    /// Speech to text; without one an agent that listens hears nothing.
    pub recogniser: Option<Arc<dyn SpeechToText>>,
    /// The language model.
    pub model: Option<Arc<dyn LanguageModel>>,
    /// Text to speech.
    pub voice: Option<Arc<dyn TextToSpeech>>,
    /// The tools that the model may ask for beside those that a call does itself; the settings declare them.
    pub tools: Option<Arc<ToolRunner>>,
    /// To whom it may hand callers on, where the carrier can be told to dial.
    pub transfers: Transfers,
    /// One vendor in the place of those three, where the settings say so.
    pub speech_to_speech: Option<Arc<dyn SpeechToSpeech>>,
    /// Whether both sides are recorded.
    pub record: bool,
    /// Whether a call log is written, for replay.
    pub call_log: bool,
}

impl Agent {
    /// An agent of these settings with no vendors, no recording and no call log, speaking `en-IN`.
    pub fn new(name: impl Into<String>, settings: Settings) -> Self {
        Self {
            name: name.into(),
            settings: Arc::new(settings),
            language: "en-IN".to_owned(),
            phrases: Vec::new(),
            recogniser: None,
            model: None,
            voice: None,
            tools: None,
            transfers: Transfers::default(),
            speech_to_speech: None,
            record: false,
            call_log: false,
        }
    }
}

impl Agent {
    /// The vendors by their roles.
    pub(crate) fn vendor_names(&self) -> impl Iterator<Item = (Role, &str)> {
        [
            self.recogniser.as_ref().map(|vendor| (Role::SpeechToText, vendor.name())),
            self.model.as_ref().map(|vendor| (Role::LanguageModel, vendor.name())),
            self.voice.as_ref().map(|vendor| (Role::TextToSpeech, vendor.name())),
            self.speech_to_speech.as_ref().map(|vendor| (Role::SpeechToSpeech, vendor.name())),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether a call with this agent needs any vendor that can be opened ahead.
    pub(crate) fn has_vendors(&self) -> bool {
        if self.settings.converses() && !self.settings.asks_first() {
            // What it is told must have the call's own words in it.
            let is_the_same = !self.settings.has_variables();
            return is_the_same && self.speech_to_speech.as_ref().is_some_and(|vendor| !vendor.needs_call());
        }
        self.settings.agent.listens() && (self.recogniser.is_some() || self.voice.is_some())
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("name", &self.name)
            .field("kind", &self.settings.agent)
            .field("recogniser", &self.recogniser.as_ref().map(|vendor| vendor.name()))
            .field("model", &self.model.as_ref().map(|vendor| vendor.name()))
            .field("voice", &self.voice.as_ref().map(|vendor| vendor.name()))
            .field("speech_to_speech", &self.speech_to_speech.as_ref().map(|vendor| vendor.name()))
            .finish_non_exhaustive()
    }
}

/// All agents by name.
pub type Agents = BTreeMap<String, Arc<Agent>>;
