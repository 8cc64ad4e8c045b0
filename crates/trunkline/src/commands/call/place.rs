//! `trunkline call place` and `hangup`: acting on calls by the running server.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::{Args, ValueEnum};
use records::CallStatus;
use reqwest::Method;
use serde_json::{Value, json};
use store::CallId;
use tokio::time::{Instant, sleep};

use super::follow::{Follower, line};
use super::id_of;
use crate::api::{Api, Ask, Fault, ServerArgs};
use crate::failure::Failure;
use crate::terminal::{bold, message, say};

/// For how long the same request is made again when its answer was lost.
const AGAIN_FOR: Duration = Duration::from_secs(60);
/// How long to wait in between.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a server may be away while a call is waited for.
const AWAY: Duration = Duration::from_secs(120);

/// A call to be placed.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The number to call: E.164 (+919876543210), or as it is dialled within outbound.default_country.
    to: String,
    /// The agent that talks; without it the default one.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The carrier: twilio or exotel; without it the configured one.
    #[arg(long, value_name = "NAME")]
    carrier: Option<String>,
    /// The number that is shown, one of the account's own; without it the configured one.
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// What the agent is told about this call. May be given often.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = super::super::parameter)]
    variables: Vec<(String, String)>,
    /// Whether the carrier listens for an answering machine; without it as configured.
    #[arg(long, value_enum)]
    machine_detection: Option<Machine>,
    /// The same for the same call: given again, the call is not placed again. Without it one is made up, and the request is
    /// made again by itself when its answer is lost.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until the call is over, and tell how it goes. Exits with 1 when it was not completed.
    #[arg(long)]
    wait: bool,
    /// Report as JSON: the answer; with --wait the whole call.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Machine {
    Off,
    Detect,
    MessageEnd,
}

/// A call to be ended.
#[derive(Debug, Args)]
pub(super) struct Hangup {
    /// Its id.
    id: String,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl Place {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let api = self.server.open()?;
        let placed = self.place(&api).await?;
        let id = placed["call_id"].as_str().unwrap_or_default().to_owned();
        if !self.wait {
            if self.json {
                crate::terminal::json(&placed);
            } else {
                let text = |name: &str| placed[name].as_str().unwrap_or_default().to_owned();
                say(&format!("{}  {} over {}", bold(&id), text("status"), text("carrier")));
                if placed["carrier_call_id"].is_null() {
                    message(
                        "the carrier's answer was lost; whether it dialled is being found out: trunkline call tail",
                    );
                }
            }
            return Ok(());
        }
        self.wait(&api, id_of(&id)?).await
    }

    fn body(&self) -> Value {
        let mut body = json!({"to": self.to});
        let texts = [("agent", &self.agent), ("carrier", &self.carrier), ("from", &self.from)];
        for (name, text) in texts {
            if let Some(text) = text {
                body[name] = json!(text);
            }
        }
        if !self.variables.is_empty() {
            body["variables"] =
                self.variables.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        }
        if let Some(machine) = self.machine_detection {
            body["machine_detection"] = json!(match machine {
                Machine::Off => "off",
                Machine::Detect => "detect",
                Machine::MessageEnd => "message_end",
            });
        }
        body
    }

    /// Places it once, however often it takes to be told so.
    async fn place(&self, api: &Api) -> Result<Value, Failure> {
        let made = || format!("cli-{:016x}", super::super::seed());
        let key = self.idempotency_key.clone().unwrap_or_else(made);
        let until = Instant::now() + AGAIN_FOR;
        let mut was_sent = false;
        loop {
            let headers = vec![("idempotency-key", key.clone())];
            let ask = Ask { headers, body: Some(self.body()), ..Ask::new(Method::POST, "/api/v1/calls") };
            let fault = match api.json(ask).await {
                Ok(placed) => return Ok(placed),
                Err(fault) => fault,
            };
            let may_help = match &fault {
                Fault::Lost(_) => true,
                Fault::Nobody(_) => was_sent,
                Fault::Refused(refusal) => refusal.code == "request_in_progress",
            };
            was_sent |= matches!(fault, Fault::Lost(_));
            if !may_help || Instant::now() >= until {
                if was_sent {
                    message(&format!(
                        "whether the call was placed is not known; the same again with --idempotency-key {key} does not \
                         place a second one"
                    ));
                }
                return Err(api.failure(fault));
            }
            sleep(AGAIN).await;
        }
    }

    async fn wait(&self, api: &Api, id: CallId) -> Result<(), Failure> {
        let mut last = CallStatus::Queued.as_str().to_owned();
        let mut follower = Follower::new(api, Some(id), Some("0".to_owned()), Some(AWAY));
        follower
            .follow(|event| {
                if !self.json {
                    say(&line(event));
                }
                last = event["call_status"].as_str().unwrap_or_default().to_owned();
                if is_over(&last) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        if self.json {
            let target = format!("/api/v1/calls/{id}");
            let call = api.json(Ask::new(Method::GET, &target)).await.map_err(|fault| api.failure(fault))?;
            crate::terminal::json(&call);
        }
        if last == CallStatus::Completed.as_str() {
            return Ok(());
        }
        Err(Failure::failed(format!("the call was not completed: {last}")))
    }
}

/// Whether a call of this status is over.
pub(super) fn is_over(status: &str) -> bool {
    CallStatus::ALL.iter().any(|known| known.is_final() && known.as_str() == status)
}

impl Hangup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let id = id_of(&self.id)?;
        let api = self.server.open()?;
        let target = format!("/api/v1/calls/{id}/hangup");
        let done = api.json(Ask::new(Method::POST, &target)).await.map_err(|fault| api.failure(fault))?;
        if self.json {
            crate::terminal::json(&done);
            return Ok(());
        }
        let status = done["status"].as_str().unwrap_or_default();
        say(&match done["by"].as_str() {
            Some("nobody") => format!("{id} was over already: {status}"),
            Some("carrier") => format!("{id} is ended by its carrier; it was {status}"),
            _ => format!("{id} is ended; it was {status}"),
        });
        Ok(())
    }
}
