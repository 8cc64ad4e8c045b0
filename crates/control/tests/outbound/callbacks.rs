//! Carriers' callbacks: refused, doubled, out of order, early.

use records::{AnsweredBy, CallStatus};
use serde_json::json;

use crate::carrier::TOKEN;
use crate::scene::{IN_URL, Scene, rules};

#[tokio::test]
async fn what_is_not_signed_stores_nothing() {
    let scene = Scene::new(rules()).await;
    let id = scene.old_call(1, 1, "CA1").await.to_string();
    let form = [("CallSid", "CA1"), ("CallStatus", "completed")];
    let pairs: Vec<(String, String)> =
        form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sign = |key: &str, url: &str| carriers::twilio::signature::sign(key.as_bytes(), url, &pairs);
    for path in ["/twilio/status", "/twilio/amd", "/twilio/recording", "/twilio/stream-status"] {
        let url = format!("https://voice.example.com{path}");
        assert_eq!(scene.form(path, &form, None).await, 400, "{path}");
        assert_eq!(scene.form(path, &form, Some("AAAA")).await, 403, "{path}");
        assert_eq!(scene.form(path, &form, Some(&sign("other", &url))).await, 403, "{path}");
        let elsewhere = sign(TOKEN, &format!("https://elsewhere.example.com{path}"));
        assert_eq!(scene.form(path, &form, Some(&elsewhere)).await, 403, "{path}");
        let tampered = [("CallSid", "CA1"), ("CallStatus", "failed")];
        assert_eq!(scene.form(path, &tampered, Some(&sign(TOKEN, &url))).await, 403, "{path}");
    }
    assert_eq!(scene.form("/api/v1/exotel/status", &form, None).await, 400);
    assert_eq!(scene.form("/api/v1/exotel/status?k=canary", &form, None).await, 403);
    assert_eq!(scene.record(&id).await.status, CallStatus::InProgress);
    assert_eq!(scene.database.callbacks(id.parse().unwrap()).await.unwrap(), []);
    let (status, health) = scene.get("/api/v1/webhooks").await;
    assert_eq!(status, 200);
    let status_kind = health["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "status");
    assert_eq!(status_kind.unwrap()["last_at"], json!(null));
    assert!(health["kinds"].as_array().unwrap().iter().all(|kind| kind["error_rate"] == 1.0), "{health}");
}

#[tokio::test]
async fn doubled_and_unordered_callbacks_end_the_same() {
    let scene = Scene::new(rules()).await;
    let id = scene.old_call(1, 1, "CA1").await.to_string();
    let path = format!("/twilio/status?call={id}");
    let over =
        [("CallSid", "CA1"), ("CallStatus", "completed"), ("CallDuration", "49"), ("SequenceNumber", "3")];
    let rings = [("CallSid", "CA1"), ("CallStatus", "ringing"), ("SequenceNumber", "1")];
    for form in [&over[..], &over[..], &rings[..], &over[..], &rings[..]] {
        assert_eq!(scene.signed(&path, form).await, 204);
    }
    let record = scene.record(&id).await;
    assert_eq!((record.status, record.duration_s), (CallStatus::Completed, Some(49)));
    let kept = scene.database.callbacks(id.parse().unwrap()).await.unwrap();
    assert_eq!(kept.len(), 2, "each once: {kept:?}");
}

#[tokio::test]
async fn who_picked_up_reaches_the_call() {
    let scene = Scene::new(rules()).await;
    let id = scene.old_call(1, 1, "CA1").await;
    let form = [("CallSid", "CA1"), ("AnsweredBy", "machine_end_beep"), ("MachineDetectionDuration", "4000")];
    assert_eq!(scene.signed(&format!("/twilio/amd?call={id}"), &form).await, 204);
    assert_eq!(*scene.plane.answered.lock().unwrap(), [(id, AnsweredBy::MachineBeep)]);
    assert_eq!(scene.record(&id.to_string()).await.answered_by, Some(AnsweredBy::MachineBeep));
}

#[tokio::test]
async fn a_callback_of_a_call_that_is_not_known_yet_waits_for_it() {
    let scene = Scene::new(rules()).await;
    let form = [("CallSid", "CA7"), ("CallStatus", "completed"), ("CallDuration", "5")];
    assert_eq!(scene.signed("/twilio/status", &form).await, 204);
    let id = scene.old_call(1, 1, "CA7").await.to_string();
    assert_eq!(scene.record(&id).await.status, CallStatus::Completed);
}

#[tokio::test]
async fn a_callback_with_the_urls_secret_is_taken_in_any_form() {
    let scene = Scene::new(rules()).await;
    let id = scene.old_call(1, 1, "e1").await.to_string();
    let form = [
        ("CallSid", "e1"),
        ("Status", "completed"),
        ("EventType", "terminal"),
        ("ConversationDuration", "41"),
    ];
    let path = format!("/api/v1/exotel/status?k={IN_URL}&call={id}");
    assert_eq!(scene.form(&path, &form, None).await, 200);
    let record = scene.record(&id).await;
    assert_eq!(record.status, CallStatus::Completed);
}
