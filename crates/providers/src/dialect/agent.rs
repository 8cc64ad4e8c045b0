//! Speech-to-speech agents: one WebSocket that listens, thinks and speaks.

use call::{Converse, Conversed, Fault};

use super::{Flow, Frame, Refuses, SocketRequest};
use crate::ConverseSpec;

/// How a vendor's speech-to-speech agent is opened.
pub trait AgentSocketDialect: Refuses + Send + Sync {
    /// The socket to open.
    fn connect(&self, spec: &ConverseSpec) -> SocketRequest;

    /// What is said on it.
    fn session(&self, spec: &ConverseSpec) -> Box<dyn AgentSession>;
}

/// What is said on an agent's socket. It appends frames to be sent to `send`, in order.
pub trait AgentSession: Send {
    /// The socket is open.
    fn opened(&mut self, send: &mut Vec<Frame>);

    /// Whether the session is set up. Until then the driver keeps what the call sends.
    fn is_ready(&self) -> bool;

    /// The call sends something.
    fn take(&mut self, what: Converse, send: &mut Vec<Frame>);

    /// A frame came.
    fn frame(&mut self, frame: Frame, send: &mut Vec<Frame>, out: &mut Vec<Conversed>)
    -> Result<Flow, Fault>;

    /// How long nothing may be sent before `keep_alive` is asked for; `None`: for ever.
    fn keep_alive_ms(&self) -> Option<u64>;

    /// Nothing was sent for that long.
    fn keep_alive(&mut self, send: &mut Vec<Frame>);

    /// What it means that the vendor closed with this code and reason.
    fn closed(&self, code: Option<u16>, reason: &str) -> Fault;
}
