//! Speech-to-text, language models and text-to-speech, each behind its role.

pub mod anthropic;
pub mod chain;
pub mod deepgram;
pub mod dialect;
pub mod driver;
pub mod elevenlabs;
pub mod fake;
pub mod google;
pub mod local;
pub mod openai;
pub mod recorded;

mod cached;
mod health;
mod inject;
mod link;
mod notes;
mod options;
mod registry;
mod roles;
pub mod tools;

pub use cached::{CachedVoice, VoiceCache};
pub use health::{Health, LastFailure, Latency, LinkHealth};
pub use inject::{FaultAction, FaultPlan, FaultRule};
pub use link::{LinkId, Transport};
pub use notes::{Note, Notes};
pub use options::{
    Api, DialectOptions, KeysTold, Override, QueryValue, RoleOptions, TransportChoice, VendorOptions,
};
pub use registry::{
    Capabilities, Entry, Finding, Misfit, Providers, RESERVED, Role, Streams, VendorTable, check_entry,
    check_vendor,
};
pub use roles::{
    Answers, CallFacts, CallOver, ConverseSpec, Converser, LanguageModel, ListenSpec, QueueFull, Recogniser,
    Refused, Running, Speaker, SpeechToSpeech, SpeechToText, TextToSpeech, VoiceSpec,
};
