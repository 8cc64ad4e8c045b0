//! The alerts over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use store::Scope;
use utoipa::ToSchema;

use super::{ActiveAlert, Alerts};
use crate::Control;
use crate::auth::may;
use crate::problem::{Forbidden, Problem, ServerFault, Unauthorized, Unavailable};

/// What is wrong now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertList {
    /// When it was last looked; absent before the first look.
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_at: Option<Timestamp>,
    /// The alerts that are raised, by kind.
    alerts: Vec<ActiveAlert>,
}

/// What somebody should look at
///
/// The alerts that are raised now, as this server sees it. It looks each minute; an alert that is gone for three looks
/// is cleared. Where `alerts.webhook_url` is set, the beginning and the end of each is also sent there.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "health", security(("key" = [])),
    responses(
        (status = 200, description = "The alerts.", body = AlertList),
        Unauthorized, Forbidden, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn alerts(
    State(control): State<Arc<Control>>,
    alerts: Option<Extension<Alerts>>,
    headers: HeaderMap,
) -> Result<Json<AlertList>, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let latest = alerts.map(|Extension(alerts)| alerts.latest()).unwrap_or_default();
    Ok(Json(AlertList { looked_at: latest.at, alerts: latest.raised }))
}
