//! Several processes on one database: none closes another's living call, and a call can be ended from any of them.

use std::sync::Arc;
use std::time::Duration;

use carriers::rest::MachineDetection;
use control::{Outbound, OutboundOptions};
use jiff::{SignedDuration, Timestamp};
use records::{CallRecord, CallStatus, EndReason};
use serde_json::json;
use store::CallId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::scene::{Plane, Scene, rules};

fn node(name: &str) -> OutboundOptions {
    OutboundOptions {
        node: Some(name.to_owned()),
        machine: MachineDetection::Off,
        ..OutboundOptions::default()
    }
}

/// A process that tells of itself until it is dropped, as one that is killed.
fn telling(outbound: &Outbound) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(outbound.clone().keep_telling(CancellationToken::new())))
}

/// Waits until a process has told that this call lives on it.
async fn told(scene: &Scene, name: &str, call: CallId) {
    let told = async {
        loop {
            let nodes = scene.database.nodes().await.unwrap();
            if nodes.iter().any(|node| node.id == name && node.calls.contains_key(&call)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("it tells");
}

async fn status(scene: &Scene, call: CallId) -> (CallStatus, Option<EndReason>) {
    let record = scene.record(&call.to_string()).await;
    (record.status, record.end_reason)
}

#[tokio::test]
async fn a_call_that_lives_on_another_process_is_left_alone() {
    let scene = Scene::new(rules()).await;
    // The carrier would say that it is over, and of the other there is nobody to ask.
    let asked = scene.old_call(1, 600, "CA1").await;
    scene.carrier.knows("CA1", "completed");
    let unasked = {
        let at = Timestamp::now() - SignedDuration::from_mins(600);
        let record = CallRecord {
            status: CallStatus::InProgress,
            carrier_call_id: "x".to_owned(),
            ..CallRecord::new(CallId::new(at, [2; 10]).to_string(), "pigeon", at)
        };
        scene.keep(&record).await
    };
    let plane = Plane::with(asked);
    plane.lives(unasked);
    let living = scene.beside(node("node_b"), plane);
    let _telling = telling(&living);
    told(&scene, "node_b", unasked).await;

    let other = scene.beside(node("node_a"), Arc::default());
    let report = other.sweep(false).await.unwrap();
    assert_eq!((report.open, report.calls.len()), (2, 0), "{report:?}");
    assert_eq!(scene.carrier.looks(), 0);
    // Nor does one that starts take it for what an earlier process left.
    other.clone().keep_sweeping(Duration::ZERO, CancellationToken::new()).await;
    for call in [asked, unasked] {
        assert_eq!(status(&scene, call).await, (CallStatus::InProgress, None));
    }
    // Whoever knows nothing of the other process closes them: that is what its word is for.
    scene.database.leave("node_b").await.unwrap();
    other.sweep(false).await.unwrap();
    assert_eq!(status(&scene, asked).await, (CallStatus::Completed, Some(EndReason::CarrierCompleted)));
    assert_eq!(status(&scene, unasked).await, (CallStatus::Failed, Some(EndReason::Stale)));
}

#[tokio::test]
async fn the_calls_of_a_process_that_died_are_asked_after_and_closed() {
    let scene = Scene::new(rules()).await;
    // None of them has been silent for long.
    let ended = scene.old_call(1, 2, "CA1").await;
    let lives = scene.old_call(2, 2, "CA2").await;
    let unknown = scene.old_call(3, 2, "CA3").await;
    scene.carrier.knows("CA1", "completed");
    scene.carrier.knows("CA2", "in-progress");
    let plane = Plane::with(ended);
    plane.lives(lives);
    plane.lives(unknown);
    let died = scene.beside(node("node_b"), plane);
    let telling_b = telling(&died);
    told(&scene, "node_b", unknown).await;
    drop(telling_b);

    let quick = OutboundOptions { node_after: Duration::from_millis(300), ..node("node_a") };
    let other = scene.beside(quick, Arc::default());
    let beats = async {
        // It judges the others once it has told of itself for as long without a gap.
        loop {
            scene.database.beat("node_a", &Default::default(), Duration::from_secs(600)).await.unwrap();
            other.sweep(false).await.unwrap();
            if status(&scene, unknown).await.0.is_final() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), beats).await.expect("the dead process is found out");
    assert_eq!(status(&scene, ended).await, (CallStatus::Completed, Some(EndReason::CarrierCompleted)));
    assert_eq!(status(&scene, lives).await, (CallStatus::InProgress, None));
    assert_eq!(status(&scene, unknown).await, (CallStatus::Failed, Some(EndReason::ServerDied)));
    // It was only cut off from the tables: what lives on it goes on, whatever they say.
    let plane = Plane::with(unknown);
    plane.lives(lives);
    let back = scene.beside(node("node_b"), plane.clone());
    let _telling = telling(&back);
    told(&scene, "node_b", unknown).await;
    for times in 1..=2 {
        // When the second wish is taken, all that the first look wanted is done.
        scene.database.wish(&[lives]).await.unwrap();
        let taken = async {
            while plane.ended.lock().unwrap().iter().filter(|(call, _)| *call == lives).count() < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), taken).await.expect("the wish is heard of");
    }
    assert!(plane.ended.lock().unwrap().iter().all(|(call, _)| *call == lives), "a living call was ended");
}

#[tokio::test]
async fn a_process_that_starts_again_does_not_wait_for_itself_to_be_dead() {
    let scene = Scene::new(rules()).await;
    let call = scene.old_call(1, 2, "CA1").await;
    scene.carrier.knows("CA1", "completed");
    let before = scene.beside(node("node_a"), Plane::with(call));
    let telling_before = telling(&before);
    told(&scene, "node_a", call).await;
    drop(telling_before);
    let again = scene.beside(node("node_a"), Arc::default());
    again.keep_sweeping(Duration::ZERO, CancellationToken::new()).await;
    let record = scene.until(&call.to_string(), |record| record.status.is_final()).await;
    assert_eq!(record.status, CallStatus::Completed);
}

#[tokio::test]
async fn a_call_is_ended_from_another_process() {
    let scene = Scene::new(rules()).await;
    // Its carrier has no way to end it, and it lives under the id of another folder of its own.
    let call = {
        let mut record = crate::scene::dialled("exotel", 1, 60);
        record.carrier_call_id = "e1".to_owned();
        scene.keep(&record).await
    };
    let folder = CallId::new(Timestamp::now(), [2; 10]);
    let talk = CallRecord {
        carrier_call_id: "e1".to_owned(),
        agent: "desk".to_owned(),
        ..CallRecord::new(folder.to_string(), "exotel", Timestamp::now())
    };
    scene.database.take_in(&talk, Timestamp::now()).await.unwrap();
    let plane = Plane::with(folder);
    let living = scene.beside(node("node_b"), plane.clone());
    let _telling = telling(&living);
    told(&scene, "node_b", folder).await;
    let (status, said) = scene.post(&format!("/api/v1/calls/{call}/hangup"), "", None).await;
    assert_eq!((status, &said["by"]), (200, &json!("server")), "{said}");
    let ended = plane.ended.lock().unwrap().clone();
    assert_eq!(ended, [(folder, EndReason::Operator)]);
    assert_eq!(scene.database.wishes().await.unwrap(), []);
}

#[tokio::test]
async fn a_call_of_a_process_that_does_not_hear_is_ended_by_its_carrier() {
    let scene = Scene::new(rules()).await;
    let call = scene.old_call(1, 2, "CA1").await;
    scene.carrier.knows("CA1", "in-progress");
    // It told of itself, and died a moment ago.
    let calls = [(call, Duration::ZERO)].into_iter().collect();
    scene.database.beat("node_b", &calls, Duration::from_secs(60)).await.unwrap();
    let (status, said) = scene.post(&format!("/api/v1/calls/{call}/hangup"), "", None).await;
    assert_eq!((status, &said["by"]), (200, &json!("carrier")), "{said}");
    assert_eq!(scene.carrier.hang_ups(), ["CA1"]);
    assert_eq!(scene.database.wishes().await.unwrap(), [], "nobody is to end it later");
}

#[tokio::test]
async fn a_process_that_ends_takes_its_word_back() {
    let scene = Scene::new(rules()).await;
    let call = scene.old_call(1, 2, "CA1").await;
    let outbound = scene.beside(node("node_b"), Plane::with(call));
    let stop = CancellationToken::new();
    let task = tokio::spawn(outbound.keep_telling(stop.clone()));
    told(&scene, "node_b", call).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(scene.database.nodes().await.unwrap(), []);
}
