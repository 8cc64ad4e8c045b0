//! Speech-to-text, language models and text-to-speech, each behind its role.

mod roles;

pub use roles::{
    Answers, CallOver, LanguageModel, ListenSpec, QueueFull, Recogniser, Refused, Running, SpeechToText,
    TextToSpeech,
};
