//! Which of the agent's pieces of speech belong to the reply that is being played, how much came of them, and which
//! were withdrawn.

use crate::speak::LONGEST_REPLY;
use crate::{Converse, ItemId, Micros, UtteranceId};

/// No reply is made of more pieces than this: an agent that never stops must not fill the memory.
const MOST: usize = 256;
/// No reply is longer than this. All of it may lie here, since it comes faster than it plays; an agent that never
/// stops must neither fill the memory nor hold a call open.
pub(super) const LONGEST_SPEECH: Micros = Micros::from_ms(180_000);

/// The pieces of the reply under way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Items {
    pieces: Vec<Piece>,
    /// How many bytes of text came for the reply.
    written: usize,
    /// How much audio came for it.
    spoken: Micros,
    /// Pieces with a smaller number were heard or withdrawn: what comes late of them is dropped.
    from: u32,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    item: ItemId,
    utterance: UtteranceId,
    open: bool,
}

impl Items {
    /// The utterance that plays this item.
    pub(super) fn utterance(&self, item: ItemId) -> Option<UtteranceId> {
        self.pieces.iter().find(|piece| piece.item == item).map(|piece| piece.utterance)
    }

    /// Whether an item that is not known yet may still begin.
    pub(super) fn may_begin(&self, item: ItemId) -> bool {
        item.0 >= self.from && self.pieces.len() < MOST && !self.are_too_long()
    }

    pub(super) fn begin(&mut self, item: ItemId, utterance: UtteranceId) {
        self.pieces.push(Piece { item, utterance, open: true });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether so much audio came that no more is taken.
    pub(super) fn are_too_long(&self) -> bool {
        self.spoken >= LONGEST_SPEECH
    }

    /// So much more audio came.
    pub(super) fn add_audio(&mut self, length: Micros) {
        self.spoken = Micros(self.spoken.0 + length.0);
    }

    /// More text came. Returns whether there is room for it.
    pub(super) fn add_text(&mut self, text: &str) -> bool {
        let fits = self.written + text.len() <= LONGEST_REPLY;
        if fits {
            self.written += text.len();
        }
        fits
    }

    /// The item is complete. Gives its utterance, the first time.
    pub(super) fn finish(&mut self, item: ItemId) -> Option<UtteranceId> {
        let piece = self.pieces.iter_mut().find(|piece| piece.item == item && piece.open)?;
        piece.open = false;
        Some(piece.utterance)
    }

    /// All items are complete. Gives the utterances of those that were not.
    pub(super) fn finish_all(&mut self) -> impl Iterator<Item = UtteranceId> {
        self.pieces.iter_mut().filter(|piece| piece.open).map(|piece| {
            piece.open = false;
            piece.utterance
        })
    }

    /// The reply is over: what comes late of its items is dropped. Gives what the agent must be told about those
    /// that were not heard to their end. `progress` says how much of an utterance was heard, and whether that is
    /// all that came of it.
    pub(super) fn withdraw(
        &mut self,
        mut progress: impl FnMut(UtteranceId) -> Option<(Micros, bool)>,
    ) -> Vec<Converse> {
        (self.written, self.spoken) = (0, Micros::default());
        let mut cuts = Vec::new();
        for Piece { item, utterance, open } in self.pieces.drain(..) {
            self.from = self.from.max(item.0.saturating_add(1));
            let (heard, all) = progress(utterance).unwrap_or_default();
            if open || !all {
                cuts.push(Converse::Cut { item, heard_ms: heard.0 / 1000 });
            }
        }
        cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_heard_is_cut_and_nothing_of_it_begins_again() {
        let mut items = Items::default();
        for item in 0..3 {
            items.begin(ItemId(item), UtteranceId(10 + item));
        }
        assert_eq!(items.finish(ItemId(0)), Some(UtteranceId(10)));
        assert_eq!(items.finish(ItemId(0)), None);
        let heard = |utterance: UtteranceId| match utterance.0 {
            10 => Some((Micros::from_ms(900), true)),
            11 => Some((Micros::from_ms(350), false)),
            _ => Some((Micros::default(), false)),
        };
        let cut = |item, heard_ms| Converse::Cut { item: ItemId(item), heard_ms };
        assert_eq!(items.withdraw(heard), [cut(1, 350), cut(2, 0)]);
        assert!(items.is_empty());
        assert!(!items.may_begin(ItemId(2)));
        assert!(items.may_begin(ItemId(3)));
    }
}
