//! `trunkline sim`: stand-ins for the vendors' and the carriers' interfaces, to try a configuration, its fallbacks and
//! calls with no account and no network.

mod carriers;

use std::net::SocketAddr;
use std::str::FromStr;

use clap::{Args, Subcommand};
use sim::vendors::{Delays, KEYS, VendorServer, World};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::{bold, dim, say};

/// Stand in for what is usually somewhere else.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline sim vendors
  trunkline sim vendors --listen 127.0.0.1:9090 --delays model=400,voice=250
  trunkline sim carriers --callback-base http://127.0.0.1:8080
  trunkline sim vendors --hears \"do you open on sundays\" --answers \"Yes, from ten to four.\"")]
pub(crate) struct SimCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Vendors(Vendors),
    Carriers(carriers::Carriers),
}

/// Serve stand-ins for Deepgram, OpenAI, Anthropic, Google and ElevenLabs on one port.
///
/// They keep to the vendors' documents: the same paths, refusals, and limits. What a key is called decides how it
/// is treated, so that every fault can be tried by changing a key.
#[derive(Debug, Args)]
struct Vendors {
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// How long they take, in milliseconds: endpointing, recogniser, model, token, voice, upgrade.
    #[arg(long, value_name = "NAME=MS,...", default_value = "")]
    delays: DelayList,
    /// What the recognisers understand, one text for each stretch of speech. May be given often.
    #[arg(long, value_name = "TEXT")]
    hears: Vec<String>,
    /// What the models answer, one text for each message of the caller. May be given often.
    #[arg(long, value_name = "TEXT")]
    answers: Vec<String>,
}

impl SimCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        super::small_runtime()?.block_on(async {
            // Before anyone is told that they are there: a signal sent right after that must find its handler.
            let (mut terminate, mut interrupt) =
                (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            // Held while they serve.
            let (_vendors, _carriers) = match self.what {
                What::Vendors(vendors) => (Some(vendors.start().await?), None),
                What::Carriers(carriers) => (None, Some(carriers.start().await?)),
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        })
    }
}

impl Vendors {
    async fn start(self) -> Result<VendorServer, Failure> {
        let world = World::new(self.delays.0, self.hears, self.answers);
        let server = VendorServer::listen(self.listen, world)
            .await
            .map_err(|error| Failure::unavailable(format!("{}: {error}", self.listen)))?;
        introduce(&server.url());
        Ok(server)
    }
}

fn introduce(url: &str) {
    say(&format!("stand-ins for the vendors listen on {}", bold(url)));
    say("in a configuration, or as TRUNKLINE__VENDORS__DEEPGRAM__BASE_URL and so on:");
    say("");
    for vendor in providers::Api::ALL.map(providers::Api::as_str) {
        let path = if vendor == "openai" { "/v1" } else { "" };
        say(&format!("  [vendors.{vendor}]"));
        say(&format!("  base_url = \"{url}{path}\""));
        say("  key = \"test\"");
    }
    say("");
    say("a key says how it is treated:");
    for (key, what) in KEYS {
        say(&format!("  {key:<16}{}", dim(what)));
    }
    say(&format!("what they were asked, and what they were asked wrongly: {url}/sim/ledger"));
}

/// `model=400,voice=250`.
#[derive(Debug, Clone, Copy)]
struct DelayList(Delays);

impl FromStr for DelayList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut delays = Delays::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, ms) = pair.split_once('=').ok_or_else(|| format!("\"{pair}\" is not NAME=MS"))?;
            let place = match name.trim() {
                "endpointing" => &mut delays.endpointing_ms,
                "recogniser" => &mut delays.recogniser_ms,
                "model" => &mut delays.model_ms,
                "token" => &mut delays.token_ms,
                "voice" => &mut delays.voice_ms,
                "upgrade" => &mut delays.upgrade_ms,
                other => {
                    return Err(format!(
                        "there is no delay \"{other}\"; there are endpointing, recogniser, model, token, voice, upgrade"
                    ));
                }
            };
            *place = ms.trim().parse().map_err(|_| format!("\"{ms}\" is no number of milliseconds"))?;
        }
        Ok(Self(delays))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_named() {
        let DelayList(delays) = "model=400, voice = 250".parse().unwrap();
        assert_eq!((delays.model_ms, delays.voice_ms), (400, 250));
        assert_eq!(delays.recogniser_ms, Delays::default().recogniser_ms);
        assert!("model".parse::<DelayList>().unwrap_err().contains("NAME=MS"));
        assert!("modl=4".parse::<DelayList>().unwrap_err().contains("endpointing"));
        assert!("model=fast".parse::<DelayList>().unwrap_err().contains("no number"));
    }
}
