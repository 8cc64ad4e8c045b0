//! Whether the server lives (`/livez`), should be given calls (`/readyz`), and what it is (`/health`).
//! A vendor's outage makes it neither dead nor unready: calls are still answered.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::AsItIs;
use crate::{Control, providers, tables};

/// Under which header `/livez` says which process answers, so that whoever asks through a name, a proxy or a balancer can
/// tell whether it was this one.
pub const INSTANCE: &str = "x-trunkline-instance";

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
    // An answer out of a cache would say nothing about now.
    let head = [(INSTANCE, instance()), ("cache-control", "no-store")];
    if control.heartbeat.is_beating() {
        (head, "ok\n").into_response()
    } else {
        let fault = (StatusCode::SERVICE_UNAVAILABLE, head, Extension(AsItIs), "the runtime stands still\n");
        fault.into_response()
    }
}

/// What tells this process from every other trunkline. It says nothing about it.
fn instance() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let mut random = [0; 12];
        // Without chance the clock and the process's number keep two apart.
        if getrandom::fill(&mut random).is_err() {
            let now = jiff::Timestamp::now().as_nanosecond() ^ i128::from(std::process::id());
            random.copy_from_slice(&now.to_le_bytes()[..12]);
        }
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    })
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
    if ready && !control.store.health().recording {
        // Calls are answered all the same.
        text.push_str("[~]no room for recordings, calls are not recorded\ndegraded: recording\n");
        all_well = false;
    }
    all_well &= tables::describe(&control, verbose, &mut text).await;
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

struct Check {
    name: &'static str,
    fault: Option<String>,
}

fn no_room(store: &store::Health) -> String {
    let mib = |bytes: u64| bytes >> 20;
    format!(
        "records can't be written: {} MiB are free where calls are kept, and {} are wanted; free some, and calls are taken \
         again by themselves",
        mib(store.disk_free_bytes),
        mib(store.call_floor_bytes)
    )
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
        check("disk", (!store.writable).then(|| no_room(&store))),
    ]
}
