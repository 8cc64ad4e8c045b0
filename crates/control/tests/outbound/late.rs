//! Dials whose outcome is not known, and calls that show up after they were given up.

use std::time::Duration;

use control::OutboundOptions;
use jiff::Timestamp;
use records::{CallRecord, CallStatus, EndReason};
use store::CallId;
use tokio_util::sync::CancellationToken;

use crate::carrier::Mood;
use crate::scene::{IN_URL, Plane, Scene, dialled, rules};

#[tokio::test]
async fn a_bot_call_of_exotel_that_never_came_is_given_up_when_it_can_not_come_any_more() {
    let scene = Scene::new(rules()).await;
    let young = scene.keep(&dialled("exotel", 1, 100)).await;
    let gone = scene.keep(&dialled("exotel", 2, 125)).await;
    scene.outbound.sweep(false).await.unwrap();
    assert_eq!(scene.record(&young.to_string()).await.status, CallStatus::Queued);
    let record = scene.record(&gone.to_string()).await;
    assert_eq!((record.status, record.end_reason), (CallStatus::Failed, Some(EndReason::NeverDialled)));
    assert_eq!(scene.carrier.searches(), 2, "the carrier was asked after both");
}

#[tokio::test]
async fn of_two_lost_dials_to_one_number_each_gets_its_own_call_or_none() {
    let scene = Scene::new(rules()).await;
    let (never_made, made) = (dialled("twilio", 1, 200), dialled("twilio", 2, 100));
    scene.carrier.made("CA7", "ringing", &made);
    for dial in [&never_made, &made] {
        scene.keep(dial).await;
    }
    scene.outbound.sweep(false).await.unwrap();
    let record = scene.record(&never_made.id).await;
    assert_eq!((record.end_reason, record.carrier_call_id.as_str()), (Some(EndReason::NeverDialled), ""));
    let record = scene.record(&made.id).await;
    assert_eq!((record.status, record.carrier_call_id.as_str()), (CallStatus::Ringing, "CA7"));
}

#[tokio::test]
async fn it_is_given_up_by_itself_as_soon_as_that() {
    let scene = Scene::new(rules()).await;
    let call = scene.keep(&dialled("exotel", 1, 117)).await;
    // The sweep itself comes but once, before that.
    scene.outbound.clone().keep_sweeping(Duration::ZERO, CancellationToken::new()).await;
    let record = scene.until(&call.to_string(), |record| record.status.is_final()).await;
    assert_eq!(record.end_reason, Some(EndReason::NeverDialled));
    let after = record.ended_at.unwrap().duration_since(record.started_at).as_secs();
    assert!(after >= 120, "given up after {after} s");
}

#[tokio::test]
async fn its_url_lets_the_carrier_in_no_longer_than_that() {
    let scene = Scene::new(rules()).await;
    let body = r#"{"to":"+919800000001","carrier":"exotel"}"#;
    let (status, placed) = scene.post("/call", body, None).await;
    assert_eq!(status, 202, "{placed}");
    let url = scene.carrier.dials()[0]["StreamUrl"].clone();
    let holds: u64 = url.split("holds-").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
    assert!((60..=120).contains(&holds), "{url}");
}

