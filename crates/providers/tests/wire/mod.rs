//! A vendor that exists nowhere: the plainest dialect in each role, and servers on loopback that do what a test
//! tells them, down to single bytes.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod dialects;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use call::{Input, Message, Prompt};
use futures_util::{SinkExt, StreamExt};
use providers::driver::{Net, NetOptions};
use providers::{Answers, LinkId, Role, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;

pub(crate) use dialects::Plain;

/// Longer than anything here takes, on a machine that does much else.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server under a test's control.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Each connection is given to `serve` with its number, from 0.
    pub(crate) async fn new<F>(serve: impl Fn(usize, TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(counted.fetch_add(1, Ordering::SeqCst), stream));
            }
        });
        Self { address, connections, task }
    }

    /// Answers every request of every connection with these bytes.
    pub(crate) async fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::new(move |_, mut stream| {
            let bytes = Arc::clone(&bytes);
            async move {
                while read_request(&mut stream).await.is_some() {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Where nobody listens.
    pub(crate) async fn dead() -> Self {
        let server = Self::new(|_, _| async {}).await;
        server.task.abort();
        // Until the port is closed.
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        server
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn plain(&self) -> Arc<Plain> {
        Arc::new(Plain::at(&format!("http://{}", self.address)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The head and the body of one request, whose length is told; `None` when the client hung up.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

/// A whole response.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The head of a response whose body ends with the connection.
pub(crate) fn head(content_type: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n").into_bytes()
}

/// The connection ends with a reset.
pub(crate) fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// Accepts a WebSocket.
pub(crate) async fn accept(stream: TcpStream) -> WebSocketStream<TcpStream> {
    tokio_tungstenite::accept_async(stream).await.unwrap()
}

/// Sends a text; whether the client is still there.
pub(crate) async fn tell(socket: &mut WebSocketStream<TcpStream>, text: impl Into<String>) -> bool {
    socket.send(WsMessage::Text(text.into().into())).await.is_ok()
}

/// The next message that is not a ping or a pong; `None` when the client is gone.
pub(crate) async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Option<WsMessage> {
    loop {
        match socket.next().await?.ok()? {
            WsMessage::Ping(_) | WsMessage::Pong(_) => {}
            WsMessage::Close(_) => return None,
            message => return Some(message),
        }
    }
}

/// A network that gives up soon.
pub(crate) fn net() -> Arc<Net> {
    Arc::new(Net::new(&NetOptions::default()).unwrap())
}

pub(crate) fn link(vendor: &str, role: Role, transport: Transport) -> LinkId {
    LinkId::new(vendor, role, transport)
}

pub(crate) fn inbox() -> (Answers, mpsc::Receiver<Input>) {
    let (to, from) = mpsc::channel(64);
    (Answers::new(to), from)
}

pub(crate) async fn next(inbox: &mut mpsc::Receiver<Input>) -> Input {
    timeout(SOON, inbox.recv()).await.expect("no answer").expect("the inbox was let go without a last answer")
}

pub(crate) fn prompt(text: &str) -> Prompt {
    Prompt {
        system: "Be kind.".to_owned(),
        messages: vec![Message::Caller(text.to_owned())],
        tools: Arc::default(),
    }
}
