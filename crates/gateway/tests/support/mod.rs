//! A gateway on a port of its own, and a carrier that opens sockets to it.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(unreachable_pub, reason = "one support module for several test binaries")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use call::{AgentKind, Settings};
use futures_util::{SinkExt, StreamExt};
use gateway::{Agent, Agents, Config, Gateway, Limits, Listener, bind};
use records::CallRecord;
use serde_json::{Value, json};
use store::Store;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; reached only when a test fails.
pub const LONG: Duration = Duration::from_secs(20);

/// A running gateway.
pub struct Server {
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    pub store: Store,
    pub stop: CancellationToken,
    pub data: TempDir,
}

/// An agent that needs no vendor.
pub fn plain(kind: AgentKind) -> Agent {
    Agent::new(kind.as_str(), Settings { agent: kind, ..Settings::default() })
}

pub fn agents(all: impl IntoIterator<Item = Agent>) -> Agents {
    all.into_iter().map(|agent| (agent.name.clone(), Arc::new(agent))).collect()
}

impl Server {
    pub async fn start(kind: AgentKind) -> Self {
        Self::with(Config::default(), plain(kind)).await
    }

    /// One agent, which is the default.
    pub async fn with(config: Config, agent: Agent) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(data.path()).unwrap();
        Self::with_store(config, agent, store, data, Limits::default()).await
    }

    pub async fn with_store(
        config: Config,
        agent: Agent,
        store: Store,
        data: TempDir,
        limits: Limits,
    ) -> Self {
        let config = Config { default_agent: agent.name.clone(), ..config };
        let gateway = Gateway::new(config, agents([agent]), Some(store.clone())).unwrap();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(Listener::new(limits, None).serve(listener, gateway.router(), stop.clone()));
        Self { gateway, address, store, stop, data }
    }

    pub fn ws(&self, query: &str) -> String {
        format!("ws://{}/voicebot/ws?{query}", self.address)
    }

    /// Opens a media socket; the HTTP status when it is refused.
    pub async fn open(&self, query: &str) -> Result<Carrier, u16> {
        self.open_with(query, &[]).await
    }

    pub async fn open_with(&self, query: &str, headers: &[(&'static str, &str)]) -> Result<Carrier, u16> {
        let mut request = self.ws(query).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match timeout(LONG, client_async(request, stream)).await.unwrap() {
            Ok((socket, _)) => Ok(Carrier::of(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A plain request; its status and body.
    pub async fn request(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let text = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: gw.test"), "").await
    }

    /// Waits until no call is live.
    pub async fn quiet(&self) {
        let quiet = async {
            while self.gateway.calls() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(LONG, quiet).await.expect("a call is left over");
    }

    /// All records, once no call is live, newest first.
    pub async fn records(&self) -> Vec<CallRecord> {
        self.quiet().await;
        let store = self.store.clone();
        let read = move || {
            assert!(store.flush(LONG));
            store.list(100, None).unwrap()
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    pub async fn record(&self) -> CallRecord {
        let mut records = self.records().await;
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }
}

/// The carrier's end of a socket.
pub struct Carrier {
    pub socket: WebSocketStream<TcpStream>,
    pub stream: String,
    sequence: u64,
}

impl Carrier {
    pub fn of(socket: WebSocketStream<TcpStream>) -> Self {
        Self { socket, stream: "stream-1".to_owned(), sequence: 0 }
    }

    pub async fn text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    pub async fn json(&mut self, value: Value) {
        self.text(value.to_string()).await;
    }

    pub async fn connected(&mut self) {
        self.json(json!({ "event": "connected" })).await;
    }

    pub async fn start(&mut self, call: &str, rate: u32) {
        self.sequence += 1;
        let (stream, sequence) = (self.stream.clone(), self.sequence.to_string());
        self.json(json!({
            "event": "start", "stream_sid": stream, "sequence_number": sequence,
            "start": {
                "stream_sid": stream, "call_sid": call, "account_sid": "acme1",
                "from": "09800000001", "to": "08000000002",
                "media_format": { "encoding": "base64", "sample_rate": rate.to_string(), "bit_rate": "128kbps" }
            }
        }))
        .await;
    }

    pub async fn media(&mut self, bytes: &[u8]) {
        self.sequence += 1;
        let (stream, sequence) = (self.stream.clone(), self.sequence.to_string());
        self.json(json!({
            "event": "media", "stream_sid": stream, "sequence_number": sequence,
            "media": {
                "chunk": (self.sequence - 1).to_string(), "timestamp": (self.sequence * 20).to_string(),
                "payload": base64_simd::STANDARD.encode_to_string(bytes)
            }
        }))
        .await;
    }

    pub async fn stop(&mut self, reason: &str) {
        self.sequence += 1;
        let (stream, sequence) = (self.stream.clone(), self.sequence.to_string());
        self.json(json!({
            "event": "stop", "stream_sid": stream, "sequence_number": sequence,
            "stop": { "call_sid": "x", "account_sid": "acme1", "reason": reason }
        }))
        .await;
    }

    /// The next message; `None` when the socket is closed. Pings are left out.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(LONG, self.socket.next()).await.expect("nothing comes") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next audio, decoded.
    pub async fn audio(&mut self) -> Vec<u8> {
        loop {
            let message = self.next().await.expect("the socket is closed");
            if message["event"] == "media" {
                let payload = message["media"]["payload"].as_str().unwrap();
                return base64_simd::STANDARD.decode_to_vec(payload).unwrap();
            }
        }
    }

    /// The code with which the server closes; everything before is read over. `None` without a close.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            match timeout(LONG, self.socket.next()).await.expect("nothing comes") {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
