//! Language models in a list: the next is asked when one fails or is late, as long as nothing was said.

use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass, Input, Micros, Prompt, Thought, TurnId};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::{Link, Way, all_resting, backoff, choose, far_away, from_any, name, ways, went_away};
use crate::health::{Attempt, Health, switched};
use crate::{Answers, LanguageModel, Running};

/// How long a caller waits for an answer at least, whatever the deadlines of the links are.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a link that is late may still win against the one that was asked in its stead.
const LATE: Duration = Duration::from_secs(3);
/// So many times the same list is asked again for one question.
const RETRIES: u32 = 2;
/// So many answers may wait.
const QUEUE: usize = 16;

/// A list of language models as one.
pub struct ModelChain {
    ways: Arc<[Way<dyn LanguageModel>]>,
    health: Arc<Health>,
}

impl ModelChain {
    /// `links` in the order in which they are asked.
    pub fn new(links: Vec<Link<dyn LanguageModel>>, health: Arc<Health>) -> Self {
        Self { ways: ways(links, &health), health }
    }
}

impl LanguageModel for ModelChain {
    fn name(&self) -> &str {
        name(&self.ways)
    }

    fn warm(&self) {
        if let Some(way) = self.ways.iter().find(|way| way.tracked.is_well()) {
            way.link.role.warm();
        }
    }

    fn ask(&self, turn: TurnId, prompt: Prompt, answers: Answers) -> Running {
        let hurry = Arc::new(Notify::new());
        let question = Question {
            ways: Arc::clone(&self.ways),
            health: Arc::clone(&self.health),
            turn,
            prompt,
            call: answers.clone(),
            began: Instant::now(),
            tried: vec![false; self.ways.len()],
            asked: Vec::new(),
            last: None,
            retries: 0,
            retry_at: None,
        };
        let hurried = Arc::clone(&hurry);
        let task = tokio::spawn(async move {
            let what = match question.answer(&hurried, &answers).await {
                Ok(()) => return,
                Err(fault) => Thought::Failed(fault),
            };
            // The call being over is no concern of a model.
            let _ = answers.send(Input::Thought { turn, what }).await;
        });
        let task = task.abort_handle();
        Running::new(move || task.abort()).with_hurry(move || hurry.notify_one())
    }
}

/// One question, until somebody begins to answer.
struct Question {
    ways: Arc<[Way<dyn LanguageModel>]>,
    health: Arc<Health>,
    turn: TurnId,
    prompt: Prompt,
    call: Answers,
    began: Instant,
    tried: Vec<bool>,
    /// Whoever is thinking: one, or two in a race.
    asked: Vec<Asked>,
    /// Who failed last, and how.
    last: Option<(usize, Fault)>,
    retries: u32,
    retry_at: Option<Instant>,
}

/// One link that was asked.
struct Asked {
    way: usize,
    /// Until its outcome is told.
    attempt: Option<Attempt>,
    /// Withdraws the request when it is dropped.
    _running: Running,
    from: mpsc::Receiver<Input>,
    /// What came before the first word.
    before: Vec<Thought>,
    due: Instant,
}

impl Question {
    async fn answer(mut self, hurry: &Notify, answers: &Answers) -> Result<(), Fault> {
        self.health.asked();
        if !self.ask_next() {
            return Err(all_resting());
        }
        loop {
            let due = self.asked.iter().map(|asked| asked.due).chain(self.retry_at).min();
            tokio::select! {
                (at, input) = from_any(self.asked.iter_mut().map(|asked| &mut asked.from)) => {
                    if let Some(first) = self.came(at, input)? {
                        return give(self.turn, self.asked.swap_remove(at), first, answers).await;
                    }
                }
                () = hurry.notified() => {
                    if self.asked.len() == 1 {
                        self.overtake(0, FaultClass::Slow);
                    }
                }
                () = sleep_until(due.unwrap_or_else(far_away)) => self.due()?,
            }
        }
    }

    /// Something came. Gives it back if it is the first of an answer.
    fn came(&mut self, at: usize, input: Option<Input>) -> Result<Option<Thought>, Fault> {
        let fault = match input {
            Some(Input::Thought { what: what @ Thought::Used(_), .. }) => {
                self.asked[at].before.push(what);
                return Ok(None);
            }
            Some(Input::Thought { what: Thought::Done, .. }) => {
                Fault::new(FaultClass::Garbage, "its answer was empty")
            }
            Some(Input::Thought { what: Thought::Failed(fault), .. }) => fault,
            Some(Input::Thought { what: what @ (Thought::Delta(_) | Thought::Tool(_)), .. }) => {
                return Ok(Some(what));
            }
            _ => went_away(),
        };
        self.failed(at, fault)?;
        Ok(None)
    }