#[tokio::test]
async fn a_call_that_comes_after_it_was_given_up_is_recorded_and_ended() {
    let scene = Scene::new(rules()).await;
    let call = scene.keep(&dialled("exotel", 1, 300)).await;
    scene.outbound.sweep(false).await.unwrap();
    assert_eq!(scene.record(&call.to_string()).await.end_reason, Some(EndReason::NeverDialled));
    // Its socket opens on some process after all.
    let plane = Plane::with(call);
    let options = OutboundOptions { node: Some("node_b".to_owned()), ..OutboundOptions::default() };
    let stop = CancellationToken::new();
    let task = tokio::spawn(scene.beside(options, plane.clone()).keep_telling(stop.clone()));
    let ended = async {
        while plane.ended.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it is ended");
    assert_eq!(*plane.ended.lock().unwrap(), [(call, EndReason::Stale)]);
    stop.cancel();
    task.await.unwrap();
    // What its side tells of it is kept, and so is what the carrier says.
    let told = CallRecord {
        carrier_call_id: "e1".to_owned(),
        agent: "desk".to_owned(),
        ended_at: Some(Timestamp::now()),
        end_reason: Some(EndReason::Stale),
        ..CallRecord::new(call.to_string(), "exotel", Timestamp::now())
    };
    scene.database.take_in(&told, Timestamp::now()).await.unwrap();
    let record = scene.record(&call.to_string()).await;
    assert_eq!((record.status, record.end_reason), (CallStatus::Failed, Some(EndReason::Stale)));
    assert!(record.answered_at.is_some() && record.carrier_call_id == "e1", "{record:?}");
    let path = format!("/api/v1/exotel/status?k={IN_URL}&call={call}");
    let over = [("CallSid", "e1"), ("Status", "completed"), ("EventType", "terminal")];
    assert_eq!(scene.form(&path, &over, None).await, 200);
    assert_eq!(scene.record(&call.to_string()).await.status, CallStatus::Completed);
}

#[tokio::test]
async fn a_late_callback_of_a_call_that_was_given_up_ends_it_at_its_carrier() {
    let scene = Scene::new(rules()).await;
    let call = scene.keep(&dialled("twilio", 1, 300)).await;
    scene.outbound.sweep(false).await.unwrap();
    assert_eq!(scene.record(&call.to_string()).await.end_reason, Some(EndReason::NeverDialled));
    scene.carrier.knows("CA9", "ringing");
    let rings = [("CallSid", "CA9"), ("CallStatus", "ringing"), ("SequenceNumber", "1")];
    assert_eq!(scene.signed(&format!("/twilio/status?call={call}"), &rings).await, 204);
    let ended = async {
        while scene.carrier.hang_ups().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it is hung up");
    assert_eq!(scene.carrier.hang_ups(), ["CA9"]);
    let record = scene.record(&call.to_string()).await;
    assert_eq!((record.status, record.carrier_call_id.as_str()), (CallStatus::Failed, "CA9"));
}

#[tokio::test]
async fn a_call_that_is_over_by_its_carriers_word_is_not_ended_again() {
    let scene = Scene::new(rules()).await;
    let call = scene.old_call(1, 1, "CA1").await;
    let path = format!("/twilio/status?call={call}");
    let over = [("CallSid", "CA1"), ("CallStatus", "completed"), ("SequenceNumber", "3")];
    let rings = [("CallSid", "CA1"), ("CallStatus", "ringing"), ("SequenceNumber", "1")];
    assert_eq!(scene.signed(&path, &over).await, 204);
    assert_eq!(scene.signed(&path, &rings).await, 204);
    // A hang-up that came of it would be among the first things done after it.
    let (_, said) = scene.post(&format!("/api/v1/calls/{call}/hangup"), "", None).await;
    assert_eq!((said["by"].as_str(), scene.carrier.hang_ups().len()), (Some("nobody"), 0));
}

#[tokio::test]
async fn a_call_that_is_just_being_dialled_is_nobodys_to_give_up() {
    let scene = Scene::new(rules()).await;
    scene.carrier.is(Mood::Dials);
    let (status, placed) = scene.post("/call", r#"{"to":"+919800000001"}"#, None).await;
    assert_eq!(status, 201);
    // Kept as it is between the intent and the outcome, on a process that lives.
    let call = scene.keep(&dialled("twilio", 1, 70)).await;
    let calls: std::collections::BTreeMap<CallId, Duration> = [(call, Duration::ZERO)].into_iter().collect();
    scene.database.beat("node_b", &calls, Duration::from_secs(60)).await.unwrap();
    scene.outbound.sweep(false).await.unwrap();
    assert_eq!(scene.record(&call.to_string()).await.status, CallStatus::Queued, "{placed}");
    scene.database.leave("node_b").await.unwrap();
    scene.outbound.sweep(false).await.unwrap();
    assert_eq!(scene.record(&call.to_string()).await.end_reason, Some(EndReason::NeverDialled));
}
