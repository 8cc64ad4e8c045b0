//! `POST /v1/audio/transcriptions`: each file with sound in it is the next thing that the caller says.

use std::collections::BTreeMap;

use audio::SampleRate;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;

use super::access::{admit, error, failure, forbid, refuse};
use crate::vendors::script::Script;
use crate::vendors::sound::has_speech;
use crate::vendors::visit::Visit;
use crate::vendors::{Fault, World};

const KNOWN: &[&str] = &[
    "model",
    "language",
    "languages[]",
    "keywords[]",
    "prompt",
    "response_format",
    "temperature",
    "timestamp_granularities[]",
    "include[]",
    "stream",
    "chunking_strategy",
    "known_speaker_names[]",
    "known_speaker_references[]",
];
const ENDINGS: &[&str] = &["flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "ogg", "wav", "webm"];
const LARGEST_FILE: usize = 25 << 20;

/// The route.
pub(super) async fn transcriptions(State(world): State<World>, request: Request) -> Response {
    answer(&world, request).await.unwrap_or_else(|refusal| refusal)
}

async fn answer(world: &World, request: Request) -> Result<Response, Response> {
    let visit = admit(world, "openai/transcriptions", request.uri(), request.headers()).await?;
    let form = Form::read(&visit, request).await?;
    if form.file.as_ref().is_some_and(|file| file.bytes.len() > LARGEST_FILE) {
        visit.breach("a file of more than 25 MB");
        let body = error("Maximum content size limit exceeded", "server_error", None, None);
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, &body));
    }
    let samples = form.check().map_err(|(message, param)| forbid(&visit, message, Some(param), None))?;
    let is_silent = visit.fault == Some(Fault::Silence) || !has_speech(&samples.pcm, samples.rate);
    let text = if is_silent { String::new() } else { next_text(&visit) };
    world.ledger.note(visit.place, |seen| {
        seen.samples = samples.pcm.len() as u64;
        seen.body = form.fields.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    });
    let as_text = form.fields.get("response_format").is_some_and(|format| format == "text");
    let body = if visit.fault == Some(Fault::InStream) {
        failure().to_string()
    } else if as_text {
        format!("{text}\n")
    } else {
        let usage = json!({"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 14}});
        json!({"text": text, "usage": usage}).to_string()
    };
    let mut script = Script::of(if as_text { "text/plain" } else { "application/json" });
    script.pause(world.delays.recogniser_ms);
    script.send(body.clone());
    Ok(script.answer(&visit, Some(body)))
}

/// What the caller says next: the text for the number of files with sound that this key has sent before.
fn next_text(visit: &Visit) -> String {
    let lines = visit.world.ledger.all();
    let own = |place: usize| lines.get(place).map(|line| (line.api, line.key.as_str()));
    let before = (0..visit.place)
        .filter(|place| own(*place) == own(visit.place) && !lines[*place].texts.is_empty())
        .count();
    let text = visit.world.heard(before).to_owned();
    visit.world.ledger.note(visit.place, |seen| seen.texts.push(text.clone()));
    text
}

struct Samples {
    rate: SampleRate,
    pcm: Vec<i16>,
}

#[derive(Default)]
struct Form {
    fields: BTreeMap<String, String>,
    file: Option<File>,
}

struct File {
    name: String,
    bytes: Bytes,
}

impl Form {
    async fn read(visit: &Visit, request: Request) -> Result<Self, Response> {
        let broken =
            |what: &str| forbid(visit, &format!("Could not parse multipart form: {what}"), None, None);
        let mut parts =
            Multipart::from_request(request, &()).await.map_err(|error| broken(&error.body_text()))?;
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|error| broken(&error.body_text()))? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let bytes = part.bytes().await.map_err(|error| broken(&error.body_text()))?;
            match (name.as_str(), file_name) {
                ("file", Some(name)) => form.file = Some(File { name, bytes }),
                ("file", None) => return Err(broken("the file has no name")),
                (other, _) if KNOWN.contains(&other) => {
                    form.fields.insert(name, String::from_utf8_lossy(&bytes).into_owned());
                }
                (other, _) => {
                    return Err(forbid(
                        visit,
                        &format!("Unrecognized request argument supplied: {other}"),
                        None,
                        None,
                    ));
                }
            }
        }
        Ok(form)
    }

    /// The sound of the file; else what is wrong, and in which field.
    fn check(&self) -> Result<Samples, (&'static str, &'static str)> {
        let field = |name: &str| self.fields.get(name).map(String::as_str);
        let model = field("model").unwrap_or_default();
        if model.is_empty() {
            return Err(("you must provide a model parameter", "model"));
        }
        let file = self.file.as_ref().ok_or(("field required", "file"))?;
        let ending = file.name.rsplit_once('.').map(|(_, ending)| ending);
        if !ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            return Err(("Invalid file format.", "file"));
        }
        let two_letters = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if field("language").is_some_and(|language| !two_letters(language)) {
            return Err(("Language parameter must be specified in ISO-639-1 format.", "language"));
        }
        let format = field("response_format").unwrap_or("json");
        let is_whisper = model == "whisper-1";
        if !(format == "json" || is_whisper && ["text", "srt", "verbose_json", "vtt"].contains(&format)) {
            return Err(("response_format is not compatible with this model", "response_format"));
        }
        samples(&file.bytes).ok_or(("Audio file might be corrupted or unsupported", "file"))
    }
}

/// The sound of a WAV file whose header says what is in it to the byte.
fn samples(file: &[u8]) -> Option<Samples> {
    let size = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let is_exact = size(4)? == file.len() - 8 && size(40)? == file.len() - audio::wav::HEADER_BYTES;
    let sound = audio::wav::read(file).ok().filter(|sound| is_exact && sound.channels == 1)?;
    Some(Samples { rate: sound.rate, pcm: sound.samples })
}
