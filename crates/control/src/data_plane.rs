//! The data plane as the control plane sees it. They can be one process or several, so this is all that they say to each
//! other directly; the rest lies in the tables.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use records::{AnsweredBy, EndReason};
use store::CallId;

/// What the control plane asks the data plane. None of it waits.
pub trait DataPlane: Send + Sync {
    /// The kind of the agent that answers by default: `echo`, `assistant`, ...
    fn mode(&self) -> String;
    /// How many calls take up a place.
    fn calls(&self) -> usize;
    /// How many places there are.
    fn max_calls(&self) -> usize;
    /// Whether no more calls are taken because the server is about to stop.
    fn is_draining(&self) -> bool;
    /// The calls that run here.
    fn live(&self) -> Vec<Alive>;
    /// Ends a call that runs here; its record then has this reason. False when none of this id runs here.
    fn end(&self, call: CallId, reason: EndReason) -> bool;
    /// Tells a call who picked up; one that has not started here yet is told when it does. False when none of this id
    /// runs here.
    fn answered_by(&self, call: CallId, by: AnsweredBy) -> bool;
    /// The agent of calls that ask for none.
    fn default_agent(&self) -> String {
        String::new()
    }
    /// Whether there is an agent of this name.
    fn has_agent(&self, name: &str) -> bool {
        name == self.default_agent()
    }
    /// Where the carrier of a call that is about to be dialled opens the media socket, for a carrier that is told so
    /// when dialling. It lets the carrier in when the call is answered, for so long. `None` without a public address.
    fn media_url(&self, _call: CallId, _agent: &str, _holds: Duration) -> Option<String> {
        None
    }
    /// Says what a call brings along that is about to be dialled, for a carrier that can't be given it: no value of it
    /// stands in a URL then.
    fn expect(&self, _call: CallId, _variables: BTreeMap<String, String>) {}
    /// Says under which id its carrier took such a call.
    fn known_as(&self, _call: CallId, _carrier: &str, _carrier_call_id: &str) {}
}

/// A call that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alive {
    /// Our id.
    pub call: CallId,
    /// When something last came from the carrier for it: audio, a message, the answer to a ping.
    pub seen: Timestamp,
}

/// A process in which no call runs, and in which there is always room for one.
#[derive(Debug, Clone, Copy)]
pub struct NoCalls;

impl DataPlane for NoCalls {
    fn mode(&self) -> String {
        String::new()
    }

    fn calls(&self) -> usize {
        0
    }

    fn max_calls(&self) -> usize {
        usize::MAX
    }

    fn is_draining(&self) -> bool {
        false
    }

    fn live(&self) -> Vec<Alive> {
        Vec::new()
    }

    fn end(&self, _: CallId, _: EndReason) -> bool {
        false
    }

    fn answered_by(&self, _: CallId, _: AnsweredBy) -> bool {
        false
    }
}
