//! Our own accept loop. `axum::serve` sets no limit on how long a request's head may take, so a few thousand
//! half-sent requests would hold it for ever; here each head has a time limit, and each address and the whole
//! server a number of connections that may be in that state. Media sockets no longer count: once upgraded, a
//! connection has left this loop.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use records::holder;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::body::Paced;
use crate::metrics::rejected;
use crate::origin;
use crate::port_owner;
use crate::tls::Tls;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// After how long without traffic the kernel asks the peer for a sign of life.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// How often it asks.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// How long data may stay unacknowledged before the kernel gives the connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// What a request's head may hold at the very most. The control plane refuses smaller ones with words, which is only
/// possible for a head that was read.
const HEAD_BYTES: usize = 32 * 1024;
const HEAD_LINES: usize = 100;
/// How long to leave the accept loop alone when the system has no file descriptors left.
const NO_DESCRIPTORS: Duration = Duration::from_millis(100);

/// What connections may take before they are calls.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a request's head, and a TLS handshake, may take.
    pub head: Duration,
    /// How many connections one address may have that are no media sockets.
    pub per_address: usize,
    /// How many there may be in all.
    pub connections: usize,
    /// Proxies whose word on who asks is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            per_address: 256,
            connections: 4096,
            trusted_proxies: Vec::new(),
        }
    }
}

/// Where a request came from. In the extensions of each request; who asks is there as axum's `ConnectInfo` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Who connected.
    pub address: SocketAddr,
    /// Who asks: the same, or whom a proxy that is named says it asks for.
    pub client: IpAddr,
}

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has it.
    #[error("{address} is taken by {owner}; stop it, or give another address with --listen")]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Who has it, as well as can be told.
        owner: String,
    },
    /// The system refuses.
    #[error("{address} can't be listened on: {error}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What it says.
        error: io::Error,
    },
}

/// Listens on an address. Needs a runtime. When the port is taken, the error names the process that holds it.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, owner: port_owner::describe(address.port()) },
        _ => BindError::Refused { address, error },
    })
}

/// Connections that are no media sockets, counted.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One counted connection; uncounted when dropped.
struct Counted {
    open: Arc<Mutex<Open>>,
    address: IpAddr,
}

/// Serves one listening socket.
pub struct Listener {
    limits: Limits,
    tls: Option<Arc<Tls>>,
    open: Arc<Mutex<Open>>,
}

/// What every connection of a listener needs.
struct Serving {
    head: Duration,
    trusted_proxies: Vec<IpNet>,
    tls: Option<Arc<Tls>>,
    router: Router,
    stop: CancellationToken,
}

impl Listener {
    /// With these limits, over TLS when it is given.
    pub fn new(limits: Limits, tls: Option<Arc<Tls>>) -> Self {
        Self { limits, tls, open: Arc::default() }
    }

    /// Accepts and serves until `stop`; then lets requests that are under way finish, each within the head's
    /// limit, and returns. Media sockets are not waited for: that is the gateway's drain.
    pub async fn serve(self, listener: TcpListener, router: Router, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let head = self.limits.head;
        let serving = Arc::new(Serving {
            head,
            trusted_proxies: self.limits.trusted_proxies.clone(),
            tls: self.tls.clone(),
            router,
            stop: stop.clone(),
        });
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, from)) => {
                    let Some(counted) = self.count(from.ip()) else {
                        rejected("connections");
                        continue;
                    };
                    prepare(&stream);
                    let serving = serving.clone();
                    tasks.spawn(async move {
                        serving.connection(stream, from).await;
                        drop(counted);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "a connection can't be accepted");
                    tokio::time::sleep(NO_DESCRIPTORS).await;
                }
            }
        }
        drop(listener);
        tasks.close();
        // Who has not finished a request by now never will.
        let _ = timeout(head, tasks.wait()).await;
    }

    fn count(&self, address: IpAddr) -> Option<Counted> {
        let address = holder(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.limits.connections {
            return None;
        }
        let of_address = open.by_address.entry(address).or_default();
        if *of_address >= self.limits.per_address {
            return None;
        }
        *of_address += 1;
        open.all += 1;
        Some(Counted { open: self.open.clone(), address })
    }
}

impl Serving {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(tls) = &self.tls else { return self.http(stream, peer).await };
        match timeout(self.head, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream, peer).await,
            Ok(Err(error)) => {
                rejected("tls");
                tracing::debug!(%error, peer = %peer, "a TLS handshake failed");
            }
            Err(_) => rejected("tls_timeout"),
        }
    }

    async fn http(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        let router = self.router.clone();
        let asked = Arc::new(AtomicBool::new(false));
        let has_asked = asked.clone();
        let (head, trusted) = (self.head, self.trusted_proxies.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            has_asked.store(true, Relaxed);
            let client = origin::client(&trusted, peer, request.headers());
            request.extensions_mut().insert(Peer { address: peer, client: client.ip() });
            request.extensions_mut().insert(ConnectInfo(client));
            router.clone().oneshot(request.map(|body| Body::new(Paced::new(body, head))))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEAD_LINES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            // A connection that was kept for a next request which never came is no fault.
            if error.is_timeout() && !asked.load(Relaxed) {
                rejected("head_timeout");
            }
            tracing::debug!(%error, peer = %peer, "a connection ended badly");
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(of_address) = open.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// Frames of audio are small and must not wait for each other; a dead peer must be noticed.
fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    let set = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
    if let Err(error) = set {
        // The peer is gone already, which the first read will say.
        tracing::debug!(%error, "a connection's options can't be set");
    }
}
