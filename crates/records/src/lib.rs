//! What a call's record holds, and the closed list of reasons for which a call ends.
//! Pure values: the store writes them, the control plane shows them.

mod end_reason;
mod life;
mod record;
mod status;

pub use end_reason::EndReason;
pub use life::{CallEvent, Change, Fact, Price, Witness};
pub use record::{CallCounters, CallRecord, Incident, Speaker, TurnLatency, TurnRecord, UsageRecord};
pub use status::{AnsweredBy, CallStatus, Direction};
