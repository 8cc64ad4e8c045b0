//! `trunkline sweep`: looks after silent calls, through the running server, else directly on the tables.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use control::NoCalls;
use reqwest::Method;
use serde_json::Value;
use store::{OpenError, Store};

use crate::api::{Ask, Fault, ServerArgs};
use crate::carriers;
use crate::config::{self, Config, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::server::tables;
use crate::terminal::{bold, dim, say};

/// How long the server may take: it asks carriers.
const ANSWER: Duration = Duration::from_secs(600);

/// Close calls that nobody hears of any more, after asking their carriers.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline sweep --dry-run        which calls would be asked after or closed
  trunkline sweep --json")]
pub(crate) struct Sweep {
    #[command(flatten)]
    server: ServerArgs,
    /// The data folder, where no server runs.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only look: change nothing and ask nobody.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Sweep {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let sources = Sources::of_process(self.server.config.as_deref()).flag(
            "data.dir",
            "--data",
            self.data.as_ref().map(|dir| dir.display()),
        );
        let config = config::load(&sources)?.config;
        super::small_runtime()?.block_on(async {
            let report = match self.ask(&config).await? {
                Some(report) => report,
                None => self.directly(&config).await?,
            };
            if self.json {
                crate::terminal::json(&report);
            } else {
                show(&report);
            }
            Ok(())
        })
    }

    /// By the running server; `None` where there is none.
    async fn ask(&self, config: &Config) -> Result<Option<Value>, Failure> {
        let api = self.server.open_with(config)?;
        let target = format!("/api/v1/calls/cleanup-stale?dry_run={}", self.dry_run);
        match api.json(Ask { within: Some(ANSWER), ..Ask::new(Method::POST, &target) }).await {
            Ok(report) => Ok(Some(report)),
            Err(Fault::Nobody(_)) if self.server.server.is_none() => Ok(None),
            Err(fault) => Err(api.failure(fault)),
        }
    }

    async fn directly(&self, config: &Config) -> Result<Value, Failure> {
        super::data_is_there(config)?;
        // A server that runs on this folder knows which calls live, and this process does not.
        let _alone = Store::open(&config.data.dir).map_err(|error| match error {
            OpenError::InUse(_) => Failure::unavailable(format!("{error}; give its address with --server")),
            OpenError::Io(..) => Failure::config(error.to_string()),
        })?;
        let database = tables(config).await?;
        let outbound = carriers::outbound(config, database, Arc::new(NoCalls), None)?;
        let report =
            outbound.sweep(self.dry_run).await.map_err(|error| Failure::unavailable(error.to_string()))?;
        serde_json::to_value(report).map_err(|error| Failure::failed(error.to_string()))
    }
}

fn show(report: &Value) {
    let calls = report["calls"].as_array().cloned().unwrap_or_default();
    say(&format!("{} calls are not over, {} of them silent for too long", report["open"], calls.len()));
    for call in calls {
        let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        let said = match call["carrier_said"].as_str() {
            Some(said) => format!(", {} says: {said}", text("carrier")),
            None => String::new(),
        };
        let line = format!("{}  {}  silent for {} s{said}", text("id"), text("status"), call["silent_s"]);
        say(&format!("{line}  {}", bold(&text("done"))));
        if let Some(reason) = call["end_reason"].as_str() {
            say(&dim(&format!("    {reason}")));
        }
    }
}
