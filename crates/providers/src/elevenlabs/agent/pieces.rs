//! The agent's audio and words as pieces of speech. ElevenLabs numbers its events, not its answers, and never says that
//! an answer is complete: a new piece begins with the first thing that comes after the caller's words, after an
//! interruption, or with words that come where the piece under way has its own.

use call::{Conversed, ItemId};

use super::super::format::{Format, Raw};

/// The piece of speech under way, and which came before.
pub(super) struct Pieces {
    format: Format,
    next: u32,
    current: Option<Piece>,
    /// Audio up to this event was withdrawn by an interruption.
    withdrawn: Option<i64>,
    /// The last event that brought audio.
    newest: Option<i64>,
    /// The next piece is not to be heard.
    skips_next: bool,
}

struct Piece {
    item: ItemId,
    raw: Raw,
    /// Its words came.
    told: bool,
    /// Nothing more of it is wanted.
    cut: bool,
}

impl Pieces {
    pub(super) const fn new(format: Format) -> Self {
        Self { format, next: 0, current: None, withdrawn: None, newest: None, skips_next: false }
    }

    /// Another conversation begins: its events are numbered anew, its pieces are not. `skips`: its first words, which
    /// nobody asked for, are not to be heard.
    pub(super) fn begin_again(&mut self, skips: bool, out: &mut Vec<Conversed>) {
        self.end(out);
        (self.withdrawn, self.newest, self.skips_next) = (None, None, skips);
    }

    /// Audio comes in this format from here on.
    pub(super) const fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// The piece under way is complete.
    pub(super) fn end(&mut self, out: &mut Vec<Conversed>) {
        if let Some(piece) = self.current.take().filter(|piece| !piece.cut) {
            out.push(Conversed::ItemDone(piece.item));
        }
    }

    /// Audio. Returns whether it is to be heard.
    pub(super) fn audio(&mut self, event: Option<i64>, bytes: &[u8], out: &mut Vec<Conversed>) -> bool {
        if let (Some(event), Some(withdrawn)) = (event, self.withdrawn)
            && event <= withdrawn
        {
            return false;
        }
        self.newest = event.or(self.newest);
        let piece = self.current();
        if piece.cut {
            return false;
        }
        let (item, mut samples) = (piece.item, Vec::with_capacity(bytes.len()));
        piece.raw.push(bytes, &mut samples);
        let rate = self.format.rate();
        if !samples.is_empty() {
            out.push(Conversed::Audio { item, rate, pcm: samples.into() });
        }
        true
    }

    /// The words of a piece. Returns whether they are to be heard.
    pub(super) fn words(&mut self, text: &str, out: &mut Vec<Conversed>) -> bool {
        if self.current.as_ref().is_some_and(|piece| piece.told) {
            self.end(out);
        }
        let piece = self.current();
        piece.told = true;
        if piece.cut {
            return false;
        }
        out.push(Conversed::Text { item: piece.item, text: text.to_owned() });
        true
    }

    /// The agent stopped for the caller: what comes of it up to this event is not wanted.
    pub(super) fn interrupted(&mut self, event: Option<i64>) {
        self.current = None;
        self.withdrawn = event.or(self.newest).max(self.withdrawn);
    }

    /// The call has cut this piece: nothing more of it is wanted.
    pub(super) fn cut(&mut self, item: ItemId) {
        if let Some(piece) = self.current.as_mut().filter(|piece| piece.item == item) {
            piece.cut = true;
        }
    }

    fn current(&mut self) -> &mut Piece {
        let Self { format, next, current, skips_next, .. } = self;
        current.get_or_insert_with(|| {
            let item = ItemId(*next);
            *next = next.saturating_add(1);
            Piece { item, raw: Raw::new(*format), told: false, cut: std::mem::take(skips_next) }
        })
    }
}
