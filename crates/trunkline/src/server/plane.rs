//! The data plane and the control plane of one process, each as the other sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use control::{Alive, DataPlane};
use gateway::{Gateway, Lookup};
use records::{AnsweredBy, EndReason};
use store::{CallId, Database, Which};

/// The data plane as the control plane sees it.
pub(super) struct Plane(pub(super) Arc<Gateway>);

impl DataPlane for Plane {
    fn mode(&self) -> String {
        let agent = self.0.default_agent();
        agent.map_or_else(String::new, |agent| agent.settings.agent.as_str().to_owned())
    }

    fn calls(&self) -> usize {
        self.0.capacity().calls
    }

    fn max_calls(&self) -> usize {
        self.0.capacity().max_calls
    }

    fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    fn live(&self) -> Vec<Alive> {
        self.0.live().into_iter().map(|(call, seen)| Alive { call, seen }).collect()
    }

    fn end(&self, call: CallId, reason: EndReason) -> bool {
        self.0.end(call, reason)
    }

    fn answered_by(&self, call: CallId, by: AnsweredBy) -> bool {
        self.0.answered_by(call, by)
    }

    fn default_agent(&self) -> String {
        self.0.default_agent().map_or_else(String::new, |agent| agent.name.clone())
    }

    fn has_agent(&self, name: &str) -> bool {
        self.0.has_agent(name)
    }

    fn media_url(&self, call: CallId, agent: &str, holds: Duration) -> Option<String> {
        self.0.media_url(call, agent, holds)
    }

    fn expect(&self, call: CallId, variables: BTreeMap<String, String>) {
        self.0.expect(call, variables);
    }

    fn known_as(&self, call: CallId, carrier: &str, carrier_call_id: &str) {
        self.0.known_as(call, carrier, carrier_call_id);
    }
}

/// Where the data plane finds what a call brings along that another process placed.
pub(super) fn lookup(database: Database) -> Lookup {
    Arc::new(move |call| {
        let database = database.clone();
        Box::pin(async move { Some(database.call(&Which::Id(call)).await.ok()??.custom) })
    })
}
