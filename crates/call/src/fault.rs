//! What can go wrong at a vendor, in one taxonomy for all of them: whose fault it is, and whether asking again
//! can help.

use serde::{Deserialize, Serialize};

/// A vendor's failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind it is.
    pub class: FaultClass,
    /// What happened, in words for an operator. Never a key, never what a caller said, never a vendor's whole
    /// body.
    pub why: String,
    /// How long the vendor asks to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The kinds of failure, each with what is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// The key is wrong or lacks a permission: never ask again with it.
    Auth,
    /// The account has no credit left: not for now.
    Quota,
    /// Too much at once: wait as long as the vendor says.
    Rate,
    /// The vendor is overloaded or broken: ask again after a pause.
    Busy,
    /// The request can't be right: a wrong model, voice or parameter.
    Config,
    /// It closed because nothing came for a while: open again.
    Idle,
    /// The connection has lived for as long as the vendor lets it: open again with what was said.
    Lifetime,
    /// Name, TCP, TLS or upgrade failed, or the connection broke.
    Network,
    /// It made no progress for too long.
    Slow,
    /// It sent something that can't be understood.
    Garbage,
    /// The fault is on this machine: a full queue, a missing library.
    Local,
}

impl FaultClass {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Auth,
        Self::Quota,
        Self::Rate,
        Self::Busy,
        Self::Config,
        Self::Idle,
        Self::Lifetime,
        Self::Network,
        Self::Slow,
        Self::Garbage,
        Self::Local,
    ];

    /// The name in logs, metrics and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::Busy => "busy",
            Self::Config => "config",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Network => "network",
            Self::Slow => "slow",
            Self::Garbage => "garbage",
            Self::Local => "local",
        }
    }

    /// Whether the same request to the same vendor may succeed soon.
    pub const fn can_retry(self) -> bool {
        match self {
            Self::Rate | Self::Busy | Self::Idle | Self::Lifetime | Self::Network | Self::Slow => true,
            Self::Auth | Self::Quota | Self::Config | Self::Garbage | Self::Local => false,
        }
    }
}

impl Fault {
    /// A failure of this kind.
    pub fn new(class: FaultClass, why: impl Into<String>) -> Self {
        Self { class, why: why.into(), retry_after_ms: None }
    }

    /// One that lies on this machine.
    pub fn local(why: impl Into<String>) -> Self {
        Self::new(FaultClass::Local, why)
    }

    /// The vendor made no progress for too long.
    pub fn slow() -> Self {
        Self::new(FaultClass::Slow, "it took too long")
    }

    /// The same with the vendor's wish to be left alone.
    #[must_use]
    pub const fn with_retry_after_ms(mut self, length: u64) -> Self {
        self.retry_after_ms = Some(length);
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.why, self.class.as_str())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_json_is_the_name_everywhere() {
        for class in FaultClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
    }
}
