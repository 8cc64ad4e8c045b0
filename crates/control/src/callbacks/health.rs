//! How carriers' callbacks do, over HTTP: `GET /api/v1/webhooks`. A callback that does not come makes no noise by
//! itself, so calls that ended without one are listed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use records::{CallStatus, Direction, EndReason};
use serde::Serialize;
use store::{CallFilter, CallId, Database, DatabaseError, Scope};
use utoipa::ToSchema;

use crate::Control;
use crate::auth::may;
use crate::problem::{Forbidden, Problem, ServerFault, Unauthorized, Unavailable};

/// Over how long callbacks are counted and calls looked at.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// How long after a call's end its last callback may come.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// How many calls are looked at.
const CALLS: u32 = 200;

/// How callbacks do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Webhooks {
    /// Since when callbacks are counted.
    since: Timestamp,
    /// Each kind of callback that ever came.
    kinds: Vec<Kind>,
    /// What somebody should look at.
    alerts: Vec<Alert>,
}

/// One kind of callback.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Kind {
    /// The carrier.
    carrier: String,
    /// `status`, `amd`, `recording`, `stream`, ...
    kind: String,
    /// When the last one came that was the carrier's.
    last_at: Option<Timestamp>,
    /// How many came since then, refused ones too.
    received: u64,
    /// How many of those were refused: no or a wrong signature or secret, or nothing that could be read.
    refused: u64,
    /// The share that was refused, 0 to 1.
    error_rate: f64,
}

/// A call about which the carrier told nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alert {
    /// `no_callbacks`.
    kind: &'static str,
    /// Our id of the call.
    call_id: String,
    /// The carrier.
    carrier: String,
    /// When it ended.
    ended_at: Timestamp,
    /// What to do.
    detail: &'static str,
}

/// How carriers' callbacks do
///
/// When each kind last came, how many were refused within the last hour, and the calls that ended in that time without
/// any although the carrier was told to send some.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "health", security(("key" = [])),
    responses(
        (status = 200, description = "How they do.", body = Webhooks),
        Unauthorized, Forbidden, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn webhooks(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
) -> Result<Json<Webhooks>, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let now = Timestamp::now();
    let since = now.checked_sub(WINDOW).unwrap_or(now);
    let kinds = control.database.callback_health(since).await?;
    let kinds = kinds.into_iter().map(|kind| Kind {
        error_rate: if kind.received == 0 { 0.0 } else { kind.refused as f64 / kind.received as f64 },
        carrier: kind.carrier,
        kind: kind.kind,
        last_at: kind.last_at,
        received: kind.received,
        refused: kind.refused,
    });
    Ok(Json(Webhooks { since, kinds: kinds.collect(), alerts: alerts(&control, since, now).await? }))
}

/// The calls without a callback, as this shows them.
async fn alerts(control: &Control, since: Timestamp, now: Timestamp) -> Result<Vec<Alert>, Problem> {
    let calls = silent_calls(&control.database, since, now).await?;
    let alert = |call: SilentCall| Alert {
        kind: "no_callbacks",
        call_id: call.id,
        carrier: call.carrier,
        ended_at: call.ended_at,
        detail: "The carrier told nothing about this call. Is server.public_url what the carrier can reach, and does a \
                 proxy let its requests through? `trunkline doctor` looks.",
    };
    Ok(calls.into_iter().map(alert).collect())
}

/// A call about which its carrier told nothing.
pub(crate) struct SilentCall {
    /// Our id.
    pub(crate) id: String,
    /// The carrier.
    pub(crate) carrier: String,
    /// When it ended.
    pub(crate) ended_at: Timestamp,
}

/// Calls that we placed, which ended since then, and of which no callback came.
pub(crate) async fn silent_calls(
    database: &Database,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<SilentCall>, DatabaseError> {
    let filter = CallFilter {
        statuses: CallStatus::ALL.into_iter().filter(|status| status.is_final()).collect(),
        direction: Some(Direction::Outbound),
        ..CallFilter::default()
    };
    let mut silent = Vec::new();
    for call in database.calls(&filter, None, CALLS).await? {
        let was_dialled = !matches!(call.end_reason, Some(EndReason::DialRefused | EndReason::NeverDialled));
        let Some(ended_at) = call.ended_at.filter(|at| was_dialled && *at >= since) else { continue };
        let Ok(id) = call.id.parse::<CallId>() else { continue };
        if now.duration_since(ended_at) > LATE && database.callbacks(id).await?.is_empty() {
            silent.push(SilentCall { id: call.id, carrier: call.carrier, ended_at });
        }
    }
    Ok(silent)
}
