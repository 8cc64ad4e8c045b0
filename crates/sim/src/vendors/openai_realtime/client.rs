//! What a client says to the stand-in, judged by the reference.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::session::Session;
use super::shape::{Format, unknown_field, update};
use crate::vendors::Fault;
use crate::vendors::sound::Listener;

/// Less than this can't be committed.
const LEAST_COMMIT_MS: usize = 100;

impl Session {
    /// A text frame came.
    pub(super) fn client(&mut self, text: &str, now: Instant) {
        if matches!(self.manner.fault, Some(Fault::Mute)) {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(text) else {
            self.breach("a frame that is no JSON");
            return self.error(now, "invalid_json", &Value::Null);
        };
        let kind = event["type"].as_str().unwrap_or_default();
        if !self.is_set_up && kind != "session.update" {
            self.breach(&format!("{kind} before session.updated"));
        }
        match kind {
            "session.update" => self.session_update(&event, now),
            "input_audio_buffer.append" => self.append(&event, now),
            "input_audio_buffer.commit" => self.client_commit(&event, now),
            "input_audio_buffer.clear" => {
                self.heard.1 = 0;
                self.tell(now, json!({ "type": "input_audio_buffer.cleared" }));
            }
            "conversation.item.create" if !self.transcribes => self.item_create(&event, now),
            "conversation.item.truncate" if !self.transcribes => self.truncate(&event, now),
            "response.create" if !self.transcribes => {
                self.note("response.create".to_owned());
                self.respond(now);
            }
            "response.cancel" if !self.transcribes => {
                self.note("response.cancel".to_owned());
                let is_it = event["response_id"].is_null()
                    || event["response_id"].as_str() == self.talk.active.as_deref();
                if !is_it || !self.cancel(now, "client_cancelled") {
                    self.error(now, "response_cancel_not_active", &event["event_id"]);
                }
            }
            _ => {
                self.breach(&format!("an event {kind:?}"));
                self.error(now, "invalid_value", &event["event_id"]);
            }
        }
    }

    fn session_update(&mut self, event: &Value, now: Instant) {
        let with = &event["session"];
        self.world.ledger.note(self.place, |seen| seen.body = with.to_string());
        let kind = if self.transcribes { "transcription" } else { "realtime" };
        if with["type"] != kind {
            self.breach("session.type");
            return self.error(now, "invalid_value", &event["event_id"]);
        }
        if let Some(field) = unknown_field(with, self.transcribes) {
            self.breach(&format!("session.{field}"));
            return self.error(now, "unknown_parameter", &event["event_id"]);
        }
        update(&mut self.state, with);
        let Some(format) = Format::of(&self.state, "input") else {
            self.breach("audio.input.format");
            return self.error(now, "invalid_value", &event["event_id"]);
        };
        if !self.transcribes && Format::of(&self.state, "output").is_none() {
            self.breach("audio.output.format");
            return self.error(now, "invalid_value", &event["event_id"]);
        }
        let detection = &self.state["audio"]["input"]["turn_detection"];
        let silence = detection["silence_duration_ms"].as_u64();
        let silence = silence.unwrap_or(self.world.delays.endpointing_ms);
        self.listener = detection.is_object().then(|| Listener::new(format.rate(), silence));
        if self.own("never-ready") {
            return;
        }
        self.is_set_up = true;
        let mut session = self.state.clone();
        if self.own("wrong-format") {
            session["audio"]["output"]["format"] = json!({ "type": "audio/opus" });
        }
        self.tell(now, json!({ "type": "session.updated", "session": session }));
    }

    fn append(&mut self, event: &Value, now: Instant) {
        let audio = event["audio"].as_str().unwrap_or_default();
        let Ok(bytes) = base64_simd::STANDARD.decode_to_vec(audio) else {
            self.breach("audio that is no base64");
            return self.error(now, "invalid_value", &event["event_id"]);
        };
        if bytes.is_empty() {
            self.breach("an append of nothing");
        }
        if let Some(format) = Format::of(&self.state, "input") {
            let samples = format.decode(&bytes);
            self.hear(&samples, now);
        }
    }

    fn client_commit(&mut self, event: &Value, now: Instant) {
        let rate = Format::of(&self.state, "input").map_or(24, |format| format.rate().hz() as usize / 1000);
        if self.heard.1 < LEAST_COMMIT_MS * rate {
            self.breach("a commit of nothing");
            return self.error(now, "input_audio_buffer_commit_empty", &event["event_id"]);
        }
        self.note("commit".to_owned());
        let item = self.new_item();
        self.commit(&item, now);
    }

    fn item_create(&mut self, event: &Value, now: Instant) {
        let mut item = event["item"].clone();
        let text = item.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default().to_owned();
        match (item["type"].as_str(), item["role"].as_str()) {
            (Some("message"), Some("system")) if item["content"][0]["type"] == "input_text" => {
                let words = text.rsplit("\n\n").next().unwrap_or_default();
                self.note(format!("system: {words}"));
                self.talk.told_to_say = Some(words.to_owned());
            }
            (Some("message"), Some("user")) if item["content"][0]["type"] == "input_text" => {
                self.note(format!("user: {text}"));
            }
            (Some("message"), Some("assistant")) if item["content"][0]["type"] == "output_text" => {
                self.note(format!("assistant: {text}"));
            }
            (Some("function_call"), _) if item["name"].is_string() && item["arguments"].is_string() => {
                let call = item["call_id"].as_str().unwrap_or_default().to_owned();
                self.note(format!("call: {call}"));
                self.talk.calls.push(call);
            }
            (Some("function_call_output"), _) => {
                let call = item["call_id"].as_str().unwrap_or_default().to_owned();
                if !self.talk.calls.contains(&call) {
                    self.breach("the result of a call that was not made");
                    return self.error(now, "invalid_value", &event["event_id"]);
                }
                self.talk.calls.retain(|open| *open != call);
                self.note(format!("result: {}", item["output"].as_str().unwrap_or_default()));
            }
            _ => {
                self.breach("an item of an unknown kind");
                return self.error(now, "invalid_value", &event["event_id"]);
            }
        }
        item["id"] = json!(self.new_item());
        for word in ["added", "done"] {
            let kind = format!("conversation.item.{word}");
            self.tell(now, json!({ "type": kind, "previous_item_id": null, "item": item }));
        }
    }

    fn truncate(&mut self, event: &Value, now: Instant) {
        let item = event["item_id"].as_str().unwrap_or_default();
        let end_ms = event["audio_end_ms"].as_u64();
        match (self.talk.sent.get(item), end_ms) {
            (Some(sent), Some(end_ms)) if end_ms <= *sent => {
                let sent = *sent;
                self.note(format!("truncate: {item} at {end_ms} of {sent}"));
                self.tell(
                    now,
                    json!({ "type": "conversation.item.truncated", "item_id": item, "content_index": 0,
                    "audio_end_ms": end_ms }),
                );
            }
            _ => {
                self.breach(&format!("truncate of {item} at {end_ms:?}"));
                self.error(now, "invalid_value", &event["event_id"]);
            }
        }
    }
}
