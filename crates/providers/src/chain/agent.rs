//! Speech-to-speech agents in a list: the first that its breaker lets through has the call. A conversation is not
//! moved from one to another, since what was said is in the vendor's memory.

use std::sync::Arc;

use call::{Conversed, Input};
use tokio::sync::mpsc;

use super::{Link, Way, all_resting, choose, name, ways, went_away};
use crate::health::Health;
use crate::{Answers, ConverseSpec, Converser, Refused, SpeechToSpeech};

/// So many answers may wait.
const QUEUE: usize = 64;

/// A list of speech-to-speech agents as one.
pub struct AgentChain {
    ways: Arc<[Way<dyn SpeechToSpeech>]>,
    health: Arc<Health>,
}

impl AgentChain {
    /// `links` in the order in which they are asked. Their deadlines are theirs to keep.
    pub fn new(links: Vec<Link<dyn SpeechToSpeech>>, health: Arc<Health>) -> Self {
        Self { ways: ways(links, &health), health }
    }
}

impl SpeechToSpeech for AgentChain {
    fn name(&self) -> &str {
        name(&self.ways)
    }

    fn needs_call(&self) -> bool {
        self.ways.iter().any(|way| way.link.role.needs_call())
    }

    fn open(&self, spec: &ConverseSpec, answers: Answers) -> Result<Box<dyn Converser>, Refused> {
        self.health.asked();
        let mut tried = vec![false; self.ways.len()];
        let mut last = Refused::Unavailable(all_resting().to_string());
        while let Some((way, attempt)) = choose(&self.ways, None, &tried, &answers) {
            tried[way] = true;
            let (to, mut from) = mpsc::channel(QUEUE);
            let converser = match self.ways[way].link.role.open(spec, Answers::new(to)) {
                Ok(converser) => converser,
                Err(refused) => {
                    attempt.failed(&call::Fault::local(refused.to_string()));
                    last = refused;
                    continue;
                }
            };
            let answers = answers.clone();
            tokio::spawn(async move {
                let mut attempt = Some(attempt);
                while let Some(input) = from.recv().await {
                    match &input {
                        Input::Conversed(Conversed::Ready) => {
                            if let Some(attempt) = &mut attempt {
                                attempt.heard();
                            }
                        }
                        Input::Conversed(Conversed::Failed(fault)) => {
                            if let Some(attempt) = attempt.take() {
                                attempt.failed(fault);
                            }
                        }
                        _ => {}
                    }
                    if answers.send(input).await.is_err() {
                        return;
                    }
                }
                // Where the call has let it go, nobody hears this.
                if attempt.is_some() {
                    let _ = answers.send(Input::Conversed(Conversed::Failed(went_away()))).await;
                }
            });
            return Ok(converser);
        }
        Err(last)
    }
}
