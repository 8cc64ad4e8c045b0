//! Audio that is cut short: a filler that makes way for the answer, a prompt that a pressed key stops.

use audio::level_db;

use super::{Piece, Playout};
use crate::{Micros, Tick, UtteranceId};

/// A gap between words: this long, and below this level.
const GAP: Micros = Micros::from_ms(40);
const GAP_DB: f32 = -45.0;

impl Playout {
    /// A filler is on its way. It comes before everything that has no audio yet.
    pub(crate) fn expect_filler(&mut self, utterance: UtteranceId) {
        let place = self.pieces.iter().position(|piece| piece.made() == 0).unwrap_or(self.pieces.len());
        let mut piece = Piece::new(utterance, String::new(), format!("f{}", utterance.0));
        piece.filler = true;
        self.pieces.insert(place, piece);
    }

    /// A filler of which nothing came is not wanted any more.
    pub(crate) fn remove_filler(&mut self) {
        self.pieces.retain(|piece| !piece.filler || piece.made() > 0);
    }

    /// The answer is there: what was not sent of the filler ends at the next gap between words.
    pub(crate) fn shorten_filler(&mut self) {
        self.remove_filler();
        let window = self.rate.samples(GAP.0).max(1);
        for piece in self.pieces.iter_mut().filter(|piece| piece.filler && piece.unsent() > 0) {
            let mut rest = Vec::with_capacity(piece.unsent());
            piece.copy(piece.sent..piece.made(), &mut rest);
            let gap = rest.chunks(window).position(|part| level_db(part) < GAP_DB);
            if let Some(gap) = gap {
                piece.truncate(piece.sent + gap * window);
            }
            piece.done = true;
        }
    }

    /// The filler stops at once. Returns whether audio of it lies with the carrier, which is to be told.
    pub(crate) fn cut_filler(&mut self, at: Tick) -> bool {
        self.settle(at);
        let mut lies_there = false;
        for piece in self.pieces.iter().filter(|piece| piece.filler) {
            lies_there |= self.flights.iter().any(|flight| flight.utterance == piece.utterance);
        }
        let fillers: Vec<UtteranceId> =
            self.pieces.iter().filter(|piece| piece.filler).map(|piece| piece.utterance).collect();
        self.pieces.retain(|piece| !piece.filler);
        self.flights.retain(|flight| !fillers.contains(&flight.utterance));
        if lies_there {
            self.head = at;
            self.levels.retain(|(from, _)| *from <= at);
        }
        lies_there
    }

    /// All of the reply stops at once and is not taken up again; what follows of it is played. Returns whether audio
    /// lies with the carrier, which is to be told.
    pub(crate) fn cut(&mut self, at: Tick) -> bool {
        self.settle(at);
        let lies_there = at < self.head;
        self.flights.clear();
        for piece in self.pieces.iter_mut().filter(|piece| !piece.mark.back) {
            piece.done = true;
            piece.cut = true;
            piece.mark.take_back();
            piece.resampler = None;
            piece.sent = piece.made();
        }
        self.head = self.head.min(at);
        self.levels.retain(|(from, _)| *from <= at);
        lies_there
    }
}
