//! Voices: an utterance over HTTP, or many of them over one WebSocket.

use audio::SampleRate;
use call::{Fault, UtteranceId, Voiced};

use super::{Flow, Frame, HttpRequest, Refuses, SocketRequest};
use crate::VoiceSpec;

/// How a vendor's voice is asked over HTTP.
pub trait VoiceDialect: Refuses + Send + Sync {
    /// The request for this text, in the call's own rate where the vendor can give it.
    fn request(&self, text: &str, spec: &VoiceSpec) -> HttpRequest;

    /// The request that stands for "are you there, and is my key good": cheap, answered at once.
    fn probe(&self) -> HttpRequest;

    /// Understands one answer. `content_type` is what the vendor says that it sends; it counts, not what was
    /// asked for.
    fn decoder(&self, spec: &VoiceSpec, content_type: &str) -> Result<Box<dyn AudioDecoder>, Fault>;
}

/// Turns the bytes of an answer into samples.
pub trait AudioDecoder: Send {
    /// The rate of the samples; known once some were given.
    fn rate(&self) -> SampleRate;

    /// Takes bytes as they come, cut anywhere. Appends the samples that they complete.
    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), Fault>;

    /// The body has ended.
    fn end(&mut self, out: &mut Vec<i16>) -> Result<(), Fault>;
}

/// How a vendor's voice is opened over a WebSocket.
pub trait VoiceSocketDialect: Refuses + Send + Sync {
    /// The socket to open.
    fn connect(&self, spec: &VoiceSpec) -> SocketRequest;

    /// What is said on it.
    fn session(&self, spec: &VoiceSpec) -> Box<dyn VoiceSession>;
}

/// What is said on a voice's socket. It appends frames to be sent to `send`, in order. Utterances are asked for
/// one after the other or several at once; each gets audio, then exactly one `Done` or `Failed`.
pub trait VoiceSession: Send {
    /// The socket is open.
    fn opened(&mut self, send: &mut Vec<Frame>);

    /// Speak this, the whole utterance.
    fn speak(&mut self, utterance: UtteranceId, text: &str, send: &mut Vec<Frame>);

    /// This utterance is not wanted any more. What comes of it is dropped here.
    fn stop(&mut self, utterance: UtteranceId, send: &mut Vec<Frame>);

    /// A frame came.
    fn frame(
        &mut self,
        frame: Frame,
        send: &mut Vec<Frame>,
        out: &mut Vec<(UtteranceId, Voiced)>,
    ) -> Result<Flow, Fault>;

    /// How long nothing may be sent before `keep_alive` is asked for; `None`: for ever.
    fn keep_alive_ms(&self) -> Option<u64>;

    /// Nothing was sent for that long.
    fn keep_alive(&mut self, send: &mut Vec<Frame>);

    /// The call needs it no more: what closes the session politely.
    fn finish(&mut self, send: &mut Vec<Frame>);

    /// What it means that the vendor closed with this code and reason.
    fn closed(&self, code: Option<u16>, reason: &str) -> Fault;
}
