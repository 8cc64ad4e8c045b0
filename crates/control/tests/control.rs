//! The control plane over HTTP, without sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use control::{
    Alive, Capability, Control, DataPlane, Heartbeat, LastFailure, Latency, Link, LinkState, Vendors, router,
};
use http::{Request, StatusCode};
use records::{AnsweredBy, CallRecord, EndReason};
use serde_json::Value;
use store::{CallId, Store};
use tower::ServiceExt;

#[derive(Default)]
struct Plane {
    calls: AtomicUsize,
    draining: AtomicBool,
}

impl DataPlane for Plane {
    fn mode(&self) -> String {
        "echo".to_owned()
    }
    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }
    fn max_calls(&self) -> usize {
        2
    }
    fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }
    fn live(&self) -> Vec<Alive> {
        Vec::new()
    }
    fn end(&self, _: CallId) -> bool {
        false
    }
    fn answered_by(&self, _: CallId, _: AnsweredBy) -> bool {
        false
    }
}

/// Vendors that do as they are told.
struct Outside(Vec<Link>);

impl Vendors for Outside {
    fn capabilities(&self) -> Vec<Capability> {
        vec![Capability {
            vendor: "deepgram".to_owned(),
            role: "speech_to_text",
            transport: "websocket",
            rates: vec![8000, 16_000],
            encodings: vec!["linear16"],
            streams: true,
            word_times: true,
            needs_network: true,
            about: "streaming".to_owned(),
        }]
    }

    fn links(&self) -> Vec<Link> {
        self.0.clone()
    }
}

fn link(vendor: &str, state: LinkState) -> Link {
    Link {
        vendor: vendor.to_owned(),
        role: "speech_to_text",
        transport: "websocket",
        state,
        breaker: if state == LinkState::Down { "open" } else { "closed" },
        open_for_ms: (state == LinkState::Down).then_some(4000),
        requests: 7,
        failures: BTreeMap::from([("network".to_owned(), 3)]),
        last_success_at: None,
        last_failure: Some(LastFailure {
            at: "2026-11-21T12:00:00Z".to_owned(),
            class: "network".to_owned(),
            why: "the connection broke".to_owned(),
        }),
        latency_ms: Some(Latency { p50: 80.0, p95: 140.5 }),
    }
}

struct Fixture {
    plane: Arc<Plane>,
    store: Store,
    router: Router,
    _data: tempfile::TempDir,
}

fn fixture(token: Option<&str>) -> Fixture {
    fixture_with(token, Vec::new())
}

fn fixture_with(token: Option<&str>, links: Vec<Link>) -> Fixture {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    let plane = Arc::new(Plane::default());
    let router = router(Control {
        store: store.clone(),
        data_plane: plane.clone(),
        vendors: Some(Arc::new(Outside(links))),
        heartbeat: Heartbeat::start(|| {}),
        recorder: None,
        token: token.map(Into::into),
    });
    Fixture { plane, store, router, _data: data }
}

impl Fixture {
    async fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, String, String) {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let kind =
            response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    fn keep(&self, n: u8) -> CallId {
        let id = CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), [n; 10]);
        let record = CallRecord {
            carrier_call_id: format!("sid-{n}"),
            agent: "echo".into(),
            sample_rate: 8000,
            ended_at: Some(id.began()),
            end_reason: Some(EndReason::CallerHungUp),
            ..CallRecord::new(id.to_string(), "exotel", id.began())
        };
        self.store.begin(id, record.clone()).finish(record);
        assert!(self.store.flush(Duration::from_secs(20)));
        id
    }
}

