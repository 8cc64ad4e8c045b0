//! A control plane on a socket, with a carrier and a data plane that do as they are told.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carriers::Address;
use carriers::exotel::{ExotelMode, ExotelRest};
use carriers::twilio::TwilioRest;
use carriers::twilio::signature::sign;
use control::carrier::{CarrierAccount, Client};
use control::{
    Access, Alive, CallbackSecrets, CarrierLine, CarrierUrls, Control, DataPlane, Door, Heartbeat, NewKey,
    Outbound, OutboundOptions, router,
};
use jiff::Timestamp;
use records::{AnsweredBy, CallRecord, CallStatus, DialRules, Direction, EndReason};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use store::{CallId, Database, DatabaseOptions, Scope, Store, Which};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::carrier::{ACCOUNT, Fake, TOKEN};

/// What the server is called from outside, and the secret of the callbacks that are not signed.
pub(crate) const PUBLIC: &str = "https://voice.example.com";
pub(crate) const IN_URL: &str = "canary-url-secret";

impl Plane {
    /// A data plane on which this call lives.
    pub(crate) fn with(call: CallId) -> Arc<Self> {
        let plane = Self::default();
        plane.lives(call);
        Arc::new(plane)
    }

    pub(crate) fn lives(&self, call: CallId) {
        self.live.lock().unwrap().push(Alive { call, seen: Timestamp::now() });
    }
}

/// A data plane without calls but those it is given.
#[derive(Default)]
pub(crate) struct Plane {
    pub(crate) live: Mutex<Vec<Alive>>,
    pub(crate) ended: Mutex<Vec<(CallId, EndReason)>>,
    pub(crate) answered: Mutex<Vec<(CallId, AnsweredBy)>>,
    /// Whether asking it panics.
    pub(crate) is_broken: AtomicBool,
}

impl DataPlane for Plane {
    fn mode(&self) -> String {
        assert!(!self.is_broken.load(Relaxed), "canary: it broke");
        "echo".to_owned()
    }
    fn calls(&self) -> usize {
        0
    }
    fn max_calls(&self) -> usize {
        2
    }
    fn is_draining(&self) -> bool {
        false
    }
    fn live(&self) -> Vec<Alive> {
        self.live.lock().unwrap().clone()
    }
    fn end(&self, call: CallId, reason: EndReason) -> bool {
        let is_live = self.live().iter().any(|alive| alive.call == call);
        self.ended.lock().unwrap().extend(Some((call, reason)).filter(|_| is_live));
        is_live
    }
    fn answered_by(&self, call: CallId, by: AnsweredBy) -> bool {
        self.answered.lock().unwrap().push((call, by));
        true
    }
    fn default_agent(&self) -> String {
        "desk".to_owned()
    }
    fn media_url(&self, _: CallId, agent: &str, holds: Duration) -> Option<String> {
        Some(format!("wss://voice.example.com/voicebot/ws?agent={agent}&k=holds-{}", holds.as_secs()))
    }
}

