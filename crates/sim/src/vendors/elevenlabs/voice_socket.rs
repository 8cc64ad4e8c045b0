//! The voice over a WebSocket with many contexts, `/v1/text-to-speech/{voice}/multi-stream-input`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::{Guest, parameters, refuse};
use super::socket::{Act, Machine, Outbox, run};
use super::voice::{Format, takes_language};
use crate::vendors::{Fault, World};

/// How many contexts a socket may have, those included that are closed and not yet over.
const MOST_CONTEXTS: usize = 5;
/// A message holds about 100 ms of sound, cut through a sample, and leaves every 10 ms.
const PIECE_MICROS: u64 = 100_000;
const PACE: Duration = Duration::from_millis(10);
const IDLE_REASON: &str = "Have not received a new text input within the timeout of 20 seconds. Streaming input \
                           terminated. Please make sure to";
/// What a client may say, by the vendor's schema.
const FIELDS: [&str; 8] = [
    "text",
    "context_id",
    "voice_settings",
    "generation_config",
    "pronunciation_dictionary_locators",
    "flush",
    "close_context",
    "close_socket",
];
/// What only a context's first message may hold.
const SETTINGS: [&str; 3] = ["voice_settings", "generation_config", "pronunciation_dictionary_locators"];
const KNOWN: [&str; 10] = [
    "model_id",
    "output_format",
    "auto_mode",
    "inactivity_timeout",
    "language_code",
    "enable_logging",
    "enable_ssml_parsing",
    "sync_alignment",
    "apply_text_normalization",
    "seed",
];

/// The route.
pub(super) async fn socket(
    State(world): State<World>,
    Path(voice): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let parameters = parameters(&uri);
    let admitted = async {
        let guest = Guest::admit(world, "elevenlabs/multi", &uri, &headers).await?;
        if let Some(unknown) = parameters.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            guest.breach(format!("the parameter {unknown}"));
        }
        let format = Format::of(&parameters).ok_or_else(|| {
            guest.forbid(400, "invalid_output_format", "That output_format is not spoken here")
        })?;
        let model = parameters.get("model_id").map_or("eleven_multilingual_v2", String::as_str);
        match takes_language(model) {
            None => return Err(guest.forbid(400, "model_not_found", "No such model")),
            Some(false) if parameters.contains_key("language_code") => {
                return Err(guest.forbid(400, "unsupported_language", "That model takes no language_code"));
            }
            Some(_) => {}
        }
        if voice == "missing" {
            return Err(refuse(404, "voice_not_found", "A voice with the voice_id missing was not found."));
        }
        let seconds = parameters.get("inactivity_timeout").map_or(Ok(20), |seconds| seconds.parse());
        let seconds = seconds.ok().filter(|seconds| (1..=180).contains(seconds));
        let Some(seconds) = seconds else {
            return Err(guest.forbid(400, "invalid_request", "inactivity_timeout is not between 1 and 180"));
        };
        guest.before_upgrade().await?;
        let idle = Duration::from_millis(seconds * 10 * guest.world.delays.idle_percent);
        let is_auto = parameters.get("auto_mode").is_some_and(|auto| auto == "true");
        Ok(Contexts { guest, format, is_auto, idle, open: BTreeMap::new(), over: Vec::new() })
    };
    match admitted.await {
        Ok(contexts) => upgrade.on_upgrade(|socket| run(socket, contexts)),
        Err(refusal) => refusal,
    }
}

/// One socket.
struct Contexts {
    guest: Guest,
    format: Format,
    is_auto: bool,
    idle: Duration,
    /// Those that are not over.
    open: BTreeMap<String, Context>,
    over: Vec<String>,
}

/// One context.
struct Context {
    /// Text that nothing has asked to be spoken yet.
    text: String,
    /// When the last of its sound leaves.
    busy_until: Instant,
    is_closed: bool,
}

impl Contexts {
    fn fail(&self, word: &str, message: &'static str, out: &mut Outbox) {
        self.guest.breach(format!("{word}: {message}"));
        out.now(Act::Say(json!({"message": message, "error": word, "code": 1008})));
        out.now(Act::Close(1008, message));
        out.shut();
    }

    /// The context that a message is of, opened if it is new.
    fn context(&mut self, name: &str, message: &Value, out: &mut Outbox) -> Option<&mut Context> {
        let has_settings = SETTINGS.iter().any(|field| message.get(field).is_some());
        let is_known = self.open.get(name).is_some_and(|context| !context.is_closed);
        if is_known && has_settings {
            self.fail("invalid_input_message", "Settings belong into a context's first message", out);
            return None;
        }
        if !is_known {
            if self.over.iter().any(|over| over == name) || self.open.contains_key(name) {
                self.guest.breach(format!("context {name} was closed and is named again"));
            }
            if message["text"] != " " && !has_settings {
                self.fail(
                    "invalid_input_message",
                    "The first message of a context must be a single space",
                    out,
                );
                return None;
            }
            if self.open.len() >= MOST_CONTEXTS {
                let message = "Maximum simultaneous contexts per WebSocket connection exceeded (5).";
                self.fail("max_active_conversations", message, out);
                return None;
            }
            let context = Context { text: String::new(), busy_until: Instant::now(), is_closed: false };
            self.open.insert(name.to_owned(), context);
        }
        self.open.get_mut(name)
    }

