//! Speech-to-speech agents: one WebSocket that listens, thinks and speaks.

use call::{Converse, Conversed, Fault};

use super::{Flow, Frame, HttpRequest, Refuses, SocketRequest};
use crate::ConverseSpec;

/// How a vendor's speech-to-speech agent is opened.
pub trait AgentSocketDialect: Refuses + Send + Sync {
    /// A request whose answer is needed to open the socket; `None` where there is nothing to ask.
    fn invitation(&self) -> Option<HttpRequest> {
        None
    }

    /// The socket to open. `invitation` is the body of the invitation's answer, where one was asked for.
    ///
    /// # Errors
    /// When that body makes no address.
    fn connect(&self, spec: &ConverseSpec, invitation: Option<&[u8]>) -> Result<SocketRequest, Fault>;

    /// What is said on it.
    fn session(&self, spec: &ConverseSpec) -> Box<dyn AgentSession>;

    /// Whether it must know the call before it is opened, so that it can't be opened ahead.
    fn needs_call(&self) -> bool {
        false
    }
}

/// What a vendor's closing means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parting {
    /// It has ended the conversation, and nothing is wrong.
    Over,
    /// It failed.
    Failed(Fault),
}

/// What is said on an agent's socket. It appends frames to be sent to `send`, in order.
pub trait AgentSession: Send {
    /// The socket is open.
    fn opened(&mut self, send: &mut Vec<Frame>);

    /// The socket broke, and the vendor is to go on with this conversation over another one: `opened` comes next, and
    /// the session is to be set up again. `false` where it can't.
    fn reopens(&mut self) -> bool {
        false
    }

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
    fn closed(&self, code: Option<u16>, reason: &str) -> Parting;
}
