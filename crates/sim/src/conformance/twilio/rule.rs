//! The rules as data.

use std::sync::LazyLock;

use super::super::Profile;
use super::super::law::{AGENT, BOTH, Check, ECHO, Law, Row};
use super::super::scenario::Fact;
use super::scenario::Scenario;
use crate::twilio::Breach;

const TWIML: &str = "Twilio, \"TwiML Voice: <Stream>\"";
const REQUESTS: &str = "Twilio, \"TwiML for Voice: request and response\"";
const SECURITY: &str = "Twilio, \"Security\": X-Twilio-Signature";
const MESSAGES: &str = "Twilio, \"Media Streams WebSocket messages\"";
const E31920: &str = "Twilio, error 31920 \"Stream: WebSocket handshake error\"";
const PARAMETERS: &str =
    "Twilio, \"TwiML Voice: <Stream>\": no query string, so a parameter binds the stream to its call";
const WEBSOCKET: &str = "RFC 6455";
const ALIVE: &str = "a server answers more than one call";

/// One of this carrier's rules.
pub(super) type Rule = Law<Scenario, Breach>;

impl Check<Scenario, Breach> {
    /// What must be run for it.
    pub(super) fn scenarios(&self, profile: Profile) -> &[Scenario] {
        use Scenario::{BargeIn, MediaFirst, Plain, StartTwice};
        match self {
            Self::Fact(scenario, _) => std::slice::from_ref(scenario),
            Self::Breach(Breach::LateGreeting | Breach::AfterStop) => &[Plain],
            Self::Breach(Breach::TwoGreetings) => &[Plain, StartTwice],
            Self::Breach(Breach::BeforeStart) => &[Plain, MediaFirst],
            Self::Breach(_) if profile == Profile::Echo => &[Plain, MediaFirst],
            Self::Breach(_) => &[Plain, BargeIn],
        }
    }
}

/// All rules, in the order of their ids.
pub(super) fn all() -> &'static [Rule] {
    static ALL: LazyLock<Vec<Rule>> = LazyLock::new(|| Law::all(FACTS));
    &ALL
}

const WENT_ON: &str = "the call works as always";

#[rustfmt::skip]
const FACTS: &[Row<Scenario>] = &[
    ("TWI-001", "the voice webhook answers within 15 s", REQUESTS, "HTTP 200 within 15 s", BOTH, Scenario::Document, Fact::Answered),
    ("TWI-002", "the answer is XML", REQUESTS, "Content-Type: text/xml", BOTH, Scenario::Document, Fact::Typed),
    ("TWI-003", "the answer is TwiML that connects a stream", TWIML, "<Response> with <Connect><Stream>", BOTH, Scenario::Document, Fact::Followable),
    ("TWI-004", "the stream's URL is wss without a query string", TWIML, "wss://host/path", BOTH, Scenario::Document, Fact::Secure),
    ("TWI-005", "each parameter has under 500 characters", TWIML, "name and value under 500 characters", BOTH, Scenario::Document, Fact::Short),
    ("TWI-006", "a webhook without a signature is refused", SECURITY, "HTTP 400", BOTH, Scenario::Unsigned, Fact::Refused),
    ("TWI-007", "a webhook with a wrong signature is refused", SECURITY, "HTTP 403", BOTH, Scenario::Forged, Fact::Refused),
    ("TWI-010", "the handshake is done within 10 s", E31920, "101 within 10 s", BOTH, Scenario::Plain, Fact::Opened),
    ("TWI-011", "an upgrade without a signature is refused", SECURITY, "HTTP 400", BOTH, Scenario::UnsignedUpgrade, Fact::Refused),
    ("TWI-012", "an upgrade with a wrong signature is refused", SECURITY, "HTTP 403", BOTH, Scenario::ForgedUpgrade, Fact::Refused),
    ("TWI-013", "a stream without its call's parameters is refused", PARAMETERS, "close 1008", BOTH, Scenario::NoParameters, Fact::Closed),
    ("TWI-020", "a call works", MESSAGES, WENT_ON, BOTH, Scenario::Plain, Fact::Worked),
    ("TWI-021", "an unknown event does no harm", MESSAGES, WENT_ON, BOTH, Scenario::UnknownEvent, Fact::Worked),
    ("TWI-022", "a message that is not JSON does no harm", MESSAGES, WENT_ON, BOTH, Scenario::BadJson, Fact::Worked),
    ("TWI-023", "audio before the start does no harm", MESSAGES, WENT_ON, BOTH, Scenario::MediaFirst, Fact::Worked),
    ("TWI-024", "a second start does no harm", MESSAGES, WENT_ON, BOTH, Scenario::StartTwice, Fact::Worked),
    ("TWI-025", "key presses do no harm", MESSAGES, WENT_ON, BOTH, Scenario::Dtmf, Fact::Worked),
    ("TWI-026", "a mark that was not asked for does no harm", MESSAGES, WENT_ON, BOTH, Scenario::StrangeMark, Fact::Worked),
    ("TWI-027", "marks that a clear returns do no harm", MESSAGES, WENT_ON, AGENT, Scenario::BargeIn, Fact::Worked),
    ("TWI-028", "a binary message does no harm", MESSAGES, WENT_ON, BOTH, Scenario::Binary, Fact::Worked),
    ("TWI-029", "an empty payload does no harm", MESSAGES, WENT_ON, BOTH, Scenario::EmptyPayload, Fact::Worked),
    ("TWI-030", "frames of another length are taken", MESSAGES, WENT_ON, BOTH, Scenario::Frames100, Fact::Worked),
    ("TWI-031", "keys that are new do no harm", MESSAGES, WENT_ON, BOTH, Scenario::NewKeys, Fact::Worked),
    ("TWI-040", "a ping is answered", WEBSOCKET, "a pong within 2 s", BOTH, Scenario::Plain, Fact::Pong),
    ("TWI-041", "the socket closes after the stop", MESSAGES, "closed within 5 s of the stop", BOTH, Scenario::Plain, Fact::Closed),
    ("TWI-042", "audio is echoed unchanged", MESSAGES, "the bytes that were sent", ECHO, Scenario::Plain, Fact::Unchanged),
    ("TWI-043", "an interruption clears what waits", MESSAGES, "clear while the caller speaks over the agent", AGENT, Scenario::BargeIn, Fact::Cleared),
    ("TWI-044", "a message of 2 MiB is refused", WEBSOCKET, "close 1009", BOTH, Scenario::Oversize, Fact::Closed),
    ("TWI-045", "a broken connection leaves the server alive", ALIVE, WENT_ON, BOTH, Scenario::Abrupt, Fact::Worked),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_rule_has_an_id_of_its_own_and_a_source() {
        super::super::super::law::tests::are_told_apart_and_in_order(super::all());
    }
}
