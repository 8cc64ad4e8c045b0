//! A server of the control plane on a free port, with its database and its files, and the calls that tests want.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control::{
    Access, Alerts, CallbackSecrets, Control, Door, Heartbeat, NoCalls, Outbound, OutboundOptions, router,
};
use jiff::{SignedDuration, Timestamp};
use records::{CallEvent, CallRecord, CallStatus, Direction, EndReason, Fact, Witness};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use store::{CallId, Database, DatabaseOptions, Fault, NoFault, Options, Store, Which};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

/// A running server.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) database: Database,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<()>,
    address: SocketAddr,
    client: Client,
    _data: tempfile::TempDir,
}

/// What the control plane works with, on a new folder.
pub(crate) async fn control(data: &std::path::Path) -> Control {
    let file = data.join("trunkline.db");
    let database = Database::open(DatabaseOptions::Sqlite { file }).await.unwrap();
    Control {
        store: Store::open(data).unwrap(),
        access: Access::new(Door::Open, None, database.clone()),
        outbound: Outbound::new(OutboundOptions::default(), Vec::new(), database.clone(), Arc::new(NoCalls)),
        callbacks: CallbackSecrets::default(),
        database,
        data_plane: Arc::new(NoCalls),
        vendors: None,
        heartbeat: Heartbeat::start(|| {}),
        recorder: None,
        stop: CancellationToken::new(),
    }
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(NoFault, &Alerts::default()).await
    }

    /// The same with a disk that does as it is told, and with alerts.
    pub(crate) async fn with(fault: impl Fault + 'static, alerts: &Alerts) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store =
            Store::open_with(&data.path().join("calls"), Options::default(), Box::new(fault)).unwrap();
        let control = Control { store, ..control(data.path()).await };
        let (store, database, stop) = (control.store.clone(), control.database.clone(), control.stop.clone());
        let router = alerts.show_on(router(control, OpenApi::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let until = stop.clone().cancelled_owned();
        let served = tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(until).await.unwrap();
        });
        Self { store, database, stop, served, address, client: Client::new(), _data: data }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("http://{}{path}", self.address))
    }

    pub(crate) fn head(&self, path: &str) -> RequestBuilder {
        self.client.head(format!("http://{}{path}", self.address))
    }

    /// What is answered, which is JSON.
    pub(crate) async fn json(&self, path: &str) -> (StatusCode, Value) {
        read(self.get(path).send().await.unwrap()).await
    }

    /// The calls of a page, and the cursor of the next one.
    pub(crate) async fn page(&self, query: &str) -> (Vec<String>, Option<String>) {
        let (status, page) = self.json(&format!("/api/v1/calls?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let calls = page["calls"].as_array().unwrap();
        let ids = calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next_cursor"].as_str().map(ToOwned::to_owned))
    }

    /// Keeps a call as the media socket's side has it.
    pub(crate) async fn keep(&self, record: &CallRecord) {
        self.database.take_in(record, record.started_at).await.unwrap();
    }

    /// Takes in that a call got so far.
    pub(crate) async fn tell(&self, id: CallId, seconds: i64, status: CallStatus) {
        let fact = Fact::Status { status, reason: None, detail: String::new() };
        let event = CallEvent { at: at(seconds), from: Witness::Carrier, fact };
        self.database.apply(&Which::Id(id), vec![event], None).await.unwrap();
    }

    /// Writes what the store was handed.
    pub(crate) async fn flush(&self) {
        let store = self.store.clone();
        let flushed = tokio::task::spawn_blocking(move || store.flush(Duration::from_secs(20)));
        assert!(flushed.await.unwrap());
    }
}

/// An answer's status and JSON.
pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// So many seconds after the tests' noon.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    noon + SignedDuration::from_secs(seconds)
}

pub(crate) fn id(seconds: i64) -> CallId {
    CallId::new(at(seconds), [7; 10])
}

/// A call that began then and runs.
pub(crate) fn live(seconds: i64) -> CallRecord {
    let id = id(seconds);
    CallRecord {
        carrier_call_id: format!("CA{seconds}"),
        agent: "desk".into(),
        from: Some("+15550100001".into()),
        to: Some("+15550100002".into()),
        sample_rate: 8000,
        ..CallRecord::new(id.to_string(), "twilio", id.began())
    }
}

/// A call that began then and is over.
pub(crate) fn over(seconds: i64) -> CallRecord {
    CallRecord {
        ended_at: Some(at(seconds + 30)),
        end_reason: Some(EndReason::CallerHungUp),
        ..live(seconds)
    }
}

/// The same, by another carrier, the other way round, with another agent, of other numbers, ended otherwise.
pub(crate) fn other(seconds: i64) -> CallRecord {
    CallRecord {
        carrier: "exotel".into(),
        direction: Direction::Outbound,
        agent: "sales".into(),
        from: Some("+15550100009".into()),
        to: Some("+15550100001".into()),
        end_reason: Some(EndReason::ConnectionLost),
        ..over(seconds)
    }
}
