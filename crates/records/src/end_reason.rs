//! Why a call ended: a closed list, so that a person or a program can act on each.

use serde::{Deserialize, Serialize};

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The caller hung up (Exotel: `stop` with `callended`).
    CallerHungUp,
    /// The carrier ended the stream and the call may go on there (Exotel: `stop` with `stopped`).
    CarrierStopped,
    /// The carrier closed the socket cleanly without a `stop`.
    CarrierClosed,
    /// The agent said goodbye and closed.
    AgentEnded,
    /// The agent handed the caller on and closed: the carrier's flow goes to its next step.
    Transferred,
    /// The caller said nothing for too long, twice.
    IdleTimeout,
    /// The longest allowed call length was reached.
    MaxDuration,
    /// The socket broke and no new one took the call over in time.
    ConnectionLost,
    /// Nothing, not even a ping's answer, came from the carrier for too long.
    HalfOpen,
    /// The carrier did not read what was sent to it.
    PeerStalled,
    /// The socket opened but the call never started.
    StartTimeout,
    /// Too many messages in a row could not be read.
    ProtocolError,
    /// No vendor of a role could serve the call any more; the caller heard an apology.
    VendorsDown,
    /// The server was told to stop and the call outlived the drain.
    Drained,
    /// An operator ended the call.
    Operator,
    /// The server was too busy to take the call.
    NoCapacity,
    /// A fault inside the server; the log says which.
    InternalError,
    /// The server died during the call; found at the next start.
    ServerDied,
}

impl EndReason {
    /// Every reason, in the order of the list.
    pub const ALL: [Self; 18] = [
        Self::CallerHungUp,
        Self::CarrierStopped,
        Self::CarrierClosed,
        Self::AgentEnded,
        Self::Transferred,
        Self::IdleTimeout,
        Self::MaxDuration,
        Self::ConnectionLost,
        Self::HalfOpen,
        Self::PeerStalled,
        Self::StartTimeout,
        Self::ProtocolError,
        Self::VendorsDown,
        Self::Drained,
        Self::Operator,
        Self::NoCapacity,
        Self::InternalError,
        Self::ServerDied,
    ];

    /// The name in records, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::CarrierStopped => "carrier_stopped",
            Self::CarrierClosed => "carrier_closed",
            Self::AgentEnded => "agent_ended",
            Self::Transferred => "transferred",
            Self::IdleTimeout => "idle_timeout",
            Self::MaxDuration => "max_duration",
            Self::ConnectionLost => "connection_lost",
            Self::HalfOpen => "half_open",
            Self::PeerStalled => "peer_stalled",
            Self::StartTimeout => "start_timeout",
            Self::ProtocolError => "protocol_error",
            Self::VendorsDown => "vendors_down",
            Self::Drained => "drained",
            Self::Operator => "operator",
            Self::NoCapacity => "no_capacity",
            Self::InternalError => "internal_error",
            Self::ServerDied => "server_died",
        }
    }
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_json_is_the_name_everywhere() {
        for reason in EndReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
