//! Exotel's side of a media socket.

use audio::{Pcm, SampleRate};
use call::{Micros, Tick};

use super::{AfterClear, Breach, Call, Checker, FromServer, Messages, Weight};
use crate::phone::Finding;
use crate::side::Side;

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

    fn started(&mut self, at: Tick) {
        self.checker.started(at);
    }

    fn stopped(&mut self, at: Tick, grace: Micros) {
        self.checker.stopped(at, grace);
    }

    fn caller_spoke(&mut self, at: Tick) {
        self.checker.caller_spoke(at);
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

    fn first_sound(&self) -> Option<Tick> {
        self.checker.first_sound()
    }

    fn is_greeting_marked(&self) -> bool {
        self.checker.is_greeting_marked()
    }

    fn greeting_rules(&self) -> &'static [&'static str] {
        const RULES: &[&str] =
            &[Breach::LateGreeting.id(), Breach::TwoGreetings.id(), Breach::NoGreetingMark.id()];
        RULES
    }

    fn findings(&self, now: Tick) -> Vec<Finding> {
        let noted = self.checker.noted(now).into_iter();
        noted
            .map(|noted| Finding {
                rule: noted.breach.id(),
                what: noted.breach.title(),
                is_advice: noted.breach.weight() == Weight::Warning,
                at_ms: noted.at.0 / 1000,
                count: noted.count,
                seen: noted.seen,
            })
            .collect()
    }
}
