//! A model that thinks nothing: fixed sentences, or the caller's own words.

use std::sync::Arc;

use call::{Fault, Input, Message, Prompt, Thought, TurnId};

use super::{Fate, Manner};
use crate::{Answers, LanguageModel, Running};

/// A model that answers with fixed sentences or with the caller's words.
#[derive(Debug, Clone)]
pub struct FakeModel {
    /// One for each turn of the call, from the start again after the last. Empty: the caller's words.
    sentences: Arc<[String]>,
    manner: Manner,
}

impl FakeModel {
    /// Answers with `sentences`, one a turn, over and over.
    pub fn saying(sentences: Vec<String>, manner: Manner) -> Self {
        Self { sentences: sentences.into(), manner }
    }

    /// Answers "You said: " and the caller's last words.
    pub fn echo(manner: Manner) -> Self {
        Self { sentences: Arc::default(), manner }
    }

    fn answer(&self, prompt: &Prompt) -> String {
        let mut said = prompt.messages.iter().filter_map(|message| match message {
            Message::Caller(text) => Some(text.as_str()),
            Message::Agent { .. } | Message::Tool { .. } => None,
        });
        if self.sentences.is_empty() {
            let words = said.next_back().unwrap_or("nothing");
            return format!("You said: {words}");
        }
        let turn = said.count().saturating_sub(1);
        self.sentences[turn % self.sentences.len()].clone()
    }
}

impl LanguageModel for FakeModel {
    fn name(&self) -> &str {
        "fake"
    }

    fn ask(&self, turn: TurnId, prompt: Prompt, answers: Answers) -> Running {
        let model = self.clone();
        Running::spawn(async move {
            model.manner.pause().await;
            let outcome = match &model.manner.fate {
                Fate::Hangs => return,
                Fate::Fails(why) => Thought::Failed(Fault::local(why)),
                Fate::Answers | Fate::Stalls => {
                    let what = Thought::Delta(model.answer(&prompt));
                    if answers.send(Input::Thought { turn, what }).await.is_err()
                        || model.manner.fate == Fate::Stalls
                    {
                        return;
                    }
                    Thought::Done
                }
            };
            // The call being over is no concern of a stand-in.
            let _ = answers.send(Input::Thought { turn, what: outcome }).await;
        })
    }
}
