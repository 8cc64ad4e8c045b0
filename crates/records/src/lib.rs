//! What a call's record holds, and the closed list of reasons for which a call ends.
//! Pure values: the store writes them, the control plane shows them.

mod end_reason;
mod record;

pub use end_reason::EndReason;
pub use record::{CallCounters, CallRecord, Incident, Speaker, TurnLatency, TurnRecord, UsageRecord};
