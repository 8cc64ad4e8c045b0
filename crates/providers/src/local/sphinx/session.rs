//! One call's recogniser: what is heard goes to a helper process, and every stretch that is finished gets exactly
//! one final text or failure, whatever becomes of the helper.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Fault, Heard, Input, Listen, SpeechId};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::grammar::Grammar;
use super::helper::Helper;
use super::wire::{self, Order, Report};
use super::{NO_PHRASES, Shared};
use crate::{Answers, ListenSpec, QueueFull, Recogniser};

/// How much is kept of what came before speech was noticed.
const PRE_ROLL_US: u64 = 500_000;
/// How many frames and signs may wait for the helper: 5 s of frames, as long as a helper may take to start twice.
const QUEUE: usize = 256;
/// How long until a helper that died is replaced: this, and twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the ear hands to its session.
enum Heed {
    Begin(SpeechId, Vec<Pcm>),
    Audio(Pcm),
    Finish(SpeechId),
}

/// The call's end of the recogniser. Frames outside of speech stay here, so that silence costs nothing.
pub(super) struct Ear {
    heed: mpsc::Sender<Heed>,
    listening: bool,
    recent: VecDeque<Pcm>,
    recent_samples: usize,
    pre_roll: usize,
}

/// Opens a recogniser for a call. Needs a tokio runtime.
pub(super) fn open(
    shared: Arc<Shared>,
    spec: ListenSpec,
    place: OwnedSemaphorePermit,
    answers: Answers,
) -> Ear {
    let (heed, heeds) = mpsc::channel(QUEUE);
    let pre_roll = spec.rate.samples(PRE_ROLL_US);
    let session = Session {
        shared,
        rate: spec.rate,
        answers,
        grammar: None,
        helper: Link::Down { until: Instant::now() },
        pauses: 0,
        open: None,
        asked: VecDeque::new(),
        buffer: Vec::new(),
        _place: place,
    };
    tokio::spawn(session.run(spec.phrases, heeds));
    Ear { heed, listening: false, recent: VecDeque::new(), recent_samples: 0, pre_roll }
}

impl Recogniser for Ear {
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull> {
        let heed = match what {
            Listen::Audio(pcm) if self.listening => Heed::Audio(pcm),
            Listen::Audio(pcm) => {
                self.keep(pcm);
                return Ok(());
            }
            Listen::Began(speech) => {
                self.listening = true;
                self.recent_samples = 0;
                Heed::Begin(speech, self.recent.drain(..).collect())
            }
            Listen::Finish(speech) => {
                self.listening = false;
                Heed::Finish(speech)
            }
        };
        self.heed.try_send(heed).map_err(|_| QueueFull)
    }
}

impl Ear {
    fn keep(&mut self, pcm: Pcm) {
        self.recent_samples += pcm.len();
        self.recent.push_back(pcm);
        while let Some(oldest) = self.recent.front()
            && self.recent_samples - oldest.len() >= self.pre_roll
        {
            self.recent_samples -= oldest.len();
            self.recent.pop_front();
        }
    }
}

/// The helper, as far as there is one.
enum Link {
    Up(Box<Helper>),
    /// It died, and is replaced at this time.
    Down {
        until: Instant,
    },
    /// It can't work here, and why.
    Never(String),
}

/// The stretch that is being spoken.
struct Open {
    speech: SpeechId,
    /// Why its audio did not reach a helper in full.
    lost: Option<String>,
}

