//! What vendors can do, as data.

use audio::SampleRate;
use serde::{Deserialize, Serialize};

use crate::{Api, Transport};

/// What a vendor can take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Speech to text.
    SpeechToText,
    /// Language model.
    LanguageModel,
    /// Text to speech.
    TextToSpeech,
    /// All three in one.
    SpeechToSpeech,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::SpeechToText, Self::LanguageModel, Self::TextToSpeech, Self::SpeechToSpeech];

    /// The name in the configuration, in metrics and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpeechToText => "speech_to_text",
            Self::LanguageModel => "language_model",
            Self::TextToSpeech => "text_to_speech",
            Self::SpeechToSpeech => "speech_to_speech",
        }
    }
}

/// Whether answers come in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Streams {
    /// As they are made.
    Yes,
    /// All at once.
    No,
}

/// What a vendor can do in one role by one transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The name in configuration.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The way.
    pub transport: Transport,
    /// The rates of the audio it gives or takes; empty for a model.
    pub rates: Vec<SampleRate>,
    /// The encodings that are asked of it; empty for a model.
    pub encodings: Vec<&'static str>,
    /// Whether it answers in parts.
    pub streams: Streams,
    /// Whether a recogniser says when each word was spoken, or a voice when it speaks each.
    pub word_times: bool,
    /// Whether it lies somewhere else.
    pub needs_network: bool,
    /// One line for people.
    pub about: &'static str,
}

/// One way to an API in one role: what it can do, and what is taken where nothing is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) api: Api,
    pub(crate) role: Role,
    pub(crate) transport: Transport,
    pub(crate) base_url: &'static str,
    pub(crate) rates: &'static [SampleRate],
    pub(crate) encodings: &'static [&'static str],
    pub(crate) streams: Streams,
    pub(crate) word_times: bool,
    pub(crate) about: &'static str,
}

impl Way {
    /// The same for people, under a vendor's name.
    pub(crate) fn capabilities(&self, name: &str) -> Capabilities {
        Capabilities {
            name: name.to_owned(),
            role: self.role,
            transport: self.transport,
            rates: self.rates.to_vec(),
            encodings: self.encodings.to_vec(),
            streams: self.streams,
            word_times: self.word_times,
            needs_network: true,
            about: self.about,
        }
    }
}
