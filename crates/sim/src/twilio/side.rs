//! Twilio's side of a media socket.

use audio::SampleRate;
use audio::g711::{mulaw_decode_into, mulaw_encode_into};
use call::{Micros, Tick};

use super::{Call, Checker, Messages};
use crate::exotel::AfterClear;
use crate::side::{FromServer, Side};
use crate::watch::Watching;

/// Messages and checker of one stream.
#[derive(Debug)]
pub(crate) struct TwilioSide {
    pub(crate) messages: Messages,
    pub(crate) checker: Checker,
}

impl TwilioSide {
    pub(crate) fn new(call: Call) -> Self {
        let checker = Checker::new(&call.stream);
        Self { messages: Messages::new(call), checker }
    }
}

impl Side for TwilioSide {
    fn rate(&self) -> SampleRate {
        SampleRate::HZ_8000
    }

    /// Twilio, "Media Streams WebSocket messages": a clear returns the marks that wait.
    fn after_clear(&self) -> AfterClear {
        AfterClear::ReturnMarks
    }

    fn connected(&mut self) -> String {
        self.messages.connected()
    }

    fn start(&mut self) -> String {
        self.messages.start()
    }

    fn media(&mut self, samples: &[i16]) -> String {
        self.messages.media(samples)
    }

    fn mark(&mut self, name: &str) -> String {
        self.messages.mark(name)
    }

    fn dtmf(&mut self, digit: char) -> String {
        self.messages.dtmf(digit)
    }

    fn stop(&mut self) -> String {
        self.messages.stop()
    }

    fn closes_after_stop(&self) -> bool {
        true
    }

    fn watch(&self) -> &dyn Watching {
        &self.checker.watch
    }

    fn watch_mut(&mut self) -> &mut dyn Watching {
        &mut self.checker.watch
    }

    fn binary(&mut self, at: Tick, bytes: usize) {
        self.checker.binary(at, bytes);
    }

    fn text(&mut self, at: Tick, text: &str, waiting: Micros) -> FromServer {
        self.checker.text(at, text, waiting)
    }

    fn closed(&mut self, at: Tick, code: Option<u16>) {
        self.checker.closed(at, code);
    }

    fn samples(&self, bytes: &[u8]) -> Vec<i16> {
        let mut samples = Vec::with_capacity(bytes.len());
        mulaw_decode_into(bytes, &mut samples);
        samples
    }

    fn bytes(&self, samples: &[i16]) -> Vec<u8> {
        let mut codes = Vec::with_capacity(samples.len());
        mulaw_encode_into(samples, &mut codes);
        codes
    }
}