struct Session {
    shared: Arc<Shared>,
    rate: SampleRate,
    answers: Answers,
    grammar: Option<Arc<Grammar>>,
    helper: Link,
    /// How many helpers died since the last answer.
    pauses: u32,
    open: Option<Open>,
    /// Stretches that are finished and not answered, oldest first, each with its deadline.
    asked: VecDeque<(SpeechId, Instant)>,
    buffer: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl Session {
    async fn run(mut self, phrases: Vec<String>, mut heeds: mpsc::Receiver<Heed>) {
        self.prepare(phrases).await;
        self.start();
        loop {
            let deadline = self.asked.front().map(|(_, deadline)| *deadline);
            let restart = match &self.helper {
                Link::Down { until } => Some(*until),
                Link::Up(_) | Link::Never(_) => None,
            };
            tokio::select! {
                heed = heeds.recv() => match heed {
                    Some(heed) => self.heed(heed).await,
                    None => break,
                },
                report = next_report(&mut self.helper) => match report {
                    Some(report) => self.heard(report).await,
                    None => self.died("it ended").await,
                },
                () = until(deadline) => self.died("it did not answer in time").await,
                () = until(restart) => self.start(),
            }
        }
        if let Link::Up(helper) = self.helper {
            helper.farewell().await;
        }
    }

    /// Makes the grammar, unless another call has.
    async fn prepare(&mut self, phrases: Vec<String>) {
        let prepared = match self.shared.prepared(&phrases) {
            Some(prepared) => Ok(prepared),
            None => {
                let shared = Arc::clone(&self.shared);
                let work = tokio::task::spawn_blocking(move || shared.prepare(&phrases));
                work.await.unwrap_or_else(|error| Err(super::SphinxError::Broken(error.to_string())))
            }
        };
        match prepared.map(|prepared| prepared.grammar) {
            Ok(Some(grammar)) => self.grammar = Some(grammar),
            Ok(None) => self.helper = Link::Never(NO_PHRASES.to_owned()),
            Err(error) => self.helper = Link::Never(error.to_string()),
        }
    }

    /// Takes a helper that is ready, or starts one.
    fn start(&mut self) {
        let (Link::Down { .. }, Some(grammar)) = (&self.helper, &self.grammar) else { return };
        let shared = &self.shared;
        let started = match shared.warm.take(grammar) {
            Some(helper) => Ok(helper),
            None => shared.launcher.start(grammar),
        };
        match started {
            Ok(helper) => self.helper = Link::Up(Box::new(helper)),
            Err(error) => {
                let program = shared.launcher.program.display();
                tracing::error!(%program, %error, "the recogniser's helper can't be started");
                self.helper =
                    Link::Never(format!("the recogniser's helper {program} can't be started: {error}"));
            }
        }
        if shared.settings.warm {
            shared.warm.keep_one(&shared.launcher, grammar);
        }
    }

    async fn heed(&mut self, heed: Heed) {
        match heed {
            Heed::Begin(speech, before) => {
                let lost = match &self.helper {
                    Link::Up(_) => None,
                    Link::Down { .. } => Some("the recogniser's helper is being replaced".to_owned()),
                    Link::Never(why) => Some(why.clone()),
                };
                self.open = Some(Open { speech, lost });
                let order = Order::Begin { speech: speech.0, rate: self.rate };
                wire::write_order(&order, &mut self.buffer);
                for pcm in before {
                    wire::write_audio(&pcm, &mut self.buffer);
                }
                self.flush().await;
            }
            Heed::Audio(pcm) => {
                if self.open.as_ref().is_some_and(|open| open.lost.is_none()) {
                    wire::write_audio(&pcm, &mut self.buffer);
                    self.flush().await;
                }
            }
            Heed::Finish(speech) => match self.open.take() {
                Some(Open { speech: open, lost: None }) if open == speech => {
                    let deadline = Instant::now() + self.shared.settings.answer_within;
                    self.asked.push_back((speech, deadline));
                    wire::write_order(&Order::Finish { speech: speech.0 }, &mut self.buffer);
                    self.flush().await;
                }
                Some(Open { speech: open, lost: Some(why) }) if open == speech => {
                    self.answer(speech, Heard::Failed(Fault::local(why))).await;
                }
                _ => {
                    let why = "this stretch of speech was never begun".to_owned();
                    self.answer(speech, Heard::Failed(Fault::local(why))).await;
                }
            },
        }
    }

    /// Writes the buffer to the helper. One that takes nothing for as long as it may take to answer is given up.
    async fn flush(&mut self) {
        let Link::Up(helper) = &mut self.helper else {
            self.buffer.clear();
            return;
        };
        let written = timeout(self.shared.settings.answer_within, helper.write(&mut self.buffer)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.died("it ended").await,
            Err(_) => self.died("it stopped listening").await,
        }
    }

    async fn heard(&mut self, report: Report) {
        match report {
            Report::Ready => {}
            Report::Unusable(why) => {
                tracing::error!(why, "the recogniser can't work");
                self.helper = Link::Never(why.clone());
                self.lose_all(&why).await;
            }
            Report::Partial { speech, text } => {
                let speech = SpeechId(speech);
                if self.open.as_ref().is_some_and(|open| open.speech == speech) {
                    self.answer(speech, Heard::Partial(text)).await;
                }
            }
            Report::Final { speech, text } => {
                self.pauses = 0;
                self.settle(SpeechId(speech), Heard::Final(text)).await;
            }
            Report::Failed { speech, why } => {
                self.settle(SpeechId(speech), Heard::Failed(Fault::local(why))).await;
            }
        }
    }

    /// Answers a stretch that was asked for; anything else is not wanted any more.
    async fn settle(&mut self, speech: SpeechId, what: Heard) {
        if let Some(place) = self.asked.iter().position(|(asked, _)| *asked == speech) {
            self.asked.remove(place);
            self.answer(speech, what).await;
        }
    }

    /// The helper is of no more use: what it was to answer fails, and it is replaced after a pause.
    async fn died(&mut self, why: &str) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(10)).min(LONGEST_PAUSE);
        self.pauses = self.pauses.saturating_add(1);
        tracing::warn!(why, deaths = self.pauses, "the recogniser's helper is replaced");
        // Dropping it kills it.
        self.helper = Link::Down { until: Instant::now() + pause };
        self.lose_all(&format!("the recogniser's helper failed: {why}")).await;
    }

    async fn lose_all(&mut self, why: &str) {
        self.buffer.clear();
        if let Some(open) = &mut self.open {
            open.lost.get_or_insert_with(|| why.to_owned());
        }
        for (speech, _) in std::mem::take(&mut self.asked) {
            self.answer(speech, Heard::Failed(Fault::local(why))).await;
        }
    }

    async fn answer(&self, speech: SpeechId, what: Heard) {
        // A call that is over drops its ear next, which ends this session.
        let _ = self.answers.send(Input::Heard { speech, what }).await;
    }
}

async fn next_report(helper: &mut Link) -> Option<Report> {
    match helper {
        Link::Up(helper) => helper.report().await,
        Link::Down { .. } | Link::Never(_) => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
