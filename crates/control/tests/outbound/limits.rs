//! Whoever gets hold of a key can't turn it into money without an end: the limits of a day over HTTP.

use records::{Allowance, DialRules};
use serde_json::json;

use crate::scene::{Scene, rules};

const GOOD: &str = r#"{"to":"+919800000001"}"#;

#[tokio::test]
async fn each_limit_refuses_with_its_own_word_and_dials_nothing() {
    let limited = |rules: DialRules, code: &'static str| async move {
        let scene = Scene::new(rules).await;
        let (first, body) = scene.post("/call", GOOD, None).await;
        assert_eq!(first, 201, "{code}: {body}");
        let (status, problem) = scene.post("/call", GOOD, None).await;
        assert_eq!((status, &problem["code"]), (429, &json!(code)), "{problem}");
        assert!(problem["retry_after"].as_u64().is_some_and(|seconds| seconds > 0), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("outbound."), "it says what to set: {problem}");
        assert!(!problem.to_string().contains("9800000001"), "{problem}");
        assert_eq!(scene.carrier.dials().len(), 1, "{code}");
    };
    limited(DialRules { calls_per_minute: 1, ..rules() }, "too_many_calls").await;
    limited(DialRules { calls_per_day: 1, ..rules() }, "too_many_calls_today").await;
    // The longest call is an hour here: two of them might be 120 minutes.
    limited(DialRules { minutes_per_day: 119, ..rules() }, "too_many_minutes").await;
    let server = |calls_per_day, minutes_per_day| DialRules {
        server: Allowance { calls_per_minute: 0, calls_per_day, minutes_per_day },
        ..rules()
    };
    limited(server(1, 0), "server_calls_used").await;
    limited(server(0, 119), "server_minutes_used").await;
}

#[tokio::test]
async fn a_refused_dial_gives_its_minutes_back() {
    let scene = Scene::new(DialRules { minutes_per_day: 60, ..rules() }).await;
    scene.carrier.is(crate::carrier::Mood::Refuses);
    assert_eq!(scene.post("/call", GOOD, None).await.0, 422);
    scene.carrier.is(crate::carrier::Mood::Dials);
    let (status, body) = scene.post("/call", GOOD, None).await;
    assert_eq!(status, 201, "{body}");
    let over = [("CallSid", body["carrier_call_id"].as_str().unwrap()), ("CallStatus", "no-answer")];
    assert_eq!(scene.post("/call", GOOD, None).await.0, 429, "it still rings");
    let path = format!("/twilio/status?call={}", body["call_id"].as_str().unwrap());
    assert_eq!(scene.signed(&path, &over).await, 204);
    assert_eq!(scene.post("/call", GOOD, None).await.0, 201);
}

#[tokio::test]
async fn without_its_tables_nothing_is_dialled() {
    let scene = Scene::new(rules()).await;
    scene.database.close().await;
    let (status, _) = scene.post("/call", GOOD, None).await;
    assert!(status >= 500, "{status}");
    assert_eq!(scene.carrier.dials().len(), 0);
}
