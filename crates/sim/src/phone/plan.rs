//! What a simulated caller is to do, as a value: whom to ring, as whom, and the steps of the conversation.

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate};

use crate::exotel::{Call, Types};

/// A call to be made.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// `ws://` or `wss://`: the socket. `http://` or `https://`: the connect webhook, which is asked for the
    /// socket first, as Exotel does. `user:password@` in it becomes HTTP Basic.
    pub url: String,
    /// Who calls whom, and the stream's rate, both ways: 8000, 16000 or 24000.
    pub call: Call,
    /// Headers for the webhook and for the upgrade.
    pub headers: Vec<(String, String)>,
    /// How numbers are written in messages.
    pub types: Types,
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
            call: Call::invented(1, SampleRate::HZ_8000),
            headers: Vec::new(),
            types: Types::Strings,
            steps: Vec::new(),
            patience: Duration::from_secs(8),
            tls: None,
        }
    }
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
