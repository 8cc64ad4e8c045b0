//! Twilio's side of a media socket.

use audio::SampleRate;
use audio::g711::{mulaw_decode_into, mulaw_encode_into};
use call::{Micros, Tick};

use super::{Breach, Call, Checker, Messages};
use crate::exotel::{AfterClear, FromServer, Weight};
use crate::phone::Finding;
use crate::side::Side;

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

    fn first_sound(&self) -> Option<Tick> {
        self.checker.first_sound()
    }

    fn is_greeting_marked(&self) -> bool {
        self.checker.is_greeting_marked()
    }

    fn greeting_rules(&self) -> &'static [&'static str] {
        const RULES: &[&str] = &[Breach::LateGreeting.id(), Breach::TwoGreetings.id()];
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
                seen: match noted.breach.number() {
                    Some(number) => format!("{} ({number})", noted.seen),
                    None => noted.seen,
                },
            })
            .collect()
    }
}
