//! `trunkline doctor`: whether a server could run here and whether carriers reach it, before anyone calls.

mod accounts;
mod clock;
mod finding;
mod here;
mod http;
mod online;
mod point;
mod public;
mod socket;
mod store;
mod tls;
mod webhooks;

use std::path::PathBuf;

use clap::Args;

use self::finding::{Finding, State, worst};
use crate::config::{self, Config, Sources};
use crate::failure::{CHECK_EXIT_CODES, Failure};
use crate::terminal::json;
use crate::vendors::Vendors;

/// Check whether a server could run here, and whether carriers reach it.
///
/// Looks at the configuration, the libraries, data folder, disk and database, the server that runs here, and the way to it
/// through server.public_url: name, certificate, sockets, and both carriers' webhooks with calls made up here. Nothing is
/// dialled, and no call is kept of it. What can't be looked at is listed with the reason. docs/doctor.md explains each
/// finding.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXIT_CODES, before_help = "Examples:
  trunkline doctor
  trunkline doctor --online                  also ask every vendor and carrier that is configured
  trunkline doctor --fix                     send the calls of Twilio's number here, after asking
  trunkline doctor --config /etc/trunkline.toml --json")]
pub(crate) struct Doctor {
    /// The configuration; without it trunkline.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask each configured vendor, in each role and by each transport, with a real request, and each carrier whether
    /// the account and its number are in order, and for the time. Costs next to nothing.
    #[arg(long)]
    online: bool,
    /// Look at this public address instead of server.public_url.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Set voice URL and status callback of Twilio's number (twilio.from) to this server. Shows what they are and asks.
    #[arg(long, conflicts_with = "url")]
    fix: bool,
    /// Do not ask before --fix changes something.
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let findings = super::small_runtime()?.block_on(Box::pin(self.findings()))?;
        let worst = worst(&findings);
        if self.json {
            json(&serde_json::json!({"ok": worst < State::Warn, "worst": worst, "findings": findings}));
        } else {
            findings.iter().for_each(Finding::show);
        }
        match worst {
            State::Ok | State::LeftOut => Ok(()),
            State::Warn => Err(Failure::warned()),
            State::Fail => Err(Failure::silent()),
        }
    }

    async fn findings(&self) -> Result<Vec<Finding>, Failure> {
        let vendors = Vendors::new(1);
        let mut findings = Vec::new();
        let config = match config::load(&Sources::of_process(self.config.as_deref())) {
            Ok(loaded) => {
                findings.push(Finding::ok("configuration", "configuration"));
                loaded.config
            }
            Err(problems) => {
                let problem = problems.to_string();
                let fix = "trunkline config show --defaults   # all keys, with what they mean";
                findings.push(Finding::fail("configuration", "configuration", problem).fix(fix));
                findings.extend(builtin(&vendors));
                let why = "the configuration can't be used";
                findings.push(Finding::left_out(
                    "server.running",
                    "all that it would say where to look",
                    why,
                ));
                return Ok(findings);
            }
        };
        findings.extend(builtin(&vendors));
        findings.extend(phrases(&vendors, &config));
        findings.extend(store::findings(&config).await);
        let (here, found) = here::findings(&config).await;
        findings.extend(found);
        findings.extend(Box::pin(public::findings(&config, self.url.as_deref(), &here)).await);
        if self.fix {
            findings.push(Box::pin(point::fix(&config, &findings, self.yes)).await?);
        }
        if self.online {
            findings.extend(online::findings(vendors.probes(&config), &config).await);
            findings.extend(Box::pin(accounts::findings(&config)).await);
        } else {
            let why = "only with --online: it asks them with real requests";
            findings.push(Finding::left_out("vendor", "vendors and carriers", why));
        }
        Ok(findings)
    }
}

/// The libraries of the built-in vendors.
fn builtin(vendors: &Vendors) -> Vec<Finding> {
    let found = vendors.findings().into_iter();
    found.map(|found| Finding::of("builtin", found.name, found.problem)).collect()
}

/// Whether the agents can be made, and whether recognisers know what callers may say.
fn phrases(vendors: &Vendors, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let agents = vendors.agents(config).unwrap_or_else(|failure| {
        findings.push(Finding::fail("agents", "agents", failure.to_string()));
        Default::default()
    });
    for agent in agents.values().filter(|agent| agent.recogniser.is_some()) {
        let Some(wanted) = config.agents.get(&agent.name) else { continue };
        let problems = vendors.check_phrases(agent, wanted);
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        findings.push(Finding::of("agent.phrases", format!("phrases of agent {}", agent.name), problem));
    }
    findings
}
