//! Placing and ending calls.

use records::{CallStatus, DialRules, EndReason};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::carrier::{Mood, TOKEN};
use crate::scene::{IN_URL, Scene, rules};

fn id_of(body: &Value) -> String {
    body["call_id"].as_str().unwrap_or_else(|| panic!("no call_id in {body}")).to_owned()
}

#[tokio::test]
async fn a_call_is_kept_then_dialled() {
    let scene = Scene::new(rules()).await;
    let asked = json!({ "to": "09800000001", "variables": { "name": "Asha", "n": 3 }, "machine_detection": "detect" });
    let (status, body) = scene.post("/call", &asked.to_string(), None).await;
    assert_eq!(status, 201, "{body}");
    let id = id_of(&body);
    assert_eq!((&body["callId"], &body["status"]), (&json!(id), &json!("queued")));
    let dial = &scene.carrier.dials()[0];
    assert_eq!((dial["To"].as_str(), dial["From"].as_str()), ("+919800000001", "+14155550100"));
    let url = format!("/twilio/voice?agent=desk&v.n=3&v.name=Asha&call={id}");
    assert!(dial["Url"].ends_with(&url), "{dial:?}");
    assert!(dial["StatusCallback"].contains(&id) && dial["AsyncAmdStatusCallback"].contains(&id), "{dial:?}");
    let record = scene.record(&id).await;
    assert_eq!(record.carrier_call_id, body["carrier_call_id"].as_str().unwrap());
    assert_eq!((record.custom["name"].as_str(), record.custom["n"].as_str()), ("Asha", "3"));
    assert_eq!((record.agent.as_str(), record.to.as_deref()), ("desk", Some("+919800000001")));
}

