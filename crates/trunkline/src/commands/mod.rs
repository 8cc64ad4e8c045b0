//! The commands, one file each. A command is its arguments and `run`.

mod config;
mod phone;

use clap::{Parser, Subcommand};

use crate::failure::{EXIT_CODES, Failure};

/// A self-hosted phone gateway for voice AI.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, max_term_width = 100, after_help = EXIT_CODES, before_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  trunkline demo                                    a whole call, no key, no network, under a minute
  trunkline serve --agent echo                      answer calls by echoing them
  trunkline phone ws://127.0.0.1:8080/voicebot/ws --say \"What are your opening hours?\"
  trunkline conformance exotel wss://gw.example.com/voicebot/ws
  trunkline config check trunkline.toml";

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Phone(phone::Phone),
    Config(config::ConfigCommand),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Phone(command) => command.run(),
            Self::Config(command) => command.run(),
        }
    }
}

/// A runtime for commands that need one but carry no load.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
