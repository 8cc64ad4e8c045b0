//! What the agent of the stand-in says when, and what goes wrong in the middle of it.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::answer::{Answer, FASTER, PIECE_MS, audio, pieces};
use super::session::{Session, Speaking};
use crate::vendors::Fault;
use crate::vendors::elevenlabs::socket::{Act, Outbox};

impl Session {
    /// The world's next answer.
    pub(super) fn answer(&mut self, at: Instant, out: &mut Outbox) {
        let delays = self.guest.world.delays;
        let answer = Answer::of(self.guest.world.answer(self.counts.answers));
        self.counts.answers += 1;
        self.speak(&answer, at + Duration::from_millis(delays.model_ms + delays.voice_ms), out);
    }

    pub(super) fn speak(&mut self, answer: &Answer, at: Instant, out: &mut Outbox) {
        let is_silent = self.guest.fault == Some(Fault::Silence);
        let pieces = if answer.words.is_empty() {
            Vec::new()
        } else {
            pieces(&answer.words, self.formats.gives, is_silent)
        };
        let is_first_answer = self.counts.answers == 1;
        let mut when = at;
        if let Some(stale) = pieces.last() {
            self.said("agent", &answer.words);
            let response = self.counts.events + 1;
            let mut event = json!({ "agent_response": answer.words, "event_id": response });
            if self.own() == Some("old") {
                event = json!({ "agent_response": answer.words });
            }
            out.at(when, Act::Say(json!({ "type": "agent_response", "agent_response_event": event })));
            let middle = pieces.len() / 2;
            for (index, piece) in pieces.iter().enumerate() {
                if index == middle && is_first_answer && self.goes_wrong(when, out) {
                    return;
                }
                let event = self.next_event();
                out.at(when, Act::Say(audio(piece, event)));
                when += Duration::from_millis(PIECE_MS / FASTER);
            }
            let length = Duration::from_millis(PIECE_MS * pieces.len() as u64);
            let (words, stale) = (answer.words.clone(), stale.clone());
            self.speaking =
                Some(Speaking { words, began: at, length, stale, last_event: self.counts.events });
        }
        if let Some((name, arguments)) = &answer.tool {
            let id = format!("tool_{}", self.next_event());
            self.tools.push(id.clone());
            out.at(
                when,
                Act::Say(json!({ "type": "client_tool_call", "client_tool_call": { "tool_name": name,
                "tool_call_id": id, "parameters": arguments, "event_id": self.counts.events } })),
            );
        }
        if is_first_answer && self.own() == Some("hangs-up") {
            out.at(
                when,
                Act::Say(json!({ "type": "agent_tool_response", "agent_tool_response": {
                "tool_name": "end_call", "tool_call_id": "x", "tool_type": "system", "is_error": false } })),
            );
            let heard = at + Duration::from_millis(PIECE_MS * pieces.len() as u64);
            out.at(heard, Act::Close(1000, ""));
        }
    }

    /// Does what goes wrong in the middle of the first answer. Whether it is not told to its end.
    fn goes_wrong(&self, at: Instant, out: &mut Outbox) -> bool {
        let act = match (&self.guest.fault, self.own()) {
            (Some(Fault::Stall), _) => None,
            (Some(Fault::Cut | Fault::CutWebsocket), _) => Some(Act::Cut),
            (Some(Fault::Garbage), _) => Some(Act::Garbage),
            (Some(Fault::InStream), _) => {
                let error = json!({ "code": 1002, "error_type": "tts_cascade_error", "message": "No voice.",
                    "reason": "No voice." });
                out.at(at, Act::Say(json!({ "type": "error", "error_event": error })));
                Some(Act::Close(1002, "tts_cascade_error"))
            }
            (_, Some("cut-once")) if self.nth == 1 => Some(Act::Cut),
            (_, Some("llm-timeout")) => Some(Act::Close(1002, "llm_timeout")),
            (_, Some("crash")) => Some(Act::Close(1011, "unknown_websocket_crash")),
            (_, Some("max-duration")) => Some(Act::Close(1000, "max_duration_exceeded")),
            _ => return false,
        };
        if let Some(act) = act {
            out.at(at, act);
            out.shut();
        }
        true
    }
}
