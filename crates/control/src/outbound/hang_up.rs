//! Ending a call from outside: by its own task where it runs here or on another process that works on the same database,
//! else by its carrier.

use std::time::Duration;

use carriers::rest::RestFaultKind;
use records::{CallRecord, EndReason, Home};
use store::{CallId, DatabaseError, Which};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Outbound;
use super::node::is_given_up;
use crate::carrier::HangUp;
use crate::problem::{Code, Problem};

/// How long another process may take to hear that it is to end a call, and how often that is looked at.
const HEARD: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(100);

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
        if self.0.data_plane.end(id, EndReason::Operator) {
            let status = record.ok().flatten().map_or("in_progress", |record| record.status.as_str());
            return Ok(told(status, "server"));
        }
        let record = record?.ok_or_else(no_call)?;
        if record.status.is_final() {
            return Ok(told(record.status.as_str(), "nobody"));
        }
        let ids = self.ids(record.id.parse().unwrap_or(id)).await?;
        let is_ended_here = ids.iter().any(|id| self.0.data_plane.end(*id, EndReason::Operator));
        if is_ended_here || self.is_ended_elsewhere(&record, &ids).await? {
            return Ok(told(record.status.as_str(), "server"));
        }
        self.end_at_carrier(&record).await?;
        Ok(told(record.status.as_str(), "carrier"))
    }

    /// Ends a call that its carrier says to live and that we had given up: whoever placed it was told that there is no
    /// such call.
    pub(crate) fn end_given_up(&self, record: &CallRecord) {
        if !is_given_up(record) {
            return;
        }
        let (outbound, record) = (self.clone(), record.clone());
        tokio::spawn(async move {
            tracing::warn!(call = record.id, "a call that had been given up lives; it is ended");
            let ids = match record.id.parse() {
                Ok(id) => outbound.ids(id).await.unwrap_or_else(|_| vec![id]),
                Err(_) => Vec::new(),
            };
            if ids.iter().any(|id| outbound.0.data_plane.end(*id, EndReason::Stale)) {
                return;
            }
            // Where the carrier has no way, its socket finds nobody or is closed when it comes.
            if let Err(problem) = outbound.end_at_carrier(&record).await {
                tracing::warn!(call = record.id, why = problem.detail(), "it can't be ended at its carrier");
            }
        });
    }

    /// Has another process end the call, where it lives on one. Says whether one does.
    async fn is_ended_elsewhere(&self, record: &CallRecord, ids: &[CallId]) -> Result<bool, DatabaseError> {
        let homes = self.homes().await?;
        // A call that has just come to another process is not among its calls yet.
        let may_be = homes.has_others && record.talked_at.is_some();
        if homes.of(ids) != Home::Alive && !may_be {
            return Ok(false);
        }
        self.0.database.wish(ids).await?;
        let until = Instant::now() + HEARD;
        while Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            let left = self.0.database.wishes().await?;
            if ids.iter().any(|id| !left.contains(id)) {
                break;
            }
        }
        let mut is_heard = false;
        for id in ids {
            is_heard |= !self.0.database.take_wish(*id).await?;
        }
        Ok(is_heard)
    }

    async fn end_at_carrier(&self, record: &CallRecord) -> Result<(), Problem> {
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
            Ok(HangUp::Done) => Ok(()),
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
