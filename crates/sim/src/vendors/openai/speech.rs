//! `POST /v1/audio/speech`: a sound of 60 ms a character at 24 kHz.

use std::sync::OnceLock;

use audio::{SampleRate, wav};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::access::{admit, failure, forbid};
use super::check::known_fields;
use crate::vendors::script::Script;
use crate::vendors::sound::spoken;
use crate::vendors::{Fault, World};

const KNOWN: &[&str] =
    &["model", "input", "voice", "instructions", "response_format", "speed", "stream_format"];
const VOICES: &[&str] = &[
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin",
    "cedar",
];
const LONGEST_INPUT: usize = 4_096;
const RATE: SampleRate = SampleRate::HZ_24000;
/// About 200 ms, and an odd number of bytes.
const PIECE: usize = 9_601;

/// The route.
pub(super) async fn speech(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&world, &uri, &headers, &body).await.unwrap_or_else(|refusal| refusal)
}

async fn answer(world: &World, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Response, Response> {
    let visit = admit(world, "openai/speech", uri, headers).await?;
    visit.body(body);
    let asked = Asked::of(body).map_err(|(message, param)| forbid(&visit, &message, param, None))?;
    world.ledger.note(visit.place, |seen| seen.texts.push(asked.input.clone()));
    let sound = sound(&asked.input, visit.fault == Some(Fault::Silence));
    let as_events = asked.as_events || visit.has("sse-anyway");
    let mut script = Script::of(match (as_events, asked.as_wav) {
        // Not what was asked for, and nothing that can be heard.
        _ if visit.fault == Some(Fault::Garbage) => "application/x-nothing",
        (true, _) => "text/event-stream",
        (false, true) => "audio/wav",
        (false, false) => "audio/pcm",
    });
    script.pause(world.delays.voice_ms);
    let header = (asked.as_wav || visit.has("wav-anyway")).then(header_of_unknown_length);
    let pieces = header.into_iter().chain(sound.chunks(PIECE).map(|piece| sound.slice_ref(piece)));
    for piece in pieces {
        if as_events {
            let audio = base64_simd::STANDARD.encode_to_string(&piece);
            script.send(event(&json!({"type": "speech.audio.delta", "audio": audio})));
        } else {
            script.send(piece);
        }
    }
    if as_events {
        let usage = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3});
        script.send(event(&json!({"type": "speech.audio.done", "usage": usage})));
    }
    // Raw bytes can't report a failure.
    Ok(script.answer(&visit, as_events.then(|| event(&failure()))))
}

/// What is asked for.
struct Asked {
    input: String,
    as_wav: bool,
    as_events: bool,
}

impl Asked {
    /// Checked; else the message and the field that is wrong.
    fn of(body: &[u8]) -> Result<Self, (String, Option<&'static str>)> {
        let body: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| ("We could not parse the JSON body of your request.".to_owned(), None))?;
        known_fields(&body, KNOWN).map_err(|wrong| (wrong.message, wrong.param))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let model = text("model").unwrap_or_default();
        if model.is_empty() {
            return Err(("you must provide a model parameter".to_owned(), Some("model")));
        }
        let input = text("input").unwrap_or_default();
        if input.is_empty() {
            return Err(("[] is too short - 'input'".to_owned(), Some("input")));
        }
        if input.chars().count() > LONGEST_INPUT {
            return Err((format!("string too long: at most {LONGEST_INPUT} characters"), Some("input")));
        }
        let own_voice = body.get("voice").is_some_and(|voice| voice["id"].is_string());
        if !own_voice && !text("voice").is_some_and(|voice| VOICES.contains(&voice)) {
            return Err(("Input should be one of the voices".to_owned(), Some("voice")));
        }
        let speed = body.get("speed").map(|speed| speed.as_f64().unwrap_or_default());
        if speed.is_some_and(|speed| !(0.25..=4.0).contains(&speed)) {
            return Err(("speed is not between 0.25 and 4.0".to_owned(), Some("speed")));
        }
        let as_events = text("stream_format") == Some("sse");
        if as_events && model.starts_with("tts-1") {
            return Err(("sse is not supported for tts-1 or tts-1-hd".to_owned(), Some("stream_format")));
        }
        match text("response_format") {
            Some("pcm") => Ok(Self { input: input.to_owned(), as_wav: false, as_events }),
            Some("wav") => Ok(Self { input: input.to_owned(), as_wav: true, as_events }),
            // The vendor has others, mp3 by default; nothing on a telephone line can use them.
            other => {
                let format = other.unwrap_or("mp3");
                Err((
                    format!("response_format {format} is of no use to a telephone"),
                    Some("response_format"),
                ))
            }
        }
    }
}

/// 24 kHz, 16 bit, little-endian. Made once for all texts and repeated where one is longer.
fn sound(text: &str, is_silent: bool) -> Bytes {
    const CHARS: usize = 100;
    static LONG: OnceLock<Bytes> = OnceLock::new();
    let long = LONG.get_or_init(|| {
        let mut bytes = Vec::new();
        spoken(&"x".repeat(CHARS), RATE).write_le_bytes(&mut bytes);
        bytes.into()
    });
    let length = long.len() / CHARS * text.trim().chars().count().max(1);
    if is_silent {
        Bytes::from(vec![0; length])
    } else if length <= long.len() {
        long.slice(..length)
    } else {
        long.iter().copied().cycle().take(length).collect()
    }
}

/// As a writer has it that does not know yet how long the sound will be.
fn header_of_unknown_length() -> Bytes {
    let mut header = wav::header(RATE, 1, 0);
    header[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    header[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    Bytes::copy_from_slice(&header)
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
