//! The metrics recorder: Prometheus text with explicit buckets. The exporter gathers histograms until they are
//! rendered or kept up, so upkeep runs on a timer: without it memory would grow on a server that nobody scrapes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use metrics::{Unit, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use store::{Scope, Store};

use crate::auth::may;
use crate::problem::{Code, Forbidden, NotFound, Problem, ServerFault, Unauthorized, Unavailable};
use crate::{Control, providers, tables};

/// Histogram bounds in seconds: 5 ms to 10 s for what callers wait for, and finer steps below for what is our own.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0];

/// The recorder can't be installed.
#[derive(Debug, thiserror::Error)]
#[error("the metrics recorder can't be installed: {0}")]
pub struct RecorderError(#[from] BuildError);

/// The installed recorder. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Recorder(PrometheusHandle);

impl Recorder {
    /// Installs it for the whole process. To be done before anything is measured.
    pub fn install() -> Result<Self, RecorderError> {
        let handle = builder()?.install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    /// Keeps memory bounded. To be called every few seconds at least.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
}

/// Sets the gauges that are looked up, not counted. To be called every second or so.
pub fn measure_store(store: &Store) {
    let health = store.health();
    gauge!("trunkline_disk_free_bytes").set(health.disk_free_bytes as f64);
    gauge!("trunkline_store_queued_bytes").set(health.queued_bytes as f64);
    gauge!("trunkline_recording_allowed").set(f64::from(u8::from(health.recording)));
    metrics::counter!("trunkline_store_lost_total").absolute(health.lost);
    if let Some(uploads) = store.recordings().uploads() {
        gauge!("trunkline_uploads_waiting").set(uploads.waiting as f64);
        gauge!("trunkline_uploads_since_last_seconds").set(uploads.since_last.as_secs_f64());
        metrics::counter!("trunkline_uploads_total", "outcome" => "arrived").absolute(uploads.arrived);
        metrics::counter!("trunkline_uploads_total", "outcome" => "failed").absolute(uploads.failed);
        metrics::counter!("trunkline_uploads_bytes_total").absolute(uploads.bytes);
    }
}

fn describe() {
    describe_gauge!(
        "trunkline_providers_degraded",
        Unit::Count,
        "Links to vendors that fail or are left alone for a while."
    );
    describe_gauge!("trunkline_disk_free_bytes", Unit::Bytes, "Free space where calls are kept.");
    describe_gauge!("trunkline_store_queued_bytes", Unit::Bytes, "What waits to be written.");
    describe_gauge!(
        "trunkline_recording_allowed",
        Unit::Count,
        "1 while there is room on the disk for recordings, 0 while there is none."
    );
    describe_gauge!(
        "trunkline_uploads_waiting",
        Unit::Count,
        "Recordings that are still to go to the other place."
    );
    describe_gauge!(
        "trunkline_uploads_since_last_seconds",
        Unit::Seconds,
        "How long ago the last recording arrived in the other place; since the start where none did."
    );
    describe_counter!(
        "trunkline_uploads_total",
        Unit::Count,
        "Recordings taken to the other place, by outcome."
    );
    describe_counter!("trunkline_uploads_bytes_total", Unit::Bytes, "What arrived in the other place.");
    tables::describe_metrics();
    describe_counter!(
        "trunkline_store_lost_total",
        Unit::Count,
        "Pieces of logs and recordings that were left out because the disk was too slow."
    );
}

/// What is measured
///
/// The metrics as Prometheus text, version 0.0.4.
#[utoipa::path(
    get, path = "/metrics", tag = "health", security(("key" = [])),
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        Unauthorized, Forbidden, NotFound, ServerFault, Unavailable,
    ),
)]
pub(crate) async fn metrics(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    may(&control, &headers, Scope::Read).await?;
    let recorder = control.recorder.as_ref();
    let recorder = recorder.ok_or_else(|| Problem::new(Code::NotFound, "Metrics are switched off."))?;
    measure_store(&control.store);
    providers::measure(&control);
    tables::measure(&control).await;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, recorder.0.render()).into_response())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn seconds_are_given_in_buckets() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("trunkline_turn_latency_seconds", "stage" => "e2e")
                .record(Duration::from_millis(6));
        });
        let text = recorder.handle().render();
        assert!(
            text.contains(r#"trunkline_turn_latency_seconds_bucket{stage="e2e",le="0.005"} 0"#),
            "{text}"
        );
        assert!(text.contains(r#"trunkline_turn_latency_seconds_bucket{stage="e2e",le="0.01"} 1"#), "{text}");
    }
}
