//! The carrier's side of a media socket without the socket: what it says, and how it takes what the server says. The
//! phone and the conformance test speak through it to either carrier's servers.

use audio::SampleRate;
use call::{Micros, Tick};

use crate::exotel::AfterClear;
use crate::watch::Watching;

/// What a message of the server means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// Audio: its bytes.
    Media(Vec<u8>),
    /// A mark by name.
    Mark(String),
    /// Drop what waits.
    Clear,
    /// Nothing that can be used.
    Nothing,
}

/// The carrier's side of one stream.
pub(crate) trait Side: Send {
    /// The stream's rate, both ways.
    fn rate(&self) -> SampleRate;
    /// What becomes of marks that wait when the server clears.
    fn after_clear(&self) -> AfterClear;

    /// The first message of the socket.
    fn connected(&mut self) -> String;
    /// The stream's start.
    fn start(&mut self) -> String;
    /// A frame of the caller's audio.
    fn media(&mut self, samples: &[i16]) -> String;
    /// A mark: all before it was played.
    fn mark(&mut self, name: &str) -> String;
    /// A key press.
    fn dtmf(&mut self, digit: char) -> String;
    /// The stream's end: the caller hung up.
    fn stop(&mut self) -> String;

    /// Whether the carrier closes the socket itself after its stop, without waiting for the server to.
    fn closes_after_stop(&self) -> bool;

    /// The watch over what the server does.
    fn watch(&self) -> &dyn Watching;
    /// The same, to be told what the carrier and the caller do.
    fn watch_mut(&mut self) -> &mut dyn Watching;
    /// A binary message of the server.
    fn binary(&mut self, at: Tick, bytes: usize);
    /// A text message of the server, `waiting` being the audio that the carrier has of this stream before it.
    fn text(&mut self, at: Tick, text: &str, waiting: Micros) -> FromServer;
    /// The server closed the socket.
    fn closed(&mut self, at: Tick, code: Option<u16>);

    /// The samples of a media message of the server.
    fn samples(&self, bytes: &[u8]) -> Vec<i16>;
    /// The same samples as the carrier sends them.
    fn bytes(&self, samples: &[i16]) -> Vec<u8>;
}
