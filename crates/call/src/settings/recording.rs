//! What can be set about recording a call: whether the caller is told or asked first, in which words, and what counts
//! as their yes.

use serde::{Deserialize, Serialize};

use super::Settings;

/// Whether the caller agrees before anything is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Recorded from the start without a word: the operator has seen to it that this is right.
    #[default]
    None,
    /// Never recorded.
    Off,
    /// The caller is told; recorded from the moment at which they have heard it.
    Announce,
    /// The caller is asked; recorded from the moment at which they have said yes.
    Ask,
}

/// What can be set about recording a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// `none`, `off`, `announce` or `ask`.
    pub consent: Consent,
    /// What is said with `announce`. Empty: a sentence in English or Hindi, by the agent's language.
    pub announcement: String,
    /// What is said with `ask`. Empty: a question in English or Hindi, by the agent's language.
    pub question: String,
    /// Phrases that mean yes, besides those in English and Hindi that are known.
    pub yes: Vec<String>,
    /// Phrases that mean no, besides those that are known. A no counts more than a yes.
    pub no: Vec<String>,
    /// How long an answer is waited for once the question was heard. The question is put twice at most.
    pub wait_ms: u64,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            consent: Consent::None,
            announcement: String::new(),
            question: String::new(),
            yes: Vec::new(),
            no: Vec::new(),
            wait_ms: 6_000,
        }
    }
}

impl Recording {
    /// Whether these are the settings that hold where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What the caller is told or asked before anything is recorded; nothing in the other modes.
    pub fn words(&self, language: &str) -> &str {
        let is_hindi = is(language, "hi");
        match self.consent {
            Consent::None | Consent::Off => "",
            Consent::Announce if !self.announcement.is_empty() => &self.announcement,
            Consent::Announce if is_hindi => "यह कॉल रिकॉर्ड की जा रही है।",
            Consent::Announce => "This call is recorded.",
            Consent::Ask if !self.question.is_empty() => &self.question,
            Consent::Ask if is_hindi => {
                "क्या हम यह कॉल रिकॉर्ड कर सकते हैं? कृपया हाँ या नहीं कहें, या हाँ के लिए एक दबाएँ।"
            }
            Consent::Ask => "May we record this call? Please say yes or no, or press 1 for yes.",
        }
    }

    /// What is wrong with this for an agent of these settings.
    pub(super) fn problems(&self, settings: &Settings, found: &mut Vec<String>) {
        if matches!(self.consent, Consent::None | Consent::Off) {
            return;
        }
        // An agent that says nothing is not recorded then; that is no reason to refuse a default for all agents.
        if !settings.agent.listens() {
            return;
        }
        let (key, text) = match self.consent {
            Consent::Ask => ("question", &self.question),
            _ => ("announcement", &self.announcement),
        };
        if text.is_empty() && !is(&settings.language, "en") && !is(&settings.language, "hi") {
            found.push(format!(
                "recording.{key} is empty, and there is none for the language \"{}\"; write one",
                settings.language
            ));
        }
        if self.consent == Consent::Ask && !(1_000..=60_000).contains(&self.wait_ms) {
            found.push(format!("recording.wait_ms is {}; it must lie between 1000 and 60000", self.wait_ms));
        }
    }
}

impl Settings {
    /// Whether our own voice tells or asks the caller before a speech-to-speech agent is opened. What such an agent is
    /// told to say it may say otherwise, or after its own greeting, and what was not said was not agreed to.
    pub fn asks_first(&self) -> bool {
        self.converses() && matches!(self.recording.consent, Consent::Announce | Consent::Ask)
    }

    /// Whether an answer in words can be understood: beside a speech-to-speech agent there is a recogniser only where
    /// one stands ready to take its place.
    pub(crate) fn understands_consent(&self) -> bool {
        !self.converses() || self.speech_to_speech_fallback
    }

    /// What the caller is told or asked before anything is recorded; nothing where they are neither.
    pub(crate) fn consent_words(&self) -> &str {
        let asks_for_key = self.recording.consent == Consent::Ask
            && self.recording.question.is_empty()
            && !self.understands_consent();
        match asks_for_key {
            true if is(&self.language, "hi") => {
                "क्या हम यह कॉल रिकॉर्ड कर सकते हैं? हाँ के लिए एक दबाएँ, नहीं के लिए दो।"
            }
            true => "May we record this call? Press 1 for yes, or 2 for no.",
            false => self.recording.words(&self.language),
        }
    }
}

/// Whether a BCP 47 tag names this language.
fn is(tag: &str, language: &str) -> bool {
    tag.split(['-', '_']).next().is_some_and(|first| first.eq_ignore_ascii_case(language))
}
