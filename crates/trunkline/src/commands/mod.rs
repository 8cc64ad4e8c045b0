//! The commands, one file each. A command is its arguments and `run`.

mod bench;
mod call;
mod config;
mod conformance;
mod demo;
mod doctor;
mod erase;
mod keys;
mod phone;
mod recogniser_worker;
mod replay;
mod retention;
mod serve;
mod sim;
mod sweep;

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
  trunkline keys create --name crm --scope call
  trunkline call place +919876543210 --wait
  trunkline doctor                                  could a server run here, and do carriers reach it?
  trunkline config check trunkline.toml";

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Phone(phone::Phone),
    Conformance(conformance::Conformance),
    Call(call::CallCommand),
    Keys(keys::KeysCommand),
    Sweep(sweep::Sweep),
    Erase(erase::Erase),
    Retention(retention::RetentionCommand),
    Replay(replay::Replay),
    Config(config::ConfigCommand),
    Doctor(doctor::Doctor),
    Sim(sim::SimCommand),
    #[command(hide = true)]
    RecogniserWorker(recogniser_worker::RecogniserWorker),
    Bench(bench::BenchCommand),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Serve(command) => command.run(),
            Self::Demo(command) => command.run(),
            Self::Phone(command) => command.run(),
            Self::Conformance(command) => command.run(),
            Self::Call(command) => command.run(),
            Self::Keys(command) => command.run(),
            Self::Sweep(command) => command.run(),
            Self::Erase(command) => command.run(),
            Self::Retention(command) => command.run(),
            Self::Replay(command) => command.run(),
            Self::Config(command) => command.run(),
            Self::Doctor(command) => command.run(),
            Self::Sim(command) => command.run(),
            Self::RecogniserWorker(command) => command.run(),
            Self::Bench(command) => command.run(),
        }
    }
}

/// A runtime for commands that need one but carry no load.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Whether there is a data folder to work on. What works on calls must not make an empty one and say that all is done.
fn data_is_there(config: &crate::config::Config) -> Result<(), Failure> {
    let folder = &config.data.dir;
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "there is no data folder {}: no server has run on it; give the server's with --data, or its configuration",
        folder.display()
    )))
}

/// Every call has ids of its own, or the server takes it for a carrier's reconnect.
fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_micros() as u64 ^ (u64::from(std::process::id()) << 48)
}

/// Headers of the command line, `Name: value`, and the token's.
fn headers(lines: &[String], token: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let mut headers = Vec::new();
    for line in lines {
        // The line is not repeated in the message: its value may be a secret.
        let (name, value) =
            line.split_once(':').ok_or_else(|| Failure::usage("--header takes \"Name: value\""))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    headers.extend(token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))));
    Ok(headers)
}

/// A parameter of the command line, `name=value`.
fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "a parameter is NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