    /// Asks the next link, if there is one.
    fn ask_next(&mut self) -> bool {
        let Some((way, attempt)) = choose(&self.ways, None, &self.tried, &self.call) else { return false };
        self.ask(way, attempt);
        true
    }

    fn ask(&mut self, way: usize, attempt: Attempt) {
        self.tried[way] = true;
        let (to, from) = mpsc::channel(QUEUE);
        let link = &self.ways[way].link;
        let _running = link.role.ask(self.turn, self.prompt.clone(), Answers::new(to));
        let due = Instant::now() + link.deadline;
        self.asked.push(Asked { way, attempt: Some(attempt), _running, from, before: Vec::new(), due });
    }

    /// Has the next link race against a late one, if there is one.
    fn overtake(&mut self, at: usize, class: FaultClass) -> bool {
        let from = self.asked[at].way;
        if !self.ask_next() {
            return false;
        }
        let to = self.asked[self.asked.len() - 1].way;
        switched(&self.call, &self.ways[from].link.id, &self.ways[to].link.id, class);
        true
    }

    fn failed(&mut self, at: usize, fault: Fault) -> Result<(), Fault> {
        let asked = self.asked.swap_remove(at);
        if let Some(attempt) = asked.attempt {
            attempt.failed(&fault);
        }
        if self.ask_next() {
            let to = self.asked[self.asked.len() - 1].way;
            let (from, to) = (&self.ways[asked.way].link.id, &self.ways[to].link.id);
            switched(&self.call, from, to, fault.class);
        }
        self.last = Some((asked.way, fault));
        if self.asked.is_empty() { self.plan_retry() } else { Ok(()) }
    }

    /// Everybody has failed: the last of them may be asked again where that can help.
    fn plan_retry(&mut self) -> Result<(), Fault> {
        let Some((way, fault)) = self.last.clone() else { return Err(all_resting()) };
        let deadlines: Duration = self.ways.iter().map(|way| way.link.deadline).sum();
        let left = deadlines.max(PATIENCE).saturating_sub(self.began.elapsed());
        let may = fault.class.can_retry() && self.retries < RETRIES;
        let retry_after = fault.retry_after_ms.map(Micros::from_ms);
        let wait =
            backoff(self.retries, self.health.dice.roll(), retry_after, Micros(left.as_micros() as u64));
        match wait {
            Some(wait) if may && self.health.take_extra() => {
                let id = &self.ways[way].link.id;
                tracing::info!(
                    vendor = &*id.vendor,
                    role = id.role.as_str(),
                    class = fault.class.as_str(),
                    wait_ms = wait.0 / 1000,
                    "a model is asked again"
                );
                self.retries += 1;
                self.retry_at = Some(Instant::now() + Duration::from_micros(wait.0));
                Ok(())
            }
            _ => Err(fault),
        }
    }

    fn due(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            let Some((way, fault)) = &self.last else { return Ok(()) };
            let tracked = &self.ways[*way].tracked;
            let attempt = tracked.try_now(&self.call).or_else(|| tracked.try_for_want_of_others(&self.call));
            let attempt = attempt.ok_or_else(|| fault.clone())?;
            self.ask(*way, attempt);
        }
        let Some(late) = self.asked.iter().position(|asked| asked.due <= now) else { return Ok(()) };
        let is_alone = self.asked.len() == 1;
        if is_alone && self.asked[late].attempt.is_some() && self.overtake(late, FaultClass::Slow) {
            // It may still be the first; that it was too slow is told now.
            let late = &mut self.asked[late];
            late.due = now + LATE;
            if let Some(attempt) = late.attempt.take() {
                attempt.failed(&Fault::slow());
            }
            return Ok(());
        }
        self.failed(late, Fault::slow())
    }
}

/// Gives the answer of whoever was first to the call, from its first word on.
async fn give(turn: TurnId, mut asked: Asked, first: Thought, answers: &Answers) -> Result<(), Fault> {
    if let Some(attempt) = &mut asked.attempt {
        attempt.heard();
    }
    let before = std::mem::take(&mut asked.before);
    for what in before.into_iter().chain([first]) {
        if answers.send(Input::Thought { turn, what }).await.is_err() {
            return Ok(());
        }
    }
    loop {
        let what = match asked.from.recv().await {
            Some(Input::Thought { what, .. }) => what,
            _ => Thought::Failed(went_away()),
        };
        match &what {
            Thought::Failed(fault) => {
                if let Some(attempt) = asked.attempt {
                    attempt.failed(fault);
                }
                return Err(fault.clone());
            }
            Thought::Done => {
                if let Some(attempt) = asked.attempt.take() {
                    attempt.succeeded();
                }
            }
            _ => {}
        }
        let is_last = what == Thought::Done;
        if answers.send(Input::Thought { turn, what }).await.is_err() || is_last {
            return Ok(());
        }
    }
}
