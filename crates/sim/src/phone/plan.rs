//! What a simulated caller is to do, as a value: whom to ring, as whom, and the steps of the conversation.

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};
use secrecy::SecretString;
use tokio::sync::watch;

use crate::exotel::{Call, Types};
use crate::twilio::{self, Document, Next};
use crate::webhook::Detour;

/// A call to be made.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// Where the call goes, as its carrier takes it; see [`Carrier`].
    pub url: String,
    /// Which carrier to be, with what it needs to know.
    pub carrier: Carrier,
    /// Headers for the webhook and for the upgrade.
    pub headers: Vec<(String, String)>,
    /// What the caller does, in order. After the last step the caller hangs up.
    pub steps: Vec<Step>,
    /// How long the caller waits for the agent to speak or to finish before going on.
    pub patience: Duration,
    /// Trust for `wss` and `https`. Without it the public roots hold.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// What somebody who has the carrier's REST interface wants done with the call while it is up.
    pub orders: watch::Receiver<Order>,
}

/// The carrier that the call goes through.
#[derive(Debug, Clone)]
pub enum Carrier {
    /// Exotel. The URL is the socket (`ws://`, `wss://`) or the connect webhook (`http://`, `https://`), which is asked
    /// for the socket first. `user:password@` in it becomes HTTP Basic.
    Exotel {
        /// Who calls whom, and the stream's rate, both ways: 8000, 16000 or 24000.
        call: Call,
        /// How numbers are written in messages.
        types: Types,
    },
    /// Twilio. The URL is the voice webhook, whose TwiML is followed, or a socket, which is opened as if a `<Stream>`
    /// had named it.
    Twilio(Box<TwilioLine>),
}

/// A call through Twilio.
#[derive(Debug, Clone)]
pub struct TwilioLine {
    /// Who calls whom, and with a socket's URL the parameters.
    pub call: twilio::Call,
    /// Signs webhooks and upgrades; without it nothing is signed.
    pub auth_token: Option<SecretString>,
    /// Where the server is reached, when not at the address that it goes by.
    pub detour: Option<Detour>,
    /// Whether `ws://` is refused on the loopback interface too.
    pub only_wss: bool,
    /// Whether the URL is asked by `GET`.
    pub by_get: bool,
    /// What is followed instead of what the URL gives.
    pub twiml: Option<Document>,
    /// What is asked when the URL gives no TwiML.
    pub fallback: Option<Next>,
    /// More fields for the voice webhook, such as who picked up.
    pub fields: Vec<(String, String)>,
    /// How long somebody who is dialled from within the call rings before they answer or are busy.
    pub rings: Duration,
    /// How long they ring at most, whatever the TwiML says.
    pub longest_ring: Duration,
    /// How long they talk.
    pub talks: Duration,
}

impl TwilioLine {
    /// This call, signed with this token.
    pub const fn new(call: twilio::Call, auth_token: Option<SecretString>) -> Self {
        Self {
            call,
            auth_token,
            detour: None,
            only_wss: false,
            by_get: false,
            twiml: None,
            fallback: None,
            fields: Vec::new(),
            rings: Duration::from_millis(150),
            longest_ring: Duration::from_secs(2),
            talks: Duration::from_secs(1),
        }
    }
}

/// What is to be done with a live call from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    #[default]
    Talk,
    /// It is hung up.
    HangUp,
    /// It goes on with another document of TwiML.
    Fetch(Next),
    /// It goes on with this one.
    Follow(Document),
}

impl CallPlan {
    /// A call through Exotel to `url` at 8 kHz by an invented caller who does nothing but listen to the greeting.
    pub fn new(url: impl Into<String>) -> Self {
        Self::exotel(url, Call::invented(1, SampleRate::HZ_8000))
    }

    /// This call through Exotel to `url`.
    pub fn exotel(url: impl Into<String>, call: Call) -> Self {
        Self::through(Carrier::Exotel { call, types: Types::Strings }, url)
    }

    /// This call through Twilio to `url`.
    pub fn twilio(url: impl Into<String>, line: TwilioLine) -> Self {
        Self::through(Carrier::Twilio(Box::new(line)), url)
    }

    fn through(carrier: Carrier, url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            carrier,
            headers: Vec::new(),
            steps: Vec::new(),
            patience: Duration::from_secs(8),
            tls: None,
            orders: watch::channel(Order::Talk).1,
        }
    }

    /// The carrier's id of the call.
    pub fn call_id(&self) -> &str {
        match &self.carrier {
            Carrier::Exotel { call, .. } => &call.call,
            Carrier::Twilio(line) => &line.call.call,
        }
    }

    /// The rate at which the caller's steps are spoken.
    pub fn rate(&self) -> SampleRate {
        match &self.carrier {
            Carrier::Exotel { call, .. } => call.rate,
            Carrier::Twilio(_) => SampleRate::HZ_8000,
        }
    }
}

/// One thing that the caller does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Waits until the agent has answered and is quiet, then speaks.
    Say(Speech),
    /// Speaks at once, whatever the agent does: somebody who answers a call does so, and a machine.
    SayNow(Speech),
    /// Waits until the agent has been speaking for `after`, then speaks over it.
    BargeIn {
        /// What is said.
        speech: Speech,
        /// How far into the agent's speech.
        after: Duration,
    },
    /// Waits until the agent is quiet, then presses a key.
    Dtmf(char),
    /// Waits.
    Wait(Duration),
    /// Waits until the agent is quiet, then hangs up. Later steps are left out.
    HangUp,
}

/// Speech of the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// What it says, for the report; may be empty.
    pub label: String,
    /// The samples, at the plan's rate.
    pub pcm: Pcm,
}
