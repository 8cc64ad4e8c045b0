//! The trunkline program as a library, so that what reads a user's files can be fuzzed. The program parses the
//! command line and hands over to one command. Human text goes to stdout, messages to stderr, and every command's
//! exit codes are those of `failure.rs`.

mod accounts;
mod api;
mod bench;
mod board;
mod carriers;
mod commands;
mod config;
mod failure;
mod keeping;
mod logging;
mod server;
mod speech;
mod tables;
mod terminal;
mod vendors;
mod work;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

/// Runs the program with the process's own arguments. Gives its exit code.
pub fn main() -> ExitCode {
    // First of all: TLS anywhere in this process uses this provider.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nobody else installs one");
    let commands::Cli { command } = commands::Cli::parse();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Whether this file is a configuration that the server could run with, the environment left out.
///
/// # Errors
/// All that is wrong with it, each on a line with its place.
pub fn check_config(file: &Path) -> Result<(), String> {
    let sources = config::Sources { file: Some(file.to_owned()), ..config::Sources::default() };
    config::load(&sources).map(|_| ()).map_err(|problems| problems.to_string())
}
