//! How a call's recognisers are opened, one after the other, and again after a while when all have failed.

use std::time::Duration;

use call::{Fault, Heard, Input, Micros, SpeechId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Ears, Line, Over};
use crate::chain::ear::State;
use crate::chain::{all_resting, backoff, choose};
use crate::health::{Attempt, lock};
use crate::{Answers, Recogniser, Refused};

/// So many answers may wait.
const QUEUE: usize = 32;
/// So many times the whole list may fail in a row before the call is deaf.
const ROUNDS: u32 = 3;

impl Ears {
    /// Opens the first link that can be opened.
    pub(in crate::chain::ear) fn open_first(&mut self) -> Result<(), Refused> {
        self.health.asked();
        self.open_next()
            .map(|_| ())
            .map_err(|refused| refused.unwrap_or_else(|| Refused::Unavailable(all_resting().to_string())))
    }

    /// Opens the next link that can be opened. `Err` with what the last one said when none can.
    pub(super) fn open_next(&mut self) -> Result<usize, Option<Refused>> {
        let mut last = None;
        while let Some((way, attempt)) = choose(&self.ways, Some(&self.shunned), &self.tried, &self.call) {
            match self.open_main(way, attempt) {
                Ok(()) => return Ok(way),
                Err(refused) => {
                    self.tried[way] = true;
                    self.shunned.failed(way);
                    last = Some(refused);
                }
            }
        }
        Err(last)
    }

    pub(super) fn open_main(&mut self, way: usize, attempt: Attempt) -> Result<(), Refused> {
        let (line, recogniser) = self.open(way, attempt)?;
        lock(&self.shared.state).main = Some(recogniser);
        self.main = Some(line);
        self.signed();
        Ok(())
    }

    /// Opens a link and has it hear the tape.
    pub(super) fn open(&self, way: usize, attempt: Attempt) -> Result<(Line, Box<dyn Recogniser>), Refused> {
        let (to, from) = mpsc::channel(QUEUE);
        let mut recogniser = match self.ways[way].link.role.open(&self.spec, Answers::new(to)) {
            Ok(recogniser) => recogniser,
            Err(refused) => {
                attempt.failed(&Fault::local(refused.to_string()));
                return Err(refused);
            }
        };
        let now = Instant::now();
        let State { tape, .. } = &mut *lock(&self.shared.state);
        // What is understood already is no concern of this link.
        let waited_for = tape.waited_for();
        let finished = tape.last_finished().map(|(speech, _)| speech);
        let finished = finished.filter(|speech| !waited_for.contains(speech));
        for piece in tape.replay(now) {
            if recogniser.listen(piece).is_err() {
                let refused = Refused::Busy("its queue has no room for what was said".to_owned());
                attempt.failed(&Fault::local(refused.to_string()));
                return Err(refused);
            }
        }
        Ok((Line { way, from, attempt: Some(attempt), opened: now, finished, due: None }, recogniser))
    }

    /// The whole list has failed. What is on the tape is heard again after a while, where that can help.
    pub(super) fn all_failed(&mut self, fault: &Fault) -> Result<(), Over> {
        self.rounds.over += 1;
        self.rounds.last = Some(fault.clone());
        let speech = lock(&self.shared.state).tape.newest().unwrap_or(SpeechId(0));
        if !std::mem::take(&mut self.rounds.is_hopeful) || self.rounds.over >= ROUNDS {
            self.give_up(fault);
            self.out.push(Input::Heard { speech, what: Heard::Lost(fault.clone()) });
            return Err(Over);
        }
        let deadlines: Duration = self.ways.iter().map(|way| way.link.deadline).sum();
        let retry_after = fault.retry_after_ms.map(Micros::from_ms);
        let left = Micros(deadlines.as_micros() as u64);
        let wait = backoff(self.rounds.over - 1, self.health.dice.roll(), retry_after, left);
        let wait = match wait {
            Some(wait) if self.health.take_extra() => Duration::from_micros(wait.0),
            _ => {
                self.give_up(fault);
                retry_after.map_or(Duration::from_secs(1), |wait| Duration::from_micros(wait.0))
            }
        };
        self.rounds.next_at = Some(Instant::now() + wait);
        Ok(())
    }

    /// What is finished gets no text any more.
    fn give_up(&mut self, fault: &Fault) {
        let mut state = lock(&self.shared.state);
        for speech in state.tape.waited_for() {
            state.tape.settle(speech);
            self.out.push(Input::Heard { speech, what: Heard::Failed(fault.clone()) });
        }
    }
}
