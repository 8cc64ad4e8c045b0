//! Recognisers in a list: what one could not understand, the next hears from the tape, so that nothing that was
//! said is lost. The first choice is tried again beside the one that works, and takes over when it has understood
//! something.

mod run;

use std::sync::{Arc, Mutex};

use call::Listen;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::tape::Tape;
use super::{Link, Way, name, ways};
use crate::health::{Health, lock};
use crate::{Answers, ListenSpec, QueueFull, Recogniser, Refused, SpeechToText};

use run::Ears;

/// A list of recognisers as one.
pub struct EarChain {
    ways: Arc<[Way<dyn SpeechToText>]>,
    health: Arc<Health>,
}

impl EarChain {
    /// `links` in the order in which they are asked.
    pub fn new(links: Vec<Link<dyn SpeechToText>>, health: Arc<Health>) -> Self {
        Self { ways: ways(links, &health), health }
    }
}

impl SpeechToText for EarChain {
    fn name(&self) -> &str {
        name(&self.ways)
    }

    fn open(&self, spec: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { tape: Tape::new(spec.rate), main: None, trial: None, trouble: None }),
            wake: Notify::new(),
        });
        let mut ears = Ears::new(
            Arc::clone(&self.ways),
            Arc::clone(&self.health),
            spec.clone(),
            Arc::clone(&shared),
            answers,
        );
        ears.open_first()?;
        tokio::spawn(ears.run());
        Ok(Box::new(Ear(shared)))
    }
}

/// What the call and the task that looks after its recognisers share.
struct Shared {
    state: Mutex<State>,
    /// There is a sign on the tape, or trouble.
    wake: Notify,
}

struct State {
    tape: Tape,
    main: Option<Box<dyn Recogniser>>,
    /// The better choice that is tried.
    trial: Option<Box<dyn Recogniser>>,
    trouble: Option<Trouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The recogniser's queue had no room.
    Full,
    /// The call needs no recogniser any more.
    Over,
}

/// The recogniser in one call.
struct Ear(Arc<Shared>);

impl Recogniser for Ear {
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull> {
        let is_sign = !matches!(what, Listen::Audio(_));
        let mut state = lock(&self.0.state);
        state.tape.push(&what, Instant::now());
        if state.trial.as_mut().is_some_and(|trial| trial.listen(what.clone()).is_err()) {
            state.trial = None;
        }
        let is_full = state.main.as_mut().is_some_and(|main| main.listen(what).is_err());
        if is_full {
            // What it missed is on the tape: the next hears it.
            state.main = None;
            state.trouble.get_or_insert(Trouble::Full);
        }
        drop(state);
        if is_sign || is_full {
            self.0.wake.notify_one();
        }
        Ok(())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        (state.main, state.trial, state.trouble) = (None, None, Some(Trouble::Over));
        drop(state);
        self.0.wake.notify_one();
    }
}
