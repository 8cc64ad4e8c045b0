//! The list and the detail of calls.

use std::collections::BTreeMap;

use records::{CallStatus, Speaker, TurnLatency, TurnRecord};
use reqwest::StatusCode;
use serde_json::json;
use store::{InboxEntry, Which};

use crate::place::{Place, at, id, live, other, over, read};

#[tokio::test]
async fn pages_neither_double_nor_skip_a_call_while_others_begin_and_end() {
    let place = Place::new().await;
    for second in 0..25 {
        place.keep(&live(second)).await;
    }
    let wanted: Vec<String> = (0..25).rev().map(|second| id(second).to_string()).collect();
    let (mut seen, mut query, mut pages) = (Vec::new(), "limit=7".to_owned(), 0);
    loop {
        let (ids, next) = place.page(&query).await;
        // The same page again, after more calls began: it is the same.
        place.keep(&live(100 + pages)).await;
        if pages > 0 {
            assert_eq!(place.page(&query).await, (ids.clone(), next.clone()));
        }
        place.keep(&over(24 - 3 * pages)).await;
        seen.extend(ids);
        pages += 1;
        let Some(next) = next else { break };
        query = format!("limit=7&cursor={next}");
    }
    assert_eq!((seen, pages), (wanted, 4));
    let (newest, _) = place.page("limit=1").await;
    assert_eq!(newest, [id(103).to_string()]);
}

#[tokio::test]
async fn a_full_last_page_says_that_it_is_the_last() {
    let place = Place::new().await;
    assert_eq!(place.page("").await, (Vec::new(), None));
    for second in 0..4 {
        place.keep(&over(second)).await;
    }
    let (_, next) = place.page("limit=2").await;
    let (ids, next) = place.page(&format!("limit=2&cursor={}", next.unwrap())).await;
    assert_eq!((ids.len(), next), (2, None));
}

#[tokio::test]
async fn every_filter_holds() {
    let place = Place::new().await;
    for record in [over(1), other(2), live(3)] {
        place.keep(&record).await;
    }
    let ids = |seconds: &[i64]| seconds.iter().map(|second| id(*second).to_string()).collect::<Vec<_>>();
    for (query, expected) in [
        ("", &[3, 2, 1][..]),
        ("status=completed", &[1]),
        ("status=failed,in_progress", &[3, 2]),
        ("end_reason=connection_lost", &[2]),
        ("direction=inbound", &[3, 1]),
        ("carrier=exotel", &[2]),
        ("agent=sales", &[2]),
        ("number=%2B15550100001", &[3, 2, 1]),
        ("number=+15550100009", &[2]),
        ("from=2026-11-21T12:00:02Z", &[3, 2]),
        ("until=2026-11-21T12:00:02Z", &[1]),
        ("from=2026-11-21T12:00:01Z&until=2026-11-21T12:00:03Z&direction=outbound&status=failed", &[2]),
        ("agent=nobody", &[]),
    ] {
        assert_eq!(place.page(query).await.0, ids(expected), "{query}");
    }
    let (status, problem) = place.json("/api/v1/calls?limit=0&stauts=failed").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_parameters")));
    assert_eq!(problem["type"], "/docs/errors#invalid_parameters");
    assert_eq!(problem["errors"][0]["parameter"], "limit");
    assert_eq!(problem["errors"][1]["parameter"], "stauts");
    assert_eq!(problem["instance"], "/api/v1/calls");
}

#[tokio::test]
async fn one_call_is_shown_with_all_that_is_known() {
    let place = Place::new().await;
    let mut record = over(5);
    record.recording = Some("recording.wav".into());
    record.turns = vec![TurnRecord {
        speaker: Speaker::Agent,
        at_ms: 900,
        text: "good day".into(),
        unheard: String::new(),
        evidence: Some("mark".into()),
        latency: Some(TurnLatency { total_us: 640_000, ..TurnLatency::default() }),
        served_by: BTreeMap::new(),
    }];
    place.keep(&record).await;
    let entry = InboxEntry {
        carrier: "twilio".into(),
        kind: "status".into(),
        key: "once".into(),
        received_at: at(36),
        body: json!({ "CallStatus": "completed", "To": "+1******002" }).to_string(),
    };
    place.database.apply(&Which::Id(id(5)), Vec::new(), Some(entry)).await.unwrap();
    place.tell(id(5), 35, CallStatus::Completed).await;
    let (status, call) = place.json(&format!("/api/v1/calls/{}", id(5))).await;
    assert_eq!(status, StatusCode::OK, "{call}");
    assert_eq!((&call["id"], &call["from"]), (&json!(id(5).to_string()), &json!("+15550100001")));
    assert_eq!((&call["status"], &call["end_reason"]), (&json!("completed"), &json!("caller_hung_up")));
    assert_eq!(call["turns"][0]["text"], "good day");
    assert_eq!(call["latency"], json!({ "answers": 1, "p50_ms": 640, "p95_ms": 640, "max_ms": 640 }));
    assert_eq!(call["events"][0]["kind"], "talk");
    assert_eq!(call["events"][0]["call_id"], call["id"]);
    assert_eq!(call["events_truncated"], false);
    assert_eq!(call["status_history"].as_array().unwrap().last().unwrap()["status"], "completed");
    assert_eq!(call["callbacks"][0]["body"]["CallStatus"], "completed");
    let links = call["links"].as_object().unwrap();
    assert_eq!(links["recording"], format!("/api/v1/calls/{}/recording", id(5)));
    let itself = place.get(links["self"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(itself.status(), StatusCode::OK);
    let answer = place.get(&format!("/api/v1/calls/{}", id(6))).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (status, problem) = read(answer).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("call_not_found")));
    assert_eq!(problem["request_id"], request_id);
}

#[tokio::test]
async fn without_a_database_it_says_when_to_come_back_and_the_rest_goes_on() {
    let place = Place::new().await;
    place.keep(&over(1)).await;
    place.database.close().await;
    for path in ["/api/v1/calls".to_owned(), format!("/api/v1/calls/{}", id(1)), "/api/v1/events".to_owned()]
    {
        let answer = place.get(&path).send().await.unwrap();
        assert_eq!(answer.headers()["retry-after"], "5", "{path}");
        let (status, problem) = read(answer).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(problem["code"], "database_unavailable", "{path}");
    }
    assert_eq!(place.json("/health").await.0, StatusCode::OK);
}
