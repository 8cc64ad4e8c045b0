//! A caller who only measures how long his frames take to come back.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use super::carrier::{Carrier, Said, read};
use super::{Caller, Clip, Latencies, Outbox};

/// Talks all the time to something that sends back what it gets.
#[derive(Debug)]
pub struct Echoed {
    carrier: Carrier,
    clip: Rc<Clip>,
    frame: usize,
    /// When the frames that are not back were sent.
    under_way: VecDeque<Instant>,
    measuring: bool,
    /// The way there and back of each frame.
    pub round_trips: Latencies,
}

impl Echoed {
    /// The caller of this number.
    pub fn numbered(number: usize, clip: Rc<Clip>) -> Self {
        Self {
            carrier: Carrier::numbered(number),
            clip,
            frame: 0,
            under_way: VecDeque::new(),
            measuring: false,
            round_trips: Latencies::default(),
        }
    }
}

impl Caller for Echoed {
    fn frame(&mut self, now: Instant, out: &mut Outbox) {
        if self.frame == 0 {
            self.carrier.start(out);
        }
        let payload = self.clip.quiet(self.frame);
        self.carrier.media(payload, out);
        self.frame += 1;
        self.under_way.push_back(now);
    }

    fn received(&mut self, now: Instant, text: &[u8]) {
        if !matches!(read(text), Said::Media(_)) {
            return;
        }
        if let Some(sent) = self.under_way.pop_front().filter(|_| self.measuring) {
            self.round_trips.push(now.duration_since(sent));
        }
    }

    fn measure(&mut self, on: bool) {
        self.measuring = on;
    }

    fn goodbye(&mut self, out: &mut Outbox) {
        self.carrier.stop(out);
    }
}
