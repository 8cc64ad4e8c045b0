//! Language models over HTTP: one request, answered by server-sent events.

use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass, Input, Prompt, Thought, TurnId};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::http::{Answered, HttpLink};
use super::pace::Pace;
use super::{Net, Patience, Probe};
use crate::dialect::{ModelDialect, SseDecoder};
use crate::{Answers, LanguageModel, LinkId, Running};

/// How long the first token may take, where nothing else is said.
const FIRST_TOKEN: Duration = Duration::from_secs(4);

/// A language model that is asked over HTTP. Its patience: `first` is from the question to the first words, `between`
/// from one event to the next.
pub type HttpModel = HttpLink<dyn ModelDialect>;

impl HttpModel {
    /// The model behind `dialect`.
    pub fn new(link: LinkId, dialect: Arc<dyn ModelDialect>, net: Arc<Net>) -> Self {
        Self::over(link, dialect, net, Patience::first(FIRST_TOKEN))
    }

    async fn answer(&self, turn: TurnId, prompt: &Prompt, answers: &Answers) -> Result<(), Fault> {
        let mut pace = Pace::asked(Instant::now(), self.patience);
        let mut answered = self.ask(self.dialect.request(prompt), pace.due()).await?;
        if answered.is_silenced() {
            give(turn, Thought::Done, answers).await;
            return Ok(());
        }
        if answered.content_type().starts_with("text/html") {
            return Err(Fault::new(FaultClass::Garbage, "it answered with a web page"));
        }
        let mut events = SseDecoder::new();
        let mut decoder = self.dialect.decoder();
        let mut thoughts = Vec::new();
        let mut has_begun = false;
        while let Some(piece) = answered.piece(pace.due()).await? {
            let mut seen = 0;
            let decoded = events.push(&piece, |event, data| {
                seen += 1;
                decoder.event(event, data, &mut thoughts)
            });
            has_begun |= thoughts.iter().any(|thought| !matches!(thought, Thought::Used(_)));
            // What was said before the fault is worth hearing.
            if hand_over(turn, &mut thoughts, answers, &mut answered).await {
                return Ok(());
            }
            decoded?;
            if has_begun {
                pace.came(Instant::now(), seen, 1);
            }
        }
        let last = events.end(|event, data| decoder.event(event, data, &mut thoughts));
        let end = last.and_then(|()| decoder.end(&mut thoughts));
        if hand_over(turn, &mut thoughts, answers, &mut answered).await {
            return Ok(());
        }
        end?;
        Err(Fault::new(FaultClass::Garbage, "its answer ended without an end"))
    }
}

/// Gives `thoughts` to the call, to the first that is the last. Whether nothing more is to be said.
async fn hand_over(
    turn: TurnId,
    thoughts: &mut Vec<Thought>,
    answers: &Answers,
    answered: &mut Answered,
) -> bool {
    for thought in thoughts.drain(..) {
        let is_done = thought == Thought::Done;
        if !give(turn, thought, answers).await {
            return true;
        }
        if is_done {
            answered.drain().await;
            return true;
        }
    }
    false
}

/// Whether the call is still there.
async fn give(turn: TurnId, what: Thought, answers: &Answers) -> bool {
    answers.send(Input::Thought { turn, what }).await.is_ok()
}

impl LanguageModel for HttpModel {
    fn name(&self) -> &str {
        &self.id.vendor
    }

    fn warm(&self) {
        self.net.warm(&self.dialect.probe().url);
    }

    fn ask(&self, turn: TurnId, prompt: Prompt, answers: Answers) -> Running {
        let model = self.clone();
        Running::spawn(async move {
            if let Err(fault) = model.answer(turn, &prompt, &answers).await {
                give(turn, Thought::Failed(fault), &answers).await;
            }
        })
    }
}

impl Probe for HttpModel {
    fn link(&self) -> &LinkId {
        &self.id
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, Fault>> {
        Box::pin(self.try_out(self.dialect.probe()))
    }
}
