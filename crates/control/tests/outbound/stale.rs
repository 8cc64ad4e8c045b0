//! The sweep: living calls are left, dead ones closed, and the carrier is believed.

use std::time::Duration;

use control::Alive;
use jiff::Timestamp;
use records::{CallStatus, EndReason};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, rules};

async fn sweep(scene: &Scene, query: &str) -> Value {
    let (status, report) = scene.post(&format!("/api/v1/calls/cleanup-stale{query}"), "", None).await;
    assert_eq!(status, 200, "{report}");
    report
}

fn done(report: &Value, id: store::CallId) -> Option<String> {
    let id = id.to_string();
    let calls = report["calls"].as_array().unwrap();
    calls.iter().find(|call| call["id"] == id.as_str()).map(|call| call["done"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_living_are_left_and_the_dead_are_closed() {
    let scene = Scene::new(rules()).await;
    let live = scene.old_call(1, 600, "CA1").await;
    let young = scene.old_call(2, 29, "CA2").await;
    let talks = scene.old_call(3, 31, "CA3").await;
    let ended = scene.old_call(4, 31, "CA4").await;
    let dead = scene.old_call(5, 31, "CA5").await;
    let unasked = scene.old_call(6, 31, "").await;
    scene.plane.live.lock().unwrap().push(Alive { call: live, seen: Timestamp::now() });
    for (sid, status) in
        [("CA1", "completed"), ("CA2", "completed"), ("CA3", "in-progress"), ("CA4", "completed")]
    {
        scene.carrier.knows(sid, status);
    }

    let report = sweep(&scene, "?dry_run=true").await;
    assert_eq!(done(&report, dead).as_deref(), Some("would_ask"));
    assert_eq!(scene.carrier.looks(), 0);
    assert_eq!(scene.record(&dead.to_string()).await.status, CallStatus::InProgress);

    let report = sweep(&scene, "").await;
    let left = [live, young].map(|id| done(&report, id));
    assert_eq!(left, [None, None], "{report}");
    assert_eq!(done(&report, talks).as_deref(), Some("left"), "{report}");
    assert_eq!(done(&report, ended).as_deref(), Some("updated"), "{report}");
    assert_eq!(done(&report, dead).as_deref(), Some("closed"), "{report}");
    for (id, status, reason) in [
        (live, CallStatus::InProgress, None),
        (young, CallStatus::InProgress, None),
        (talks, CallStatus::InProgress, None),
        (ended, CallStatus::Completed, Some(EndReason::CarrierCompleted)),
        (dead, CallStatus::Failed, Some(EndReason::Stale)),
    ] {
        let record = scene.record(&id.to_string()).await;
        assert_eq!((record.status, record.end_reason), (status, reason), "{report}");
    }
    // Its dial's outcome was never known, and the carrier has placed no such call.
    let record = scene.record(&unasked.to_string()).await;
    let end = (record.status, record.end_reason);
    assert_eq!(end, (CallStatus::Failed, Some(EndReason::NeverDialled)), "{report}");

    let again = sweep(&scene, "").await;
    assert_eq!(done(&again, talks).as_deref(), Some("left"), "{again}");
    assert_eq!((done(&again, dead), done(&again, ended)), (None, None), "{again}");
}

#[tokio::test]
async fn what_an_earlier_process_left_is_asked_after_at_once() {
    let scene = Scene::new(rules()).await;
    let missed = scene.old_call(1, 2, "CA1").await;
    scene.carrier.knows("CA1", "completed");
    scene.outbound.clone().keep_sweeping(Duration::ZERO, CancellationToken::new()).await;
    let record = scene.until(&missed.to_string(), |record| record.status.is_final()).await;
    assert_eq!(record.status, CallStatus::Completed);
}
