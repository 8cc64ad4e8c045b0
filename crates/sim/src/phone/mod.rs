//! A caller on a telephone, for any server that speaks a carrier's protocol: real sockets, real time, 20 ms frames,
//! a script of steps, and measurements made where they count, at the caller's ear.

mod caller;
mod ear;
mod exotel;
mod plan;
mod report;
mod script;
mod twilio;

pub use crate::webhook::Detour;
pub(crate) use exotel::ask_webhook;
pub use plan::{CallPlan, Carrier, Order, Speech, Step, TwilioLine};
pub use report::{
    EndReport, EndedBy, Finding, PhoneError, PhoneEvent, PhoneReport, Received, Recording, TurnReport,
};
pub(crate) use twilio::socket_url;

/// The telephone.
#[derive(Debug, Clone, Copy)]
pub struct Phone;

impl Phone {
    /// Makes a call and lives through it in real time. `events` is told what happens, as it happens.
    ///
    /// # Errors
    /// Only when no call came about. A call that was connected gives a report, however it ended.
    pub async fn call(plan: CallPlan, events: impl FnMut(PhoneEvent)) -> Result<PhoneReport, PhoneError> {
        match plan.carrier.clone() {
            Carrier::Exotel { call, types } => exotel::call(plan, call, types, events).await,
            Carrier::Twilio(line) => twilio::call(plan, *line, events).await,
        }
    }
}

#[cfg(test)]
mod tests;
