//! What `trunkline bench` measures: the server as a process of its own on one core, callers from this process on
//! another, and beside it the least that a server could take.

pub(crate) mod conversation;
pub(crate) mod cores;
pub(crate) mod echo;
pub(crate) mod figure;
pub(crate) mod floor;
pub(crate) mod idle;
pub(crate) mod process;
mod scrape;
pub(crate) mod store;
pub(crate) mod vendors;
pub(crate) mod webhook;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use sim::load::{Clip, Moment, Plan};

use cores::Cores;
use process::Process;

use crate::failure::Failure;
use crate::terminal::message;

/// How long is measured unless said otherwise.
const SECONDS: u64 = 10;
/// The callers' speech: a voice on a telephone line.
const SPEECH: &[u8] = include_bytes!("../../../audio/tests/fixtures/speech.wav");

/// What all measurements share.
pub(crate) struct Bench {
    pub(crate) cores: Cores,
    pub(crate) clip: Rc<Clip>,
    /// Only whether it runs.
    pub(crate) quick: bool,
    /// How many calls instead of those that the targets name.
    pub(crate) calls: Option<usize>,
    /// A PostgreSQL database that is empty, to be measured beside SQLite.
    pub(crate) postgres: Option<SecretString>,
    seconds: Option<u64>,
}

impl Bench {
    pub(crate) fn new(
        quick: bool,
        calls: Option<usize>,
        seconds: Option<u64>,
        postgres: Option<SecretString>,
    ) -> Result<Self, Failure> {
        let speech = audio::wav::read(SPEECH).map_err(|error| Failure::failed(error.to_string()))?;
        let clip = Clip::of(&speech.to_mono(), &call::Settings::default());
        Ok(Self { cores: Cores::choose()?, clip: Rc::new(clip), quick, calls, postgres, seconds })
    }

    /// How often what is compared is measured.
    fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// For how many seconds is measured.
    fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.quick { 1 } else { SECONDS })
    }

    /// How the load runs against a server: calls begin over `ramp`, and are measured `settle` after that.
    fn plan(&self, address: SocketAddr, ramp: Duration, settle: Duration) -> Plan {
        let short = Duration::from_millis(200);
        let seconds = self.seconds();
        Plan {
            address,
            path: "/voicebot/ws".to_owned(),
            ramp: if self.quick { short } else { ramp },
            settle: if self.quick { short } else { settle },
            steady: Duration::from_secs(seconds),
            exact: false,
        }
    }

    /// A configuration for that many calls at once from one address. The agent `bench` converses with stand-ins, and
    /// no other has the built-in vendors either, whose processes would be measured; everything else is as by default.
    fn config(&self, agent: &str, calls: usize, recording: bool) -> String {
        let stand_ins = "speech_to_text = \"fake\"\nlanguage_model = \"fake\"\ntext_to_speech = \"fake\"\n";
        format!(
            "default_agent = \"{agent}\"\n\
             [server]\n\
             max_calls = {}\n\
             worker_threads = 1\n\
             [server.limits]\n\
             max_connections = 8192\n\
             connections_per_address = 8192\n\
             [recording]\n\
             enabled = {recording}\n\
             [agents.bench]\n\
             kind = \"assistant\"\n\
             greeting = \"Hello.\"\n\
             {stand_ins}\
             [agents.greeting]\n\
             {stand_ins}\
             [agents.assistant]\n\
             {stand_ins}",
            calls + 100
        )
    }

    fn progress(&self, what: &str) {
        message(&format!("... {what}"));
    }
}

/// What a process took in the measured time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) cpu: Duration,
    pub(crate) length: Duration,
    /// Bytes at its end.
    pub(crate) resident: u64,
}

/// Looks at a process at the beginning and the end of the measured time.
#[derive(Default)]
struct Window {
    began: Option<(Instant, Duration)>,
    taken: Option<Taken>,
    fault: Option<Failure>,
}

impl Window {
    fn note(&mut self, moment: Moment, process: &Process) {
        if let Err(failure) = self.look(moment, process) {
            self.fault = Some(failure);
        }
    }

    fn look(&mut self, moment: Moment, process: &Process) -> Result<(), Failure> {
        let (now, cpu) = (Instant::now(), process.cpu()?);
        match (moment, self.began) {
            (Moment::Steady, _) => self.began = Some((now, cpu)),
            (Moment::Over, Some((began, before))) => {
                let resident = process.resident()?;
                self.taken = Some(Taken { cpu: cpu.saturating_sub(before), length: now - began, resident });
            }
            (Moment::Over, None) => {}
        }
        Ok(())
    }

    fn taken(self) -> Result<Taken, Failure> {
        match (self.fault, self.taken) {
            (Some(failure), _) => Err(failure),
            (None, Some(taken)) => Ok(taken),
            (None, None) => Err(Failure::failed("nothing was measured")),
        }
    }
}

fn rss_per_call(before: u64, after: u64, calls: usize) -> f64 {
    after.saturating_sub(before) as f64 / calls.max(1) as f64
}

impl From<sim::load::LoadError> for Failure {
    fn from(error: sim::load::LoadError) -> Self {
        Self::unavailable(error.to_string())
    }
}
