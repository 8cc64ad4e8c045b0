//! One session of the stand-in: what is to be sent and when, and what it hears.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::has_own;
use super::playing::{Answer, Form, Told, ended, told};
use super::shape::{Format, fresh};
use crate::vendors::sound::{Listener, Sounded};
use crate::vendors::{Fault, Manner, World};

/// What is to be done on the socket.
pub(super) enum Step {
    Send(String),
    Close(u16, &'static str),
    Break,
}

/// Something that is to be sent at its moment.
enum Due {
    Event(Value),
    /// What is no event.
    Raw(&'static str),
    /// Part of an answer, with the audio that is in it.
    Answer(Value, Option<(String, u64)>),
    Close(u16, &'static str),
    Break,
}

/// One session.
pub(super) struct Session {
    pub(super) world: World,
    pub(super) place: usize,
    pub(super) manner: Manner,
    /// Which one it is of its key.
    pub(super) nth: usize,
    pub(super) transcribes: bool,
    pub(super) state: Value,
    pub(super) is_set_up: bool,
    pub(super) listener: Option<Listener>,
    /// Samples that came, and of those, since the last commit.
    pub(super) heard: (usize, usize),
    coming: VecDeque<(Instant, Due)>,
    pub(super) talk: Talk,
}

/// What was said, and by whom.
#[derive(Default)]
pub(super) struct Talk {
    /// The answer under way.
    pub(super) active: Option<String>,
    answers: usize,
    utterances: usize,
    responses: usize,
    items: usize,
    events: usize,
    /// What the next answer is to say, where an instruction says it.
    pub(super) told_to_say: Option<String>,
    /// How much audio of each item was sent, in milliseconds.
    pub(super) sent: BTreeMap<String, u64>,
    /// Calls of tools that want a result.
    pub(super) calls: Vec<String>,
    /// The item of the speech that is going on.
    speech: String,
}

impl Session {
    pub(super) fn new(world: World, (place, nth): (usize, usize), manner: Manner, transcribes: bool) -> Self {
        Self {
            world,
            place,
            manner,
            nth,
            transcribes,
            state: fresh(transcribes),
            is_set_up: false,
            listener: None,
            heard: (0, 0),
            coming: VecDeque::new(),
            talk: Talk::default(),
        }
    }

    pub(super) fn opened(&mut self, now: Instant) {
        if !matches!(self.manner.fault, Some(Fault::Mute)) {
            let session = self.state.clone();
            self.tell(now, json!({ "type": "session.created", "session": session }));
        }
    }

    pub(super) fn breach(&self, what: &str) {
        self.world.ledger.note(self.place, |seen| seen.breaches.push(what.to_owned()));
    }

    pub(super) fn note(&self, text: String) {
        self.world.ledger.note(self.place, |seen| seen.texts.push(text));
    }

    pub(super) fn own(&self, name: &str) -> bool {
        has_own(&self.manner, name)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.coming.front().map(|(at, _)| *at)
    }

    /// The next step that is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        self.due().filter(|due| *due <= now)?;
        let (_, due) = self.coming.pop_front()?;
        let event = match due {
            Due::Close(code, reason) => return Some(Step::Close(code, reason)),
            Due::Break => return Some(Step::Break),
            Due::Raw(text) => return Some(Step::Send(text.to_owned())),
            Due::Event(event) => event,
            Due::Answer(event, audio) => {
                if let Some((item, length_ms)) = audio {
                    *self.talk.sent.entry(item).or_default() += length_ms;
                }
                match event["type"].as_str() {
                    Some("response.done") => self.talk.active = None,
                    Some("response.function_call_arguments.done") => {
                        self.talk.calls.push(event["call_id"].as_str().unwrap_or_default().to_owned());
                    }
                    _ => {}
                }
                event
            }
        };
        Some(Step::Send(self.written(event)))
    }

    fn written(&mut self, mut event: Value) -> String {
        self.talk.events += 1;
        event["event_id"] = json!(format!("event_{}", self.talk.events));
        if self.own("beta-names") {
            let today = event["type"].as_str().unwrap_or_default();
            let old = today
                .replace("response.output_audio", "response.audio")
                .replace("response.output_text", "response.text")
                .replace("conversation.item.added", "conversation.item.created");
            event["type"] = json!(old);
        }
        event.to_string()
    }

    /// Sends an event at `at`, behind what is due by then.
    pub(super) fn tell(&mut self, at: Instant, event: Value) {
        self.come(at, Due::Event(event));
    }

    fn come(&mut self, at: Instant, due: Due) {
        let behind = self.coming.partition_point(|(other, _)| *other <= at);
        self.coming.insert(behind, (at, due));
    }

    pub(super) fn error(&mut self, now: Instant, code: &str, event_id: &Value) {
        let error = json!({ "type": "invalid_request_error", "code": code, "message": format!("No: {code}."),
            "param": null, "event_id": event_id });
        self.tell(now, json!({ "type": "error", "error": error }));
    }

    /// The caller's audio.
    pub(super) fn hear(&mut self, samples: &[i16], now: Instant) {
        self.heard = (self.heard.0 + samples.len(), self.heard.1 + samples.len());
        self.world.ledger.note(self.place, |seen| seen.samples += samples.len() as u64);
        let Some(listener) = &mut self.listener else { return };
        for sounded in listener.push(samples) {
            match sounded {
                Sounded::Began => self.speech_began(now),
                Sounded::Ended => self.speech_ended(now),
            }
        }
    }

    fn heard_ms(&self) -> u64 {
        let rate = Format::of(&self.state, "input").map_or(24, |format| format.rate().hz() as usize / 1000);
        (self.heard.0 / rate) as u64
    }

    fn detection(&self, field: &str) -> bool {
        self.state.pointer(&format!("/audio/input/turn_detection/{field}")) == Some(&Value::Bool(true))
    }

    fn speech_began(&mut self, now: Instant) {
        self.talk.speech = self.new_item();
        let (item, start) = (self.talk.speech.clone(), self.heard_ms().saturating_sub(300));
        self.tell(
            now,
            json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": start,
            "item_id": item }),
        );
        if self.detection("interrupt_response") {
            self.cancel(now, "turn_detected");
        }
    }

