//! Alerts from their beginning to their end: shown, kept, and told to a receiver that checks the signature.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use base64_simd::STANDARD;
use control::jobs::{Conversations, Receiver, Work};
use control::{Alerts, Outbound, OutboundOptions, Watch};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use store::jobs::{self, Handlers, Job, JobError, JobOptions};
use store::{Fault, Options, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::place::{Place, at};

const KEY: [u8; 32] = [7; 32];
const LONG: Duration = Duration::from_secs(60);

/// What came: the id, and the body.
type Came = Vec<(String, Value)>;

/// The operator's end.
#[derive(Clone)]
struct Operator {
    came: watch::Sender<Came>,
    says: Arc<Mutex<StatusCode>>,
    url: String,
}

impl Operator {
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let says = Arc::new(Mutex::new(StatusCode::NO_CONTENT));
        let operator = Self { came: watch::Sender::default(), says, url };
        let router = Router::new().route("/alerts", post(hear)).with_state(operator.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        operator
    }

    fn says(&self, status: StatusCode) {
        *self.says.lock().unwrap() = status;
    }

    fn receiver(&self) -> Arc<Receiver> {
        let secret = format!("whsec_{}", STANDARD.encode_to_string(KEY));
        Arc::new(Receiver::new(&self.url, &secret.into()).unwrap())
    }

    async fn until(&self, count: usize) -> Came {
        let mut came = self.came.subscribe();
        let enough = tokio::time::timeout(LONG, came.wait_for(|came| came.len() >= count)).await;
        enough.expect("the operator is told").unwrap().clone()
    }
}

/// Believes what is signed, as the specification's text says to check it.
async fn hear(State(operator): State<Operator>, headers: HeaderMap, body: String) -> (StatusCode, HeaderMap) {
    let text = |name: &str| headers[name].to_str().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    mac.update(format!("{}.{}.{body}", text("webhook-id"), text("webhook-timestamp")).as_bytes());
    let signed = STANDARD.encode_to_string(mac.finalize().into_bytes());
    let age = jiff::Timestamp::now().as_second() - text("webhook-timestamp").parse::<i64>().unwrap();
    if text("webhook-signature") != format!("v1,{signed}") || !(0..300).contains(&age) {
        return (StatusCode::UNAUTHORIZED, HeaderMap::new());
    }
    let told = (text("webhook-id").to_owned(), serde_json::from_str(&body).unwrap());
    operator.came.send_modify(|came| came.push(told));
    let status = *operator.says.lock().unwrap();
    let mut answer = HeaderMap::new();
    if status.is_redirection() {
        answer.insert("location", operator.url.parse().unwrap());
    }
    (status, answer)
}

/// A disk with so much room.
struct Disk(Arc<AtomicU64>);

impl Fault for Disk {
    fn before_write(&mut self, _: &Path, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn free_bytes(&mut self, _: u64) -> u64 {
        self.0.load(Relaxed)
    }
}

struct Scene {
    place: Place,
    room: Arc<AtomicU64>,
    operator: Operator,
    stop: CancellationToken,
}

impl Scene {
    async fn new() -> Self {
        let room = Arc::new(AtomicU64::new(1 << 40));
        let alerts = Alerts::default();
        let place = Place::with(Disk(room.clone()), &alerts).await;
        let operator = Operator::new().await;
        let scene = Self { place, room, operator, stop: CancellationToken::new() };
        let watch = Watch {
            store: scene.place.store.clone(),
            database: scene.place.database.clone(),
            vendors: None,
            receiver: Some(scene.operator.receiver()),
            alerts,
            server: Some("https://voice.example.com".to_owned()),
        };
        tokio::spawn(watch.run(Duration::from_millis(50), scene.stop.clone()));
        scene
    }

    fn handlers(&self) -> Handlers {
        let database = self.place.database.clone();
        let plane = Arc::new(control::NoCalls);
        let outbound = Outbound::new(OutboundOptions::default(), Vec::new(), database.clone(), plane);
        let conversations = Conversations::new(Vec::new());
        Work { database, outbound, conversations, receiver: Some(self.operator.receiver()) }.handlers()
    }

    fn run_jobs(&self) {
        let database = self.place.database.clone();
        tokio::spawn(jobs::run(database, self.handlers(), JobOptions::default(), self.stop.clone()));
    }

    async fn alerts(&self) -> Vec<Value> {
        let (status, list) = self.place.json("/api/v1/alerts").await;
        assert_eq!(status, StatusCode::OK, "{list}");
        list["alerts"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_full_disk_is_told_from_its_beginning_to_its_end() {
    let scene = Scene::new().await;
    scene.run_jobs();
    scene.room.store(1 << 20, Relaxed);
    let came = scene.operator.until(1).await;
    let data = &came[0].1["data"];
    assert_eq!((&came[0].1["type"], &data["alert"]), (&json!("alert.raised"), &json!("disk_low")));
    assert_eq!(
        (&data["severity"], &data["server"]),
        (&json!("critical"), &json!("https://voice.example.com"))
    );
    assert!(data["detail"].as_str().unwrap().contains("1 MiB are free"), "{data}");
    let shown = scene.alerts().await;
    assert_eq!(
        (shown.len(), &shown[0]["alert"], &shown[0]["since"]),
        (1, &json!("disk_low"), &data["since"])
    );
    scene.room.store(1 << 40, Relaxed);
    let came = scene.operator.until(2).await;
    assert_eq!((came.len(), &came[1].1["type"]), (2, &json!("alert.cleared")));
    assert_eq!(came[1].1["data"]["since"], data["since"]);
    assert_ne!(came[0].0, came[1].0, "each has an id of its own");
    assert_eq!(scene.alerts().await, Vec::<Value>::new());
    scene.stop.cancel();
}

#[tokio::test]
async fn without_a_database_the_operator_is_told_all_the_same() {
    let scene = Scene::new().await;
    scene.place.database.close().await;
    scene.room.store(1 << 20, Relaxed);
    let came = scene.operator.until(1).await;
    assert_eq!(came[0].1["data"]["alert"], "disk_low");
    scene.stop.cancel();
}

#[tokio::test]
async fn work_that_was_given_up_is_an_alert_that_one_process_tells() {
    let scene = Scene::new().await;
    // What a call left cannot be read: no handler ever can.
    scene.place.database.enqueue("fetch_details", "broken", "{}", at(0)).await.unwrap();
    scene.run_jobs();
    let came = scene.operator.until(1).await;
    let data = &came[0].1["data"];
    assert_eq!((&data["alert"], &data["subject"]), (&json!("jobs_given_up"), &json!("fetch_details")));
    let raised = scene.place.database.raised_alerts().await.unwrap();
    assert_eq!(raised[0].0, "jobs_given_up:fetch_details");
    // Another process sees the same, and says nothing.
    let (folder, room) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(1 << 20)));
    let disk = Box::new(Disk(room.clone()));
    let watch = Watch {
        store: Store::open_with(folder.path(), Options::default(), disk).unwrap(),
        database: scene.place.database.clone(),
        vendors: None,
        receiver: Some(scene.operator.receiver()),
        alerts: Alerts::default(),
        server: Some("https://other.example.com".to_owned()),
    };
    tokio::spawn(watch.run(Duration::from_millis(50), scene.stop.clone()));
    // Its own disk it does tell of; when that is over too, it has looked several times.
    scene.operator.until(2).await;
    room.store(1 << 40, Relaxed);
    let came = scene.operator.until(3).await;
    let told: Vec<&str> = came.iter().map(|(_, body)| body["data"]["alert"].as_str().unwrap()).collect();
    assert_eq!(told, ["jobs_given_up", "disk_low", "disk_low"]);
    assert_eq!(came[2].1["data"]["server"], "https://other.example.com");
    scene.stop.cancel();
}

#[tokio::test]
async fn a_receiver_is_asked_again_unless_it_wants_no_more() {
    let scene = Scene::new().await;
    let handlers = scene.handlers();
    let tell = || {
        let (kind, key) = ("notify".to_owned(), "msg_1".to_owned());
        handlers.attempt(Job { kind, key, payload: "{\"type\":\"test\"}".to_owned(), attempt: 1 }).unwrap()
    };
    assert_eq!(tell().await, Ok(()));
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TOO_MANY_REQUESTS, StatusCode::NOT_FOUND] {
        scene.operator.says(status);
        assert_eq!(tell().await, Err(JobError::Again(format!("HTTP {}", status.as_u16()))));
    }
    scene.operator.says(StatusCode::TEMPORARY_REDIRECT);
    let moved = tell().await;
    assert!(matches!(&moved, Err(JobError::Again(why)) if why.contains("redirects")), "{moved:?}");
    assert_eq!(scene.operator.until(5).await.len(), 5, "it is not followed");
    scene.operator.says(StatusCode::GONE);
    assert!(matches!(tell().await, Err(JobError::Never(_))));
    scene.operator.says(StatusCode::OK);
    assert!(matches!(tell().await, Err(JobError::Never(_))), "it has said that it wants no more");
    let came = scene.operator.until(6).await;
    assert!(came.len() == 6 && came.iter().all(|(id, _)| id == "msg_1"), "{came:?}");
    scene.stop.cancel();
}
