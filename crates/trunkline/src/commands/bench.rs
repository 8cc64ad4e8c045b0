//! `trunkline bench`: what a call costs here, each figure beside its target.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use secrecy::SecretString;
use serde_json::json;

use crate::bench::figure::{Figure, Verdict};
use crate::bench::process::Folders;
use crate::bench::{self, conversation, echo, floor, idle, store, vendors, webhook};
use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::{self, message, say};

/// Measure what calls cost on this machine.
///
/// Starts the server as a process of its own on one processor and calls it from another. Figures that miss their
/// target are shown, not failed: machines differ, and so does what else they do.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline bench                             everything, about twelve minutes
  trunkline bench echo                        20 ms frames sent back, beside a bare tokio-tungstenite
  trunkline bench conversation --calls 600    600 conversations at once, with vendors that cost nothing
  trunkline bench vendors                     conversations through vendors over the network
  trunkline bench store                       lists and callbacks with 100,000 calls in the database
  trunkline bench idle --json
  trunkline bench --quick                     only whether it runs")]
pub(crate) struct BenchCommand {
    /// What to measure.
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// How many calls at once, instead of the targets' numbers.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls: Option<u32>,
    /// For how many seconds each is measured.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// An empty PostgreSQL database, to measure the store on it too; what is put in stays there.
    #[arg(long, value_name = "URL")]
    postgres: Option<SecretString>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
    /// A second of each with a few calls: shows that it runs, the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Be the bare echo server that the echo is compared with.
    #[arg(long, hide = true, value_name = "ADDR")]
    floor_server: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Echo,
    Conversation,
    Vendors,
    Webhook,
    Store,
    Idle,
    All,
}

type Measure = fn(&bench::Bench) -> Result<Vec<Figure>, Failure>;

const ALL: [(What, &str, Measure); 6] = [
    (What::Idle, "trunkline bench idle", idle::run),
    (What::Echo, "trunkline bench echo", echo::run),
    (What::Webhook, "trunkline bench webhook", webhook::run),
    (What::Store, "trunkline bench store", store::run),
    (What::Conversation, "trunkline bench conversation", conversation::run),
    (What::Vendors, "trunkline bench vendors", vendors::run),
];

impl BenchCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if let Some(address) = self.floor_server {
            return Ok(floor::serve(address)?);
        }
        let calls = self.calls.map(|calls| calls as usize);
        let bench = bench::Bench::new(self.quick, calls, self.seconds, self.postgres.clone())?;
        self.warn(&bench);
        let _folders = Folders;
        let mut figures = Vec::new();
        for (what, command, measure) in ALL {
            // Conversations are those with vendors too.
            let is_part = self.what == What::Conversation && what == What::Vendors;
            if self.what != What::All && self.what != what && !is_part {
                continue;
            }
            for figure in measure(&bench)? {
                let figure = Figure { command, ..figure };
                if !self.json {
                    figure.show();
                }
                figures.push(figure);
            }
        }
        self.sum_up(&bench, &figures);
        Ok(())
    }

    fn warn(&self, bench: &bench::Bench) {
        if bench.cores.is_shared() {
            message(
                "this machine has one processor for us: server and load share it, and the figures mean little",
            );
        }
        if cfg!(debug_assertions) {
            message("this is a debug build: the figures mean nothing");
        }
        if self.quick {
            message("--quick: shows that it runs; the figures mean nothing");
        }
    }

    fn sum_up(&self, bench: &bench::Bench, figures: &[Figure]) {
        let count = |verdict| figures.iter().filter(|figure| figure.verdict == verdict).count();
        let (passed, missed, unknown) = (count(Verdict::Pass), count(Verdict::Miss), count(Verdict::Unknown));
        if self.json {
            terminal::json(&json!({
                "machine": {"server_core": bench.cores.server, "load_core": bench.cores.load},
                "quick": self.quick,
                "figures": figures,
                "passed": passed,
                "missed": missed,
                "not_measured": unknown,
            }));
        } else {
            say(&format!("{passed} pass, {missed} miss, {unknown} not measured"));
        }
    }
}
