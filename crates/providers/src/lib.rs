//! Speech-to-text, language models and text-to-speech, each behind its role.

pub mod fake;
pub mod local;

mod registry;
mod roles;

pub use registry::{Capabilities, Finding, Providers, Role, Streams, UnknownProvider};
pub use roles::{
    Answers, CallOver, LanguageModel, ListenSpec, QueueFull, Recogniser, Refused, Running, SpeechToText,
    TextToSpeech,
};
