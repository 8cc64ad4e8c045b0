//! Recognisers over HTTP: each stretch of speech is collected here and posted when it is finished.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use audio::Pcm;
use call::{Fault, Heard, Input, Listen, SpeechId};
use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::http::HttpLink;
use super::{Net, Patience, Probe};
use crate::dialect::EarDialect;
use crate::{Answers, LinkId, ListenSpec, QueueFull, Recogniser, Refused, SpeechToText};

/// How long the text may take, where nothing else is said.
const TEXT: Duration = Duration::from_millis(4_000);
/// What is kept of the time before speech was noticed.
const PRE_ROLL_US: u64 = 300_000;
/// No stretch is longer; of one that is, the beginning is lost.
const LONGEST_US: u64 = 60_000_000;
/// No answer is longer.
const LONGEST_ANSWER: usize = 1 << 20;
/// So many stretches of one call may wait for their text.
const AT_ONCE: usize = 8;

/// A recogniser that is asked over HTTP. Its patience: `first` is from the end of a stretch to its whole text.
pub type HttpEar = HttpLink<dyn EarDialect>;

impl HttpEar {
    /// The recogniser behind `dialect`.
    pub fn new(link: LinkId, dialect: Arc<dyn EarDialect>, net: Arc<Net>) -> Self {
        Self::over(link, dialect, net, Patience::first(TEXT))
    }
}

impl SpeechToText for HttpEar {
    fn name(&self) -> &str {
        &self.id.vendor
    }

    fn open(&self, spec: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        Ok(Box::new(Ear {
            link: self.clone(),
            spec: Arc::new(spec.clone()),
            answers,
            kept: VecDeque::new(),
            samples: 0,
            is_open: false,
            asked: Vec::new(),
        }))
    }
}

impl Probe for HttpEar {
    fn link(&self) -> &LinkId {
        &self.id
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, Fault>> {
        Box::pin(self.try_out(self.dialect.probe()))
    }
}

/// The recogniser in one call.
struct Ear {
    link: HttpEar,
    spec: Arc<ListenSpec>,
    answers: Answers,
    /// The stretch that is spoken, or what was heard just now.
    kept: VecDeque<Pcm>,
    samples: usize,
    is_open: bool,
    asked: Vec<AbortHandle>,
}

impl Recogniser for Ear {
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull> {
        match what {
            Listen::Audio(pcm) => {
                self.samples += pcm.len();
                self.kept.push_back(pcm);
                self.cut();
                Ok(())
            }
            Listen::Began(_) => {
                self.is_open = true;
                Ok(())
            }
            Listen::Finish(speech) => {
                self.is_open = false;
                self.finish(speech)
            }
        }
    }
}

impl Ear {
    /// Forgets what is older than what may be kept.
    fn cut(&mut self) {
        let most = self.spec.rate.samples(if self.is_open { LONGEST_US } else { PRE_ROLL_US });
        while let Some(oldest) = self.kept.front()
            && self.samples - oldest.len() >= most
        {
            self.samples -= oldest.len();
            self.kept.pop_front();
        }
    }

    fn finish(&mut self, speech: SpeechId) -> Result<(), QueueFull> {
        self.asked.retain(|asked| !asked.is_finished());
        if self.asked.len() >= AT_ONCE {
            return Err(QueueFull);
        }
        let mut samples = Vec::with_capacity(self.samples);
        for pcm in self.kept.drain(..) {
            samples.extend_from_slice(&pcm);
        }
        self.samples = 0;
        let (link, spec, answers) = (self.link.clone(), Arc::clone(&self.spec), self.answers.clone());
        let asking = tokio::spawn(async move {
            let what = match hear(&link, &samples, &spec).await {
                Ok(text) => Heard::Final(text),
                Err(fault) => Heard::Failed(fault),
            };
            // The call being over is no concern of a recogniser.
            let _ = answers.send(Input::Heard { speech, what }).await;
        });
        self.asked.push(asking.abort_handle());
        Ok(())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        for asked in &self.asked {
            asked.abort();
        }
    }
}

async fn hear(link: &HttpEar, samples: &[i16], spec: &ListenSpec) -> Result<String, Fault> {
    if samples.is_empty() {
        return Ok(String::new());
    }
    let by = Instant::now() + link.patience.first;
    let mut answered = link.ask(link.dialect.request(samples, spec), by).await?;
    if answered.is_silenced() {
        return Ok(String::new());
    }
    let body = answered.body(LONGEST_ANSWER, by).await?;
    link.dialect.text(&body)
}
