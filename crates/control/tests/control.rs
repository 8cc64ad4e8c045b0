//! The control plane over HTTP, without sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use axum::Router;
use axum::body::{Body, to_bytes};
use control::{
    Access, Alive, CallbackSecrets, Capability, Control, DataPlane, Door, Heartbeat, LastFailure, Latency,
    Link, LinkState, Outbound, OutboundOptions, Vendors, router,
};
use http::{Request, StatusCode};
use records::{AnsweredBy, EndReason};
use serde_json::Value;
use store::{CallId, Database, DatabaseOptions, Store};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

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
    fn end(&self, _: CallId, _: EndReason) -> bool {
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
    router: Router,
    _data: tempfile::TempDir,
}

async fn fixture(token: Option<&str>) -> Fixture {
    fixture_with(token, Vec::new()).await
}

async fn fixture_with(token: Option<&str>, links: Vec<Link>) -> Fixture {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).unwrap();
    let plane = Arc::new(Plane::default());
    let file = data.path().join("calls.db");
    let database = Database::open(DatabaseOptions::Sqlite { file }).await.unwrap();
    let door = if token.is_some() { Door::Locked } else { Door::OpenUntilKeyed };
    let control = Control {
        store,
        database: database.clone(),
        data_plane: plane.clone(),
        vendors: Some(Arc::new(Outside(links))),
        heartbeat: Heartbeat::start(|| {}),
        recorder: None,
        access: Access::new(door, token.map(Into::into).as_ref(), database.clone()),
        outbound: Outbound::new(OutboundOptions::default(), Vec::new(), database.clone(), plane.clone()),
        callbacks: CallbackSecrets::default(),
        stop: CancellationToken::new(),
    };
    let router = router(control, OpenApi::default());
    Fixture { plane, router, _data: data }
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
}

#[tokio::test]
async fn health_has_the_fields_that_are_asked_for() {
    let fixture = fixture(Some("secret")).await;
    let (status, _, body) = fixture.get("/health", None).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, StatusCode::OK);
    let fields = (&body["status"], &body["service"], &body["mode"]);
    assert_eq!(fields, (&"ok".into(), &"trunkline".into(), &"echo".into()));
    assert_eq!(fixture.get("/livez", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn readiness_follows_drain_and_capacity() {
    let fixture = fixture(None).await;
    let (status, _, body) = fixture.get("/readyz", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok\n"));
    let (_, _, body) = fixture.get("/readyz?verbose", None).await;
    assert_eq!(
        body,
        "[+]runtime ok\n[+]drain ok\n[+]capacity ok\n[+]store ok\n[+]disk ok\n\
         [+]database ok; 0 writes, 0 calls and 0 callbacks wait\nok\n"
    );
    fixture.plane.calls.store(2, SeqCst);
    let (status, _, body) = fixture.get("/readyz", None).await;
    let full = "[-]capacity all 2 places are taken\nnot ready\n";
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, full));
    fixture.plane.calls.store(1, SeqCst);
    fixture.plane.draining.store(true, SeqCst);
    assert_eq!(fixture.get("/readyz", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_kept_is_shown_to_those_with_the_token() {
    let fixture = fixture(Some("007")).await;
    let id = CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), [1; 10]);
    for path in ["/api/v1/calls".to_owned(), format!("/api/v1/calls/{id}"), "/metrics".to_owned()] {
        for token in [None, Some("7")] {
            let (status, kind, body) = fixture.get(&path, token).await;
            let expected = (StatusCode::UNAUTHORIZED, "application/problem+json");
            assert_eq!((status, kind.as_str()), expected, "{path}");
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(
                (&problem["code"], &problem["instance"]),
                (&"unauthorized".into(), &path.as_str().into())
            );
            assert!(problem["request_id"].as_str().unwrap().starts_with("req_"), "{body}");
        }
    }
}

#[tokio::test]
async fn what_is_no_id_is_no_path() {
    let fixture = fixture(None).await;
    let traversal = "call_..%2f..%2f..%2f..%2f..%2f..%2flock";
    for path in ["..%2f..%2flock", traversal, "call_0000000000000000000000000O", "%00"] {
        let (status, kind, _) = fixture.get(&format!("/api/v1/calls/{path}"), None).await;
        assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "application/problem+json"), "{path}");
    }
    for query in ["limit=x", "cursor=..%2f", "before=x"] {
        let (status, kind, _) = fixture.get(&format!("/api/v1/calls?{query}"), None).await;
        assert_eq!((status, kind.as_str()), (StatusCode::BAD_REQUEST, "application/problem+json"), "{query}");
    }
    for (method, path, status) in [("GET", "/api/v2", 404), ("DELETE", "/health", 405)] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = fixture.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn an_outage_of_a_vendor_is_shown_and_takes_no_calls_away() {
    let links = vec![link("deepgram", LinkState::Down), link("openai", LinkState::Up)];
    let fixture = fixture_with(Some("007"), links).await;
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
