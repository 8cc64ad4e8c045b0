//! Voices in a list: an utterance of which nothing was heard yet is spoken by the next when one fails or is late.
//! What was begun by one voice is never begun again by another.

use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass, Input, Micros, UtteranceId, Voiced};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Link, Shunned, Way, all_resting, backoff, choose, far_away, from_any, name, ways, went_away};
use crate::health::{Attempt, Health, switched};
use crate::{Answers, Running, Speaker, TextToSpeech, VoiceSpec};

/// How long a caller waits for a sentence at least, whatever the deadlines of the links are.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many times one utterance is asked for again.
const RETRIES: u32 = 2;
/// So much audio, and so many orders, may wait.
const QUEUE: usize = 32;

/// A list of voices as one.
pub struct VoiceChain {
    ways: Arc<[Way<dyn TextToSpeech>]>,
    health: Arc<Health>,
}

impl VoiceChain {
    /// `links` in the order in which they are asked.
    pub fn new(links: Vec<Link<dyn TextToSpeech>>, health: Arc<Health>) -> Self {
        Self { ways: ways(links, &health), health }
    }
}

impl TextToSpeech for VoiceChain {
    fn name(&self) -> &str {
        name(&self.ways)
    }

    fn warm(&self) {
        if let Some(way) = self.ways.iter().find(|way| way.tracked.is_well()) {
            way.link.role.warm();
        }
    }

    fn open(&self, spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
        let (to, from) = mpsc::channel(QUEUE);
        let mut voices = Voices {
            ways: Arc::clone(&self.ways),
            health: Arc::clone(&self.health),
            spec: spec.clone(),
            call: answers.clone(),
            open: self.ways.iter().map(|_| None).collect(),
            asked: Vec::new(),
            shunned: Shunned::none(self.ways.len()),
            out: Vec::new(),
        };
        // Its connection is ready when the first word is.
        if let Some(way) = voices.ways.iter().position(|way| way.tracked.is_well()) {
            voices.open(way);
        }
        tokio::spawn(voices.run(from));
        Box::new(Mouth { to, answers })
    }
}

enum Order {
    Speak(UtteranceId, String),
    Stop(UtteranceId),
}

/// The voice in one call.
struct Mouth {
    to: mpsc::Sender<Order>,
    answers: Answers,
}

impl Speaker for Mouth {
    fn speak(&mut self, utterance: UtteranceId, text: String) -> Running {
        if self.to.try_send(Order::Speak(utterance, text)).is_ok() {
            let to = self.to.downgrade();
            return Running::new(move || {
                // Where there is no room or no voice, what comes of it is dropped by the call.
                let _ = to.upgrade().map(|to| to.try_send(Order::Stop(utterance)));
            });
        }
        let answers = self.answers.clone();
        Running::spawn(async move {
            let what = Voiced::Failed(Fault::local("the queue to the voice is full"));
            // The call being over is no concern of a voice.
            let _ = answers.send(Input::Voiced { utterance, what }).await;
        })
    }
}

/// A link's voice in this call.
struct Open {
    speaker: Box<dyn Speaker>,
    from: mpsc::Receiver<Input>,
    /// When something came of it.
    heard: Instant,
}

/// An utterance that is not complete.
struct Asked {
    utterance: UtteranceId,
    text: String,
    began: Instant,
    tried: Vec<bool>,
    retries: u32,
    state: State,
}

enum State {
    /// This link is to speak it.
    With { way: usize, attempt: Attempt, since: Instant, is_heard: bool, _running: Running },
    /// It is asked for again at this time.
    Waiting { until: Instant, way: usize },
}

struct Voices {
    ways: Arc<[Way<dyn TextToSpeech>]>,
    health: Arc<Health>,
    spec: VoiceSpec,
    call: Answers,
    open: Vec<Option<Open>>,
    asked: Vec<Asked>,
    shunned: Shunned,
    out: Vec<Input>,
}

