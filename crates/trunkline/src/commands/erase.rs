//! `trunkline erase --number`: takes all calls from or to a number out, for somebody who wants to be forgotten.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use records::masked;
use store::Erased;

use super::{data_is_there, small_runtime};
use crate::config::{self, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::keeping;
use crate::terminal::say;

/// Erase all calls from or to a number: sound, words, numbers, parameters.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline erase --number +919876543210          say which calls it is about
  trunkline erase --number +919876543210 --yes    erase them")]
pub(crate) struct Erase {
    /// The number, with or without country code.
    #[arg(long)]
    number: String,
    /// Do it. Without this nothing is changed.
    #[arg(long)]
    yes: bool,
    /// The data folder; without it the configuration's.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Fewer digits could be anybody's.
const LEAST_DIGITS: usize = 6;

impl Erase {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if self.number.chars().filter(char::is_ascii_digit).count() < LEAST_DIGITS {
            return Err(Failure::usage("--number takes a whole number, such as +919876543210"));
        }
        let mut config = config::load(&Sources::of_process(None))?.config;
        config.data.dir = self.data.clone().unwrap_or(config.data.dir);
        data_is_there(&config)?;
        let runtime = small_runtime()?;
        let forgetter = runtime.block_on(keeping::forgetter(&config))?;
        let failed = |error: store::ForgetError| Failure::failed(error.to_string());
        if !self.yes {
            let would = runtime.block_on(forgetter.would_erase(&self.number)).map_err(failed)?;
            would.calls.iter().for_each(|id| say(&id.to_string()));
            say_left(&would);
            say(&format!(
                "{} calls from or to {}; --yes erases them",
                would.calls.len(),
                masked(&self.number)
            ));
            return Ok(());
        }
        let erased = runtime
            .block_on(forgetter.erase(&self.number, "command line", Timestamp::now()))
            .map_err(failed)?;
        say(&format!("{} calls from or to {} are erased", erased.calls.len(), masked(&self.number)));
        say_left(&erased);
        if erased.failed.is_empty() {
            Ok(())
        } else {
            Err(Failure::failed("not all is erased yet; the server goes on trying"))
        }
    }
}

/// What keeps something, and why.
fn say_left(erased: &Erased) {
    for id in &erased.running {
        say(&format!("{id} is not over; the server erases it when it is"));
    }
    for id in &erased.held {
        say(&format!("{id} is held and keeps everything"));
    }
    for (id, error) in &erased.failed {
        say(&format!("{id} is not erased: {error}"));
    }
}
