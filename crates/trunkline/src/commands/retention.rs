//! `trunkline retention run`: takes out what is older than the configuration wants, as the server does once a day.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use records::Kept;
use store::Retention;

use super::{data_is_there, small_runtime};
use crate::config::{self, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::keeping;
use crate::terminal::say;

/// Take out what of old calls is not to be kept any longer.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline retention run --dry-run
  trunkline retention run")]
pub(crate) struct RetentionCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sweep now.
    Run {
        /// Only say what would be taken out.
        #[arg(long)]
        dry_run: bool,
        /// The data folder; without it the configuration's.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

impl RetentionCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Action::Run { dry_run, data } = self.action;
        let mut config = config::load(&Sources::of_process(None))?.config;
        let retention = Retention::from(&config.retention);
        if retention.is_for_ever() {
            say("everything is kept for ever: [retention] sets no days");
            return Ok(());
        }
        config.data.dir = data.unwrap_or(config.data.dir);
        data_is_there(&config)?;
        let runtime = small_runtime()?;
        let forgetter = runtime.block_on(keeping::forgetter(&config))?;
        let swept = runtime
            .block_on(forgetter.sweep(retention, Timestamp::now(), dry_run))
            .map_err(|error| Failure::failed(error.to_string()))?;
        let did = if dry_run { "would be taken out" } else { "taken out" };
        for what in Kept::ALL {
            say(&format!("{:<10}  of {} calls {did}", what.as_str(), swept.count(what)));
        }
        for (id, what) in &swept.held {
            say(&format!("{id} is held: its {} stays", what.as_str()));
        }
        for (id, error) in &swept.failed {
            say(&format!("{id}: {error}"));
        }
        if swept.failed.is_empty() {
            Ok(())
        } else {
            Err(Failure::failed("not all could be taken out; run it again"))
        }
    }
}
