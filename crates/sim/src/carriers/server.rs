//! The listener of the carriers' stand-ins.

use std::io;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use futures_util::stream;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Answering, Ledger, Manner, World};

/// Both carriers on one port.
#[derive(Debug)]
pub struct CarrierServer {
    address: SocketAddr,
    world: World,
    task: JoinHandle<()>,
}

/// `POST /sim/treat`.
#[derive(Debug, Deserialize)]
struct Treat {
    number: String,
    #[serde(flatten)]
    manner: serde_json::Map<String, serde_json::Value>,
}

impl CarrierServer {
    /// Starts them on a port of the loopback interface.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(world: World) -> io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), world).await
    }

    /// Starts them on this address.
    ///
    /// # Errors
    /// Where the address can't be had.
    pub async fn listen(address: SocketAddr, world: World) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|socket| {
            // Small messages are not to wait for each other's acknowledgement.
            let _ = socket.set_nodelay(true);
        });
        let routes = Router::new()
            .merge(super::twilio::routes())
            .merge(super::exotel::routes())
            .route("/sim/ledger", get(async |State(world): State<World>| Json(world.ledger().all())))
            .route("/sim/treat", post(treat))
            .with_state(world.clone());
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

    /// `http://` and the address: each carrier's base URL, as `https://api.twilio.com` and `https://api.exotel.com`
    /// are.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The carriers.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// What happened.
    pub fn ledger(&self) -> &Ledger {
        self.world.ledger()
    }
}

impl Drop for CarrierServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn treat(State(world): State<World>, body: Bytes) -> Response {
    let read = serde_json::from_slice::<Treat>(&body)
        .and_then(|treat| Ok((treat.number, serde_json::from_value::<Manner>(treat.manner.into())?)));
    match read {
        Ok((number, manner)) => {
            world.treat(&number, manner);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// The answer to a request to dial, spoilt as the number asks for. `whole` is what the carrier would say.
pub(super) async fn spoilt(answering: Answering, whole: Response, failed: Response) -> Response {
    match answering {
        Answering::Late(ms) => {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            whole
        }
        Answering::HangsAfter | Answering::HangsBefore => std::future::pending().await,
        Answering::CutAfter | Answering::CutBefore => {
            // The head promises more than comes.
            let cut = stream::iter([Ok(Bytes::from_static(b"{")), Err(io::Error::other("cut"))]);
            ([(header::CONTENT_LENGTH, "4096")], Body::from_stream(cut)).into_response()
        }
        Answering::Garbage => "}{ nothing of the kind".into_response(),
        Answering::Proxy => {
            let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
            (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        Answering::ErrorAfter | Answering::ErrorBefore => failed,
        _ => whole,
    }
}
