//! `trunkline conformance`: play the carrier against any server and judge it rule by rule.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::SecretString;
use sim::conformance::{Profile, Report, Target, TwilioTarget};
use sim::phone::{Detour, TwilioLine};

use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::say;

/// Play a carrier against any server, ours or a stranger's, and judge it rule by rule.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline conformance exotel ws://127.0.0.1:8080/voicebot/ws
  trunkline conformance exotel wss://gw.example.com/voicebot/ws --profile echo --token secret
  trunkline conformance exotel https://gw.example.com/api/v1/exotel/voice/connect --junit report.xml
  trunkline conformance twilio https://gw.example.com/twilio/voice --auth-token 12345")]
pub(crate) struct Conformance {
    #[command(subcommand)]
    carrier: Carrier,
}

#[derive(Debug, Subcommand)]
enum Carrier {
    Exotel(Exotel),
    Twilio(Twilio),
}

/// Be Exotel's Voicebot applet. Exit code 1 when a rule is broken.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
struct Exotel {
    #[command(flatten)]
    test: Test,
    /// Send `Authorization: Bearer` with this token.
    #[arg(long, env = "EXOTEL_WS_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Be Twilio: the voice webhook, its signatures, and the media stream. Exit code 1 when a rule is broken.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
struct Twilio {
    #[command(flatten)]
    test: Test,
    /// Sign with this account's auth token. Without it the rules about signatures are skipped.
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    auth_token: Option<SecretString>,
    /// The public address that the server checks signatures against, where it is reached by another one.
    #[arg(long, value_name = "URL")]
    signed_as: Option<String>,
    /// A custom parameter, where a socket is tested. May be given often.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = super::parameter)]
    parameters: Vec<(String, String)>,
}

/// What to test, and how to report.
#[derive(Debug, Args)]
struct Test {
    /// The socket (ws://, wss://), or the webhook that names it (http://, https://).
    url: String,
    /// What the server should be: it sends the caller's audio back, or it greets and converses.
    #[arg(long, value_enum, default_value_t = Kind::Agent)]
    profile: Kind,
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
        match self.carrier {
            Carrier::Exotel(exotel) => exotel.run(),
            Carrier::Twilio(twilio) => twilio.run(),
        }
    }
}

impl Exotel {
    fn run(self) -> Result<(), Failure> {
        let target = self.test.target(self.token.as_deref())?;
        let report = super::small_runtime()?.block_on(sim::conformance::run(&target));
        self.test.report(&report)
    }
}

impl Twilio {
    fn run(self) -> Result<(), Failure> {
        let server = self.test.target(None)?;
        let mut call = sim::twilio::Call::invented(super::seed());
        call.parameters.extend(self.parameters);
        let mut line = TwilioLine::new(call, self.auth_token);
        line.detour = self.signed_as.as_deref().map(|public| Detour::known_as(&server.url, public));
        let target = TwilioTarget { server, line };
        let report = super::small_runtime()?.block_on(sim::conformance::run_twilio(&target));
        self.test.report(&report)
    }
}

impl Test {
    fn target(&self, token: Option<&str>) -> Result<Target, Failure> {
        let profile = match self.profile {
            Kind::Echo => Profile::Echo,
            Kind::Agent => Profile::Agent,
        };
        let mut target = Target::new(self.url.clone(), profile);
        target.headers = super::headers(&self.headers, token)?;
        target.options.only.clone_from(&self.only);
        Ok(target)
    }

    fn report(&self, report: &Report) -> Result<(), Failure> {
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
