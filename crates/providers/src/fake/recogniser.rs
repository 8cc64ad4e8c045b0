//! A recogniser that hears what it was told to hear.

use call::{Fault, Heard, Input, Listen, SpeechId};
use tokio::sync::mpsc;

use super::{Fate, Manner};
use crate::{Answers, ListenSpec, QueueFull, Recogniser, Refused, SpeechToText};

/// How many stretches may wait for their text.
const QUEUE: usize = 16;

/// A recogniser that gives the same texts in every call, one for each stretch of speech, the last one again and
/// again.
#[derive(Debug, Clone)]
pub struct FakeRecogniser {
    texts: Vec<String>,
    manner: Manner,
}

impl FakeRecogniser {
    /// Gives `texts` in order; with none, an empty text.
    pub const fn new(texts: Vec<String>, manner: Manner) -> Self {
        Self { texts, manner }
    }
}

impl SpeechToText for FakeRecogniser {
    fn name(&self) -> &str {
        "fake"
    }

    fn open(&self, _spec: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        let (finish, mut finished) = mpsc::channel::<(SpeechId, String)>(QUEUE);
        let manner = self.manner.clone();
        tokio::spawn(async move {
            while let Some((speech, text)) = finished.recv().await {
                manner.pause().await;
                let what = match &manner.fate {
                    Fate::Hangs => continue,
                    Fate::Stalls => Heard::Partial(text),
                    Fate::Fails(why) => Heard::Failed(Fault::local(why)),
                    Fate::Answers => Heard::Final(text),
                };
                if answers.send(Input::Heard { speech, what }).await.is_err() {
                    return;
                }
            }
        });
        Ok(Box::new(Ear { texts: self.texts.clone(), next: 0, finish }))
    }
}

/// The stand-in's ear in one call.
struct Ear {
    texts: Vec<String>,
    next: usize,
    finish: mpsc::Sender<(SpeechId, String)>,
}

impl Recogniser for Ear {
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull> {
        let Listen::Finish(speech) = what else { return Ok(()) };
        let text = self.texts.get(self.next).or(self.texts.last()).cloned().unwrap_or_default();
        self.next += 1;
        self.finish.try_send((speech, text)).map_err(|_| QueueFull)
    }
}
