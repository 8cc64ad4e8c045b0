//! The task that looks after one call's recognisers: it passes on what they hear, notices when they fail, and has
//! the next hear the tape.

mod open;

use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass, Heard, Input, SpeechId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Shared, Trouble};
use crate::chain::{Shunned, Way, all_resting, far_away, from_any, went_away};
use crate::health::{Attempt, Health, lock, switched};
use crate::{Answers, LinkId, ListenSpec, SpeechToText};

/// A connection that ends by its age or for want of audio after so long did its work.
const LIVED: Duration = Duration::from_secs(5);

/// A link that hears this call.
struct Line {
    way: usize,
    from: mpsc::Receiver<Input>,
    /// Until its outcome is told: that of the opening, then of each stretch.
    attempt: Option<Attempt>,
    opened: Instant,
    /// The stretch that was finished last, as far as this link was told.
    finished: Option<SpeechId>,
    /// When a trial is too late.
    due: Option<Instant>,
}

pub(super) struct Ears {
    ways: Arc<[Way<dyn SpeechToText>]>,
    health: Arc<Health>,
    spec: ListenSpec,
    shared: Arc<Shared>,
    call: Answers,
    main: Option<Line>,
    trial: Option<Line>,
    /// Links that could not understand what is on the tape.
    tried: Vec<bool>,
    shunned: Shunned,
    rounds: Rounds,
    out: Vec<Input>,
}

/// How often the whole list has failed in a row.
#[derive(Default)]
struct Rounds {
    over: u32,
    /// Some link of this round may work when it is asked again.
    is_hopeful: bool,
    /// When the next round begins.
    next_at: Option<Instant>,
    last: Option<Fault>,
}

/// The call needs no recogniser any more, or has none.
struct Over;

impl Ears {
    pub(super) fn new(
        ways: Arc<[Way<dyn SpeechToText>]>,
        health: Arc<Health>,
        spec: ListenSpec,
        shared: Arc<Shared>,
        call: Answers,
    ) -> Self {
        let (tried, shunned) = (vec![false; ways.len()], Shunned::none(ways.len()));
        Self {
            ways,
            health,
            spec,
            shared,
            call,
            main: None,
            trial: None,
            tried,
            shunned,
            rounds: Rounds::default(),
            out: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let is_over = self.has_trouble().is_err();
            for input in self.out.drain(..) {
                if self.call.send(input).await.is_err() {
                    return;
                }
            }
            if is_over {
                return;
            }
            let due = self.next_due();
            let has_main = self.main.is_some();
            let lines = [self.main.as_mut(), self.trial.as_mut()];
            let shared = Arc::clone(&self.shared);
            let step = tokio::select! {
                (at, input) = from_any(lines.into_iter().flatten().map(|line| &mut line.from)) => {
                    if at == 0 && has_main { self.heard(input) } else { self.trial_heard(input) }
                }
                () = shared.wake.notified() => {
                    self.signed();
                    Ok(())
                }
                () = sleep_until(due) => self.tick(),
            };
            if step.is_err() {
                for input in self.out.drain(..) {
                    // The call being over is no concern of a recogniser.
                    let _ = self.call.send(input).await;
                }
                return;
            }
        }
    }

    /// What the call's end of the recogniser has noticed.
    fn has_trouble(&mut self) -> Result<(), Over> {
        let trouble = lock(&self.shared.state).trouble.take();
        match trouble {
            None => Ok(()),
            Some(Trouble::Over) => Err(Over),
            Some(Trouble::Full) => self.main_failed(&Fault::local("the queue to the recogniser is full")),
        }
    }

    fn id(&self, way: usize) -> &LinkId {
        &self.ways[way].link.id
    }

    fn next_due(&self) -> Instant {
        let waits = lock(&self.shared.state).tape.waits_since();
        let main = self.main.as_ref().and_then(|line| Some(waits? + self.ways[line.way].link.deadline));
        let trial = self.trial.as_ref().and_then(|line| line.due);
        [main, trial, self.rounds.next_at].into_iter().flatten().min().unwrap_or_else(far_away)
    }

    /// There is a sign on the tape: the clocks of what was finished begin.
    fn signed(&mut self) {
        let finished = lock(&self.shared.state).tape.last_finished();
        let Some((speech, at)) = finished else { return };
        for line in [self.main.as_mut(), self.trial.as_mut()].into_iter().flatten() {
            if line.finished.replace(speech) == Some(speech) {
                continue;
            }
            let way = &self.ways[line.way];
            line.due = Some(at + way.link.deadline);
            line.attempt.get_or_insert_with(|| way.tracked.attempt(&self.call)).begins_now();
        }
    }

    fn heard(&mut self, input: Option<Input>) -> Result<(), Over> {
        let Some(Input::Heard { speech, what }) = input else { return self.main_failed(&went_away()) };
        let mut state = lock(&self.shared.state);
        match &what {
            Heard::Final(_) => {
                if !state.tape.settle(speech) {
                    return Ok(());
                }
                drop(state);
                self.understood();
            }
            Heard::Pause(_) | Heard::TurnOver(_) => {
                state.tape.pause(speech);
                drop(state);
                self.understood();
            }
            Heard::Partial(text) => {
                if !text.is_empty() {
                    state.tape.goes_on(speech);
                }
            }
            Heard::Failed(fault) | Heard::Lost(fault) => {
                let fault = fault.clone();
                drop(state);
                return self.main_failed(&fault);
            }
            Heard::Likely(_) | Heard::GoesOn => {}
        }
        self.out.push(Input::Heard { speech, what });
        Ok(())
    }

