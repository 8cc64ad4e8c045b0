//! What all drivers of a process share: connections, trust, and the faults that are injected.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use call::{Fault, FaultClass};
use reqwest::redirect;
use rustls::pki_types::CertificateDer;

use crate::FaultPlan;
use crate::dialect::one_line;
use crate::inject::Injector;

/// How long a connection that nobody uses is kept: shorter than what servers and the machines between do.
const IDLE: Duration = Duration::from_secs(50);
/// When the system asks a silent connection whether it is still there.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How vendors are reached.
#[derive(Debug, Clone)]
pub struct NetOptions {
    /// How long name, TCP and TLS may take together; an upgrade to a WebSocket may take as long again.
    pub connect: Duration,
    /// Certificates to trust beside the usual ones, as DER: a company's own, a test's.
    pub roots: Vec<CertificateDer<'static>>,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), roots: Vec::new() }
    }
}

/// No client can be made of these options.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A certificate is none.
    #[error("a certificate to trust can't be used: {0}")]
    Root(#[source] rustls::Error),
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(#[source] rustls::Error),
    /// The client can't be set up.
    #[error("the HTTP client can't be set up: {0}")]
    Client(#[source] reqwest::Error),
}

/// The network as all drivers of a process share it.
pub struct Net {
    /// For requests: HTTP/2 where the vendor speaks it.
    pub(super) requests: reqwest::Client,
    /// For WebSockets, which need HTTP/1.1.
    pub(super) upgrades: reqwest::Client,
    pub(super) connect: Duration,
    pub(super) injector: Injector,
    /// When a connection was last opened ahead, by the server's address.
    pub(super) warmed: Mutex<BTreeMap<String, tokio::time::Instant>>,
}

impl Net {
    /// A network with its own connections. Nothing is connected until it is needed.
    pub fn new(options: &NetOptions) -> Result<Self, NetError> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in &options.roots {
            roots.add(root.clone()).map_err(NetError::Root)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(NetError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let upgrades = client(options, tls.clone()).http1_only().build().map_err(NetError::Client)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let requests = client(options, tls)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(TCP_KEEP_ALIVE)
            .http2_keep_alive_timeout(Duration::from_secs(5))
            .build()
            .map_err(NetError::Client)?;
        Ok(Self {
            requests,
            upgrades,
            connect: options.connect,
            injector: Injector::new(),
            warmed: Mutex::default(),
        })
    }

    /// From now on these faults are injected. For development only: whoever calls this must have refused it in
    /// production.
    pub fn inject(&self, plan: FaultPlan) {
        self.injector.set(plan);
    }

    /// The faults that are injected.
    pub fn injected(&self) -> Arc<FaultPlan> {
        self.injector.plan()
    }
}

fn client(options: &NetOptions, tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // A proxy comes in by `base_url`, never by the environment.
        .no_proxy()
        // A key must not follow a redirect to somewhere else.
        .redirect(redirect::Policy::none())
        // Asking again is decided above, where the budget is known.
        .retry(reqwest::retry::never())
        .connect_timeout(options.connect)
        .tcp_nodelay(true)
        .tcp_keepalive(TCP_KEEP_ALIVE)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("trunkline/", env!("CARGO_PKG_VERSION")))
}

/// What a failed request is. The message holds no URL: an operator's own query could hold a secret.
pub(super) fn network_fault(error: reqwest::Error) -> Fault {
    let is_slow = error.is_timeout();
    let doing = if error.is_connect() { "it can't be reached" } else { "the connection broke" };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let class = if is_slow { FaultClass::Slow } else { FaultClass::Network };
    Fault::new(class, format!("{doing}: {}", one_line(&cause.to_string())))
}
