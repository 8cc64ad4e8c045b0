//! The configuration as types, with the defaults. `keys.rs` says in words what each key is; a test holds the
//! two together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use providers::{FaultPlan, VendorTable};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::acting::{Api, Database, Exotel, Outbound, Sweep};
use super::agent::Agent;
use super::alerts::Alerts;
use super::keep::{Recording, RetentionDays};

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) default_agent: String,
    pub(crate) environment: Environment,
    pub(crate) server: Server,
    pub(crate) data: Data,
    pub(crate) log: Log,
    pub(crate) recording: Recording,
    pub(crate) retention: RetentionDays,
    pub(crate) database: Database,
    pub(crate) api: Api,
    pub(crate) outbound: Outbound,
    pub(crate) sweep: Sweep,
    pub(crate) alerts: Alerts,
    pub(crate) keys: Keys,
    pub(crate) twilio: Twilio,
    pub(crate) exotel: Exotel,
    pub(crate) vendors: VendorTable,
    pub(crate) health: Health,
    pub(crate) faults: FaultPlan,
    pub(crate) agent_defaults: Agent,
    pub(crate) agents: BTreeMap<String, Agent>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_agent: "assistant".to_owned(),
            environment: Environment::default(),
            server: Server::default(),
            data: Data::default(),
            log: Log::default(),
            recording: Recording::default(),
            retention: RetentionDays::default(),
            database: Database::default(),
            api: Api::default(),
            outbound: Outbound::default(),
            sweep: Sweep::default(),
            alerts: Alerts::default(),
            keys: Keys::default(),
            twilio: Twilio::default(),
            exotel: Exotel::default(),
            vendors: VendorTable::new(),
            health: Health::default(),
            faults: FaultPlan::default(),
            agent_defaults: Agent::default(),
            agents: BTreeMap::new(),
        }
    }
}

/// What the server is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Environment {
    /// Real callers.
    #[default]
    Production,
    /// Trials: faults may be injected.
    Development,
}

/// How vendors are watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Health {
    pub(crate) probe_interval_ms: u64,
}

/// The listener and what guards it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) ws_path: String,
    pub(crate) stream_rate: u32,
    #[serde(serialize_with = "redacted")]
    pub(crate) token: Option<SecretString>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) basic: Basic,
    pub(crate) tls: Tls,
    pub(crate) limits: Limits,
    pub(crate) max_calls: usize,
    pub(crate) drain_timeout_ms: u64,
    pub(crate) worker_threads: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
            ws_path: "/voicebot/ws".to_owned(),
            stream_rate: 8_000,
            token: None,
            token_file: None,
            basic: Basic::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            max_calls: 500,
            drain_timeout_ms: 300_000,
            worker_threads: 0,
        }
    }
}

impl Server {
    /// Whether a stranger needs something to open a call's socket.
    pub(crate) fn has_authentication(&self) -> bool {
        self.token.is_some() || self.basic.password.is_some()
    }
}

/// HTTP Basic, which Exotel sends for `user:password@` in the URL.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Basic {
    pub(crate) user: String,
    #[serde(serialize_with = "redacted")]
    pub(crate) password: Option<SecretString>,
    pub(crate) password_file: Option<PathBuf>,
}

/// TLS in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// What strangers may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) header_timeout_ms: u64,
    pub(crate) ping_interval_ms: u64,
    pub(crate) idle_timeout_ms: u64,
    pub(crate) recognisers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            connections_per_address: 256,
            header_timeout_ms: 5_000,
            ping_interval_ms: 20_000,
            idle_timeout_ms: 25_000,
            recognisers: 64,
        }
    }
}

/// Where records, logs and recordings lie.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: PathBuf::from("data") }
    }
}

/// What the program says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Carriers' keys. None is ever shown or logged.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) elevenlabs_agent: Option<String>,
    #[serde(serialize_with = "redacted")]
    pub(crate) elevenlabs_webhook: Option<SecretString>,
    pub(crate) twilio_account: Option<String>,
    #[serde(serialize_with = "redacted")]
    pub(crate) twilio_token: Option<SecretString>,
    pub(crate) exotel_account: Option<String>,
    #[serde(serialize_with = "redacted")]
    pub(crate) exotel_key: Option<SecretString>,
    #[serde(serialize_with = "redacted")]
    pub(crate) exotel_token: Option<SecretString>,
}

/// The account at Twilio. Without its token the routes for Twilio do not answer.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Twilio {
    pub(crate) account_sid: Option<String>,
    #[serde(serialize_with = "redacted")]
    pub(crate) auth_token: Option<SecretString>,
    pub(crate) auth_token_file: Option<PathBuf>,
    pub(crate) api_key: Option<String>,
    #[serde(serialize_with = "redacted")]
    pub(crate) api_secret: Option<SecretString>,
    pub(crate) api_secret_file: Option<PathBuf>,
    pub(crate) base_url: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) edge: Option<String>,
    pub(crate) calls_per_second: Option<f64>,
    pub(crate) from: Option<String>,
}

impl Config {
    /// Takes the older names of a carrier's account over where the newer ones are not set.
    pub(super) fn take_older_names(&mut self) {
        let Self { keys, twilio, exotel, .. } = self;
        twilio.account_sid = twilio.account_sid.take().or_else(|| keys.twilio_account.take());
        twilio.auth_token = twilio.auth_token.take().or_else(|| keys.twilio_token.take());
        exotel.account_sid = exotel.account_sid.take().or_else(|| keys.exotel_account.take());
        exotel.api_key = exotel.api_key.take().or_else(|| keys.exotel_key.take());
        exotel.api_token = exotel.api_token.take().or_else(|| keys.exotel_token.take());
    }
}

/// How a secret is written: that there is one, and nothing of it.
pub(crate) const REDACTED: &str = "[redacted]";

pub(super) fn redacted<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) if !secret.expose_secret().is_empty() => serializer.serialize_some(REDACTED),
        _ => serializer.serialize_none(),
    }
}
