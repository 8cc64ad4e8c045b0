//! One conversation of the stand-in: what is said, what is heard, and what the client must not do.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Office;
use super::answer::{Answer, FASTER, Format, PIECE_MS, audio, pieces};
use crate::vendors::Fault;
use crate::vendors::elevenlabs::access::Guest;
use crate::vendors::elevenlabs::socket::{Act, Machine, Outbox};
use crate::vendors::sound::{Listener, Sounded};

/// How often the client is asked whether it is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(2);
const PONG_WITHIN: Duration = Duration::from_secs(2);
/// Without audio of the caller for so long a conversation ends, in milliseconds.
const INPUT_WITHIN_MS: u64 = 60_000;
/// Pieces of the caller's audio must be this long, in milliseconds.
const PIECES_MS: std::ops::RangeInclusive<u64> = 20..=250;
const GREETING: &str = "Hello, you are talking to the agent.";
/// Behind this an instruction to say something has the words.
const WORD_FOR_WORD: &str = "nothing else: ";

pub(super) struct Session {
    guest: Guest,
    office: Office,
    id: String,
    /// Which of its key's conversations this is.
    nth: u32,
    has_begun: bool,
    takes: Format,
    gives: Format,
    listener: Listener,
    /// The last event's number.
    events: u64,
    texts: usize,
    answers: usize,
    speaking: Option<Speaking>,
    pings: Vec<(u64, Instant)>,
    last_input: Instant,
    tools: Vec<String>,
}

/// What the agent says now, as far as it can know.
struct Speaking {
    words: String,
    began: Instant,
    length: Duration,
    stale: String,
    last_event: u64,
}

impl Session {
    pub(super) fn new(guest: Guest, office: Office, id: String, nth: u32) -> Self {
        let listener = Listener::new(Format::MuLaw.rate(), guest.world.delays.endpointing_ms);
        Self {
            guest,
            office,
            id,
            nth,
            has_begun: false,
            takes: Format::MuLaw,
            gives: Format::MuLaw,
            listener,
            events: 0,
            texts: 0,
            answers: 0,
            speaking: None,
            pings: Vec::new(),
            last_input: Instant::now(),
            tools: Vec::new(),
        }
    }

    fn own(&self) -> Option<&str> {
        match &self.guest.fault {
            Some(Fault::Own(own)) => Some(own),
            _ => None,
        }
    }

    fn note(&self, text: String) {
        self.guest.note(|seen| seen.texts.push(text));
    }

    fn said(&self, role: &str, words: &str) {
        let line = json!({ "role": role, "message": words, "time_in_call_secs": 0 });
        self.office.change(&self.id, |told| {
            if let Some(lines) = told["transcript"].as_array_mut() {
                lines.push(line);
            }
        });
    }

    fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    /// Ends the conversation as ElevenLabs does, for what the client did.
    fn refuse(&self, word: &'static str, why: &str, out: &mut Outbox) {
        let error = json!({ "code": 1008, "error_type": word, "message": why, "reason": why });
        out.clear();
        out.now(Act::Say(json!({ "type": "error", "error_event": error })));
        out.now(Act::Close(1008, word));
        out.shut();
    }

    fn begin(&mut self, message: &Value, out: &mut Outbox) {
        self.has_begun = true;
        self.guest.note(|seen| seen.body = message.to_string());
        let overrides = &message["conversation_config_override"];
        if !overrides.is_null() && self.own() != Some("allows-overrides") {
            return self.refuse("override_error", "Override for field is not allowed by config.", out);
        }
        let variables = &message["dynamic_variables"];
        if self.own() == Some("needs-variable") && !variables["candidate_name"].is_string() {
            let why = "Missing required dynamic variables: candidate_name";
            return self.refuse("missing_dynamic_variable", why, out);
        }
        let data = message.clone();
        self.office.change(&self.id, |told| told["conversation_initiation_client_data"] = data);
        if self.own() == Some("never-ready") || self.guest.fault == Some(Fault::Mute) {
            return;
        }
        let name = self.own().and_then(|own| own.strip_prefix("format-")).unwrap_or("ulaw_8000").to_owned();
        let mut event = json!({ "conversation_id": self.id, "agent_output_audio_format": name,
            "user_input_audio_format": name });
        self.gives = Format::of(&name).unwrap_or(Format::MuLaw);
        self.takes = self.gives;
        if self.own() == Some("no-input-format") {
            event["user_input_audio_format"].take();
            self.takes = Format::Pcm(audio::SampleRate::HZ_16000);
        }
        self.listener = Listener::new(self.takes.rate(), self.guest.world.delays.endpointing_ms);
        out.now(Act::Say(json!({ "type": "conversation_initiation_metadata",
            "conversation_initiation_metadata_event": event })));
        self.ping(out);
        self.last_input = Instant::now();
        let told = overrides.pointer("/agent/first_message").and_then(Value::as_str);
        let greeting = told.unwrap_or(GREETING).to_owned();
        if self.own() != Some("no-greeting") && !greeting.is_empty() {
            self.speak(&Answer { words: greeting, tool: None }, Instant::now(), out);
        }
    }

