//! What a simulated caller is to do, as a value: whom to ring, as whom, and the steps of the conversation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};

/// A call to be made.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// `ws://` or `wss://`: the socket. `http://` or `https://`: the connect webhook, which is asked for the
    /// socket first, as Exotel does. `user:password@` in it becomes HTTP Basic.
    pub url: String,
    /// The stream's rate, both ways: 8000, 16000 or 24000.
    pub rate: SampleRate,
    /// Who calls whom.
    pub caller: Caller,
    /// Headers for the webhook and for the upgrade.
    pub headers: Vec<(String, String)>,
    /// How numbers are written in messages.
    pub numbers: Numbers,
    /// What the caller does, in order. After the last step the caller hangs up.
    pub steps: Vec<Step>,
    /// How long the caller waits for the agent to speak or to finish before going on.
    pub patience: Duration,
    /// Trust for `wss` and `https`. Without it the public roots hold.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl CallPlan {
    /// A call to `url` at 8 kHz by an invented caller who does nothing but listen to the greeting.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            rate: SampleRate::HZ_8000,
            caller: Caller::numbered(1),
            headers: Vec::new(),
            numbers: Numbers::Strings,
            steps: Vec::new(),
            patience: Duration::from_secs(8),
            tls: None,
        }
    }
}

/// Who calls whom, in the carrier's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The carrier's id of the call.
    pub call_sid: String,
    /// The carrier's id of the stream.
    pub stream_sid: String,
    /// The carrier's account.
    pub account_sid: String,
    /// The caller's number, national with a leading 0.
    pub from: String,
    /// The number called.
    pub to: String,
    /// Parameters in `start`.
    pub custom: BTreeMap<String, String>,
}

impl Caller {
    /// An invented caller whose ids follow from `seed`: 32 characters, as Exotel's are.
    pub fn numbered(seed: u64) -> Self {
        let mixed = mix(seed);
        Self {
            call_sid: format!("{mixed:016x}{:014x}18", mix(mixed) >> 8),
            stream_sid: format!("{:016x}{:014x}18", mix(mixed ^ 1), mix(mixed ^ 2) >> 8),
            account_sid: "phone1".to_owned(),
            from: "09800000001".to_owned(),
            to: "08000000002".to_owned(),
            custom: BTreeMap::new(),
        }
    }
}

/// SplitMix64's finaliser: spreads neighbouring seeds far apart.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How numbers are written in messages. Exotel's traffic has strings; half of its documents show numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbers {
    /// As in captured traffic: `"sequence_number":"2"`.
    #[default]
    Strings,
    /// As in the documents: `"sequence_number":2`.
    Docs,
}

/// One thing that the caller does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Waits until the agent has answered and is quiet, then speaks.
    Say(Speech),
    /// Waits until the agent has been speaking for `after`, then speaks over it.
    BargeIn {
        /// What is said.
        speech: Speech,
        /// How far into the agent's speech.
        after: Duration,
    },
    /// Waits until the agent is quiet, then presses a key.
    Dtmf(char),
    /// Waits.
    Wait(Duration),
    /// Waits until the agent is quiet, then hangs up. Later steps are left out.
    HangUp,
}

/// Speech of the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// What it says, for the report; may be empty.
    pub label: String,
    /// The samples, at the plan's rate.
    pub pcm: Pcm,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_the_carriers_length_and_differ_by_seed() {
        let (one, two) = (Caller::numbered(1), Caller::numbered(2));
        for id in [&one.call_sid, &one.stream_sid, &two.call_sid] {
            assert_eq!(id.len(), 32, "{id}");
        }
        assert_ne!(one.call_sid, two.call_sid);
        assert_ne!(one.call_sid, one.stream_sid);
    }
}
