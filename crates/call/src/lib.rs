//! One live call as a pure machine: `(tick, input)` in, outputs out. No clock, no socket, no task, no chance,
//! so that a call can be tested in virtual time, fuzzed, and replayed bit for bit from its log.

mod event;
mod input;
pub mod log;
mod output;
mod settings;
mod tick;
mod timer;

pub use event::{EndOfTurnWhy, Event, Evidence, NotInterruptedWhy, VendorRole};
pub use input::{
    Action, CarrierEvent, Heard, Input, SpeechId, StreamStart, Thought, TurnId, UtteranceId, Voiced,
};
pub use output::{Listen, Message, Output, Prompt, Role, ToCarrier};
pub use settings::{AgentKind, BargeIn, GreetingFallback, Idle, Limits, Playout, Settings, Turn};
pub use tick::{Micros, Tick};
pub use timer::{Next, Timer};

use std::sync::Arc;

use audio::SampleRate;

/// One live call.
pub struct Call {
    settings: Arc<Settings>,
}

impl Call {
    /// A call whose socket has just opened, at tick zero. `fallback_rate` is the URL's rate, which holds when
    /// the call is answered without a `start`.
    pub fn new(settings: Arc<Settings>, fallback_rate: SampleRate) -> Self {
        let _ = fallback_rate;
        Self { settings }
    }

    /// Takes one input at its moment, appends what is to be done to `out`, and says when it wants to be called
    /// again with `Input::Time` if nothing else happens. Ticks never go backwards. After `Output::Ended` every
    /// further input gives nothing.
    pub fn handle(&mut self, at: Tick, input: Input, out: &mut Vec<Output>) -> Next {
        let _ = (at, input, out, &self.settings);
        Next { deadline: None }
    }
}
