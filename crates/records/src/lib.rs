//! What a call's record holds, how it moves through its life, which numbers may be dialled, when a silent call is
//! closed, and the closed list of reasons for which a call ends.
//! Pure values: the store writes them, the control plane shows them.

mod after;
mod dial;
mod end_reason;
mod forget;
mod life;
mod number;
mod quota;
mod record;
mod stale;
mod status;
mod throttle;

pub use after::{AfterRules, Errand, ErrandKind, after_end, newly_due};
pub use dial::{DialRules, Refusal};
pub use end_reason::EndReason;
pub use forget::{Kept, same_number};
pub use life::{CallEvent, Change, Fact, Price, Witness};
pub use number::{Country, NotACountry, NotANumber, Number, NumberKind, masked};
pub use quota::{Allowance, Quota, Spent};
pub use record::{
    CallCounters, CallRecord, ConsentRecord, Incident, Speaker, TurnLatency, TurnRecord, UsageRecord,
};
pub use stale::{AfterAsking, CarrierWord, Home, Signs, StaleRule, StaleStep, closed};
pub use status::{AnsweredBy, CallStatus, Direction};
pub use throttle::{Left, Throttle, holder};
