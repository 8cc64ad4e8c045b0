//! Exotel's side of a media socket.

use audio::{Pcm, SampleRate};
use call::{Micros, Tick};

use super::{AfterClear, Call, Checker, Messages};
use crate::side::{FromServer, Side};
use crate::watch::Watching;

/// Messages and checker of one stream.
#[derive(Debug)]
pub(crate) struct ExotelSide {
    pub(crate) messages: Messages,
    pub(crate) checker: Checker,
    after_clear: AfterClear,
}

impl ExotelSide {
    pub(crate) fn new(messages: Messages, after_clear: AfterClear) -> Self {
        let Call { stream, rate, .. } = messages.call();
        let checker = Checker::new(stream, *rate);
        Self { messages, checker, after_clear }
    }
}

impl Side for ExotelSide {
    fn rate(&self) -> SampleRate {
        self.messages.call().rate
    }

    fn after_clear(&self) -> AfterClear {
        self.after_clear
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
        self.messages.stop("callended")
    }

    fn closes_after_stop(&self) -> bool {
        false
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

    fn closed(&mut self, _: Tick, _: Option<u16>) {}

    fn samples(&self, bytes: &[u8]) -> Vec<i16> {
        Pcm::from_le_bytes(bytes).to_vec()
    }

    fn bytes(&self, samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }
}
