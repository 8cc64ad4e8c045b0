//! Stopping in the middle of an answer and going on: what was sent and not heard is taken back.

use super::Playout;
use super::piece::Mark;
use crate::{Micros, Tick};

impl Playout {
    /// Stops at once: what was sent and not heard is taken back, to be sent again by `release`.
    pub(crate) fn hold(&mut self, at: Tick) {
        self.stop_where(at, Mark::take_back);
    }

    /// The same where the stream is gone, and with it all that it could return.
    pub(crate) fn lose(&mut self, at: Tick) {
        self.stop_where(at, Mark::forget);
    }

    fn stop_where(&mut self, at: Tick, settle_mark: fn(&mut Mark)) {
        self.settle(at);
        self.held = true;
        self.flights.clear();
        for piece in &mut self.pieces {
            if !piece.mark.back && !piece.cut {
                piece.sent = piece.heard;
                settle_mark(&mut piece.mark);
            }
        }
        self.head = at;
        self.levels.retain(|(from, _)| *from <= at);
    }

    /// Goes on where `hold` stopped. Returns how much had been taken back or not been sent.
    pub(crate) fn release(&mut self, at: Tick) -> Micros {
        self.held = false;
        self.head = at;
        self.unsent()
    }
}