    /// The link works.
    fn understood(&mut self) {
        self.signed();
        let Some(line) = &mut self.main else { return };
        if let Some(attempt) = line.attempt.take() {
            attempt.succeeded();
        }
        let way = line.way;
        self.shunned.works(way);
        self.tried.fill(false);
        self.rounds = Rounds::default();
        self.try_better(way);
    }

    /// Opens a better choice beside the one that works, if its breaker lets it.
    fn try_better(&mut self, than: usize) {
        if self.trial.is_some() || lock(&self.shared.state).tape.has_unsettled() {
            return;
        }
        let shunned = &self.shunned;
        let better = (0..than).filter(|way| !shunned.is(*way));
        let better = better.filter_map(|way| Some((way, self.ways[way].tracked.try_now(&self.call)?))).next();
        let Some((way, attempt)) = better else { return };
        match self.open(way, attempt) {
            Ok((line, recogniser)) => {
                tracing::info!(
                    vendor = &*self.id(way).vendor,
                    role = self.id(way).role.as_str(),
                    transport = self.id(way).transport.as_str(),
                    "a better recogniser is tried again"
                );
                let mut state = lock(&self.shared.state);
                state.trial = Some(recogniser);
                drop(state);
                self.trial = Some(line);
            }
            Err(_) => self.shunned.failed(way),
        }
    }

    fn trial_heard(&mut self, input: Option<Input>) -> Result<(), Over> {
        match input {
            Some(Input::Heard { speech, what }) => match what {
                Heard::Final(_) | Heard::Pause(_) | Heard::TurnOver(_) => {
                    self.take_over();
                    self.heard(Some(Input::Heard { speech, what }))
                }
                Heard::Failed(fault) | Heard::Lost(fault) => {
                    self.trial_failed(&fault);
                    Ok(())
                }
                Heard::Partial(_) | Heard::Likely(_) | Heard::GoesOn => Ok(()),
            },
            _ => {
                self.trial_failed(&went_away());
                Ok(())
            }
        }
    }

    /// The trial becomes the recogniser of the call.
    fn take_over(&mut self) {
        let Some(line) = self.trial.take() else { return };
        let mut state = lock(&self.shared.state);
        state.main = state.trial.take();
        drop(state);
        let id = self.id(line.way);
        tracing::info!(
            vendor = &*id.vendor,
            role = id.role.as_str(),
            transport = id.transport.as_str(),
            "a better recogniser works again"
        );
        self.main = Some(line);
    }

    fn trial_failed(&mut self, fault: &Fault) {
        let Some(line) = self.trial.take() else { return };
        lock(&self.shared.state).trial = None;
        self.shunned.failed(line.way);
        let attempt = line.attempt.unwrap_or_else(|| self.ways[line.way].tracked.attempt(&self.call));
        attempt.failed(fault);
    }

    /// The recogniser of the call has failed: the next hears the tape.
    fn main_failed(&mut self, fault: &Fault) -> Result<(), Over> {
        let mut state = lock(&self.shared.state);
        if state.trouble == Some(Trouble::Over) {
            // It has not failed: the call let it go.
            return Err(Over);
        }
        state.main = None;
        drop(state);
        let Some(line) = self.main.take() else { return Ok(()) };
        let attempt = line.attempt.unwrap_or_else(|| self.ways[line.way].tracked.attempt(&self.call));
        attempt.failed(fault);
        let is_old = line.opened.elapsed() >= LIVED;
        if is_old && matches!(fault.class, FaultClass::Idle | FaultClass::Lifetime) {
            // Nothing is wrong with it.
            let attempt = self.ways[line.way].tracked.attempt(&self.call);
            if self.open_main(line.way, attempt).is_ok() {
                return Ok(());
            }
        }
        self.tried[line.way] = true;
        self.rounds.is_hopeful |= fault.class.can_retry();
        self.shunned.failed(line.way);
        if self.trial.is_some() {
            // It has heard all that is on the tape.
            self.take_over();
            return Ok(());
        }
        match self.open_next() {
            Ok(way) => {
                switched(&self.call, self.id(line.way), self.id(way), fault.class);
                Ok(())
            }
            Err(_) => self.all_failed(fault),
        }
    }

    fn tick(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        if self.rounds.next_at.is_some_and(|at| at <= now) {
            self.rounds.next_at = None;
            self.tried.fill(false);
            if self.open_next().is_err() {
                let fault = self.rounds.last.clone().unwrap_or_else(all_resting);
                return self.all_failed(&fault);
            }
        }
        if self.trial.as_ref().and_then(|line| line.due).is_some_and(|due| due <= now) {
            self.trial_failed(&Fault::slow());
        }
        let waits = lock(&self.shared.state).tape.waits_since();
        let deadline = self.main.as_ref().map(|line| self.ways[line.way].link.deadline);
        if let (Some(waits), Some(deadline)) = (waits, deadline)
            && waits + deadline <= now
        {
            return self.main_failed(&Fault::slow());
        }
        Ok(())
    }
}