    fn ping(&mut self, out: &mut Outbox) {
        let event = self.next_event();
        self.pings.push((event, Instant::now()));
        out.now(Act::Say(json!({ "type": "ping", "ping_event": { "event_id": event, "ping_ms": null } })));
        out.at(Instant::now() + PING_EVERY, Act::Wake);
    }

    fn chunk(&mut self, message: &Value, out: &mut Outbox) {
        if message.as_object().is_some_and(|fields| fields.len() > 1) {
            self.guest.breach("user_audio_chunk with something beside it");
        }
        let audio = message["user_audio_chunk"].as_str().unwrap_or_default();
        let Ok(bytes) = base64_simd::STANDARD.decode_to_vec(audio) else {
            self.guest.breach("audio that is no base64");
            return self.refuse("invalid_message", "Invalid audio", out);
        };
        let samples = self.takes.decode(&bytes);
        let length_ms = self.takes.rate().micros(samples.len()) / 1000;
        if length_ms > *PIECES_MS.end() {
            self.guest.breach(format!("a piece of {length_ms} ms"));
            return self.refuse(
                "value_error",
                "could not broadcast input array from shape (4800,) into shape (320,)",
                out,
            );
        }
        // A resampler may hold a sample or two back.
        if length_ms + 1 < *PIECES_MS.start() {
            self.guest.breach(format!("a piece of {length_ms} ms"));
        }
        self.last_input = Instant::now();
        self.guest.note(|seen| seen.samples += samples.len() as u64);
        for sounded in self.listener.push(&samples) {
            match sounded {
                Sounded::Began => self.caller_began(out),
                Sounded::Ended => self.caller_ended(out),
            }
        }
    }

    /// The caller speaks: the agent stops, if it does not think that it was heard to its end.
    fn caller_began(&mut self, out: &mut Outbox) {
        let now = Instant::now();
        let Some(speaking) = self.speaking.take().filter(|speaking| now < speaking.began + speaking.length)
        else {
            return;
        };
        out.keep(|message| {
            !["audio", "agent_response"].contains(&message["type"].as_str().unwrap_or_default())
        });
        let event = self.next_event();
        out.now(Act::Say(json!({ "type": "interruption", "interruption_event": { "event_id": event } })));
        // It was on its way already: whoever plays it has not understood the rule.
        out.now(Act::Say(audio(&speaking.stale, speaking.last_event)));
        let part = now.duration_since(speaking.began).as_secs_f64() / speaking.length.as_secs_f64();
        let letters = (speaking.words.chars().count() as f64 * part) as usize;
        let heard: String = speaking.words.chars().take(letters).collect();
        out.now(Act::Say(json!({ "type": "agent_response_correction", "agent_response_correction_event": {
            "original_agent_response": speaking.words, "corrected_agent_response": heard, "event_id": event } })));
    }

    fn caller_ended(&mut self, out: &mut Outbox) {
        let delays = self.guest.world.delays;
        let text = match self.guest.fault {
            Some(Fault::Silence) => String::new(),
            _ => self.guest.world.heard(self.texts).to_owned(),
        };
        self.texts += 1;
        self.said("user", &text);
        let at = Instant::now() + Duration::from_millis(delays.recogniser_ms);
        let event = self.next_event();
        let mut said = json!({ "user_transcript": text, "event_id": event });
        if self.own() == Some("old") {
            said = json!({ "user_transcript": text });
        }
        for kind in ["tentative_user_transcript", "user_transcript"] {
            out.at(at, Act::Say(json!({ "type": kind, "user_transcription_event": said })));
        }
        self.answer(at, out);
    }

    /// The world's next answer.
    fn answer(&mut self, at: Instant, out: &mut Outbox) {
        let delays = self.guest.world.delays;
        let answer = Answer::of(self.guest.world.answer(self.answers));
        self.answers += 1;
        self.speak(&answer, at + Duration::from_millis(delays.model_ms + delays.voice_ms), out);
    }

