//! Many utterances over one WebSocket: `/v1/text-to-speech/{voice}/multi-stream-input`, a context for each utterance.
//!
//! A context is opened by a single space with the voice's settings, gets its text, a flush, and is closed at once:
//! ElevenLabs then finishes what it was given, and says `isFinal` when all of it was sent. A context that was closed
//! is never named again, since ElevenLabs takes a name that it does not know for a new context. So an utterance that
//! is not wanted any more needs no message: what still comes of it is dropped here.
//!
//! ElevenLabs counts a context until it has said `isFinal`, and closes a socket with more than five of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use audio::Pcm;
use call::{Fault, FaultClass, UtteranceId, Voiced};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::format::{Format, PARAMETER, Raw, readable, wanted};
use super::voice::{enforced_language, model, voice};
use super::{error, headers};
use crate::dialect::{Flow, Frame, Refusal, Refuses, SocketRequest, VoiceSession, VoiceSocketDialect};
use crate::{DialectOptions, VoiceSpec};

/// How many contexts a socket may have.
const MOST_CONTEXTS: usize = 5;
/// How many of them speak for us at once: the utterance that is wanted now, and the next. Each of them counts
/// against the account's limit of requests at a time.
const MOST_SPEAKING: usize = 2;
/// The longest that ElevenLabs can be told to wait for text, in seconds. Without it: 20.
const INACTIVITY_SECONDS: u32 = 180;
/// Less than ElevenLabs waits without being told, for servers and proxies that don't look at the parameter.
const KEEP_ALIVE_MS: u64 = 15_000;
/// Fields of the body that belong into the message that opens a context.
const OPENING_FIELDS: [&str; 3] =
    ["voice_settings", "generation_config", "pronunciation_dictionary_locators"];
/// Fields of the body that the socket takes in its query.
const QUERY_FIELDS: [&str; 2] = ["apply_text_normalization", "seed"];

/// ElevenLabs' voices over its multi-context WebSocket.
#[derive(Debug, Clone)]
pub struct ElevenVoiceSocket {
    options: DialectOptions,
}

impl ElevenVoiceSocket {
    /// A voice with these options, the same as over HTTP: what the socket takes elsewhere is put there.
    pub fn new(options: DialectOptions) -> Self {
        Self { options: readable(options) }
    }
}

impl Refuses for ElevenVoiceSocket {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl VoiceSocketDialect for ElevenVoiceSocket {
    fn connect(&self, spec: &VoiceSpec) -> SocketRequest {
        let options = &self.options;
        let mut query = vec![
            ("model_id", model(options).to_owned()),
            (PARAMETER, wanted(options, spec.rate).name()),
            ("auto_mode", "true".to_owned()),
            ("inactivity_timeout", INACTIVITY_SECONDS.to_string()),
        ];
        query.extend(enforced_language(options, spec).map(|language| ("language_code", language)));
        for name in QUERY_FIELDS {
            match options.role.body.get(name) {
                Some(Value::String(value)) => query.push((name, value.clone())),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => query.push((name, value.to_string())),
                _ => {}
            }
        }
        let path = format!("/v1/text-to-speech/{}/multi-stream-input", voice(options));
        SocketRequest { url: options.socket_url(&path, &query), headers: headers(options) }
    }

    fn session(&self, spec: &VoiceSpec) -> Box<dyn VoiceSession> {
        let body = &self.options.role.body;
        let opening = OPENING_FIELDS.into_iter().filter_map(|name| {
            Some((name.to_owned(), body.get(name).filter(|value| !value.is_null())?.clone()))
        });
        Box::new(Session {
            opening: opening.collect(),
            format: wanted(&self.options, spec.rate),
            contexts: BTreeMap::new(),
            spare: None,
            waiting: VecDeque::new(),
            next: 1,
        })
    }
}

/// The socket of one call.
struct Session {
    /// What goes with the message that opens a context.
    opening: Map<String, Value>,
    format: Format,
    /// Contexts that have their text and have not said `isFinal`.
    contexts: BTreeMap<String, Context>,
    /// A context that is open and has no text yet.
    spare: Option<String>,
    waiting: VecDeque<(UtteranceId, String)>,
    next: u64,
}

struct Context {
    /// Whom it speaks for; none when what it says is not wanted any more.
    utterance: Option<UtteranceId>,
    raw: Raw,
}

/// All that ElevenLabs says on this socket. Its schema writes `contextId` and `isFinal`, its examples `context_id` and
/// `is_final`.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    audio: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "contextId")]
    context_camel: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "context_id")]
    context_snake: Option<Cow<'a, str>>,
    #[serde(default, rename = "isFinal")]
    final_camel: Option<bool>,
    #[serde(default, rename = "is_final")]
    final_snake: Option<bool>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(default)]
    code: Option<u16>,
}

impl Session {
    /// Opens a context: a single space and the settings, which no later message may carry.
    fn open_context(&mut self, send: &mut Vec<Frame>) -> String {
        let name = format!("c{}", self.next);
        self.next += 1;
        let mut message = self.opening.clone();
        message.insert("text".to_owned(), " ".into());
        message.insert("context_id".to_owned(), name.as_str().into());
        send.push(Frame::Text(Value::Object(message).to_string()));
        name
    }