    fn speech_ended(&mut self, now: Instant) {
        let (item, end) = (self.talk.speech.clone(), self.heard_ms());
        self.tell(
            now,
            json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": end,
            "item_id": item }),
        );
        self.commit(&item, now);
        if !self.transcribes && self.detection("create_response") {
            self.respond(now);
        }
    }

    pub(super) fn new_item(&mut self) -> String {
        self.talk.items += 1;
        format!("item_{}", self.talk.items)
    }

    /// What was heard becomes an item of the conversation, and its words come later.
    pub(super) fn commit(&mut self, item: &str, now: Instant) {
        self.heard.1 = 0;
        self.tell(
            now,
            json!({ "type": "input_audio_buffer.committed", "previous_item_id": null, "item_id": item }),
        );
        let said = json!({ "id": item, "object": "realtime.item", "type": "message", "role": "user",
            "status": "completed", "content": [{ "type": "input_audio", "transcript": null }] });
        self.tell(now, json!({ "type": "conversation.item.added", "previous_item_id": null, "item": said }));
        self.tell(now, json!({ "type": "conversation.item.done", "previous_item_id": null, "item": said }));
        let is_wanted = self.state.pointer("/audio/input/transcription").is_some_and(Value::is_object);
        if !is_wanted || matches!(self.manner.fault, Some(Fault::Stall)) {
            return;
        }
        let text = if matches!(self.manner.fault, Some(Fault::Silence)) {
            String::new()
        } else {
            self.world.heard(self.talk.utterances).to_owned()
        };
        self.talk.utterances += 1;
        let at = now + Duration::from_millis(self.world.delays.recogniser_ms);
        if self.own("cut-unheard") && self.nth == 1 {
            return self.come(now, Due::Break);
        }
        if self.transcribes && matches!(self.manner.fault, Some(Fault::Cut | Fault::CutWebsocket)) {
            return self.come(now, Due::Break);
        }
        let kind = |word: &str| format!("conversation.item.input_audio_transcription.{word}");
        let of = |word: &str| json!({ "type": kind(word), "item_id": item, "content_index": 0 });
        if self.own("no-transcript") {
            let mut failed = of("failed");
            failed["error"] = json!({ "type": "transcription_error", "code": "audio_unintelligible",
                "message": "The audio could not be transcribed." });
            return self.tell(at, failed);
        }
        for word in text.split_inclusive(' ') {
            let mut delta = of("delta");
            delta["delta"] = json!(word);
            self.tell(at, delta);
        }
        let mut done = of("completed");
        (done["transcript"], done["usage"]) = (json!(text), json!({ "type": "tokens", "total_tokens": 20 }));
        self.tell(at, done);
    }

    /// An answer begins, to the caller's last words or to an instruction.
    pub(super) fn respond(&mut self, now: Instant) {
        if self.talk.active.is_some() {
            return self.error(now, "conversation_already_has_active_response", &Value::Null);
        }
        self.talk.responses += 1;
        let response = format!("resp_{}", self.talk.responses);
        self.talk.active = Some(response.clone());
        let is_first = self.talk.responses == 1;
        let delays = self.world.delays;
        let at = now + Duration::from_millis(delays.model_ms + delays.voice_ms);
        let answer = match self.talk.told_to_say.take() {
            Some(words) => Answer { lines: vec![words], tool: None },
            None => {
                self.talk.answers += 1;
                Answer::of(self.world.answer(self.talk.answers - 1))
            }
        };
        let mut format = Format::of(&self.state, "output").unwrap_or(Format::Pcm24);
        if self.own("pcm-for-pcmu") {
            format = Format::Pcm24;
        }
        let is_silent = matches!(self.manner.fault, Some(Fault::Silence));
        let first_item = self.talk.items + 1;
        self.talk.items += answer.lines.len() + usize::from(answer.tool.is_some());
        let form = Form { response: response.clone(), format, is_silent, first_item };
        let (mut events, end) = told(&answer, &form, at);
        if self.goes_wrong(&mut events, &response, is_first) {
            return;
        }
        for Told { at, event, audio } in events {
            self.come(at, Due::Answer(event, audio));
        }
        self.come(end, Due::Answer(ended(&response, "completed", &Value::Null), None));
        if self.own("harmless-errors") {
            self.error(at, "response_cancel_not_active", &Value::Null);
            self.error(end, "input_audio_buffer_commit_empty", &Value::Null);
        }
    }

    /// Does what goes wrong in an answer. Whether it is not told to its end.
    fn goes_wrong(&mut self, events: &mut Vec<Told>, response: &str, is_first: bool) -> bool {
        let middle = events.len() / 2;
        let at = events[middle].at;
        let own = |name: &str| has_own(&self.manner, name);
        let error = |kind: &str, code: &str, message: &str| {
            json!({ "type": "error", "error": { "type": kind, "code": code, "message": message, "param": null,
                "event_id": null } })
        };
        let mut last = Vec::new();
        match &self.manner.fault {
            Some(Fault::Stall) => {}
            Some(Fault::Cut | Fault::CutWebsocket) => last.push(Due::Break),
            _ if own("cut-once") && self.nth == 1 => last.push(Due::Break),
            Some(Fault::Garbage) => last.push(Due::Raw("garbage{")),
            Some(Fault::InStream) => {
                let what =
                    json!({ "type": "failed", "error": { "type": "server_error", "code": "server_error" } });
                last.push(Due::Answer(ended(response, "failed", &what), None));
            }
            _ if own("failed-once") && is_first => {
                let what =
                    json!({ "type": "failed", "error": { "type": "server_error", "code": "server_error" } });
                events.truncate(1);
                self.talk.answers -= 1;
                last.push(Due::Answer(ended(response, "failed", &what), None));
            }
            _ if own("session-expired") => {
                let message = "Your session hit the maximum duration of 60 minutes.";
                last.push(Due::Event(error("invalid_request_error", "session_expired", message)));
                last.push(Due::Close(1001, ""));
            }
            _ if own("fatal-error") => {
                let message = "You exceeded your current quota.";
                last.push(Due::Event(error("insufficient_quota", "insufficient_quota", message)));
            }
            _ => return false,
        }
        events.truncate(middle.max(1));
        for Told { at, event, audio } in events.drain(..) {
            self.come(at, Due::Answer(event, audio));
        }
        for due in last {
            self.come(at, due);
        }
        true
    }

    /// Ends the answer under way, if there is one.
    pub(super) fn cancel(&mut self, now: Instant, reason: &str) -> bool {
        let Some(response) = self.talk.active.take() else { return false };
        let mut late = Vec::new();
        self.coming.retain_mut(|(_, due)| match due {
            Due::Answer(event, audio) => {
                if audio.is_some() && late.len() < 3 {
                    late.push(event.take());
                }
                false
            }
            _ => true,
        });
        if self.own("late-audio") {
            for event in late {
                self.tell(now, event);
            }
        }
        let details = json!({ "type": "cancelled", "reason": reason });
        self.tell(now, ended(&response, "cancelled", &details));
        true
    }
}