pub(crate) struct Scene {
    pub(crate) carrier: Fake,
    base_url: String,
    pub(crate) plane: Arc<Plane>,
    pub(crate) database: Database,
    pub(crate) outbound: Outbound,
    pub(crate) key: SecretString,
    url: String,
    http: reqwest::Client,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn rules() -> DialRules {
    DialRules {
        default_country: "IN".parse().ok(),
        countries: ["IN", "US"].iter().filter_map(|country| country.parse().ok()).collect(),
        blocked_prefixes: vec!["+9199".to_owned()],
        ..DialRules::default()
    }
}

/// Both carriers, at the stand-in.
fn lines(base_url: &str) -> Vec<CarrierLine> {
    let line = |rest: Arc<dyn carriers::rest::Rest>, from: &str, urls| {
        let account = CarrierAccount {
            rest,
            base_url: base_url.to_owned(),
            user: ACCOUNT.to_owned(),
            password: SecretString::from(TOKEN),
            calls_per_second: 0.0,
            dial_timeout: Duration::from_secs(30),
        };
        CarrierLine { client: Client::new(account).unwrap(), from: Some(from.to_owned()), urls: Some(urls) }
    };
    let twilio = CarrierUrls {
        answer: format!("{PUBLIC}/twilio/voice"),
        status: format!("{PUBLIC}/twilio/status"),
        machine: format!("{PUBLIC}/twilio/amd"),
    };
    let exotel =
        CarrierUrls { status: format!("{PUBLIC}/api/v1/exotel/status?k={IN_URL}"), ..CarrierUrls::default() };
    vec![
        line(Arc::new(TwilioRest::new(ACCOUNT)), "+14155550100", twilio),
        line(Arc::new(ExotelRest::new(ACCOUNT, ExotelMode::Bot)), "08000000002", exotel),
    ]
}

impl Scene {
    pub(crate) async fn new(rules: DialRules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("calls.db");
        let database = Database::open(DatabaseOptions::Sqlite { file }).await.unwrap();
        let carrier = Fake::default();
        let base_url = carrier.start().await;
        let plane = Arc::new(Plane::default());
        let options =
            OutboundOptions { rules, carrier: Some("twilio".to_owned()), ..OutboundOptions::default() };
        let outbound = Outbound::new(options, lines(&base_url), database.clone(), plane.clone());
        let key = NewKey::make("desk", Scope::Call, Timestamp::now()).unwrap();
        database.add_key(&key.kept).await.unwrap();
        let control = Control {
            store: Store::open(&folder.path().join("data")).unwrap(),
            database: database.clone(),
            data_plane: plane.clone(),
            vendors: None,
            heartbeat: Heartbeat::start(|| {}),
            recorder: None,
            access: Access::new(Door::Locked, None, database.clone()),
            outbound: outbound.clone(),
            callbacks: CallbackSecrets {
                address: Address::parse(PUBLIC).ok(),
                signing: Some(SecretString::from(TOKEN)),
                in_url: Some(SecretString::from(IN_URL)),
            },
            stop: CancellationToken::new(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = router(control, OpenApi::default());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { carrier, base_url, plane, database, outbound, key: key.secret, url, http, folder }
    }

    /// What acts on another process, which works on the same database with the same carriers.
    pub(crate) fn beside(&self, options: OutboundOptions, plane: Arc<Plane>) -> Outbound {
        Outbound::new(options, lines(&self.base_url), self.database.clone(), plane)
    }

    /// Posts JSON with the key; gives status and body.
    pub(crate) async fn post(&self, path: &str, body: &str, once: Option<&str>) -> (u16, Value) {
        let mut request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(self.key.expose_secret())
            .header("content-type", "application/json")
            .body(body.to_owned());
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(self.key.expose_secret());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    /// The status of a request without a body.
    pub(crate) async fn status(&self, method: &str, path: &str, key: Option<&str>) -> u16 {
        let method = method.to_ascii_uppercase().parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// Posts a form as a carrier does, with these headers.
    pub(crate) async fn form(&self, path: &str, form: &[(&str, &str)], signature: Option<&str>) -> u16 {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        if let Some(signature) = signature {
            request = request.header("x-twilio-signature", signature);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// The same, signed as it should be.
    pub(crate) async fn signed(&self, path: &str, form: &[(&str, &str)]) -> u16 {
        let pairs: Vec<(String, String)> =
            form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let signature = sign(TOKEN.as_bytes(), &format!("{PUBLIC}{path}"), &pairs);
        self.form(path, form, Some(&signature)).await
    }

    pub(crate) async fn record(&self, id: &str) -> CallRecord {
        self.database.call(&Which::Id(id.parse().unwrap())).await.unwrap().unwrap()
    }

    /// Waits until the record is as wanted.
    pub(crate) async fn until(&self, id: &str, is: impl Fn(&CallRecord) -> bool) -> CallRecord {
        let wait = async {
            loop {
                let record = self.record(id).await;
                if is(&record) {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(90), wait).await.expect("it comes to that")
    }

    /// A call that began so many minutes ago and is in progress as far as anyone here knows.
    pub(crate) async fn old_call(&self, n: u8, minutes: i64, carrier_call_id: &str) -> CallId {
        let mut record = dialled("twilio", n, minutes * 60);
        record.status = CallStatus::InProgress;
        record.answered_at = Some(record.started_at);
        record.carrier_call_id = carrier_call_id.to_owned();
        self.keep(&record).await
    }

    /// Keeps a call as one that is about to be dialled is kept.
    pub(crate) async fn keep(&self, record: &CallRecord) -> CallId {
        self.database.intend(record, None).await.unwrap();
        record.id.parse().unwrap()
    }
}

/// A call that was to be dialled so many seconds ago, and nothing more is known of it.
pub(crate) fn dialled(carrier: &str, n: u8, seconds: i64) -> CallRecord {
    let at = Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    let from = if carrier == "exotel" { "08000000002" } else { "+14155550100" };
    CallRecord {
        direction: Direction::Outbound,
        agent: "desk".to_owned(),
        from: Some(from.to_owned()),
        to: Some("+919800000001".to_owned()),
        ..CallRecord::new(CallId::new(at, [n; 10]).to_string(), carrier, at)
    }
}