impl Voices {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            for input in self.out.drain(..) {
                if self.call.send(input).await.is_err() {
                    return;
                }
            }
            let due = self.asked.iter().filter_map(|asked| self.due(asked)).min();
            let places: Vec<usize> = (0..self.open.len()).filter(|way| self.open[*way].is_some()).collect();
            let from = self.open.iter_mut().flatten().map(|open| &mut open.from);
            tokio::select! {
                (at, input) = from_any(from) => self.came(places[at], input),
                order = orders.recv() => match order {
                    Some(Order::Speak(utterance, text)) => self.speak(utterance, text),
                    Some(Order::Stop(utterance)) => self.asked.retain(|asked| asked.utterance != utterance),
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(far_away)) => self.tick(),
            }
        }
    }

    /// When an utterance is too late, or is asked for again. A link that speaks several in turn is not late with
    /// the next while it speaks.
    fn due(&self, asked: &Asked) -> Option<Instant> {
        match &asked.state {
            State::Waiting { until, .. } => Some(*until),
            State::With { is_heard: true, .. } => None,
            State::With { way, since, .. } => {
                let heard = self.open[*way].as_ref().map_or(*since, |open| open.heard);
                Some(heard.max(*since) + self.ways[*way].link.deadline)
            }
        }
    }

    fn open(&mut self, way: usize) -> &mut Open {
        let (role, spec) = (&self.ways[way].link.role, &self.spec);
        self.open[way].get_or_insert_with(|| {
            let (to, from) = mpsc::channel(QUEUE);
            Open { speaker: role.open(spec, Answers::new(to)), from, heard: Instant::now() }
        })
    }

    fn speak(&mut self, utterance: UtteranceId, text: String) {
        self.health.asked();
        let tried = vec![false; self.ways.len()];
        match choose(&self.ways, Some(&self.shunned), &tried, &self.call) {
            Some((way, attempt)) => {
                let began = Instant::now();
                let state = self.begin(utterance, &text, way, attempt);
                let mut asked = Asked { utterance, text, began, tried, retries: 0, state };
                asked.tried[way] = true;
                self.asked.push(asked);
            }
            None => self.out.push(Input::Voiced { utterance, what: Voiced::Failed(all_resting()) }),
        }
    }

    fn begin(&mut self, utterance: UtteranceId, text: &str, way: usize, attempt: Attempt) -> State {
        let _running = self.open(way).speaker.speak(utterance, text.to_owned());
        State::With { way, attempt, since: Instant::now(), is_heard: false, _running }
    }

    fn came(&mut self, way: usize, input: Option<Input>) {
        let Some(input) = input else {
            // A voice that is gone has failed with all that it was asked for.
            self.open[way] = None;
            while let Some(at) = self.asked.iter().position(|asked| asked.is_with(way)) {
                self.failed(at, went_away());
            }
            return;
        };
        if let Some(open) = &mut self.open[way] {
            open.heard = Instant::now();
        }
        let Input::Voiced { utterance, what } = input else { return };
        let is_it = |asked: &Asked| asked.utterance == utterance && asked.is_with(way);
        // What comes late was withdrawn.
        let Some(at) = self.asked.iter().position(is_it) else { return };
        let State::With { attempt, is_heard, .. } = &mut self.asked[at].state else { return };
        match what {
            Voiced::Audio { .. } => {
                *is_heard = true;
                attempt.heard();
                self.shunned.works(way);
                self.out.push(Input::Voiced { utterance, what });
            }
            Voiced::Done if *is_heard => {
                let asked = self.asked.remove(at);
                if let State::With { attempt, .. } = asked.state {
                    attempt.succeeded();
                }
                self.out.push(Input::Voiced { utterance, what });
            }
            Voiced::Done => self.failed(at, Fault::new(FaultClass::Garbage, "it gave no audio")),
            Voiced::Failed(fault) => self.failed(at, fault),
        }
    }

    /// The link that an utterance was asked of has failed: the next speaks it, unless it was begun.
    fn failed(&mut self, at: usize, fault: Fault) {
        let asked = self.asked.remove(at);
        let Asked { utterance, text, began, mut tried, retries, state } = asked;
        let State::With { way: from, attempt, is_heard, .. } = state else { return };
        attempt.failed(&fault);
        self.shunned.failed(from);
        if is_heard {
            self.out.push(Input::Voiced { utterance, what: Voiced::Failed(fault) });
            return;
        }
        if let Some((way, attempt)) = choose(&self.ways, Some(&self.shunned), &tried, &self.call) {
            let (old, new) = (&self.ways[from].link.id, &self.ways[way].link.id);
            switched(&self.call, old, new, fault.class);
            tried[way] = true;
            let state = self.begin(utterance, &text, way, attempt);
            self.asked.push(Asked { utterance, text, began, tried, retries, state });
            return;
        }
        match self.wait(&fault, retries, began) {
            Some(until) => {
                let state = State::Waiting { until, way: from };
                self.asked.push(Asked { utterance, text, began, tried, retries: retries + 1, state });
            }
            None => self.out.push(Input::Voiced { utterance, what: Voiced::Failed(fault) }),
        }
    }

    /// Until when to wait before the same link is asked again; `None` when that can't help.
    fn wait(&self, fault: &Fault, retries: u32, began: Instant) -> Option<Instant> {
        if !fault.class.can_retry() || retries >= RETRIES {
            return None;
        }
        let deadlines: Duration = self.ways.iter().map(|way| way.link.deadline).sum();
        let left = deadlines.max(PATIENCE).saturating_sub(began.elapsed());
        let left = Micros(left.as_micros() as u64);
        let retry_after = fault.retry_after_ms.map(Micros::from_ms);
        let wait = backoff(retries, self.health.dice.roll(), retry_after, left)?;
        self.health.take_extra().then(|| Instant::now() + Duration::from_micros(wait.0))
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let is_due = |asked: &Asked| self.due(asked).is_some_and(|due| due <= now);
        let Some(at) = self.asked.iter().position(is_due) else { return };
        let State::Waiting { way, .. } = self.asked[at].state else {
            self.failed(at, Fault::slow());
            return;
        };
        let tracked = Arc::clone(&self.ways[way].tracked);
        let mut asked = self.asked.remove(at);
        match tracked.try_now(&self.call).or_else(|| tracked.try_for_want_of_others(&self.call)) {
            Some(attempt) => {
                asked.state = self.begin(asked.utterance, &asked.text, way, attempt);
                self.asked.push(asked);
            }
            None => {
                let what = Voiced::Failed(all_resting());
                self.out.push(Input::Voiced { utterance: asked.utterance, what });
            }
        }
    }
}

impl Asked {
    fn is_with(&self, of: usize) -> bool {
        matches!(self.state, State::With { way, .. } if way == of)
    }
}
