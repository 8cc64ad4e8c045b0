//! The pieces of the agent's speech: from the vendor's events to the call's audio and words, and what is taken back.

use call::{Conversed, Fault, FaultClass, ItemId};
use serde_json::json;

use super::super::events::ServerEvent;
use super::super::format::Decoder;
use super::super::setup::frame;
use super::{REMEMBERED, RealtimeSession};
use crate::dialect::Frame;

/// One piece of the agent's speech.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) item: ItemId,
    pub(super) response: String,
    pub(super) decoder: Decoder,
    /// Bytes that are not believed yet.
    pub(super) held: Vec<u8>,
    pub(super) open: bool,
    pub(super) cut: bool,
    /// Its words came piece by piece.
    pub(super) told: bool,
}

impl RealtimeSession {
    /// The piece of speech of this vendor's id, unless it is not wanted any more.
    pub(super) fn item(&mut self, event: &ServerEvent) -> Option<&mut Item> {
        if let Some(index) = self.items.iter().position(|item| item.id == event.item_id) {
            return self.items.get_mut(index).filter(|item| !item.cut);
        }
        if self.responses.is_dropped(&event.response_id) {
            return None;
        }
        if self.items.len() >= REMEMBERED {
            self.items.remove(0);
        }
        let item = ItemId(self.next_item);
        self.next_item += 1;
        self.items.push(Item {
            id: event.item_id.clone(),
            item,
            response: event.response_id.clone(),
            decoder: Decoder::new(self.output),
            held: Vec::new(),
            open: true,
            cut: false,
            told: false,
        });
        self.items.last_mut()
    }

    pub(super) fn audio(&mut self, event: &ServerEvent, out: &mut Vec<Conversed>) -> Result<(), Fault> {
        let bytes = base64_simd::STANDARD
            .decode_to_vec(&event.delta)
            .map_err(|_| Fault::new(FaultClass::Garbage, "the vendor sent audio that is no base64"))?;
        if let Some(item) = self.item(event) {
            item.held.extend_from_slice(&bytes);
            let item = item.item;
            self.release(item, false, out);
        }
        Ok(())
    }

    /// Gives on what is held of an item, once it is clear what it is.
    pub(super) fn release(&mut self, item: ItemId, ended: bool, out: &mut Vec<Conversed>) {
        let Some(piece) = self.items.iter_mut().find(|piece| piece.item == item) else { return };
        if piece.held.is_empty() {
            return;
        }
        let Some(format) = self.guard.judge(self.output, &piece.held, ended) else { return };
        if format != self.output {
            self.output = format;
            piece.decoder = Decoder::new(format);
        }
        let pcm = piece.decoder.bytes(&piece.held);
        piece.held.clear();
        self.memory.answers();
        out.push(Conversed::Audio { item, rate: format.rate(), pcm });
    }

    pub(super) fn words(
        &mut self,
        event: &ServerEvent,
        text: &str,
        is_whole: bool,
        out: &mut Vec<Conversed>,
    ) {
        let Some(item) = self.item(event) else { return };
        let is_known = is_whole && item.told;
        if !text.is_empty() && !is_known {
            item.told = true;
            let item = item.item;
            self.memory.agent(item, text);
            out.push(Conversed::Text { item, text: text.to_owned() });
        }
    }

    pub(super) fn item_done(&mut self, id: &str, out: &mut Vec<Conversed>) {
        let Some(piece) = self.items.iter_mut().find(|piece| piece.id == id && piece.open) else { return };
        piece.open = false;
        if !piece.cut {
            let item = piece.item;
            self.release(item, true, out);
            out.push(Conversed::ItemDone(item));
        }
    }

    pub(super) fn cut(&mut self, item: ItemId, heard_ms: u64, send: &mut Vec<Frame>) {
        let Some(piece) = self.items.iter_mut().find(|piece| piece.item == item) else { return };
        piece.cut = true;
        piece.held.clear();
        // More than was sent is refused.
        let given_ms = piece.decoder.given_ms();
        let audio_end_ms = heard_ms.min(given_ms);
        self.memory.cut(item, audio_end_ms, given_ms);
        let (id, response) = (piece.id.clone(), piece.response.clone());
        if id.is_empty() {
            // It was said over a connection that is gone.
            return;
        }
        if self.responses.is_active(&response) {
            self.responses.cancel(send);
        }
        send.push(frame(&json!({
            "type": "conversation.item.truncate",
            "item_id": id,
            "content_index": 0,
            "audio_end_ms": audio_end_ms,
        })));
    }

    /// The connection is gone that they came over: nothing more comes of any of them.
    pub(super) fn forget_pieces(&mut self) {
        for item in &mut self.items {
            (item.open, item.cut) = (false, true);
            item.held.clear();
            item.id.clear();
            item.response.clear();
        }
    }
}
