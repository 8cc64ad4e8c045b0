//! `trunkline conformance`: play the carrier against any server and judge it rule by rule.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sim::conformance::{Profile, Target};

use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::say;

/// Play a carrier against any server, ours or a stranger's, and judge it rule by rule.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline conformance exotel ws://127.0.0.1:8080/voicebot/ws
  trunkline conformance exotel wss://gw.example.com/voicebot/ws --profile echo --token secret
  trunkline conformance exotel https://gw.example.com/api/v1/exotel/voice/connect --junit report.xml")]
pub(crate) struct Conformance {
    #[command(subcommand)]
    carrier: Carrier,
}

#[derive(Debug, Subcommand)]
enum Carrier {
    Exotel(Exotel),
}

/// Be Exotel's Voicebot applet. Exit code 1 when a rule is broken.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
struct Exotel {
    /// The socket (ws://, wss://), or the webhook that names it (http://, https://).
    url: String,
    /// What the server should be: it sends the caller's audio back, or it greets and converses.
    #[arg(long, value_enum, default_value_t = Kind::Agent)]
    profile: Kind,
    /// Send `Authorization: Bearer` with this token.
    #[arg(long, env = "EXOTEL_WS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A header for the webhook and the upgrade. May be given often.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Only these rules, by id. May be given often.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
    /// Write a JUnit report to this file too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Echo,
    Agent,
}

impl Conformance {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Carrier::Exotel(exotel) = self.carrier;
        exotel.run()
    }
}

impl Exotel {
    fn run(self) -> Result<(), Failure> {
        let profile = match self.profile {
            Kind::Echo => Profile::Echo,
            Kind::Agent => Profile::Agent,
        };
        let mut target = Target::new(self.url, profile);
        target.headers = super::headers(&self.headers, self.token.as_deref())?;
        target.options.only = self.only;
        let report = super::small_runtime()?.block_on(sim::conformance::run(&target));
        if let Some(file) = &self.junit {
            std::fs::write(file, report.to_junit())
                .map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
        }
        let text = if self.json { report.to_json() } else { report.to_text() };
        say(text.trim_end());
        if report.results.is_empty() {
            return Err(Failure::usage("no rule has such an id"));
        }
        if report.failed() > 0 { Err(Failure::silent()) } else { Ok(()) }
    }
}
