//! Why a call ended: a closed list, so that a person or a program can act on each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
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
    /// The line was busy, or the call was turned down.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The call was given up before it was answered.
    Canceled,
    /// The carrier says that the call is over, and our side saw nothing of its end.
    CarrierCompleted,
    /// The carrier could not put the call through, or lost it.
    CarrierFailed,
    /// The carrier refused to dial.
    DialRefused,
    /// Whether the carrier was asked to dial could not be found out, and it knows of no such call.
    NeverDialled,
    /// No sign of life for too long, and the carrier does not know better.
    Stale,
}

impl EndReason {
    /// Every reason, in the order of the list.
    pub const ALL: [Self; 26] = [
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
        Self::Busy,
        Self::NoAnswer,
        Self::Canceled,
        Self::CarrierCompleted,
        Self::CarrierFailed,
        Self::DialRefused,
        Self::NeverDialled,
        Self::Stale,
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
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Canceled => "canceled",
            Self::CarrierCompleted => "carrier_completed",
            Self::CarrierFailed => "carrier_failed",
            Self::DialRefused => "dial_refused",
            Self::NeverDialled => "never_dialled",
            Self::Stale => "stale",
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
