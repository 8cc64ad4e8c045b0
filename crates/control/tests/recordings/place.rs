//! A server of the control plane whose recordings go to a stand-in for S3.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use control::{
    Access, CallbackSecrets, Control, Door, Heartbeat, NewKey, NoCalls, Outbound, OutboundOptions, router,
};
use jiff::{SignedDuration, Timestamp};
use records::{CallRecord, EndReason};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sim::s3::{S3Keys, S3Server};
use store::{
    CallId, Database, DatabaseOptions, Fault, NoFault, Options, Remote, RemoteOptions, Scope, Store, Uploads,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

/// For what takes no time on a machine that is not busy.
pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const NUMBER: &str = "+919876543210";

/// A running server and its bucket.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) database: Database,
    pub(crate) s3: S3Server,
    pub(crate) data: tempfile::TempDir,
    /// A key's id and text, by scope.
    pub(crate) keys: Vec<(Scope, String, String)>,
    address: SocketAddr,
    client: Client,
}

/// What a client is told of the bucket.
pub(crate) fn remote(endpoint: &str, keys: &S3Keys) -> Remote {
    Remote::open(&RemoteOptions {
        url: format!("s3://{}/kept", keys.bucket),
        endpoint: Some(endpoint.to_owned()),
        region: Some(keys.region.clone()),
        access_key_id: Some(keys.id.clone()),
        secret_access_key: Some(keys.secret.clone().into()),
    })
    .unwrap()
}

pub(crate) fn store(data: &Path, remote: Remote) -> Store {
    store_on(data, remote, Box::new(NoFault))
}

fn store_on(data: &Path, remote: Remote, disk: Box<dyn Fault>) -> Store {
    let check_every = Duration::from_millis(10);
    let options = Options { remote: Some(remote), check_every, ..Options::default() };
    Store::open_with(data, options, disk).unwrap()
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::knowing(S3Keys::clone).await
    }

    /// The same on this disk.
    pub(crate) async fn on(disk: Box<dyn Fault>) -> Self {
        Self::with(S3Keys::clone, disk).await
    }

    /// The same with a server that has other keys than the bucket lets in.
    pub(crate) async fn knowing(told: impl Fn(&S3Keys) -> S3Keys) -> Self {
        Self::with(told, Box::new(NoFault)).await
    }

    async fn with(told: impl Fn(&S3Keys) -> S3Keys, disk: Box<dyn Fault>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let s3 = S3Server::start(S3Keys::default()).await.unwrap();
        let store = store_on(data.path(), remote(&s3.url(), &told(s3.keys())), disk);
        let file = data.path().join("trunkline.db");
        let database = Database::open(DatabaseOptions::Sqlite { file }).await.unwrap();
        let mut keys = Vec::new();
        for scope in [Scope::Read, Scope::Call, Scope::Admin] {
            let key = NewKey::make("a test", scope, Timestamp::now()).unwrap();
            database.add_key(&key.kept).await.unwrap();
            keys.push((scope, key.kept.id.clone(), key.secret.expose_secret().to_owned()));
        }
        let options = OutboundOptions::default();
        let router = router(
            Control {
                store: store.clone(),
                access: Access::new(Door::Locked, None, database.clone()),
                outbound: Outbound::new(options, Vec::new(), database.clone(), Arc::new(NoCalls)),
                callbacks: CallbackSecrets::default(),
                database: database.clone(),
                data_plane: Arc::new(NoCalls),
                vendors: None,
                heartbeat: Heartbeat::start(|| {}),
                recorder: None,
                stop: CancellationToken::new(),
            },
            OpenApi::default(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { store, database, s3, data, keys, address, client: Client::new() }
    }

    /// The id of the key of a scope.
    pub(crate) fn key_id(&self, scope: Scope) -> &str {
        &self.keys.iter().find(|(of, ..)| *of == scope).unwrap().1
    }

    /// A request with the key of a scope.
    pub(crate) fn ask(&self, method: Method, path: &str, scope: Scope) -> RequestBuilder {
        let secret = &self.keys.iter().find(|(of, ..)| *of == scope).unwrap().2;
        self.client.request(method, format!("http://{}{path}", self.address)).bearer_auth(secret)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.ask(Method::GET, path, Scope::Read)
    }

    /// What is answered to a body, which is JSON.
    pub(crate) async fn post(&self, path: &str, scope: Scope, body: &Value) -> (StatusCode, Value) {
        let request = self.ask(Method::POST, path, scope).header("content-type", "application/json");
        read(request.body(body.to_string()).send().await.unwrap()).await
    }

    pub(crate) async fn detail(&self, id: CallId) -> Value {
        let (status, detail) = read(self.get(&format!("/api/v1/calls/{id}")).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{detail}");
        detail
    }

    /// A call that is over, with so many frames of sound. Gives the whole of its recording.
    pub(crate) async fn call(&self, id: CallId, frames: usize) -> Vec<u8> {
        call(&self.store, id, frames);
        self.flush().await;
        self.take_in(id).await;
        std::fs::read(self.store.folder(id).join("recording.wav")).unwrap()
    }

    /// Has the tables know what the files say.
    pub(crate) async fn take_in(&self, id: CallId) {
        let record = self.store.load(id).unwrap().unwrap();
        self.database.take_in(&record, Timestamp::now()).await.unwrap();
    }

    /// Takes all recordings that are due to the bucket. Gives how many arrived.
    pub(crate) async fn upload(&self) -> usize {
        let arrived = Uploads::new(&self.store, false).unwrap().round().await;
        self.flush().await;
        arrived
    }

    pub(crate) async fn flush(&self) {
        let store = self.store.clone();
        assert!(tokio::task::spawn_blocking(move || store.flush(LONG)).await.unwrap());
    }
}

/// An answer's status and JSON.
pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

pub(crate) fn id(n: u8) -> CallId {
    CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), [n; 10])
}

/// A call that runs.
pub(crate) fn live(id: CallId) -> CallRecord {
    CallRecord {
        carrier_call_id: format!("CA-{id}"),
        from: Some(NUMBER.to_owned()),
        sample_rate: 8000,
        ..CallRecord::new(id.to_string(), "twilio", id.began())
    }
}

/// The same when it is over.
pub(crate) fn over(id: CallId) -> CallRecord {
    CallRecord {
        ended_at: Some(id.began() + SignedDuration::from_secs(30)),
        end_reason: Some(EndReason::CallerHungUp),
        status: EndReason::CallerHungUp.status(),
        ..live(id)
    }
}

pub(crate) fn call(store: &Store, id: CallId, frames: usize) {
    let mut files = store.begin(id, live(id));
    // Samples that say where they are.
    let samples: Vec<i16> = (0..frames * 2).map(|at| (at * 7 % 32_749) as i16).collect();
    files.audio(SampleRate::HZ_8000, 0, samples);
    files.finish(over(id));
}
