//! What is set about placing calls, ending dead ones, the API that does it, and the tables that it works on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use carriers::Address;
use control::Door;
use records::{Allowance, Country, DialRules};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::DatabaseOptions;

use super::schema::{Config, redacted};

/// Where the tables lie.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    #[serde(serialize_with = "redacted")]
    pub(crate) url: Option<SecretString>,
    pub(crate) url_file: Option<PathBuf>,
}

/// The API's door.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) require_key: Option<bool>,
    pub(crate) requests_per_minute: u32,
}

impl Default for Api {
    fn default() -> Self {
        Self { require_key: None, requests_per_minute: 6_000 }
    }
}

/// Calls that are placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Outbound {
    pub(crate) carrier: Option<String>,
    pub(crate) default_country: Option<Country>,
    pub(crate) countries: BTreeSet<Country>,
    pub(crate) blocked_prefixes: Vec<String>,
    pub(crate) allowed_prefixes: Vec<String>,
    pub(crate) calls_per_minute: u32,
    pub(crate) calls_per_day: u32,
    pub(crate) minutes_per_day: u32,
    pub(crate) whole_server: WholeServer,
    pub(crate) ring_ms: u64,
    pub(crate) max_call_ms: u64,
    pub(crate) machine_detection: Listens,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            carrier: None,
            default_country: None,
            countries: BTreeSet::new(),
            blocked_prefixes: Vec::new(),
            allowed_prefixes: Vec::new(),
            calls_per_minute: 60,
            calls_per_day: 2_000,
            minutes_per_day: 1_000,
            whole_server: WholeServer::default(),
            ring_ms: 45_000,
            max_call_ms: 3_600_000,
            machine_detection: Listens::Off,
        }
    }
}

impl Outbound {
    /// Which numbers may be dialled, and how often.
    pub(crate) fn rules(&self) -> DialRules {
        DialRules {
            default_country: self.default_country,
            countries: self.countries.clone(),
            blocked_prefixes: self.blocked_prefixes.clone(),
            allowed_prefixes: self.allowed_prefixes.clone(),
            calls_per_minute: self.calls_per_minute,
            calls_per_day: self.calls_per_day,
            minutes_per_day: self.minutes_per_day,
            server: Allowance {
                calls_per_minute: 0,
                calls_per_day: self.whole_server.calls_per_day,
                minutes_per_day: self.whole_server.minutes_per_day,
            },
        }
    }
}

/// What all keys may place together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WholeServer {
    pub(crate) calls_per_day: u32,
    pub(crate) minutes_per_day: u32,
}

impl Default for WholeServer {
    fn default() -> Self {
        Self { calls_per_day: 10_000, minutes_per_day: 10_000 }
    }
}

/// Whether a carrier listens for an answering machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Listens {
    /// No.
    #[default]
    Off,
    /// It says whether it is one as soon as it knows.
    Detect,
    /// It also says when the machine's greeting is over.
    MessageEnd,
}

/// The account at Exotel, for calls that are placed.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Exotel {
    pub(crate) account_sid: Option<String>,
    #[serde(serialize_with = "redacted")]
    pub(crate) api_key: Option<SecretString>,
    #[serde(serialize_with = "redacted")]
    pub(crate) api_token: Option<SecretString>,
    pub(crate) api_token_file: Option<PathBuf>,
    pub(crate) base_url: Option<String>,
    pub(crate) region: Region,
    pub(crate) calls_per_second: Option<f64>,
    pub(crate) from: Option<String>,
    pub(crate) flow: Option<String>,
    pub(crate) connect_to: Option<String>,
}

/// Where an account at Exotel lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Region {
    /// India.
    #[default]
    Mumbai,
    /// Everywhere else.
    Singapore,
}

/// Closing calls that nobody hears of any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sweep {
    pub(crate) after_ms: u64,
    pub(crate) every_ms: u64,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { after_ms: 1_800_000, every_ms: 60_000 }
    }
}

impl Config {
    /// Where the tables lie.
    pub(crate) fn tables(&self) -> DatabaseOptions {
        match &self.database.url {
            Some(url) => DatabaseOptions::Postgres { url: url.clone() },
            None => DatabaseOptions::Sqlite { file: self.data.dir.join("trunkline.db") },
        }
    }

    /// Whether something in front of this server lets others reach it: it has an address by which they do.
    fn is_published(&self) -> bool {
        let public = self.server.public_url.as_deref();
        public.is_some_and(|url| Address::parse(url).map_or(true, |address| !address.is_loopback()))
    }

    /// What the API asks of those who bring neither token nor key.
    pub(crate) fn door(&self) -> Door {
        let is_here = self.server.listen.ip().to_canonical().is_loopback();
        match self.api.require_key {
            Some(true) => Door::Locked,
            Some(false) if is_here => Door::Open,
            None if is_here && !self.is_published() && self.server.token.is_none() => Door::OpenUntilKeyed,
            Some(false) | None => Door::Locked,
        }
    }
}