    fn speak(&mut self, answer: &Answer, at: Instant, out: &mut Outbox) {
        let is_silent = self.guest.fault == Some(Fault::Silence);
        let pieces =
            if answer.words.is_empty() { Vec::new() } else { pieces(&answer.words, self.gives, is_silent) };
        let is_first_answer = self.answers == 1;
        let mut when = at;
        if let Some(stale) = pieces.last() {
            self.said("agent", &answer.words);
            let response = self.events + 1;
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
            self.speaking = Some(Speaking { words, began: at, length, stale, last_event: self.events });
        }
        if let Some((name, arguments)) = &answer.tool {
            let id = format!("tool_{}", self.next_event());
            self.tools.push(id.clone());
            out.at(
                when,
                Act::Say(json!({ "type": "client_tool_call", "client_tool_call": { "tool_name": name,
                "tool_call_id": id, "parameters": arguments, "event_id": self.events } })),
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

    fn pong(&mut self, message: &Value) {
        let before = self.pings.len();
        self.pings.retain(|(event, _)| message["event_id"].as_u64() != Some(*event));
        if self.pings.len() == before {
            self.guest.breach("a pong that nothing asked for");
        }
    }

    fn tool_result(&mut self, message: &Value, out: &mut Outbox) {
        let id = message["tool_call_id"].as_str().unwrap_or_default();
        if !self.tools.iter().any(|open| open == id) {
            self.guest.breach("the result of a tool that was not asked for");
            return self.refuse("invalid_message", "Unknown tool_call_id", out);
        }
        let (Some(result), Some(is_error)) = (message["result"].as_str(), message["is_error"].as_bool())
        else {
            self.guest.breach("a tool's result that is no text");
            return self.refuse("invalid_message", "Invalid client_tool_result", out);
        };
        self.tools.retain(|open| open != id);
        self.note(format!("result: {result}{}", if is_error { " (failed)" } else { "" }));
        self.answer(Instant::now(), out);
    }

    fn user_message(&mut self, text: &str, out: &mut Outbox) {
        self.note(format!("user: {text}"));
        self.said("user", text);
        match text.split_once(WORD_FOR_WORD) {
            Some((_, words)) => {
                self.speak(&Answer { words: words.to_owned(), tool: None }, Instant::now(), out);
            }
            None => self.answer(Instant::now(), out),
        }
    }
}

impl Machine for Session {
    fn opened(&mut self, out: &mut Outbox) {
        out.at(Instant::now() + PING_EVERY, Act::Wake);
    }

    fn message(&mut self, message: Option<Value>, out: &mut Outbox) {
        let Some(message) = message else {
            self.guest.breach("a message that is no JSON");
            return self.refuse("invalid_message", "Invalid message", out);
        };
        let kind = message["type"].as_str().unwrap_or_default();
        if !self.has_begun && kind != "conversation_initiation_client_data" {
            self.guest.breach(format!("{kind} before the first message"));
        }
        match kind {
            "" if message["user_audio_chunk"].is_string() => self.chunk(&message, out),
            "conversation_initiation_client_data" if !self.has_begun => self.begin(&message, out),
            "pong" => self.pong(&message),
            "client_tool_result" => self.tool_result(&message, out),
            "contextual_update" => {
                self.note(format!("context: {}", message["text"].as_str().unwrap_or_default()));
            }
            "user_message" => {
                let text = message["text"].as_str().unwrap_or_default().to_owned();
                self.user_message(&text, out);
            }
            "user_activity" | "feedback" => {}
            _ => {
                self.guest.breach(format!("a message {kind:?}"));
                self.refuse("invalid_message", "Unknown message type", out);
            }
        }
    }

    fn woken(&mut self, out: &mut Outbox) {
        let now = Instant::now();
        let within = INPUT_WITHIN_MS * self.guest.world.delays.idle_percent / 100;
        if self.pings.iter().any(|(_, asked)| now > *asked + PONG_WITHIN) {
            self.guest.breach("no pong");
        } else if self.has_begun && now > self.last_input + Duration::from_millis(within) {
            out.now(Act::Close(1002, "transport_receive_timeout"));
            return out.shut();
        }
        if self.takes_pings() {
            self.ping(out);
        }
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    fn too_idle(&mut self, out: &mut Outbox) {
        out.now(Act::Close(1002, "transport_receive_timeout"));
    }
}

impl Session {
    /// Whether the conversation is one in which anything is said.
    fn takes_pings(&self) -> bool {
        self.has_begun && self.own() != Some("never-ready") && self.guest.fault != Some(Fault::Mute)
    }
}
