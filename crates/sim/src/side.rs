//! The carrier's side of a media socket without the socket: what it says, and how it takes what the server says. The
//! phone and the conformance test speak through it to either carrier's servers.

use audio::SampleRate;
use call::{Micros, Tick};

use crate::exotel::{AfterClear, FromServer};
use crate::phone::Finding;

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

    /// The start was sent.
    fn started(&mut self, at: Tick);
    /// The stop was sent. What is on its way until `grace` later is no breach.
    fn stopped(&mut self, at: Tick, grace: Micros);
    /// The caller made a sound.
    fn caller_spoke(&mut self, at: Tick);
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
    /// When the server's first sound came.
    fn first_sound(&self) -> Option<Tick>;
    /// Whether a mark followed the greeting's audio.
    fn is_greeting_marked(&self) -> bool;
    /// The rules that are about whether, when and how often the server greets: not for a phone to judge.
    fn greeting_rules(&self) -> &'static [&'static str];
    /// What the server did against the protocol.
    fn findings(&self, now: Tick) -> Vec<Finding>;
}
