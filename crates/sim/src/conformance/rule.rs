//! The rules as data.

use std::sync::LazyLock;

use super::Profile;
use super::law::{AGENT, BOTH, Check, ECHO, Law, Row};
use super::scenario::{Fact, Scenario};
use crate::exotel::Breach;

const APPLET: &str = "Exotel, \"Working with the Stream and Voicebot applet\"";
const PROTOCOL: &str = "Exotel, \"WebSocket protocol\"";
const GUIDE: &str = "Exotel, \"Updated Extension Guide\"";
const VOICEBOT: &str = "Exotel, \"Voicebot applet\"";
const SAMPLES: &str = "Exotel, sample code exotel/Agent-Stream";
const ECHOBOT: &str = "Exotel, sample code exotel/Agent-Stream-echobot";
const ERRORS: &str = "Exotel, \"AgentStream: WSS errors and handling\"";
const WEBSOCKET: &str = "RFC 6455";

/// One of this carrier's rules.
pub(super) type Rule = Law<Scenario, Breach>;

impl Check<Scenario, Breach> {
    /// What must be run for it.
    pub(super) fn scenarios(&self, profile: Profile) -> &[Scenario] {
        use Scenario::{BargeIn, LateStart, Plain, Rate16000, Rate24000, StartTwice};
        match self {
            Self::Fact(scenario, _) => std::slice::from_ref(scenario),
            Self::Breach(Breach::LateGreeting | Breach::NoGreetingMark | Breach::AfterStop) => &[Plain],
            Self::Breach(Breach::TwoGreetings) => &[Plain, StartTwice],
            Self::Breach(_) if profile == Profile::Echo => &[Plain, Rate16000, Rate24000, LateStart],
            Self::Breach(_) => &[Plain, Rate16000, Rate24000, LateStart, BargeIn],
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
    ("EXO-001", "the handshake is done within 10 s", GUIDE, "101 within 10 s", BOTH, Scenario::Plain, Fact::Opened),
    ("EXO-002", "a URL with other parameters is accepted", APPLET, "101", BOTH, Scenario::StaticQuery, Fact::Opened),
    ("EXO-003", "wrong credentials are refused before the upgrade", VOICEBOT, "HTTP 401", BOTH, Scenario::WrongToken, Fact::Refused),
    ("EXO-010", "a call at 8000 Hz works", APPLET, WENT_ON, BOTH, Scenario::Plain, Fact::Worked),
    ("EXO-011", "a call at 16000 Hz works", APPLET, WENT_ON, BOTH, Scenario::Rate16000, Fact::Worked),
    ("EXO-012", "a call at 24000 Hz works", APPLET, WENT_ON, BOTH, Scenario::Rate24000, Fact::Worked),
    ("EXO-020", "numbers may come as numbers", APPLET, WENT_ON, BOTH, Scenario::Numbers, Fact::Worked),
    ("EXO-021", "keys may come in camelCase", SAMPLES, WENT_ON, BOTH, Scenario::CamelCase, Fact::Worked),
    ("EXO-022", "a start without connected before it is taken", PROTOCOL, WENT_ON, BOTH, Scenario::NoConnected, Fact::Worked),
    ("EXO-023", "audio before the start does no harm", PROTOCOL, WENT_ON, BOTH, Scenario::MediaFirst, Fact::Worked),
    ("EXO-024", "a late start is waited for", PROTOCOL, WENT_ON, BOTH, Scenario::LateStart, Fact::Worked),
    ("EXO-025", "a second start does no harm", PROTOCOL, WENT_ON, BOTH, Scenario::StartTwice, Fact::Worked),
    ("EXO-026", "an unknown event does no harm", PROTOCOL, WENT_ON, BOTH, Scenario::UnknownEvent, Fact::Worked),
    ("EXO-027", "a message that is not JSON does no harm", PROTOCOL, WENT_ON, BOTH, Scenario::BadJson, Fact::Worked),
    ("EXO-028", "a binary message does no harm", PROTOCOL, WENT_ON, BOTH, Scenario::Binary, Fact::Worked),
    ("EXO-029", "half a sample does no harm", PROTOCOL, WENT_ON, BOTH, Scenario::OddByte, Fact::Worked),
    ("EXO-030", "an empty payload does no harm", PROTOCOL, WENT_ON, BOTH, Scenario::EmptyPayload, Fact::Worked),
    ("EXO-031", "frames of 100 ms are taken", PROTOCOL, WENT_ON, BOTH, Scenario::Frames100, Fact::Worked),
    ("EXO-032", "key presses do no harm", APPLET, WENT_ON, BOTH, Scenario::Dtmf, Fact::Worked),
    ("EXO-033", "a mark that was not asked for does no harm", APPLET, WENT_ON, BOTH, Scenario::StrangeMark, Fact::Worked),
    ("EXO-034", "a clear from the carrier does no harm", ECHOBOT, WENT_ON, BOTH, Scenario::Clear, Fact::Worked),
    ("EXO-040", "a ping is answered", WEBSOCKET, "a pong within 2 s", BOTH, Scenario::Plain, Fact::Pong),
    ("EXO-041", "the server closes after the stop", PROTOCOL, "closed within 5 s of the stop", BOTH, Scenario::Plain, Fact::Closed),
    ("EXO-042", "audio is echoed unchanged", ECHOBOT, "the bytes that were sent", ECHO, Scenario::Plain, Fact::Unchanged),
    ("EXO-043", "an interruption clears what waits", APPLET, "clear while the caller speaks over the agent", AGENT, Scenario::BargeIn, Fact::Cleared),
    ("EXO-044", "a call that connects again is not greeted again", GUIDE, "no speech within 3 s of the second start", AGENT, Scenario::Reconnect, Fact::NotGreeted),
    ("EXO-045", "a message of 2 MiB is refused", ERRORS, "close 1009", BOTH, Scenario::Oversize, Fact::Closed),
    ("EXO-046", "a broken connection leaves the server alive", ERRORS, WENT_ON, BOTH, Scenario::Abrupt, Fact::Worked),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_rule_has_an_id_of_its_own_and_a_source() {
        super::super::law::tests::are_told_apart_and_in_order(super::all());
    }
}
