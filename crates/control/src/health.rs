//! Whether the server lives (`/livez`), should be given calls (`/readyz`), and what it is (`/health`).
//! A vendor's outage makes it neither dead nor unready: calls are still answered.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::{Control, providers};

/// 200 while the runtime's timers go.
pub(crate) async fn livez(State(control): State<Arc<Control>>) -> Response {
    if control.heartbeat.is_beating() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the runtime stands still\n").into_response()
    }
}

/// 200 when a call would be answered; with `?verbose`, each check on a line.
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
    let all_well = !verbose || providers::describe(&control, &mut text);
    text.push_str(match (ready, all_well) {
        (true, true) => "ok\n",
        (true, false) => "ok, degraded\n",
        (false, _) => "not ready\n",
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

/// What this server is and how it does.
pub(crate) async fn health(State(control): State<Arc<Control>>) -> Response {
    let plane = &control.data_plane;
    let status = if plane.is_draining() { "draining" } else { "ok" };
    Json(json!({
        "status": status,
        "service": "trunkline",
        "version": env!("CARGO_PKG_VERSION"),
        "mode": plane.mode(),
        "calls": plane.calls(),
        "maxCalls": plane.max_calls(),
        "uptimeSeconds": control.heartbeat.uptime().as_secs(),
    }))
    .into_response()
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
