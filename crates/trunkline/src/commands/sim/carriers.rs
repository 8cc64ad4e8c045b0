//! `trunkline sim carriers`: stand-ins for the carriers' REST interfaces, to place calls with no account and no
//! telephone.

use std::net::SocketAddr;

use audio::SampleRate;
use clap::Args;
use secrecy::SecretString;
use sim::carriers::{CarrierServer, Flow, NUMBERS, Pace, Passthru, Settings, World};
use sim::phone::{Detour, Speech};

use crate::failure::Failure;
use crate::speech;
use crate::terminal::{bold, dim, say};
use crate::vendors::Vendors;

/// Serve stand-ins for Twilio and Exotel on one port.
///
/// They keep to the carriers' documents: paths, refusals, limits, signed callbacks. A call that is placed with them
/// rings, is answered by somebody who speaks, and runs its media socket with the server that placed it. The last four
/// digits of the number that is called decide how it goes.
#[derive(Debug, Args)]
pub(super) struct Carriers {
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9191")]
    listen: SocketAddr,
    /// Twilio's account.
    #[arg(long, value_name = "SID")]
    twilio_account: Option<String>,
    /// Its auth token, which signs webhooks too.
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    twilio_token: Option<SecretString>,
    /// A number of Twilio's account; only its own numbers may be shown. May be given often; without it any may be.
    #[arg(long = "number", value_name = "NUMBER")]
    numbers: Vec<String>,
    /// Exotel's account.
    #[arg(long, value_name = "SID")]
    exotel_account: Option<String>,
    /// Its API key.
    #[arg(long, value_name = "KEY")]
    exotel_key: Option<String>,
    /// Its API token.
    #[arg(long, env = "EXOTEL_API_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    exotel_token: Option<SecretString>,
    /// What a flow of Exotel's does: a Voicebot applet with this URL, and behind it a Passthru applet with the other.
    #[arg(long, num_args = 1..=2, value_names = ["URL", "PASSTHRU"])]
    voicebot: Vec<String>,
    /// Where the server is reached, whatever it calls itself: callbacks, documents and sockets go here, signed for the
    /// address that it goes by.
    #[arg(long, value_name = "URL")]
    callback_base: Option<String>,
    /// What somebody says who answers.
    #[arg(long, value_name = "TEXT", default_value = "what are your opening hours")]
    says: String,
    /// Their voice.
    #[arg(long, default_value = "flite:awb")]
    voice: String,
    /// Ring for a moment only, have no queue and fill in prices at once.
    #[arg(long)]
    quick: bool,
}

impl Carriers {
    /// Starts them, and tells how to use them.
    pub(super) async fn start(self) -> Result<CarrierServer, Failure> {
        let listen = self.listen;
        let settings = self.settings().await?;
        let server = CarrierServer::listen(listen, World::new(settings))
            .await
            .map_err(|error| Failure::unavailable(format!("{listen}: {error}")))?;
        introduce(&server);
        Ok(server)
    }

    async fn settings(self) -> Result<Settings, Failure> {
        let pace = if self.quick { Pace::default() } else { Pace::real() };
        let mut settings = Settings { pace, ..Settings::default() };
        let voice = Vendors::new(1).voice(&self.voice)?;
        let pcm = speech::render(&*voice, &self.says, SampleRate::HZ_8000).await?;
        settings.speech = Some(Speech { label: self.says, pcm });
        settings.detour = self.callback_base.as_deref().map(Detour::always);
        let twilio = &mut settings.twilio;
        twilio.sid = self.twilio_account.unwrap_or_else(|| twilio.sid.clone());
        twilio.token = self.twilio_token.unwrap_or_else(|| twilio.token.clone());
        twilio.numbers = self.numbers;
        let exotel = &mut settings.exotel;
        exotel.sid = self.exotel_account.unwrap_or_else(|| exotel.sid.clone());
        exotel.key = self.exotel_key.unwrap_or_else(|| exotel.key.clone());
        exotel.token = self.exotel_token.unwrap_or_else(|| exotel.token.clone());
        let mut applets = self.voicebot.into_iter();
        exotel.flow = applets.next().map_or(Flow::Elsewhere, Flow::Voicebot);
        exotel.passthru = applets.next().map(|url| Passthru { url, as_json: false });
        Ok(settings)
    }
}

fn introduce(server: &CarrierServer) {
    let (url, settings) = (server.url(), server.world().settings());
    say(&format!("stand-ins for the carriers listen on {}", bold(&url)));
    say("in a configuration:");
    say("");
    say("  [twilio]");
    say(&format!("  base_url = \"{url}\""));
    say(&format!("  account_sid = \"{}\"", settings.twilio.sid));
    say("  auth_token = \"12345\"   # or the one that was given with --twilio-token");
    say("  [exotel]");
    say(&format!("  base_url = \"{url}\""));
    say(&format!("  account_sid = \"{}\"", settings.exotel.sid));
    say(&format!("  api_key = \"{}\"", settings.exotel.key));
    say("  api_token = \"token\"    # or the one that was given with --exotel-token");
    say("");
    say("the last four digits of the number that is called say how it goes:");
    for (end, what) in NUMBERS {
        say(&format!("  {end}  {}", dim(what)));
    }
    say("any other number is answered by somebody who talks; POST /sim/treat changes a number:");
    say(
        "  {\"number\":\"+12025550123\",\"person\":\"busy\",\"answering\":\"taken\",\"callbacks\":{\"twice\":true}}",
    );
    say(&format!("what happened: {url}/sim/ledger"));
}
