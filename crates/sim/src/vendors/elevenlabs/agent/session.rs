//! One conversation of the stand-in: what is said, what is heard, and what the client must not do.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Office;
use super::answer::{Answer, Format, audio};
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
    pub(super) guest: Guest,
    office: Office,
    id: String,
    /// Which of its key's conversations this is.
    pub(super) nth: u32,
    has_begun: bool,
    pub(super) formats: Formats,
    listener: Listener,
    pub(super) counts: Counts,
    pub(super) speaking: Option<Speaking>,
    pings: Vec<(u64, Instant)>,
    last_input: Instant,
    pub(super) tools: Vec<String>,
}

/// What it takes and gives.
pub(super) struct Formats {
    takes: Format,
    pub(super) gives: Format,
}

/// How far it has come.
#[derive(Default)]
pub(super) struct Counts {
    /// The last event's number.
    pub(super) events: u64,
    texts: usize,
    pub(super) answers: usize,
}

/// What the agent says now, as far as it can know.
pub(super) struct Speaking {
    pub(super) words: String,
    pub(super) began: Instant,
    pub(super) length: Duration,
    pub(super) stale: String,
    pub(super) last_event: u64,
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
            formats: Formats { takes: Format::MuLaw, gives: Format::MuLaw },
            listener,
            counts: Counts::default(),
            speaking: None,
            pings: Vec::new(),
            last_input: Instant::now(),
            tools: Vec::new(),
        }
    }

    pub(super) fn own(&self) -> Option<&str> {
        match &self.guest.fault {
            Some(Fault::Own(own)) => Some(own),
            _ => None,
        }
    }

    fn note(&self, text: String) {
        self.guest.note(|seen| seen.texts.push(text));
    }

    pub(super) fn said(&self, role: &str, words: &str) {
        let line = json!({ "role": role, "message": words, "time_in_call_secs": 0 });
        self.office.change(&self.id, |told| {
            if let Some(lines) = told["transcript"].as_array_mut() {
                lines.push(line);
            }
        });
    }

    pub(super) fn next_event(&mut self) -> u64 {
        self.counts.events += 1;
        self.counts.events
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
        self.formats.gives = Format::of(&name).unwrap_or(Format::MuLaw);
        self.formats.takes = self.formats.gives;
        if self.own() == Some("no-input-format") {
            event["user_input_audio_format"].take();
            self.formats.takes = Format::Pcm(audio::SampleRate::HZ_16000);
        }
        self.listener = Listener::new(self.formats.takes.rate(), self.guest.world.delays.endpointing_ms);
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
        let samples = self.formats.takes.decode(&bytes);
        let length_ms = self.formats.takes.rate().micros(samples.len()) / 1000;
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
            _ => self.guest.world.heard(self.counts.texts).to_owned(),
        };
        self.counts.texts += 1;
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
