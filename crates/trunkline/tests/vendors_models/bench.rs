//! The stand-ins on a port of their own, and what the suites of all roles share.

use std::sync::Arc;
use std::time::Duration;

use call::FaultClass;
use providers::driver::{Net, NetOptions, Patience};
use providers::{DialectOptions, RoleOptions};
use sim::vendors::{Delays, VendorServer, World};

/// Longer than anything here takes; reached only when a test fails.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// How long is waited for a vendor that will not answer.
const SHORT: Duration = Duration::from_millis(400);

/// The stand-ins, and the network to them.
pub(crate) struct Bench {
    pub(crate) server: VendorServer,
    pub(crate) net: Arc<Net>,
}

impl Bench {
    /// Vendors without delays, whose model gives these answers.
    pub(crate) async fn new(answers: &[&str]) -> Self {
        Self::with(Delays::none(), answers).await
    }

    /// The same with these delays.
    pub(crate) async fn with(delays: Delays, answers: &[&str]) -> Self {
        let hears = ["what are your hours", "और रविवार को"].map(str::to_owned).to_vec();
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let server = VendorServer::start(World::new(delays, hears, answers)).await.expect("a port is free");
        let net = Arc::new(Net::new(&NetOptions::default()).expect("nothing is asked for"));
        Self { server, net }
    }

    /// A vendor at this path of the stand-ins with this key.
    pub(crate) fn options(&self, path: &str, key: &str) -> DialectOptions {
        DialectOptions {
            base: format!("{}{path}", self.server.url()).parse().expect("an address of our own"),
            key: Some(key.to_owned().into()),
            headers: std::collections::BTreeMap::new(),
            role: RoleOptions::default(),
        }
    }

    /// Nothing was done that the vendors' documents forbid.
    pub(crate) fn assert_no_breach(&self) {
        assert_eq!(self.server.ledger().breaches(), [""; 0]);
    }

    /// Waits until a request to `api` was given up by the client.
    pub(crate) async fn until_withdrawn(&self, api: &str) {
        let until =
            self.server.ledger().until(|lines| lines.iter().any(|line| line.api == api && line.withdrawn));
        tokio::time::timeout(LONG, until)
            .await
            .expect("the connection is closed when nobody wants the answer");
    }
}

/// How long to wait for a vendor that behaves as this key says: short only where nothing will come.
pub(crate) const fn patience(key: &str) -> Patience {
    let is_slow = matches!(key.as_bytes(), b"hang" | b"mute" | b"stall" | b"drip" | b"hang-websocket");
    let length = if is_slow { SHORT } else { LONG };
    Patience { first: length, between: length }
}

/// What each key means to a client, whatever the role. A vendor that differs says so.
pub(crate) const FAULTS: &[(&str, FaultClass)] = &[
    ("fail-400", FaultClass::Config),
    ("fail-401", FaultClass::Auth),
    ("fail-403", FaultClass::Auth),
    ("fail-404", FaultClass::Config),
    ("fail-429", FaultClass::Rate),
    ("no-credit", FaultClass::Quota),
    ("fail-500", FaultClass::Busy),
    ("fail-503", FaultClass::Busy),
    ("hang", FaultClass::Slow),
    ("mute", FaultClass::Slow),
    ("stall", FaultClass::Slow),
    ("drip", FaultClass::Slow),
    ("cut", FaultClass::Network),
    ("garbage", FaultClass::Garbage),
    ("html", FaultClass::Garbage),
    ("in-stream-error", FaultClass::Busy),
];

/// `FAULTS` with what is different for one vendor in one role.
pub(crate) fn classes(different: &[(&'static str, FaultClass)]) -> Vec<(&'static str, FaultClass)> {
    let other = |key: &str| different.iter().find(|(other, _)| *other == key).map(|(_, class)| *class);
    let usual = FAULTS.iter().map(|(key, class)| (*key, other(key).unwrap_or(*class)));
    let added = different.iter().filter(|(key, _)| FAULTS.iter().all(|(usual, _)| usual != key)).copied();
    usual.chain(added).collect()
}
