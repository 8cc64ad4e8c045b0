//! The shell for vendors over the network: one driver for requests over HTTP and one for WebSockets, in each
//! role. What is said on the wire is the dialects'; sockets, clocks, deadlines and queues are here.

mod agent;
mod ear_http;
mod ear_socket;
mod http;
mod model;
mod net;
mod pace;
mod pump;
mod socket;
mod token;
mod voice_http;
mod voice_socket;
mod warm;

use std::time::Duration;

use call::Fault;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

pub use agent::SocketAgent;
pub use ear_http::HttpEar;
pub use ear_socket::SocketEar;
pub use model::HttpModel;
pub use net::{Net, NetError, NetOptions};
pub use token::ExchangedTokens;
pub use voice_http::HttpVoice;
pub use voice_socket::SocketVoice;

use crate::LinkId;

/// Gives the token that goes with every request, where it is not a key that stays: Google's.
pub trait TokenSource: Send + Sync {
    /// A token that is good now.
    fn bearer(&self) -> BoxFuture<'_, Result<SecretString, Fault>>;
}

/// Whether a vendor is there and the key is good, asked without a call.
pub trait Probe: Send + Sync {
    /// The link that is probed.
    fn link(&self) -> &LinkId;

    /// Asks. Gives how long the answer took.
    fn probe(&self) -> BoxFuture<'_, Result<Duration, Fault>>;
}

/// How long a link may make no progress, once connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the request to the first piece of the answer; for a recogniser to the text.
    pub first: Duration,
    /// From one piece to the next. A piece that is too small to live on does not count: see the minimum rates of
    /// each driver.
    pub between: Duration,
}

impl Patience {
    /// This long for the first piece, and the usual 3 s between pieces.
    pub const fn first(first: Duration) -> Self {
        Self { first, between: Duration::from_secs(3) }
    }
}
