//! The floor that the echo is compared with: nothing but tokio-tungstenite on one thread, sending back each message
//! as it is. Hidden in the program itself (`trunkline bench --floor-server`), not a program of its own: it has to be
//! started and pinned like the server under test, and must come from the same compiler, flags and allocator.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// As the server has it: the library's 128 KiB would make the floor twice as high.
const READ_BUFFER: usize = 4096;

/// Echoes until it is killed.
pub(crate) fn serve(address: SocketAddr) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(echo(socket));
        }
    })
}

async fn echo(socket: TcpStream) {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let Ok(mut socket) = accept_async_with_config(socket, Some(config)).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
