//! An agent's table in the configuration, with its defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use providers::tools::ToolOptions;
use providers::{Entry, Role};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::transfer::Transfer;

/// One agent. In the file it is one flat table, so it is one here.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Agent {
    pub(crate) kind: call::AgentKind,
    pub(crate) greeting: String,
    pub(crate) greeting_fallback: call::GreetingFallback,
    pub(crate) prompt: String,
    pub(crate) apology: String,
    pub(crate) failure: call::Failure,
    pub(crate) speech: call::Speech,
    pub(crate) filler: call::Filler,
    pub(crate) budget: call::Budget,
    pub(crate) dtmf: call::Dtmf,
    pub(crate) tools: Tools,
    pub(crate) language: String,
    #[serde(deserialize_with = "list")]
    pub(crate) speech_to_text: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub(crate) language_model: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub(crate) text_to_speech: Vec<String>,
    pub(crate) speech_to_speech: Option<String>,
    pub(crate) speech_to_speech_fallback: bool,
    pub(crate) script: Option<PathBuf>,
    pub(crate) phrases: Vec<String>,
    pub(crate) turn: call::Turn,
    pub(crate) barge_in: call::BargeIn,
    pub(crate) answering_machine: call::AnsweringMachine,
    pub(crate) machine_message: String,
    pub(crate) idle: call::Idle,
    pub(crate) limits: call::Limits,
    pub(crate) playout: call::Playout,
    pub(crate) recording: call::Recording,
    pub(crate) transfer: Transfer,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            kind: call::AgentKind::Assistant,
            greeting: String::new(),
            greeting_fallback: call::GreetingFallback::Silence,
            prompt: String::new(),
            apology: "Sorry, something went wrong on our side. Please say that again.".to_owned(),
            failure: call::Failure::default(),
            speech: call::Speech::default(),
            filler: call::Filler::default(),
            budget: call::Budget::default(),
            dtmf: call::Dtmf::default(),
            tools: Tools::default(),
            language: "en-IN".to_owned(),
            speech_to_text: vec!["builtin".to_owned()],
            language_model: vec!["scripted".to_owned()],
            text_to_speech: vec!["flite:slt".to_owned()],
            speech_to_speech: None,
            speech_to_speech_fallback: false,
            script: None,
            phrases: Vec::new(),
            turn: call::Turn::default(),
            barge_in: call::BargeIn::default(),
            answering_machine: call::AnsweringMachine::default(),
            machine_message: String::new(),
            idle: call::Idle::default(),
            limits: call::Limits::default(),
            playout: call::Playout::default(),
            recording: call::Recording::default(),
            transfer: Transfer::default(),
        }
    }
}

impl Agent {
    /// The vendors of a role, in the order in which they are tried.
    pub(crate) fn entries(&self, role: Role) -> Vec<Entry> {
        let entries = |list: &[String]| list.iter().map(|text| Entry::parse(text)).collect();
        match role {
            Role::SpeechToText => entries(&self.speech_to_text),
            Role::LanguageModel => entries(&self.language_model),
            Role::TextToSpeech => entries(&self.text_to_speech),
            Role::SpeechToSpeech => entries(self.speech_to_speech.as_slice()),
        }
    }

    /// The roles that this agent has a use for.
    pub(crate) fn roles(&self) -> &'static [Role] {
        match (self.kind, &self.speech_to_speech) {
            (call::AgentKind::Assistant, Some(_)) if self.speech_to_speech_fallback => &Role::ALL,
            (call::AgentKind::Assistant, Some(_)) if self.call_settings().asks_first() => {
                &[Role::SpeechToSpeech, Role::TextToSpeech]
            }
            (call::AgentKind::Assistant, Some(_)) => &[Role::SpeechToSpeech],
            (call::AgentKind::Assistant, None) => {
                &[Role::SpeechToText, Role::LanguageModel, Role::TextToSpeech]
            }
            (call::AgentKind::Greeting, _) => &[Role::SpeechToText, Role::TextToSpeech],
            _ => &[],
        }
    }

    /// What the core of a call needs to know of it.
    pub(crate) fn call_settings(&self) -> call::Settings {
        call::Settings {
            agent: self.kind,
            speech_to_speech: self.speech_to_speech.is_some(),
            speech_to_speech_fallback: self.speech_to_speech_fallback,
            greeting: self.greeting.clone(),
            greeting_fallback: self.greeting_fallback,
            prompt: self.prompt.clone(),
            language: self.language.clone(),
            tools: call::Tools { transfer: self.transfer.for_calls(), ..self.tools.for_calls() },
            apology: self.apology.clone(),
            failure: self.failure.clone(),
            speech: self.speech.clone(),
            filler: self.filler.clone(),
            budget: self.budget.clone(),
            dtmf: self.dtmf.clone(),
            turn: self.turn.clone(),
            barge_in: self.barge_in.clone(),
            answering_machine: self.answering_machine,
            machine_message: self.machine_message.clone(),
            idle: self.idle.clone(),
            limits: self.limits.clone(),
            playout: self.playout.clone(),
            recording: self.recording.clone(),
        }
    }
}

/// The tools that the model may ask for: `builtin` and `max_steps`, and beside them one table for each of the
/// operator's own.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tools {
    pub(crate) builtin: Vec<String>,
    pub(crate) max_steps: u32,
    #[serde(flatten)]
    pub(crate) own: BTreeMap<String, ToolOptions>,
}

impl Default for Tools {
    fn default() -> Self {
        let call::Tools { builtin, max_steps, .. } = call::Tools::default();
        Self { builtin, max_steps, own: BTreeMap::new() }
    }
}

impl Tools {
    fn for_calls(&self) -> call::Tools {
        let Self { builtin, max_steps, .. } = self.clone();
        call::Tools { builtin, max_steps, ..call::Tools::default() }
    }
}

impl<'de> Deserialize<'de> for Tools {
    /// By hand, so that each value is read as what it is to be: what is collected first loses its place in the
    /// file, and numbers that come as text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Tools;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Tools, A::Error> {
                let mut tools = Tools::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "builtin" => tools.builtin = map.next_value::<List>()?.0,
                        "max_steps" => tools.max_steps = map.next_value()?,
                        _ => {
                            let mut tool: ToolOptions = map.next_value()?;
                            if let Value::String(text) = &tool.parameters {
                                let schema = serde_json::from_str(text).map_err(|error| {
                                    de::Error::custom(format!(
                                        "the parameters of \"{name}\" are no JSON: {error}"
                                    ))
                                })?;
                                tool.parameters = schema;
                            }
                            tools.own.insert(name, tool);
                        }
                    }
                }
                Ok(tools)
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

/// A list, or one text as a list of one.
struct List(Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list(deserializer).map(List)
    }
}

/// A list, or one text as a list of one.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(Visitor)
}
