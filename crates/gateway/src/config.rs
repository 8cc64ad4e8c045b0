//! What can be set about the data plane as a whole.

use std::time::Duration;

use audio::SampleRate;
use ipnet::IpNet;
use secrecy::SecretString;

/// The data plane's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where carriers open their media sockets.
    pub ws_path: String,
    /// The address under which carriers reach this server, such as `https://gw.example.com`. Only this makes the
    /// URLs that the connect webhook hands out; without it they are made of the request's `Host`, which is for
    /// trying things out.
    pub public_url: Option<String>,
    /// Whose `X-Forwarded-Host` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The auth token of the Twilio account. Without it Twilio's routes answer 404.
    pub twilio: Option<SecretString>,
    /// The rate that the connect webhook asks the carrier for.
    pub stream_rate: SampleRate,
    /// Who may open a media socket and see the sessions.
    pub auth: Auth,
    /// The agent that answers calls that ask for none.
    pub default_agent: String,
    /// How many calls may run at once.
    pub max_calls: usize,
    /// How long things may take.
    pub timing: Timing,
}

/// Who may open a media socket. With neither set, anyone may.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// `EXOTEL_WS_TOKEN`: taken as `Authorization: Bearer`, and what the signed tokens are for.
    pub bearer: Option<SecretString>,
    /// User and password for HTTP Basic, which Exotel sends for `wss://user:password@...`.
    pub basic: Option<(String, SecretString)>,
    /// Signs the tokens in the URLs that the connect webhook hands out. `None`: a random one, which holds for
    /// this process alone.
    pub token_secret: Option<[u8; 32]>,
}

impl Auth {
    /// Whether a media socket needs any proof at all.
    pub const fn is_required(&self) -> bool {
        self.bearer.is_some() || self.basic.is_some()
    }
}

/// How long things may take.
#[derive(Debug, Clone)]
pub struct Timing {
    /// How often a socket is pinged.
    pub ping_every: Duration,
    /// How long a socket may give no sign of life, not even a pong, before the call is taken for dead.
    pub silent_for: Duration,
    /// How long one batch may take to be sent before the peer is taken for stalled.
    pub send_limit: Duration,
    /// How long a signed token holds, from the connect webhook to the socket.
    pub token_ttl: Duration,
    /// How long vendors that the connect webhook had opened wait for the call. Zero: none is opened before the
    /// call is there.
    pub prepared_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ws_path: "/voicebot/ws".to_owned(),
            public_url: None,
            trusted_proxies: Vec::new(),
            twilio: None,
            stream_rate: SampleRate::HZ_8000,
            auth: Auth::default(),
            default_agent: "assistant".to_owned(),
            max_calls: 500,
            timing: Timing::default(),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(20),
            silent_for: Duration::from_secs(25),
            send_limit: Duration::from_secs(5),
            token_ttl: Duration::from_secs(60),
            prepared_for: Duration::from_secs(15),
        }
    }
}
