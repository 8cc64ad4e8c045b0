//! The upgrade to a WebSocket.

use std::time::Duration;

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, handshake::client::Request};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Along, Stream, Target};
use crate::phone::PhoneError;

/// How long a carrier gives a server for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Opens the socket, tried once.
pub(crate) async fn open(target: &Target, along: Along<'_>) -> Result<Socket, PhoneError> {
    let fault = |why: String| PhoneError::Handshake(target.shown(), why);
    let mut request: Request = target.uri.clone().into_client_request().map_err(|e| fault(e.to_string()))?;
    along.add_to(target, request.headers_mut()).map_err(&fault)?;
    let stream = target.stream(along.tls).await?;
    let config = WebSocketConfig::default().read_buffer_size(16 * 1024).max_message_size(Some(4 << 20));
    let handshake = client_async_with_config(request, stream, Some(config));
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Err(_) => Err(fault(format!("no answer within {} s", HANDSHAKE.as_secs()))),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WsError::Http(response))) => Err(PhoneError::Refused {
            socket: target.shown(),
            status: response.status().as_u16(),
            hint: hint(response.status()),
        }),
        Ok(Err(error)) => Err(fault(error.to_string())),
    }
}

fn hint(status: http::StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => {
            "; give the token with --token (Exotel) or --auth-token (Twilio), or user:password@ in the URL, or ring the \
             webhook's URL"
        }
        404 => "; is the path right?",
        429 | 503 => "; the server takes no more calls now",
        _ => "",
    }
}
