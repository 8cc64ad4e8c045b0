//! The listener of all stand-ins.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Delays, Ledger, Manner};

/// More than the largest file that a vendor takes.
const LARGEST_BODY: usize = 32 << 20;

/// What all stand-ins share.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// How long healthy vendors take.
    pub delays: Delays,
    /// What callers say, one utterance after the other, from the start again after the last: what a recogniser
    /// hears for each stretch of sound.
    pub hears: Arc<[String]>,
    /// What a model answers, in the same way, one for each message of the caller. A text that begins with `{` is
    /// a tool call: `{"tool":"lookup","arguments":{...},"say":"One moment."}`.
    pub answers: Arc<[String]>,
    /// What they were asked.
    pub ledger: Ledger,
    /// How often each key was refused so far.
    refusals: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl World {
    /// Vendors that take this long, and these words of callers and of the model. With none, the words are about
    /// opening hours.
    pub fn new(delays: Delays, hears: Vec<String>, answers: Vec<String>) -> Self {
        Self { delays, hears: hears.into(), answers: answers.into(), ..Self::default() }
    }

    /// How this key is to be treated now. Counts refusals that end after some.
    pub fn manner(&self, key: &str) -> Manner {
        let manner = Manner::of_key(key);
        let Some(super::Fault::StatusTimes(status, times)) = manner.fault else { return manner };
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = refusals.entry(key.to_owned()).or_default();
        *so_far += 1;
        Manner { fault: (*so_far <= times).then_some(super::Fault::Status(status)) }
    }

    /// What the caller says in their utterance number `index`.
    pub fn heard(&self, index: usize) -> &str {
        if self.hears.is_empty() {
            "what are your opening hours"
        } else {
            &self.hears[index % self.hears.len()]
        }
    }

    /// What the model answers to the caller's message number `index`.
    pub fn answer(&self, index: usize) -> &str {
        if self.answers.is_empty() {
            "We are open from nine to five. Is there anything else?"
        } else {
            &self.answers[index % self.answers.len()]
        }
    }
}

/// All stand-ins on one port.
#[derive(Debug)]
pub struct VendorServer {
    address: SocketAddr,
    world: World,
    task: JoinHandle<()>,
}

impl VendorServer {
    /// Starts them on a port of the loopback interface.
    pub async fn start(world: World) -> io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), world).await
    }

    /// Starts them on this address.
    pub async fn listen(address: SocketAddr, world: World) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|socket| {
            // Small messages are not to wait for each other's acknowledgement.
            let _ = socket.set_nodelay(true);
        });
        let seen = world.ledger.clone();
        // For whoever tests from another process.
        let routes = routes(&world).route("/sim/ledger", get(async move || Json(seen.all())));
        let task = tokio::spawn(async move {
            // It ends when the task is aborted.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, world, task })
    }

    /// Where they listen.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address: every vendor's base URL, but for OpenAI's, which ends in `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What they were asked.
    pub const fn ledger(&self) -> &Ledger {
        &self.world.ledger
    }
}

impl Drop for VendorServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The routes of every vendor.
fn routes(world: &World) -> Router {
    Router::new()
        .merge(super::anthropic::routes(world))
        .merge(super::deepgram::routes(world))
        .merge(super::gemini::routes(world))
        .merge(super::models::routes(world))
        .merge(super::openai::routes(world))
        .merge(super::elevenlabs::routes(world))
        .merge(super::google_speech::routes(world))
        .merge(super::openai_realtime::routes(world))
        .layer(map_request(whole))
}

/// A request with its body in memory. While bytes of a body wait to be read, the server does not notice that the
/// client goes away: one that hangs would never know.
async fn whole(request: Request) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => Ok(Request::from_parts(head, body.into())),
        Err(_) => Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    }
}
