//! Ending a call from outside: by its own task where it runs here, else by its carrier.

use carriers::rest::RestFaultKind;
use store::{CallId, Which};
use utoipa::ToSchema;

use super::Outbound;
use crate::carrier::HangUp;
use crate::problem::{Code, Problem};

/// What came of wanting a call to end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub(crate) struct HungUp {
    /// Our id of the call.
    pub(crate) call_id: String,
    /// Where it was when it was told to end; a final status when it was over already.
    pub(crate) status: String,
    /// Who ends it: `server`, `carrier`, or `nobody` when it was over already.
    pub(crate) by: &'static str,
}

impl Outbound {
    /// Ends a call.
    pub(crate) async fn hang_up(&self, id: CallId) -> Result<HungUp, Problem> {
        let no_call = || Problem::new(Code::CallNotFound, "There is no call of this id.");
        let record = self.0.database.call(&Which::Id(id)).await;
        let told = |status: &str, by| HungUp { call_id: id.to_string(), status: status.to_owned(), by };
        // A live call is ended even while the database is away.
        if self.0.data_plane.end(id) {
            let status = record.ok().flatten().map_or("in_progress", |record| record.status.as_str());
            return Ok(told(status, "server"));
        }
        let record = record?.ok_or_else(no_call)?;
        if record.status.is_final() {
            return Ok(told(record.status.as_str(), "nobody"));
        }
        if record.carrier_call_id.is_empty() {
            let what =
                "The carrier has not taken the call yet, so there is nothing to end; ask again shortly.";
            return Err(Problem::new(Code::Conflict, what));
        }
        let Some(line) = self.line(&record.carrier) else {
            let what =
                "The call does not run on this server, and the account of its carrier is not configured.";
            return Err(Problem::new(Code::Conflict, what));
        };
        match line.client.hang_up(&record.carrier_call_id).await {
            Ok(HangUp::Done) => Ok(told(record.status.as_str(), "carrier")),
            Ok(HangUp::NoWay) => Err(Problem::new(
                Code::Conflict,
                "The call does not run on this server now, and its carrier has no way to end a call from outside. It \
                 can be ended once it is answered and its media socket is here.",
            )),
            Err(fault) => {
                let code = match fault.kind {
                    RestFaultKind::Busy => Code::CarrierBusy,
                    _ => Code::CarrierFault,
                };
                Err(Problem::new(code, format!("The carrier did not end the call: {}", fault.why)))
            }
        }
    }
}
