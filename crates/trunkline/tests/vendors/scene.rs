//! What the suites share: stand-ins, a network, options, and an inbox as a call has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use call::{Fault, FaultClass, Input};
use providers::driver::{Net, NetOptions, Patience};
use providers::{Answers, DialectOptions, LinkId, Role, RoleOptions, Transport};
use sim::vendors::{Delays, VendorServer, World};
use tokio::sync::mpsc;

/// Nothing here takes so long, on any machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What goes wrong at every vendor, and what it is.
pub(crate) const FAULTS: [(&str, FaultClass); 12] = [
    ("fail-400", FaultClass::Config),
    ("fail-401", FaultClass::Auth),
    ("fail-403", FaultClass::Auth),
    ("fail-429", FaultClass::Rate),
    ("fail-500", FaultClass::Busy),
    ("fail-503", FaultClass::Busy),
    ("no-credit", FaultClass::Quota),
    ("hang", FaultClass::Slow),
    ("stall", FaultClass::Slow),
    ("cut", FaultClass::Network),
    ("garbage", FaultClass::Garbage),
    ("html", FaultClass::Garbage),
];

/// Stand-ins that take no time.
pub(crate) async fn quick() -> VendorServer {
    with(Delays::none()).await
}

/// Stand-ins that take this long.
pub(crate) async fn with(delays: Delays) -> VendorServer {
    let hears = ["what are your opening hours", "thank you", "and on sunday"].map(str::to_owned);
    VendorServer::start(World::new(delays, hears.to_vec(), Vec::new())).await.unwrap()
}

/// A network of its own.
pub(crate) fn net() -> Arc<Net> {
    Arc::new(Net::new(&NetOptions::default()).unwrap())
}

/// Options for the stand-ins, with this key.
pub(crate) fn options(server: &VendorServer, key: &str) -> DialectOptions {
    DialectOptions {
        base: server.url().parse().unwrap(),
        key: Some(key.to_owned().into()),
        headers: BTreeMap::new(),
        role: RoleOptions::default(),
    }
}

/// The way's name.
pub(crate) fn link(role: Role, transport: Transport) -> LinkId {
    LinkId::new("test", role, transport)
}

/// A patience that makes what hangs fail soon, and leaves a healthy vendor time.
pub(crate) fn patience(key: &str) -> Patience {
    let is_slow = ["hang", "mute", "stall", "drip", "x-no-final"].contains(&key);
    let length = if is_slow { Duration::from_millis(500) } else { LONG };
    Patience { first: length, between: length }
}

/// A call's inbox.
pub(crate) struct Inbox(mpsc::Receiver<Input>);

impl Inbox {
    /// An empty one, and where answers to it go.
    pub(crate) fn new() -> (Self, Answers) {
        let (to, from) = mpsc::channel(4_096);
        (Self(from), Answers::new(to))
    }

    /// The next answer.
    pub(crate) async fn next(&mut self) -> Input {
        tokio::time::timeout(LONG, self.0.recv()).await.expect("an answer in time").expect("a sender")
    }

    /// What has come and was not looked at.
    pub(crate) fn rest(&mut self) -> Vec<Input> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A failure must be of this class, and its words must not hold the key.
pub(crate) fn check(fault: &Fault, class: FaultClass, key: &str) {
    assert_eq!(fault.class, class, "{key}: {fault}");
    assert!(!fault.why.is_empty() && !fault.why.contains("secret"), "{key}: {fault}");
}