#[tokio::test]
async fn health_has_the_fields_that_are_asked_for() {
    let fixture = fixture(Some("secret"));
    let (status, _, body) = fixture.get("/health", None).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, StatusCode::OK);
    let fields = (&body["status"], &body["service"], &body["mode"]);
    assert_eq!(fields, (&"ok".into(), &"trunkline".into(), &"echo".into()));
    assert_eq!(fixture.get("/livez", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn readiness_follows_drain_and_capacity() {
    let fixture = fixture(None);
    let (status, _, body) = fixture.get("/readyz", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok\n"));
    let (_, _, body) = fixture.get("/readyz?verbose", None).await;
    assert_eq!(body, "[+]runtime ok\n[+]drain ok\n[+]capacity ok\n[+]store ok\n[+]disk ok\nok\n");
    fixture.plane.calls.store(2, SeqCst);
    let (status, _, body) = fixture.get("/readyz", None).await;
    let full = "[-]capacity all 2 places are taken\nnot ready\n";
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, full));
    fixture.plane.calls.store(1, SeqCst);
    fixture.plane.draining.store(true, SeqCst);
    assert_eq!(fixture.get("/readyz", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn calls_are_shown_in_pages_to_those_with_the_token() {
    let fixture = fixture(Some("007"));
    let ids: Vec<CallId> = (1..=3).map(|n| fixture.keep(n)).collect();
    for path in ["/api/v1/calls".to_owned(), format!("/api/v1/calls/{}", ids[0]), "/metrics".to_owned()] {
        let (status, kind, body) = fixture.get(&path, None).await;
        assert_eq!((status, kind.as_str()), (StatusCode::UNAUTHORIZED, "application/problem+json"), "{path}");
        assert!(!body.contains("sid-"), "{body}");
        assert_eq!(fixture.get(&path, Some("7")).await.0, StatusCode::UNAUTHORIZED);
    }
    let (_, _, body) = fixture.get("/api/v1/calls?limit=2", Some("007")).await;
    let page: Value = serde_json::from_str(&body).unwrap();
    let calls = page["calls"].as_array().unwrap();
    let listed: Vec<&str> = calls.iter().map(|call| call["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [ids[2].to_string(), ids[1].to_string()]);
    let next = format!("/api/v1/calls?limit=2&before={}", page["next"].as_str().unwrap());
    let (_, _, body) = fixture.get(&next, Some("007")).await;
    let page: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&page["calls"][0]["carrier_call_id"], &page["next"]), (&"sid-1".into(), &Value::Null));
    let (status, _, body) = fixture.get(&format!("/api/v1/calls/{}", ids[0]), Some("007")).await;
    assert!(status == StatusCode::OK && body.contains("\"caller_hung_up\""), "{body}");
}

#[tokio::test]
async fn what_is_no_id_is_no_path() {
    let fixture = fixture(None);
    let traversal = "call_..%2f..%2f..%2f..%2f..%2f..%2flock";
    for path in ["..%2f..%2flock", traversal, "call_00000000000000000000000000", "%00"] {
        let (status, kind, _) = fixture.get(&format!("/api/v1/calls/{path}"), None).await;
        assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "application/problem+json"), "{path}");
    }
    for query in ["limit=x", "before=..%2f"] {
        let (status, kind, _) = fixture.get(&format!("/api/v1/calls?{query}"), None).await;
        assert_eq!((status, kind.as_str()), (StatusCode::BAD_REQUEST, "application/problem+json"), "{query}");
    }
}

#[tokio::test]
async fn an_outage_of_a_vendor_is_shown_and_takes_no_calls_away() {
    let links = vec![link("deepgram", LinkState::Down), link("openai", LinkState::Up)];
    let fixture = fixture_with(Some("007"), links);
    let (status, _, body) = fixture.get("/readyz", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok\n"));
    let (status, _, body) = fixture.get("/readyz?verbose", None).await;
    assert_eq!(status, StatusCode::OK);
    let down = "[!]provider deepgram speech_to_text (websocket) down: network at 2026-11-21T12:00:00Z\n";
    assert!(body.contains(down), "{body}");
    assert!(body.contains("[+]provider openai speech_to_text (websocket) up\n"), "{body}");
    assert!(body.ends_with("ok, degraded\n"), "{body}");

    let (status, kind, _) = fixture.get("/api/v1/providers", None).await;
    assert_eq!((status, kind.as_str()), (StatusCode::UNAUTHORIZED, "application/problem+json"));
    let (_, _, body) = fixture.get("/api/v1/providers", Some("007")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["status"], "degraded");
    assert_eq!(
        body["links"][0],
        serde_json::json!({
            "vendor": "deepgram", "role": "speech_to_text", "transport": "websocket", "state": "down",
            "breaker": "open", "open_for_ms": 4000, "requests": 7, "failures": { "network": 3 },
            "last_failure": { "at": "2026-11-21T12:00:00Z", "class": "network", "why": "the connection broke" },
            "latency_ms": { "p50": 80.0, "p95": 140.5 }
        })
    );
    assert_eq!(body["capabilities"][0]["rates"], serde_json::json!([8000, 16_000]));
}
