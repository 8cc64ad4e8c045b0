//! `trunkline config check|show`: whether a configuration can be used, and what it comes to.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::config::{self, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::{json, say};

/// Check or show the configuration.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline config check                     the file trunkline.toml, the environment, all together
  trunkline config check /etc/trunkline.toml
  trunkline config show                      what is in force and where each value comes from
  trunkline config show --defaults > trunkline.toml")]
pub(crate) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a configuration without starting anything. Exit code 78 when it can't be used.
    Check {
        /// The file; without it trunkline.toml, if there is one.
        file: Option<PathBuf>,
        /// Report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what is in force, with origins. Secrets are not shown.
    Show {
        /// The file; without it trunkline.toml, if there is one.
        file: Option<PathBuf>,
        /// Report as JSON.
        #[arg(long)]
        json: bool,
        /// Show every key with its default and what it is, as a file to start from.
        #[arg(long, conflicts_with_all = ["file", "json"])]
        defaults: bool,
    },
}

impl ConfigCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Check { file, json } => check(file.as_deref(), json),
            Action::Show { defaults: true, .. } => {
                say(config::defaults().trim_end());
                Ok(())
            }
            Action::Show { file, json: as_json, .. } => {
                let loaded = config::load(&Sources::of_process(file.as_deref()))?;
                if as_json {
                    json(&config::effective_json(&loaded));
                } else {
                    say(config::effective(&loaded).trim_end());
                }
                Ok(())
            }
        }
    }
}

fn check(file: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    let loaded = config::load(&Sources::of_process(file));
    if as_json {
        let problems = loaded.as_ref().err().map(|problems| problems.0.as_slice()).unwrap_or_default();
        let list: Vec<_> = problems
            .iter()
            .map(|problem| serde_json::json!({"place": problem.place, "what": problem.what}))
            .collect();
        json(&serde_json::json!({"ok": list.is_empty(), "problems": list}));
    }
    let loaded = loaded?;
    if !as_json {
        let read = loaded.file.map_or("no file".to_owned(), |file| file.display().to_string());
        let agents: Vec<&str> = loaded.config.agents.keys().map(String::as_str).collect();
        say(&format!("ok: {read}; agents {}; default {}", agents.join(", "), loaded.config.default_agent));
    }
    Ok(())
}
