//! Language models: one request over HTTP, answered by server-sent events.

use call::{Fault, Prompt, Thought};

use super::{HttpRequest, Refuses};

/// How a vendor's language model is asked and understood.
pub trait ModelDialect: Refuses + Send + Sync {
    /// The request for this prompt.
    fn request(&self, prompt: &Prompt) -> HttpRequest;

    /// The request that stands for "are you there, and is my key good": cheap, answered at once.
    fn probe(&self) -> HttpRequest;

    /// Understands one answer.
    fn decoder(&self) -> Box<dyn ModelDecoder>;
}

/// Understands one answer of a model.
pub trait ModelDecoder: Send {
    /// Takes one server-sent event: its `event:` (empty when there was none) and its `data:`. Appends what it
    /// means: deltas, whole tool calls, usage, and `Done` when the vendor says that the answer is complete.
    /// `Err` is the end of the answer.
    fn event(&mut self, event: &str, data: &str, out: &mut Vec<Thought>) -> Result<(), Fault>;

    /// The body has ended. Appends what was still held back, and `Done` where the vendor's stream ends so;
    /// `Err` when it was cut off.
    fn end(&mut self, out: &mut Vec<Thought>) -> Result<(), Fault>;
}
