//! The trunkline program: parses the command line and hands over to one command. Human text goes to stdout,
//! messages to stderr, and every command's exit codes are those of `failure.rs`.

mod bench;
mod commands;
mod config;
mod failure;
mod logging;
mod server;
mod speech;
mod terminal;
mod vendors;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // First of all: TLS anywhere in this process uses this provider.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nobody else installs one");
    let commands::Cli { command } = commands::Cli::parse();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
