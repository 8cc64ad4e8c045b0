//! `trunkline recogniser-worker`: the helper process of the built-in recogniser. The server starts it; a crash of
//! the C library costs one call's recogniser and never the server.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;

/// The helper of the built-in recogniser, started by the server.
#[derive(Debug, Args)]
pub(crate) struct RecogniserWorker {}

impl RecogniserWorker {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let ended = providers::local::sphinx::worker_main();
        // What went wrong has been told on stderr already.
        if ended == ExitCode::SUCCESS { Ok(()) } else { Err(Failure::silent()) }
    }
}