    /// Has room for one more context.
    fn has_room(&self) -> bool {
        self.contexts.len() + usize::from(self.spare.is_some()) < MOST_CONTEXTS
    }

    /// Gives as many of the waiting utterances to the vendor as it may have.
    fn speak_on(&mut self, send: &mut Vec<Frame>) {
        let speaking = |contexts: &BTreeMap<String, Context>| {
            contexts.values().filter(|context| context.utterance.is_some()).count()
        };
        while speaking(&self.contexts) < MOST_SPEAKING && (self.spare.is_some() || self.has_room()) {
            let Some((utterance, text)) = self.waiting.pop_front() else { return };
            let name = match self.spare.take() {
                Some(name) => name,
                None => self.open_context(send),
            };
            // Every text ends with a space, or its last word may be taken for half a word.
            let text = format!("{} ", text.trim_end());
            for message in [
                json!({"text": text, "context_id": name}),
                json!({"context_id": name, "flush": true}),
                json!({"context_id": name, "close_context": true}),
            ] {
                send.push(Frame::Text(message.to_string()));
            }
            self.contexts.insert(name, Context { utterance: Some(utterance), raw: Raw::new(self.format) });
        }
    }

    fn message(
        &mut self,
        message: &Message<'_>,
        send: &mut Vec<Frame>,
        out: &mut Vec<(UtteranceId, Voiced)>,
    ) -> Result<(), Fault> {
        let name = message.context_camel.as_deref().or(message.context_snake.as_deref()).unwrap_or_default();
        if let Some(word) = message.error.as_ref().filter(|word| !word.is_null()) {
            let word = word.as_str().unwrap_or_default();
            let fault = error::in_stream(word, message.message.as_deref().unwrap_or_default(), message.code);
            // With a code the socket closes; without one, only this context is over.
            let Some(context) = self.contexts.remove(name).filter(|_| message.code.is_none()) else {
                return Err(fault);
            };
            out.extend(context.utterance.map(|utterance| (utterance, Voiced::Failed(fault))));
        }
        if let (Some(audio), Some(context)) = (&message.audio, self.contexts.get_mut(name)) {
            let bytes = base64_simd::STANDARD
                .decode_to_vec(audio.as_bytes())
                .map_err(|_| Fault::new(FaultClass::Garbage, "its audio is no base64"))?;
            let mut samples = Vec::new();
            context.raw.push(&bytes, &mut samples);
            if let Some(utterance) = context.utterance.filter(|_| !samples.is_empty()) {
                out.push((utterance, Voiced::Audio { rate: self.format.rate(), pcm: Pcm::from(samples) }));
            }
        }
        if message.final_camel.or(message.final_snake) == Some(true) {
            if self.spare.as_deref() == Some(name) {
                self.spare = None;
            } else if let Some(Context { utterance: Some(utterance), raw }) = self.contexts.remove(name) {
                let what = if raw.is_empty() {
                    Voiced::Failed(Fault::new(FaultClass::Garbage, "it answered without any sound"))
                } else {
                    Voiced::Done
                };
                out.push((utterance, what));
            }
        }
        self.speak_on(send);
        Ok(())
    }
}

impl VoiceSession for Session {
    fn opened(&mut self, send: &mut Vec<Frame>) {
        // The settings are there before the first words are.
        let name = self.open_context(send);
        self.spare = Some(name);
    }

    fn speak(&mut self, utterance: UtteranceId, text: &str, send: &mut Vec<Frame>) {
        self.waiting.push_back((utterance, text.to_owned()));
        self.speak_on(send);
    }

    fn stop(&mut self, utterance: UtteranceId, _send: &mut Vec<Frame>) {
        self.waiting.retain(|(waiting, _)| *waiting != utterance);
        for context in self.contexts.values_mut().filter(|context| context.utterance == Some(utterance)) {
            context.utterance = None;
        }
        // What waits is not begun here: whoever interrupts withdraws one after the other.
    }

    fn frame(
        &mut self,
        frame: Frame,
        send: &mut Vec<Frame>,
        out: &mut Vec<(UtteranceId, Voiced)>,
    ) -> Result<Flow, Fault> {
        let garbage = |what: &str| Fault::new(FaultClass::Garbage, format!("it sent {what}"));
        let Frame::Text(text) = frame else { return Err(garbage("bytes where only text is spoken")) };
        let message: Message<'_> =
            serde_json::from_str(&text).map_err(|_| garbage("a message that is not in its schema"))?;
        self.message(&message, send, out)?;
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        Some(KEEP_ALIVE_MS)
    }

    fn keep_alive(&mut self, send: &mut Vec<Frame>) {
        if let Some(name) = &self.spare {
            send.push(Frame::Text(json!({"text": "", "context_id": name}).to_string()));
        } else if self.has_room() {
            // An empty text would open an unknown context without its settings.
            let name = self.open_context(send);
            self.spare = Some(name);
        }
    }

    fn finish(&mut self, send: &mut Vec<Frame>) {
        send.push(Frame::Text(json!({"close_socket": true}).to_string()));
    }

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        error::closed(code, reason)
    }
}

#[cfg(test)]
mod tests;
