//! One way to one vendor in one role: what health, breakers, metrics and fault injection are kept for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Role;

/// How a vendor is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A WebSocket.
    Websocket,
    /// Requests over HTTP.
    Http,
    /// It is part of this program.
    Local,
}

impl Transport {
    /// The name in metrics and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Http => "http",
            Self::Local => "local",
        }
    }
}

/// One way to one vendor in one role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LinkId {
    /// The vendor's name in the configuration.
    pub vendor: Arc<str>,
    /// The role.
    pub role: Role,
    /// The way.
    pub transport: Transport,
}

impl LinkId {
    /// The way to `vendor` in `role` by `transport`.
    pub fn new(vendor: &str, role: Role, transport: Transport) -> Self {
        Self { vendor: vendor.into(), role, transport }
    }
}

impl std::fmt::Display for LinkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.vendor, self.role.as_str(), self.transport.as_str())
    }
}
