//! Where a call is in its life, in words that all carriers share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a call is. Carriers' words are turned into these where the words are read; a word that nobody knows is no
/// status, and so never ends a call.
///
/// The order is the order of a life: a call only ever moves to a later one.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// To be dialled, or accepted by the carrier and not sent on yet.
    #[default]
    Queued,
    /// The carrier began to dial.
    Initiated,
    /// The phone rings.
    Ringing,
    /// Answered.
    InProgress,
    /// It failed: it could not be put through, or broke, or was found dead. Final.
    Failed,
    /// Given up before it was answered. Final.
    Canceled,
    /// Nobody answered in time. Final.
    NoAnswer,
    /// The line was busy or the call was turned down. Final.
    Busy,
    /// Answered and ended. Final.
    Completed,
}

impl CallStatus {
    /// Every status, in order.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Initiated,
        Self::Ringing,
        Self::InProgress,
        Self::Failed,
        Self::Canceled,
        Self::NoAnswer,
        Self::Busy,
        Self::Completed,
    ];

    /// Whether the call is over.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress)
    }

    /// The name in records, in the API, in logs and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in_progress",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Completed => "completed",
        }
    }

    /// The status of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl std::fmt::Display for CallStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who called whom.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Somebody called us.
    #[default]
    Inbound,
    /// We called somebody.
    Outbound,
}

impl Direction {
    /// The name in records, in the API, in logs and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// Who picked up, as far as the carrier can tell. The order is how much is known: more is never given up for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// The carrier could not tell.
    Unknown,
    /// A person.
    Human,
    /// A fax machine.
    Fax,
    /// An answering machine.
    Machine,
    /// An answering machine whose greeting is over: whatever is said now is its message.
    MachineBeep,
}

impl AnsweredBy {
    /// Every outcome, in order.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Human, Self::Fax, Self::Machine, Self::MachineBeep];

    /// The name in records, in the API, in logs and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Human => "human",
            Self::Fax => "fax",
            Self::Machine => "machine",
            Self::MachineBeep => "machine_beep",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_json_is_the_name_everywhere() {
        for status in CallStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(CallStatus::of_name(status.as_str()), Some(status));
        }
        for direction in [Direction::Inbound, Direction::Outbound] {
            assert_eq!(serde_json::to_value(direction).unwrap(), direction.as_str());
        }
        for by in [AnsweredBy::Unknown, AnsweredBy::Human, AnsweredBy::Machine, AnsweredBy::MachineBeep] {
            assert_eq!(serde_json::to_value(by).unwrap(), by.as_str());
        }
        assert_eq!(CallStatus::of_name("answered"), None);
    }
}
