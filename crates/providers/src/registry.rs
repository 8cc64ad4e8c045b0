//! Vendors by the names that configuration gives them.

use std::sync::{Arc, OnceLock};

use audio::SampleRate;
use serde::{Deserialize, Serialize};

use crate::fake::{FakeModel, FakeRecogniser, FakeVoice, Manner};
use crate::local::flite::{self, FliteVoice, VoiceName, VoicePool};
use crate::local::{Script, ScriptedModel, SphinxRecogniser, SphinxSettings};
use crate::{LanguageModel, SpeechToText, TextToSpeech};

/// What the stand-in recogniser hears: long enough for the stand-in model's answer to be worth interrupting.
const FAKE_WORDS: &str = "what are your opening hours today";

/// The rates of lines.
const LINE_RATES: [SampleRate; 4] =
    [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000, SampleRate::HZ_48000];

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// As they are made.
    Yes,
    /// All at once.
    No,
}

/// What a vendor can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The name in configuration.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The rates of the audio it gives or takes; empty for a model.
    pub rates: Vec<SampleRate>,
    /// Whether it answers in parts.
    pub streams: Streams,
    /// One line for people.
    pub about: &'static str,
}

/// Whether something that a built-in vendor needs is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The vendor.
    pub name: String,
    /// What is wrong and what to do; None when it works.
    pub problem: Option<String>,
}

/// No vendor of this role has this name; the configuration has to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {role} \"{name}\"; there are: {known}")]
pub struct UnknownProvider {
    role: &'static str,
    name: String,
    known: String,
}

/// The vendors of this process, which share their threads.
#[derive(Default)]
pub struct Providers {
    voice_threads: Option<usize>,
    voices: OnceLock<Arc<VoicePool>>,
    sphinx: Option<SphinxRecogniser>,
}

impl Providers {
    /// Vendors with their defaults. Nothing is opened or started until it is asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this many threads for the built-in voice instead of one for each core.
    #[must_use]
    pub const fn with_voice_threads(mut self, threads: usize) -> Self {
        self.voice_threads = Some(threads);
        self
    }

    /// The same with the built-in recogniser run so. Without it there is none.
    #[must_use]
    pub fn with_recogniser(mut self, settings: SphinxSettings) -> Self {
        self.sphinx = Some(SphinxRecogniser::new(settings));
        self
    }

    /// The voice of this name: `builtin`, `flite`, `flite:slt` and the like, `fake`.
    pub fn voice(&self, name: &str) -> Result<Arc<dyn TextToSpeech>, UnknownProvider> {
        let voice = match name {
            "fake" => return Ok(Arc::new(FakeVoice::default())),
            "builtin" | "flite" => Some(VoiceName::default()),
            _ => name.strip_prefix("flite:").and_then(|voice| voice.parse().ok()),
        };
        let voice = voice.ok_or_else(|| {
            let flite = VoiceName::ALL.map(|voice| format!("flite:{voice}")).join(", ");
            unknown("voice", name, &format!("builtin, {flite}, fake"))
        })?;
        let pool = self.voices.get_or_init(|| Arc::new(self.voice_pool()));
        Ok(Arc::new(FliteVoice::new(voice, Arc::clone(pool))))
    }

    /// The model of this name: `builtin` or `scripted` (following `script`), `fake` (says back what it hears).
    pub fn model(&self, name: &str, script: &Arc<Script>) -> Result<Arc<dyn LanguageModel>, UnknownProvider> {
        match name {
            "builtin" | "scripted" => Ok(Arc::new(ScriptedModel::new(Arc::clone(script)))),
            "fake" => Ok(Arc::new(FakeModel::echo(Manner::default()))),
            _ => Err(unknown("model", name, "builtin, scripted, fake")),
        }
    }

    /// The recogniser of this name: `builtin` or `pocketsphinx`, `fake` (always hears `FAKE_WORDS`).
    pub fn recogniser(&self, name: &str) -> Result<Arc<dyn SpeechToText>, UnknownProvider> {
        match (name, &self.sphinx) {
            ("fake", _) => Ok(Arc::new(FakeRecogniser::new(vec![FAKE_WORDS.to_owned()], Manner::default()))),
            ("builtin" | "pocketsphinx", Some(sphinx)) => Ok(Arc::new(sphinx.clone())),
            (_, Some(_)) => Err(unknown("recogniser", name, "builtin, pocketsphinx, fake")),
            (_, None) => Err(unknown("recogniser", name, "fake")),
        }
    }

    /// The built-in recogniser itself, for its phrases to be checked and its helpers to be started.
    pub const fn builtin_recogniser(&self) -> Option<&SphinxRecogniser> {
        self.sphinx.as_ref()
    }

    /// What each vendor can do.
    pub fn capabilities() -> Vec<Capabilities> {
        let of = |name: &str, role, rates: &[SampleRate], streams, about| Capabilities {
            name: name.to_owned(),
            role,
            rates: rates.to_vec(),
            streams,
            about,
        };
        let mut all = VoiceName::ALL
            .map(|voice| {
                let name = format!("flite:{voice}");
                of(&name, Role::TextToSpeech, &[voice.rate()], Streams::Yes, "English, built in")
            })
            .to_vec();
        all.extend([
            of("scripted", Role::LanguageModel, &[], Streams::Yes, "follows a script, built in"),
            of("pocketsphinx", Role::SpeechToText, &LINE_RATES, Streams::Yes, "English phrases, built in"),
            of("fake", Role::TextToSpeech, &[SampleRate::HZ_8000], Streams::Yes, "a tone, for tests"),
            of("fake", Role::LanguageModel, &[], Streams::No, "says back what it hears, for tests"),
            of("fake", Role::SpeechToText, &LINE_RATES, Streams::No, "always hears the same, for tests"),
        ]);
        all
    }

    /// Whether what the built-in vendors need is installed, and what to do if not. Opens it, for some 50 ms.
    pub fn doctor(&self) -> Vec<Finding> {
        let voices = VoiceName::ALL.map(|voice| Finding {
            name: format!("flite:{voice}"),
            problem: flite::check(voice).err().map(|error| error.to_string()),
        });
        let recogniser = self.sphinx.iter().map(|sphinx| Finding {
            name: "pocketsphinx".to_owned(),
            problem: sphinx.check().err().map(|error| error.to_string()),
        });
        voices.into_iter().chain(recogniser).collect()
    }

    fn voice_pool(&self) -> VoicePool {
        self.voice_threads.map_or_else(VoicePool::default, VoicePool::new)
    }
}

fn unknown(role: &'static str, name: &str, known: &str) -> UnknownProvider {
    UnknownProvider { role, name: name.chars().take(60).collect(), known: known.to_owned() }
}
