//! What an operator sets about a tool. The names here are the names in the configuration file, under
//! `[agents.<agent>.tools.<name>]`.

use std::collections::BTreeMap;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// A tool that the model may ask for and that this server fetches over HTTP.
///
/// `url` holds `{argument}` in its path and query, and `{call_id}`, `{from}`, `{to}`, `{agent}` and
/// `{custom.<name>}`, which the server fills in and no model can change. Arguments that the URL does not name go
/// into the query (`get`, `delete`) or, as JSON, into the body.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolOptions {
    /// When to use it, for the model.
    pub description: String,
    /// Its arguments, as a JSON schema of an object.
    pub parameters: Value,
    /// How it is asked.
    pub method: ToolMethod,
    /// Where it is. `https://`; `http://` only where `allow` holds every address of the host.
    pub url: String,
    /// Headers, with the server's own values in braces. Their values may be keys: written as being there, and no
    /// more.
    #[serde(serialize_with = "redacted_values")]
    pub headers: BTreeMap<String, SecretString>,
    /// Arguments that the server sets, with its own values in braces. The model is neither told of them nor asked.
    pub bound: BTreeMap<String, String>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// The longest answer, in bytes.
    pub max_bytes: usize,
    /// Whether it changes something in the world. Such a tool is never cut half-way, and runs once for an ask.
    pub side_effects: bool,
    /// How often it may be used in one call.
    pub max_runs: u32,
    /// Private networks that it may reach, such as `10.1.2.0/24`.
    pub allow: Vec<IpNet>,
}

fn redacted_values<S: Serializer>(
    headers: &BTreeMap<String, SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| (name, "[redacted]")))
}

impl Default for ToolOptions {
    fn default() -> Self {
        Self {
            description: String::new(),
            parameters: json!({ "type": "object", "properties": {} }),
            method: ToolMethod::default(),
            url: String::new(),
            headers: BTreeMap::new(),
            bound: BTreeMap::new(),
            timeout_ms: 5_000,
            max_bytes: 16 * 1024,
            side_effects: true,
            max_runs: 10,
            allow: Vec::new(),
        }
    }
}

/// How a tool is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolMethod {
    /// `GET`, arguments in the query.
    Get,
    /// `POST`, arguments as JSON.
    #[default]
    Post,
    /// `PUT`, arguments as JSON.
    Put,
    /// `PATCH`, arguments as JSON.
    Patch,
    /// `DELETE`, arguments in the query.
    Delete,
}

impl ToolMethod {
    pub(super) const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }

    pub(super) const fn as_http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        }
    }
}
