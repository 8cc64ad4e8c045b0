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
    /// The utterance that plays this item. Where an item may go on after it was taken as complete (`goes_on`), none
    /// plays what comes then.
    pub(super) fn utterance(&self, item: ItemId, goes_on: bool) -> Option<UtteranceId> {
        let plays = |piece: &&Piece| piece.item == item && (piece.open || !goes_on);
        self.pieces.iter().rev().find(plays).map(|piece| piece.utterance)
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
    /// all that came of it. Where items go on after they were taken as complete, the last one that was heard may.
    pub(super) fn withdraw(
        &mut self,
        goes_on: bool,
        mut progress: impl FnMut(UtteranceId) -> Option<(Micros, bool)>,
    ) -> Vec<Converse> {
        (self.written, self.spoken) = (0, Micros::default());
        // An item that went on is several pieces.
        let mut items: Vec<(ItemId, Micros, bool)> = Vec::new();
        for Piece { item, utterance, open } in self.pieces.drain(..) {
            let (heard, all) = progress(utterance).unwrap_or_default();
            let is_cut = open || !all;
            match items.iter_mut().find(|(known, ..)| *known == item) {
                Some((_, sum, cut)) => (*sum, *cut) = (Micros(sum.0 + heard.0), *cut || is_cut),
                None => items.push((item, heard, is_cut)),
            }
        }
        let mut cuts = Vec::new();
        for (item, heard, is_cut) in items {
            let next = if is_cut || !goes_on { item.0.saturating_add(1) } else { item.0 };
            self.from = self.from.max(next);
            if is_cut {
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
        assert_eq!(items.withdraw(false, heard), [cut(1, 350), cut(2, 0)]);
        assert!(items.is_empty());
        assert!(!items.may_begin(ItemId(2)));
        assert!(items.may_begin(ItemId(3)));
    }

    #[test]
    fn what_was_heard_may_go_on_where_nobody_says_that_it_is_complete() {
        let mut items = Items::default();
        items.begin(ItemId(0), UtteranceId(0));
        assert_eq!(items.utterance(ItemId(0), true), Some(UtteranceId(0)));
        items.finish(ItemId(0));
        assert_eq!(items.utterance(ItemId(0), false), Some(UtteranceId(0)));
        assert_eq!(items.utterance(ItemId(0), true), None);
        assert_eq!(items.withdraw(true, |_| Some((Micros::from_ms(900), true))), []);
        assert!(items.may_begin(ItemId(0)), "it may say more");
        items.begin(ItemId(0), UtteranceId(1));
        assert_eq!(items.withdraw(true, |_| Some((Micros::from_ms(20), false))).len(), 1);
        assert!(!items.may_begin(ItemId(0)), "it was cut");
    }
}
