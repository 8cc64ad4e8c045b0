//! Recognisers: a WebSocket that hears the whole call, or one request over HTTP for each stretch of speech.

use call::{Fault, Heard, SpeechId};

use super::{Flow, Frame, HttpRequest, Refuses, SocketRequest};
use crate::ListenSpec;

/// How a vendor's recogniser is asked over HTTP, one stretch of speech at a time.
pub trait EarDialect: Refuses + Send + Sync {
    /// The request for this stretch, at `spec.rate`.
    fn request(&self, samples: &[i16], spec: &ListenSpec) -> HttpRequest;

    /// The request that stands for "are you there, and is my key good": cheap, answered at once.
    fn probe(&self) -> HttpRequest;

    /// The text in the body of an answer; empty when nothing was understood.
    fn text(&self, body: &[u8]) -> Result<String, Fault>;
}

/// How a vendor's recogniser is opened over a WebSocket.
pub trait EarSocketDialect: Refuses + Send + Sync {
    /// The socket to open.
    fn connect(&self, spec: &ListenSpec) -> SocketRequest;

    /// What is said on it.
    fn session(&self, spec: &ListenSpec) -> Box<dyn EarSession>;
}

/// What is said on a recogniser's socket. It appends frames to be sent to `send`, in order, and what was heard to
/// `out`. Each stretch that is begun and finished gets exactly one `Final` or `Failed`, or its text came before
/// as a `Pause` or `TurnOver`, which settles it too.
///
/// What the vendor hears belongs to the stretch that was begun last. Text that comes while none is open belongs
/// to the one before.
pub trait EarSession: Send {
    /// The socket is open. Audio follows at once unless `ready` says otherwise.
    fn opened(&mut self, send: &mut Vec<Frame>);

    /// Whether audio may be sent. Some vendors want to say hello first; until then the driver keeps the audio.
    fn is_ready(&self) -> bool;

    /// A frame of the call.
    fn audio(&mut self, samples: &[i16], send: &mut Vec<Frame>);

    /// Our own voice activity began.
    fn began(&mut self, speech: SpeechId, send: &mut Vec<Frame>);

    /// Our own voice activity ended: ask for the final text now.
    fn finish(&mut self, speech: SpeechId, send: &mut Vec<Frame>, out: &mut Vec<(SpeechId, Heard)>);

    /// How long after `finish` the vendor may stay quiet before `give_up`.
    fn patience_ms(&self) -> u64;

    /// The vendor stayed quiet for that long: settle the stretch with what there is.
    fn give_up(&mut self, speech: SpeechId, out: &mut Vec<(SpeechId, Heard)>);

    /// A frame came.
    fn frame(
        &mut self,
        frame: Frame,
        send: &mut Vec<Frame>,
        out: &mut Vec<(SpeechId, Heard)>,
    ) -> Result<Flow, Fault>;

    /// How long nothing may be sent before `keep_alive` is asked for; `None`: for ever.
    fn keep_alive_ms(&self) -> Option<u64>;

    /// Nothing was sent for that long.
    fn keep_alive(&mut self, send: &mut Vec<Frame>);

    /// The call needs it no more: what closes the session politely.
    fn close(&mut self, send: &mut Vec<Frame>);

    /// What it means that the vendor closed with this code and reason.
    fn closed(&self, code: Option<u16>, reason: &str) -> Fault;
}