    /// Speaks what the context holds.
    fn speak(&mut self, name: &str, out: &mut Outbox) {
        let Some(context) = self.open.get_mut(name) else { return };
        let text = std::mem::take(&mut context.text);
        if text.trim().is_empty() {
            return;
        }
        let ready = Instant::now() + Duration::from_millis(self.guest.world.delays.voice_ms);
        let mut at = ready.max(context.busy_until);
        match self.guest.fault {
            Some(Fault::Garbage) => return out.at(at, Act::Garbage),
            Some(Fault::InStream) => {
                let message = "We failed to generate audio";
                out.at(at, Act::Say(json!({"message": message, "error": "internal_error", "code": 1011})));
                out.at(at, Act::Close(1011, message));
                return out.shut();
            }
            Some(Fault::Own(ref own)) if own == "too-big" => {
                out.at(at, Act::Close(1009, ""));
                return out.shut();
            }
            _ => {}
        }
        let bytes = self.format.bytes(&text, self.guest.fault == Some(Fault::Silence));
        let piece = self.format.rate().samples(PIECE_MICROS) * 2 - 1;
        let name_field = if self.guest.has("snake") { "context_id" } else { "contextId" };
        for (index, piece) in bytes.chunks(piece).enumerate() {
            match self.guest.fault {
                Some(Fault::Stall) if index == 1 => return out.shut(),
                Some(Fault::Cut | Fault::CutWebsocket) if index == 1 => {
                    out.at(at, Act::Cut);
                    return out.shut();
                }
                Some(Fault::Drip) => at += Duration::from_secs(1),
                _ => {}
            }
            let piece = if self.guest.fault == Some(Fault::Drip) { &piece[..1] } else { piece };
            let audio = base64_simd::STANDARD.encode_to_string(piece);
            out.at(at, Act::Say(json!({"audio": audio, name_field: name, "alignment": null})));
            at += PACE;
        }
        context.busy_until = at;
    }

    fn say_final(&self, name: &str, out: &mut Outbox) {
        let at = self.open.get(name).map_or_else(Instant::now, |context| context.busy_until);
        if self.guest.has("no-final") {
            return;
        }
        out.at(
            at.max(Instant::now()),
            Act::Say(if self.guest.has("snake") {
                json!({"context_id": name, "is_final": true})
            } else {
                json!({"contextId": name, "isFinal": true})
            }),
        );
    }
}

impl Machine for Contexts {
    fn opened(&mut self, out: &mut Outbox) {
        if self.guest.fault == Some(Fault::Mute) {
            out.shut();
        }
    }

    fn message(&mut self, message: Option<Value>, out: &mut Outbox) {
        let known = |message: &Value| {
            message
                .as_object()
                .is_some_and(|fields| fields.keys().all(|name| FIELDS.contains(&name.as_str())))
        };
        let Some(message) = message.filter(known) else {
            return self.fail("invalid_input_message", "The message is not in the schema", out);
        };
        if message["close_socket"] == true {
            out.clear();
            out.now(Act::Close(1000, ""));
            return out.shut();
        }
        let name = message["context_id"].as_str().unwrap_or("default").to_owned();
        let is_auto = self.is_auto;
        let Some(context) = self.context(&name, &message, out) else { return };
        let text = message["text"].as_str().unwrap_or_default();
        context.text.push_str(text);
        let flush = message["flush"] == true || is_auto || message["close_context"] == true;
        let closes = message["close_context"] == true;
        context.is_closed = closes;
        if !text.trim().is_empty() {
            if !text.ends_with(' ') {
                self.guest.breach("a text that does not end with a space");
            }
            self.guest.note(|seen| seen.texts.push(text.trim_end().to_owned()));
        }
        if flush {
            self.speak(&name, out);
        }
        if closes {
            self.say_final(&name, out);
        }
    }

    fn leaves(&mut self, message: &Value) {
        let name = message.get("contextId").or_else(|| message.get("context_id")).and_then(Value::as_str);
        let is_final = message["isFinal"] == true || message["is_final"] == true;
        if let Some(name) = name.filter(|_| is_final) {
            self.open.remove(name);
            self.over.push(name.to_owned());
        }
    }

    fn idle(&self) -> Duration {
        self.idle
    }

    fn too_idle(&mut self, out: &mut Outbox) {
        out.now(Act::Close(1008, IDLE_REASON));
        out.shut();
    }
}
