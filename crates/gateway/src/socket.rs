//! One media socket: messages in, batches of messages out, each within a time limit. The only file that knows
//! which WebSocket library is under it.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as WsError, error::ProtocolError};

/// The largest WebSocket frame taken.
const MAX_FRAME: usize = 256 * 1024;
/// The largest message taken, of however many frames.
const MAX_MESSAGE: usize = 1024 * 1024;
/// tungstenite clears the whole read buffer before each read: 128 KiB, the default, costs twice the time and
/// twenty times the memory of this for frames of audio.
const READ_BUFFER: usize = 4096;
/// What is fed in one batch is put into one write as long as it is shorter than this.
const WRITE_BUFFER: usize = 16 * 1024;
/// More than this never waits for a peer that does not read: three of the largest chunks.
const MAX_WRITE_BUFFER: usize = 512 * 1024;
/// How long the peer may take to answer our close.
const LINGER: Duration = Duration::from_secs(1);

/// What came from the peer.
#[derive(Debug)]
pub(crate) enum Received {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping (answered by the library) or a pong.
    Sign,
    /// The peer is gone.
    Gone {
        /// Whether it said goodbye with 1000 or 1001.
        clean: bool,
    },
    /// The peer broke the protocol; the socket is to be closed with this code.
    Broken {
        /// The close code for it.
        code: u16,
        /// What it did.
        why: String,
    },
}

/// Why nothing more can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendFault {
    /// The peer is gone.
    Gone,
    /// The peer does not read.
    Stalled,
}

/// A media socket.
pub(crate) struct MediaSocket {
    socket: WebSocket,
    limit: Duration,
}

/// Sets the buffers and limits of a socket before its upgrade.
pub(crate) fn configure(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_frame_size(MAX_FRAME)
        .max_message_size(MAX_MESSAGE)
}

impl MediaSocket {
    /// `limit` bounds each send.
    pub(crate) const fn new(socket: WebSocket, limit: Duration) -> Self {
        Self { socket, limit }
    }

    /// The next thing from the peer. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Received {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => Received::Text(text),
            Some(Ok(Message::Binary(bytes))) => Received::Binary(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Received::Sign,
            Some(Ok(Message::Close(frame))) => {
                Received::Gone { clean: frame.is_none_or(|frame| matches!(frame.code, 1000 | 1001)) }
            }
            Some(Err(error)) => broken(error),
            None => Received::Gone { clean: false },
        }
    }

    /// Puts a message behind those that wait. `flush` sends them.
    pub(crate) async fn feed(&mut self, text: &str) -> Result<(), SendFault> {
        let message = Message::Text(text.into());
        settle(timeout(self.limit, self.socket.feed(message)).await)
    }

    /// Sends all that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), SendFault> {
        settle(timeout(self.limit, self.socket.flush()).await)
    }

    /// Asks the peer for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), SendFault> {
        settle(timeout(self.limit, self.socket.send(Message::Ping(Bytes::new()))).await)
    }

    /// Says goodbye and waits a moment for the peer's, so that what was sent before is not cut off.
    pub(crate) async fn close(mut self, code: u16, reason: &'static str) {
        let goodbye = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        let farewell = async {
            if self.socket.send(goodbye).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        // A peer that does not answer is left.
        let _ = timeout(LINGER, farewell).await;
    }
}

fn settle(sent: Result<Result<(), axum::Error>, tokio::time::error::Elapsed>) -> Result<(), SendFault> {
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => match error.into_inner().downcast_ref::<WsError>() {
            Some(WsError::WriteBufferFull(_)) => Err(SendFault::Stalled),
            _ => Err(SendFault::Gone),
        },
        Err(_) => Err(SendFault::Stalled),
    }
}

/// What an error of the library means. The codes are those of RFC 6455, 7.4.1.
fn broken(error: axum::Error) -> Received {
    let error = error.into_inner();
    let code = match error.downcast_ref::<WsError>() {
        Some(WsError::Capacity(_)) => 1009,
        Some(WsError::Utf8(_)) => 1007,
        // The stream ended without a close: what every dropped connection looks like.
        Some(WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
            return Received::Gone { clean: false };
        }
        Some(WsError::Protocol(_)) => 1002,
        _ => return Received::Gone { clean: false },
    };
    Received::Broken { code, why: error.to_string() }
}
