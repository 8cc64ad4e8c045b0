//! Whether the server lives (`/livez`), should be given calls (`/readyz`), and what it is (`/health`).
//! A vendor's outage makes it neither dead nor unready: calls are still answered.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use serde::Serialize;
use store::Database;
use utoipa::ToSchema;

use crate::problem::AsItIs;
use crate::{Control, providers};

/// How long the database may take to count as there.
const DATABASE_ANSWERS: Duration = Duration::from_secs(1);

/// What the server is and how it does. The fields are in the order of their names, as they always were.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// How many calls run.
    calls: usize,
    /// How many may run.
    max_calls: usize,
    /// The kind of the agent that answers by default: `echo`, `assistant` and so on.
    mode: String,
    /// Always `trunkline`.
    service: &'static str,
    /// `ok`, or `draining` when the server is about to stop.
    status: &'static str,
    /// For how long it has run.
    uptime_seconds: u64,
    /// The server's version.
    version: &'static str,
}

/// Whether the process lives
///
/// 200 while the runtime's timers go; nothing else is looked at.
#[utoipa::path(
    get, path = "/livez", tag = "health",
    responses(
        (status = 200, description = "It lives.", body = String, content_type = "text/plain"),
        (status = 503, description = "Its timers stand still.", body = String, content_type = "text/plain"),
    ),
)]
pub(crate) async fn livez(State(control): State<Arc<Control>>) -> Response {
    if control.heartbeat.is_beating() {
        "ok\n".into_response()
    } else {
        let fault = (StatusCode::SERVICE_UNAVAILABLE, Extension(AsItIs), "the runtime stands still\n");
        fault.into_response()
    }
}

/// Whether a call would be answered
///
/// 200 when one would be. With `?verbose`, each check is on a line, and each vendor, whose outage makes no server
/// unready.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    params(("verbose" = Option<String>, Query, description = "Whether to tell each check; the value does not matter.")),
    responses(
        (status = 200, description = "It is ready.", body = String, content_type = "text/plain"),
        (status = 503, description = "It is not; the text says why.", body = String, content_type = "text/plain"),
    ),
)]
pub(crate) async fn readyz(State(control): State<Arc<Control>>, RawQuery(query): RawQuery) -> Response {
    let checks = checks(&control);
    let ready = checks.iter().all(|check| check.fault.is_none());
    let mut text = String::new();
    let verbose =
        query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("verbose")));
    for check in checks.iter().filter(|check| verbose || check.fault.is_some()) {
        let _ = match &check.fault {
            None => writeln!(text, "[+]{} ok", check.name),
            Some(fault) => writeln!(text, "[-]{} {fault}", check.name),
        };
    }
    let mut all_well = !verbose || providers::describe(&control, &mut text);
    if !answers(&control.database).await {
        // Calls are answered all the same, and what is told of them waits on the disk.
        text.push_str("[~]database does not answer\ndegraded: database\n");
        all_well = false;
    }
    text.push_str(match (ready, all_well) {
        (true, true) => "ok\n",
        (true, false) => "ok, degraded\n",
        (false, _) => "not ready\n",
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Extension(AsItIs), text).into_response()
}

/// What this server is and how it does
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses((status = 200, description = "What it is and how it does.", body = Health)),
)]
pub(crate) async fn health(State(control): State<Arc<Control>>) -> Json<Health> {
    let plane = &control.data_plane;
    Json(Health {
        calls: plane.calls(),
        max_calls: plane.max_calls(),
        mode: plane.mode(),
        service: "trunkline",
        status: if plane.is_draining() { "draining" } else { "ok" },
        uptime_seconds: control.heartbeat.uptime().as_secs(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

async fn answers(database: &Database) -> bool {
    matches!(tokio::time::timeout(DATABASE_ANSWERS, database.ping()).await, Ok(Ok(())))
}

struct Check {
    name: &'static str,
    fault: Option<String>,
}

fn checks(control: &Control) -> [Check; 5] {
    let store = control.store.health();
    let plane = &control.data_plane;
    let check = |name, fault: Option<String>| Check { name, fault };
    [
        check("runtime", (!control.heartbeat.is_beating()).then(|| "stands still".to_owned())),
        check("drain", plane.is_draining().then(|| "the server is about to stop".to_owned())),
        check(
            "capacity",
            (plane.calls() >= plane.max_calls())
                .then(|| format!("all {} places are taken", plane.max_calls())),
        ),
        check("store", store.stalled.then(|| "a write hangs".to_owned())),
        check(
            "disk",
            (!store.writable)
                .then(|| format!("records can't be written; {} MiB are free", store.disk_free_bytes >> 20)),
        ),
    ]
}
