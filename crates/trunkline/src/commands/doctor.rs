//! `trunkline doctor`: whether a server could run here, before anyone calls.

mod accounts;
mod online;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{self, Config, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::{green, json, say};
use crate::vendors::Vendors;

/// Check whether a server could run here: configuration, libraries, data folder, port.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline doctor
  trunkline doctor --online                  ask every vendor and carrier that is configured
  trunkline doctor --config /etc/trunkline.toml --json")]
pub(crate) struct Doctor {
    /// The configuration; without it trunkline.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask each configured vendor, in each role and by each transport, with a real request, and each carrier whether
    /// the account and its number are in order. Costs next to nothing.
    #[arg(long)]
    online: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, serde::Serialize)]
struct Finding {
    name: String,
    /// What is wrong and what to do; absent when it is well.
    problem: Option<String>,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let findings = findings(self.config.as_deref(), self.online)?;
        let is_well = findings.iter().all(|finding| finding.problem.is_none());
        if self.json {
            json(&serde_json::json!({"ok": is_well, "findings": findings}));
        } else {
            for Finding { name, problem } in &findings {
                match problem {
                    None => say(&format!("{} {name}", green("ok  "))),
                    Some(problem) => say(&format!("FAIL {name}: {problem}")),
                }
            }
        }
        if is_well { Ok(()) } else { Err(Failure::silent()) }
    }
}

fn findings(file: Option<&Path>, online: bool) -> Result<Vec<Finding>, Failure> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut add =
        |name: &str, problem: Option<String>| findings.push(Finding { name: name.to_owned(), problem });
    let config = match config::load(&Sources::of_process(file)) {
        Err(problems) => {
            add("configuration", Some(problems.to_string()));
            None
        }
        Ok(loaded) => {
            add("configuration", None);
            let config = &loaded.config;
            add(&format!("data folder {}", config.data.dir.display()), data_fault(&config.data.dir));
            add(&format!("address {}", config.server.listen), address_fault(config));
            Some(loaded.config)
        }
    };
    let vendors = Vendors::new(1);
    for finding in vendors.findings() {
        add(&finding.name, finding.problem);
    }
    let Some(config) = config else { return Ok(findings) };
    // A fault of the lists has been told with the configuration.
    let agents = vendors.agents(&config).unwrap_or_default();
    for agent in agents.values().filter(|agent| agent.recogniser.is_some()) {
        let Some(wanted) = config.agents.get(&agent.name) else { continue };
        let problems = vendors.check_phrases(agent, wanted);
        add(&format!("phrases of agent {}", agent.name), (!problems.is_empty()).then(|| problems.join("; ")));
    }
    if online {
        let probes = vendors.probes(&config);
        let runtime = super::small_runtime()?;
        findings.extend(runtime.block_on(online::findings(probes)));
        findings.extend(runtime.block_on(accounts::findings(&config)));
    }
    Ok(findings)
}

fn data_fault(folder: &Path) -> Option<String> {
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"ok"));
    // What could not be written is not there to be removed.
    let _ = std::fs::remove_file(&probe);
    written.err().map(|error| format!("it can't be written: {error}"))
}

fn address_fault(config: &Config) -> Option<String> {
    let address = config.server.listen;
    match TcpListener::bind(address) {
        Ok(_) => None,
        Err(error) => Some(format!("{error}; a running server holds it, or give another with server.listen")),
    }
}