#[tokio::test]
async fn what_is_not_to_be_dialled_is_refused_with_the_reason() {
    let scene = Scene::new(DialRules { calls_per_minute: 1, ..rules() }).await;
    for (body, status, code) in [
        (r#"{"to":"+919800000001""#, 400, "malformed_body"),
        (r#"{"too":"+919800000001"}"#, 400, "malformed_body"),
        (r#"{"to":"call me"}"#, 422, "not_a_number"),
        (r#"{"to":"9.19E+11"}"#, 422, "not_a_number"),
        (r#"{"to":"+911234567"}"#, 422, "no_such_number"),
        (r#"{"to":"+442079460018"}"#, 403, "country_not_open"),
        (r#"{"to":"+18765550123"}"#, 403, "country_not_open"),
        (r#"{"to":"+19005550123"}"#, 403, "dear_number"),
        (r#"{"to":"+883510001234567"}"#, 403, "dear_number"),
        (r#"{"to":"+919900000001"}"#, 403, "blocked_number"),
        (r#"{"to":"+919800000001","agent":"nobody"}"#, 422, "unprocessable"),
        (r#"{"to":"+919800000001","carrier":"pigeon"}"#, 422, "unprocessable"),
        (r#"{"to":"+919800000001","from":"me"}"#, 422, "unprocessable"),
        (r#"{"to":"+919800000001","variables":{"a":[]}}"#, 422, "unprocessable"),
    ] {
        let (found, problem) = scene.post("/api/v1/calls", body, None).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{body}: {problem}");
        assert!(!problem.to_string().contains("9800000001"), "{problem}");
    }
    assert_eq!(scene.carrier.dials().len(), 0);
    let good = r#"{"to":"+919800000001"}"#;
    assert_eq!(scene.post("/api/v1/calls", good, None).await.0, 201);
    let (status, problem) = scene.post("/api/v1/calls", good, None).await;
    assert_eq!((status, problem["code"].as_str()), (429, Some("too_many_calls")), "{problem}");
    assert_eq!(scene.carrier.dials().len(), 1);
}

#[tokio::test]
async fn a_storm_of_the_same_request_is_one_dial() {
    let scene = Scene::new(DialRules { calls_per_minute: 1, ..rules() }).await;
    let body = r#"{"to":"+919800000001"}"#;
    let storm = (0..50).map(|_| scene.post("/api/v1/calls", body, Some("order-7")));
    let answers = futures_util::future::join_all(storm).await;
    assert_eq!(scene.carrier.dials().len(), 1);
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
        assert_eq!(answer.0, 201);
    }
    let (status, other) = scene.post("/api/v1/calls", r#"{"to":"+919800000002"}"#, Some("order-7")).await;
    assert_eq!((status, other["code"].as_str()), (422, Some("idempotency_key_reused")));
    assert_eq!(scene.carrier.dials().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_kept_and_said_again() {
    let scene = Scene::new(rules()).await;
    scene.carrier.is(Mood::Refuses);
    let body = r#"{"to":"+919800000001"}"#;
    let (status, first) = scene.post("/api/v1/calls", body, Some("k")).await;
    assert_eq!((status, first["code"].as_str()), (422, Some("dial_refused")), "{first}");
    scene.carrier.is(Mood::Dials);
    let (status, again) = scene.post("/api/v1/calls", body, Some("k")).await;
    assert_eq!((status, &again["detail"]), (422, &first["detail"]));
    assert_eq!(scene.carrier.dials().len(), 1);
    let calls = scene.get("/api/v1/calls").await.1;
    let id = calls["calls"][0]["id"].as_str().unwrap().to_owned();
    let record = scene.record(&id).await;
    assert_eq!((record.status, record.end_reason), (CallStatus::Failed, Some(EndReason::DialRefused)));
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_asking_and_never_by_dialling() {
    let scene = Scene::new(rules()).await;
    scene.carrier.is(Mood::DialsAndLosesTheAnswer);
    let (status, body) = scene.post("/api/v1/calls", r#"{"to":"+919800000001"}"#, Some("k")).await;
    assert_eq!((status, &body["carrier_call_id"]), (202, &Value::Null), "{body}");
    let record = scene.until(&id_of(&body), |record| !record.carrier_call_id.is_empty()).await;
    assert_eq!(record.carrier_call_id, format!("CA{:032x}", 1));
    assert_eq!(scene.carrier.dials().len(), 1);
}

#[tokio::test]
async fn a_callback_settles_a_lost_answer_too() {
    let scene = Scene::new(rules()).await;
    scene.carrier.is(Mood::DialsAndLosesTheAnswer);
    let (_, body) = scene.post("/api/v1/calls", r#"{"to":"+919800000001"}"#, None).await;
    let id = id_of(&body);
    let sid = format!("CA{:032x}", 1);
    let form = [("CallSid", sid.as_str()), ("CallStatus", "ringing"), ("SequenceNumber", "1")];
    assert_eq!(scene.signed(&format!("/twilio/status?call={id}"), &form).await, 204);
    let record = scene.record(&id).await;
    assert_eq!((record.carrier_call_id, record.status), (sid, CallStatus::Ringing));
}

#[tokio::test]
async fn a_call_is_ended_where_it_is() {
    let scene = Scene::new(rules()).await;
    let (_, body) = scene.post("/api/v1/calls", r#"{"to":"+919800000001"}"#, None).await;
    let id = id_of(&body);
    let path = format!("/api/v1/calls/{id}/hangup");
    let (status, said) = scene.post(&path, "", None).await;
    assert_eq!((status, &said["by"]), (200, &json!("carrier")), "{said}");
    assert_eq!(scene.carrier.hang_ups(), [body["carrier_call_id"].as_str().unwrap()]);

    let alive = control::Alive { call: id.parse().unwrap(), seen: jiff::Timestamp::now() };
    scene.plane.live.lock().unwrap().push(alive);
    let (_, said) = scene.post(&path, "", None).await;
    assert_eq!(said["by"], "server");
    assert_eq!(*scene.plane.ended.lock().unwrap(), [(alive.call, EndReason::Operator)]);

    scene.plane.live.lock().unwrap().clear();
    let sid = body["carrier_call_id"].as_str().unwrap();
    let over = [("CallSid", sid), ("CallStatus", "completed"), ("CallDuration", "3")];
    scene.signed(&format!("/twilio/status?call={id}"), &over).await;
    let (status, said) = scene.post(&path, "", None).await;
    assert_eq!((status, &said["by"], &said["status"]), (200, &json!("nobody"), &json!("completed")));
    assert_eq!(scene.carrier.hang_ups().len(), 1);
    let nobody = "/api/v1/calls/call_01JD3V6W0Z8Q4T1F5N9R2X7KBM/hangup";
    assert_eq!(scene.post(nobody, "", None).await.0, 404);
}

#[tokio::test]
async fn no_secret_is_in_the_tables() {
    let scene = Scene::new(rules()).await;
    let (_, body) = scene.post("/api/v1/calls", r#"{"to":"+919800000001"}"#, Some("k")).await;
    let sid = body["carrier_call_id"].as_str().unwrap();
    let form = [("CallSid", sid), ("CallStatus", "completed")];
    assert_eq!(scene.signed("/twilio/status", &form).await, 204);
    assert_eq!(
        scene.form(&format!("/api/v1/exotel/status?k={IN_URL}"), &[("CallSid", "x")], None).await,
        200
    );
    scene.database.close().await;
    let mut looked_at = 0;
    for file in std::fs::read_dir(scene.folder.path()).unwrap().flatten().filter(|file| file.path().is_file())
    {
        let bytes = std::fs::read(file.path()).unwrap();
        looked_at += bytes.len();
        for canary in [TOKEN, IN_URL, scene.key.expose_secret()] {
            let is_in = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!is_in, "{canary} is in {}", file.path().display());
        }
    }
    assert!(looked_at > 10_000, "{looked_at} bytes");
}
