//! A WebSocket to a vendor: opened with a deadline, read and written at the same time, so that neither waits for
//! the other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use call::{Fault, FaultClass};
use futures_util::{Sink, Stream};
use http::{HeaderValue, StatusCode, header};
use reqwest::Upgraded;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Net;
use super::http::{before, headers, injected_cut, refused};
use super::net::network_fault;
use crate::LinkId;
use crate::dialect::{Frame, Refuses, SocketRequest, one_line};
use crate::inject::Injected;

/// The longest message that vendors send: some put a whole utterance into one.
const LONGEST_MESSAGE: usize = 16 << 20;
/// So much may wait to be written before the call's queue is left alone.
const WRITE_AHEAD: usize = 64 * 1024;
/// How long closing politely may take.
const CLOSING: Duration = Duration::from_secs(1);

/// A socket that is open.
pub(super) struct Socket {
    stream: WebSocketStream<Upgraded>,
    waiting: VecDeque<Message>,
    waiting_bytes: usize,
    is_dirty: bool,
    /// Writing failed; the vendor's reason may still come.
    write_fault: Option<Fault>,
    blocked_since: Option<Instant>,
    injected: Option<Injected>,
    frames: usize,
}

/// What came.
pub(super) enum Came {
    /// A frame.
    Frame(Frame),
    /// Something that says only that the vendor is there: a ping or a pong.
    Sign,
    /// The vendor closed, with its code and reason, if it gave any.
    Closed(Option<u16>, String),
    /// The connection broke, or what came is no WebSocket.
    Broken(Fault),
}

impl Net {
    /// Opens a socket. `Err` by the dialect when the vendor refuses the upgrade.
    pub(super) async fn open<D: Refuses + ?Sized>(
        &self,
        link: &LinkId,
        request: SocketRequest,
        dialect: &D,
    ) -> Result<Socket, Fault> {
        let injected = self.injector.draw(link);
        let open = async {
            before(injected, dialect).await?;
            self.upgrade(request, dialect).await
        };
        let stream = timeout(2 * self.connect, open)
            .await
            .map_err(|_| Fault::new(FaultClass::Slow, "its socket took too long to open"))??;
        Ok(Socket {
            stream,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            is_dirty: false,
            write_fault: None,
            blocked_since: None,
            injected,
            frames: 0,
        })
    }

    async fn upgrade<D: Refuses + ?Sized>(
        &self,
        request: SocketRequest,
        dialect: &D,
    ) -> Result<WebSocketStream<Upgraded>, Fault> {
        let SocketRequest { mut url, headers: given } = request;
        let scheme = if url.scheme() == "wss" { "https" } else { "http" };
        // `Url` does not let a scheme be changed that it does not know: both are known.
        let _ = url.set_scheme(scheme);
        let key = generate_key();
        let mut head = headers(given)?;
        head.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        head.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        head.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let fault = |_| Fault::local("a key of a WebSocket is no header");
        head.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).map_err(fault)?);
        let response = self.upgrades.get(url).headers(head).send().await.map_err(network_fault)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response, dialect).await);
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accepted.map(HeaderValue::as_bytes) != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(Fault::new(FaultClass::Garbage, "its upgrade is no WebSocket's"));
        }
        let upgraded = response.upgrade().await.map_err(network_fault)?;
        let config = WebSocketConfig::default()
            // The whole buffer is zeroed before each read.
            .read_buffer_size(4096)
            .write_buffer_size(4096)
            .max_write_buffer_size(LONGEST_MESSAGE)
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE));
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
    }
}

impl Socket {
    /// Puts a frame into the queue. It is written while `next` is waited for.
    pub(super) fn send(&mut self, frame: Frame) {
        self.queue(match frame {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Binary(bytes) => Message::Binary(bytes),
        });
    }

    /// Asks whether the vendor is there.
    pub(super) fn ping(&mut self) {
        self.queue(Message::Ping(bytes::Bytes::new()));
    }

    fn queue(&mut self, message: Message) {
        self.waiting_bytes += message.len();
        self.waiting.push_back(message);
    }

    /// Whether more may be put into the queue now.
    pub(super) const fn has_room(&self) -> bool {
        self.waiting_bytes < WRITE_AHEAD
    }

    /// Since when the vendor takes nothing of what waits for it.
    pub(super) const fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Writes what waits and gives what comes. May be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> Came {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        loop {
            if let Err(error) = self.write(cx) {
                self.waiting.clear();
                self.waiting_bytes = 0;
                self.write_fault.get_or_insert_with(|| broken(&error));
            }
            let came = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                None => Came::Closed(None, String::new()),
                Some(Ok(Message::Text(text))) => Came::Frame(Frame::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => Came::Frame(Frame::Binary(bytes)),
                Some(Ok(Message::Close(Some(close)))) => {
                    Came::Closed(Some(close.code.into()), one_line(&close.reason))
                }
                Some(Ok(Message::Close(None))) => Came::Closed(None, String::new()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Came::Sign,
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    Came::Closed(None, String::new())
                }
                Some(Err(error)) => Came::Broken(self.write_fault.take().unwrap_or_else(|| broken(&error))),
            };
            if let Some(came) = self.tampered(came) {
                return Poll::Ready(came);
            }
        }
    }

    /// What is left of it where a fault is injected.
    fn tampered(&mut self, came: Came) -> Option<Came> {
        let (Some(injected), Came::Frame(_)) = (self.injected, &came) else { return Some(came) };
        self.frames += 1;
        match injected {
            Injected::Cut if self.frames > 1 => Some(Came::Broken(injected_cut())),
            Injected::Garbage => Some(Came::Frame(Frame::Text("{\"injected\": garbage".to_owned()))),
            Injected::Silence => None,
            _ => Some(came),
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.write_all(cx)? {
            self.blocked_since = None;
        } else {
            self.blocked_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Whether all that waited is written.
    fn write_all(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        while !self.waiting.is_empty() {
            if Pin::new(&mut self.stream).poll_ready(cx)?.is_pending() {
                return Ok(false);
            }
            let Some(message) = self.waiting.pop_front() else { break };
            self.waiting_bytes -= message.len();
            Pin::new(&mut self.stream).start_send(message)?;
            self.is_dirty = true;
        }
        if self.is_dirty {
            self.is_dirty = Pin::new(&mut self.stream).poll_flush(cx)?.is_pending();
        }
        Ok(!self.is_dirty)
    }

    /// Writes what waits, closes with 1000 and waits a little for the vendor to do so.
    pub(super) async fn close(mut self) {
        let closing = async {
            let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            self.queue(Message::Close(Some(close)));
            while !matches!(self.next().await, Came::Closed(..) | Came::Broken(_)) {}
        };
        // Whoever does not close in time is hung up on.
        let _ = timeout(CLOSING, closing).await;
    }
}

fn broken(error: &Error) -> Fault {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::ConnectionClosed | Error::AlreadyClosed => {
            Fault::new(FaultClass::Network, format!("its socket broke: {}", one_line(&error.to_string())))
        }
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => Fault::new(FaultClass::Network, "its socket broke without being closed"),
        _ => Fault::new(
            FaultClass::Garbage,
            format!("what it sent is no WebSocket: {}", one_line(&error.to_string())),
        ),
    }
}
