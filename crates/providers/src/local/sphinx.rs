//! pocketsphinx as the built-in recogniser: it knows the phrases it is given and says when it heard none of them.
//! It does not take dictation (half of the words would be wrong).
//!
//! The C library can crash or hang on bad input, so each call's decoder lives in a helper process: this program,
//! started again. A helper that dies or does not answer costs its call one stretch of speech and is replaced.

mod engine;
mod grammar;
mod helper;
mod session;
mod wire;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::{Answers, ListenSpec, Recogniser, Refused, SpeechToText};

use grammar::Grammar;
use helper::{Launcher, Warm};

pub use grammar::{PhraseProblem, Rejection};
pub use worker::worker_main;

/// How many sets of phrases are kept ready: one for each agent.
const MAX_SETS: usize = 64;

/// Why the recogniser can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SphinxError {
    /// A library or the model is not installed.
    #[error(
        "the built-in recogniser is not installed ({0}); on Debian: apt-get install libpocketsphinx3 pocketsphinx-en-us"
    )]
    Missing(String),
    /// The library refused, or its files are not what they should be.
    #[error("pocketsphinx failed: {0}")]
    Broken(String),
}

/// How the recogniser is run.
#[derive(Debug, Clone, PartialEq)]
pub struct SphinxSettings {
    /// The program to start as a helper, which calls [`worker_main`], and its arguments.
    pub program: PathBuf,
    /// See `program`.
    pub args: Vec<String>,
    /// Where the model lies.
    pub model: PathBuf,
    /// How many calls can be listened to at once.
    pub max_sessions: usize,
    /// Whether a helper for each set of phrases is started ahead of its call.
    pub warm: bool,
    /// After how long without an answer a helper is given up.
    pub answer_within: Duration,
    /// How readily something is taken as not understood.
    pub rejection: Rejection,
}

impl SphinxSettings {
    /// The defaults, with `program` as the helper, started with `recogniser-worker` as its argument: 64 calls, one
    /// helper kept ready for each set of phrases, 2.5 s.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: vec!["recogniser-worker".to_owned()],
            model: PathBuf::from("/usr/share/pocketsphinx/model/en-us"),
            max_sessions: 64,
            warm: true,
            answer_within: Duration::from_millis(2_500),
            // Of the reception desk's sentences over a quiet line, 4 voices of flite: 152 of 160 understood; of
            // sentences outside of it 32 of 120 taken for one inside (with phones alone at best 73). A
            // branch below 1e-7 falls off the decoder's beam, so that nothing is rejected.
            rejection: Rejection { branch: 3e-6, phone: 0.35, word: 0.25 },
        }
    }
}

/// The built-in recogniser. Cloning shares its places and its helpers.
#[derive(Clone)]
pub struct SphinxRecogniser(Arc<Shared>);

struct Shared {
    settings: SphinxSettings,
    launcher: Launcher,
    places: Arc<Semaphore>,
    sets: Mutex<HashMap<Vec<String>, Prepared>>,
    warm: Arc<Warm>,
}

/// What a set of phrases came to.
#[derive(Clone)]
struct Prepared {
    /// None when none of the phrases can be listened for.
    grammar: Option<Arc<Grammar>>,
    problems: Arc<[PhraseProblem]>,
}

impl fmt::Debug for SphinxRecogniser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SphinxRecogniser").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl SphinxRecogniser {
    /// A recogniser run so. Starts nothing yet.
    pub fn new(settings: SphinxSettings) -> Self {
        let launcher = Launcher {
            program: settings.program.clone(),
            args: settings.args.clone(),
            model: settings.model.clone(),
        };
        let places = Arc::new(Semaphore::new(settings.max_sessions));
        Self(Arc::new(Shared { settings, launcher, places, sets: Mutex::default(), warm: Arc::default() }))
    }

    /// Tells whether the libraries and the model are installed. Opens and closes them.
    pub fn check(&self) -> Result<(), SphinxError> {
        self.0.check_model()?;
        engine::check()
    }

    /// Makes the grammar of `phrases`, so that the first call need not wait for it, and tells which of them can't
    /// be listened for. To be called when the configuration loads; it reads the dictionary, for some 30 ms. `Err`
    /// when the model is not installed.
    pub fn check_phrases(&self, phrases: &[String]) -> Result<Arc<[PhraseProblem]>, SphinxError> {
        self.0.prepare(phrases).map(|prepared| prepared.problems)
    }

    /// The same, and starts a helper for these phrases, if that is set. Needs a tokio runtime.
    pub fn make_ready(&self, phrases: &[String]) -> Result<Arc<[PhraseProblem]>, SphinxError> {
        let prepared = self.0.prepare(phrases)?;
        if let Some(grammar) = prepared.grammar.filter(|_| self.0.settings.warm) {
            self.0.warm.keep_one(&self.0.launcher, &grammar);
        }
        Ok(prepared.problems)
    }
}

impl SpeechToText for SphinxRecogniser {
    fn name(&self) -> &str {
        "pocketsphinx"
    }

    fn open(&self, spec: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        let shared = &self.0;
        if !(spec.language == "en" || spec.language.starts_with("en-")) {
            let why = format!("the built-in recogniser understands English only, not {}", spec.language);
            return Err(Refused::Unavailable(why));
        }
        if let Some(prepared) = shared.prepared(&spec.phrases)
            && prepared.grammar.is_none()
        {
            return Err(Refused::Unavailable(NO_PHRASES.to_owned()));
        }
        shared.check_model().map_err(|error| Refused::Unavailable(error.to_string()))?;
        let place = Arc::clone(&shared.places).try_acquire_owned().map_err(|_| {
            Refused::Busy(format!(
                "all {} places of the built-in recogniser are taken; allow more, or send fewer calls",
                shared.settings.max_sessions
            ))
        })?;
        Ok(Box::new(session::open(Arc::clone(shared), spec.clone(), place, answers)))
    }
}

const NO_PHRASES: &str = "the built-in recogniser has no phrase to listen for; give the agent some";

impl Shared {
    fn check_model(&self) -> Result<(), SphinxError> {
        let dictionary = self.dictionary();
        if dictionary.is_file() {
            return Ok(());
        }
        Err(SphinxError::Missing(format!("{} is not there", dictionary.display())))
    }

    fn prepared(&self, phrases: &[String]) -> Option<Prepared> {
        self.sets().get(phrases).cloned()
    }

    /// Makes the grammar of `phrases`, unless it is made. Reads the dictionary: not for a runtime's thread.
    fn prepare(&self, phrases: &[String]) -> Result<Prepared, SphinxError> {
        if let Some(prepared) = self.prepared(phrases) {
            return Ok(prepared);
        }
        let path = self.dictionary();
        let dictionary = std::fs::read_to_string(&path)
            .map_err(|error| SphinxError::Missing(format!("{}: {error}", path.display())))?;
        let (grammar, problems) = grammar::build(phrases, &dictionary, self.settings.rejection);
        for PhraseProblem { phrase, why, in_part } in &problems {
            tracing::warn!(phrase, why, in_part, "the recogniser can't listen for all of a phrase");
        }
        let prepared = Prepared { grammar: grammar.map(Arc::new), problems: problems.into() };
        let mut sets = self.sets();
        if sets.len() >= MAX_SETS {
            sets.clear();
        }
        sets.insert(phrases.to_vec(), prepared.clone());
        Ok(prepared)
    }

    fn dictionary(&self) -> PathBuf {
        self.settings.model.join("cmudict-en-us.dict")
    }

    fn sets(&self) -> MutexGuard<'_, HashMap<Vec<String>, Prepared>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
