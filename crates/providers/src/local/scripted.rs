//! A language model that follows a script: intents, forms with slots, answers with variables. Enough for a
//! reception desk, and for a first call that needs no key.
//!
//! It keeps nothing between two questions: each time, it replays what the caller said so far. So a script can be
//! tried as a function, and a call that moves to another process goes on.

mod engine;
mod file;
mod script;

use std::sync::Arc;
use std::time::Duration;

use call::{END_CALL, Input, Prompt, Thought, ToolCall, TurnId};

use crate::{Answers, LanguageModel, Running};

pub use engine::{Action, Answer};
pub use script::{Script, ScriptError};

/// The script of the reception desk that ships with the program.
pub const RECEPTION: &str = include_str!("scripted/reception.toml");

/// A script behind the role of a language model.
#[derive(Debug, Clone)]
pub struct ScriptedModel {
    script: Arc<Script>,
    /// How long it waits before each word: none in service, some in a demonstration of streaming.
    word_pause: Duration,
}

impl ScriptedModel {
    /// Follows `script`, giving its words at once.
    pub fn new(script: Arc<Script>) -> Self {
        Self { script, word_pause: Duration::ZERO }
    }

    /// The same, with a pause before each word.
    #[must_use]
    pub const fn with_word_pause(mut self, pause: Duration) -> Self {
        self.word_pause = pause;
        self
    }

    /// The script that it follows.
    pub const fn script(&self) -> &Arc<Script> {
        &self.script
    }
}

impl LanguageModel for ScriptedModel {
    fn name(&self) -> &str {
        "scripted"
    }

    fn ask(&self, turn: TurnId, prompt: Prompt, answers: Answers) -> Running {
        let Self { script, word_pause } = self.clone();
        Running::spawn(async move {
            let Answer { text, action } = script.answer(&prompt);
            let words = text.split_inclusive(' ').map(|word| Thought::Delta(word.to_owned()));
            let all = words
                .chain(action.map(|Action::EndCall| Thought::Tool(ToolCall::of(END_CALL))))
                .chain([Thought::Done]);
            for what in all {
                if !word_pause.is_zero() {
                    tokio::time::sleep(word_pause).await;
                }
                if answers.send(Input::Thought { turn, what }).await.is_err() {
                    return;
                }
            }
        })
    }
}
