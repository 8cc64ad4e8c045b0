//! What the caller has heard of a reply, word by word, and how loud it was.

use super::piece::append;
use super::{LEVEL_STEP, Ledger, Piece, Playout};
use crate::{Micros, Tick, UtteranceId, words};

/// How many letters a second a voice speaks, for utterances whose length is not known yet. On the slow side, so
/// that no word is credited too early.
const LETTERS_PER_SECOND: usize = 12;

impl Playout {
    /// How much of an utterance the caller has heard, and whether that is all that came of it.
    pub(crate) fn progress(&mut self, at: Tick, utterance: UtteranceId) -> Option<(Micros, bool)> {
        self.settle(at);
        let rate = self.rate;
        let piece = self.piece(utterance)?;
        let heard = if piece.mark.back { piece.made() } else { piece.heard };
        Some((Micros(rate.micros(heard)), heard == piece.made()))
    }

    /// What the caller has heard by now.
    pub(crate) fn ledger(&mut self, at: Tick) -> Ledger {
        self.settle(at);
        let mut ledger = Ledger { by_mark: true, ..Ledger::default() };
        for piece in &self.pieces {
            let (heard, unheard) = self.split(piece);
            ledger.by_mark &= piece.mark.back || heard.is_empty();
            append(&mut ledger.heard, heard);
            append(&mut ledger.unheard, unheard);
        }
        ledger
    }

    /// What the caller has heard of one utterance.
    pub(crate) fn heard_of(&mut self, at: Tick, utterance: UtteranceId) -> String {
        self.settle(at);
        let piece = self.pieces.iter().find(|piece| piece.utterance == utterance);
        piece.map(|piece| self.split(piece).0.to_owned()).unwrap_or_default()
    }

    fn split<'a>(&self, piece: &'a Piece) -> (&'a str, &'a str) {
        if piece.mark.back {
            return (piece.text.as_str(), "");
        }
        let total = if piece.done && !piece.cut { piece.made() } else { self.expected_length(piece) };
        words::split_heard(&piece.text, piece.heard, total)
    }

    /// The loudest that was played between `at` and `window` before it, in dB below full scale.
    pub(crate) fn played_db(&self, at: Tick, window: Micros) -> Option<f32> {
        let earliest = at - window - LEVEL_STEP;
        self.levels
            .iter()
            .filter(|(from, _)| *from >= earliest && *from <= at)
            .map(|(_, level)| *level)
            .reduce(f32::max)
    }

    /// Lets go of levels that no echo can come from any more.
    pub(crate) fn forget_levels(&mut self, at: Tick, window: Micros) {
        let earliest = at - window - LEVEL_STEP;
        while self.levels.front().is_some_and(|(from, _)| *from < earliest) {
            self.levels.pop_front();
        }
    }

    fn expected_length(&self, piece: &Piece) -> usize {
        let letters = piece.text.chars().count();
        piece.made().max(letters * self.rate.hz() as usize / LETTERS_PER_SECOND)
    }
}
