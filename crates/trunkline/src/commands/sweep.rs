//! `trunkline sweep`: looks after silent calls, through the running server, else directly on the tables.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use control::{Alive, DataPlane};
use records::{AnsweredBy, EndReason};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use store::{CallId, OpenError, Store};

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
    /// The configuration; without it trunkline.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder, where no server runs.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The running server; without it the one of the configuration.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A key of scope `call`, where the configuration has no token.
    #[arg(long, value_name = "KEY", env = "TRUNKLINE_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Only look: change nothing and ask nobody.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// No call runs in this process.
struct NoCalls;

impl DataPlane for NoCalls {
    fn mode(&self) -> String {
        String::new()
    }
    fn calls(&self) -> usize {
        0
    }
    fn max_calls(&self) -> usize {
        0
    }
    fn is_draining(&self) -> bool {
        false
    }
    fn live(&self) -> Vec<Alive> {
        Vec::new()
    }
    fn end(&self, _: CallId, _: EndReason) -> bool {
        false
    }
    fn answered_by(&self, _: CallId, _: AnsweredBy) -> bool {
        false
    }
}

impl Sweep {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let sources = Sources::of_process(self.config.as_deref()).flag(
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
        let server = &config.server;
        let base = self.server.clone().unwrap_or_else(|| {
            let scheme = if server.tls.cert.is_some() { "https" } else { "http" };
            let mut listen = server.listen;
            if listen.ip().is_unspecified() {
                listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            format!("{scheme}://{listen}")
        });
        let key = self.key.clone().map(SecretString::from).or_else(|| server.token.clone());
        let url =
            format!("{}/api/v1/calls/cleanup-stale?dry_run={}", base.trim_end_matches('/'), self.dry_run);
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build();
        let client = client.map_err(|error| Failure::failed(error.to_string()))?;
        let mut request = client.post(url);
        if let Some(key) = &key {
            request = request.bearer_auth(key.expose_secret());
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() && self.server.is_none() => return Ok(None),
            Err(error) => {
                return Err(Failure::unavailable(format!(
                    "the server did not answer: {}",
                    error.without_url()
                )));
            }
        };
        let status = answer.status();
        let body = answer.bytes().await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(Some(body));
        }
        let detail = body["detail"].as_str().unwrap_or("it does not say why");
        Err(Failure::failed(format!("the server answered {status}: {detail}")))
    }

    async fn directly(&self, config: &Config) -> Result<Value, Failure> {
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
