//! Scribe over HTTP, `POST /v1/speech-to-text`.

use std::io;

use audio::{Pcm, SampleRate, wav};
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header;
use serde_json::json;

use super::access::{Guest, pause};
use crate::vendors::sound::has_speech;
use crate::vendors::{Fault, World};

const API: &str = "elevenlabs/scribe";

/// The route.
pub(super) async fn listen(State(world): State<World>, request: Request) -> Response {
    let answered = async {
        let guest = Guest::admit(world, API, request.uri(), request.headers()).await?;
        let parts = parts(request)
            .await
            .ok_or_else(|| guest.forbid(422, "invalid_request", "The body is not multipart/form-data"))?;
        let (rate, samples) = sound_of(&guest, &parts)?;
        guest.note(|seen| seen.samples += samples.len() as u64);
        let text = text(&guest, &parts, &samples, rate);
        pause(guest.world.delays.recogniser_ms).await;
        Ok(answer(&guest, &text))
    };
    answered.await.unwrap_or_else(|refusal: Response| refusal)
}

/// One part of the form.
struct Part {
    name: String,
    is_file: bool,
    bytes: Bytes,
}

async fn parts(request: Request) -> Option<Vec<Part>> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.ok()? {
        let (name, is_file) = (field.name()?.to_owned(), field.file_name().is_some());
        parts.push(Part { name, is_file, bytes: field.bytes().await.ok()? });
    }
    Some(parts)
}

fn field<'a>(parts: &'a [Part], name: &str) -> Option<&'a str> {
    let part = parts.iter().find(|part| part.name == name && !part.is_file)?;
    std::str::from_utf8(&part.bytes).ok()
}

/// The sound, judged as the documents say.
fn sound_of(guest: &Guest, parts: &[Part]) -> Result<(SampleRate, Vec<i16>), Response> {
    if !matches!(field(parts, "model_id"), Some("scribe_v1" | "scribe_v2")) {
        return Err(guest.forbid(400, "invalid_model_id", "model_id is not scribe_v1 or scribe_v2"));
    }
    let Some(file) = parts.iter().find(|part| part.name == "file" && part.is_file) else {
        return Err(guest.forbid(422, "invalid_request", "There is no file"));
    };
    match field(parts, "file_format").unwrap_or("other") {
        "pcm_s16le_16" => Ok((SampleRate::HZ_16000, Pcm::from_le_bytes(&file.bytes).to_vec())),
        "other" => {
            let sound = wav::read(&file.bytes).map_err(|_| {
                guest.forbid(400, "invalid_audio", "The file is corrupt or of an unknown kind")
            })?;
            Ok((sound.rate, sound.to_mono()))
        }
        _ => Err(guest.forbid(400, "invalid_request", "file_format is not known")),
    }
}

fn text(guest: &Guest, parts: &[Part], samples: &[i16], rate: SampleRate) -> String {
    if guest.fault == Some(Fault::Silence) || !has_speech(samples, rate) {
        return String::new();
    }
    // Requests have nothing that would tell callers apart: each hears the next text.
    let said = guest.world.heard(guest.world.ledger.count(API) - 1);
    // Whoever does not say otherwise hears of the dog, too.
    let noise = if field(parts, "tag_audio_events") == Some("false") { "" } else { "(dog barking) " };
    format!("{noise}{said}")
}

fn answer(guest: &Guest, text: &str) -> Response {
    let body = json!({"language_code": "eng", "language_probability": 0.98, "text": text, "words": [],
        "transcription_id": "t1"});
    let half = Bytes::from(body.to_string().split_at(20).0.to_owned());
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    let body = match guest.fault {
        Some(Fault::Mute) => Body::from_stream(stream::pending::<io::Result<Bytes>>()),
        Some(Fault::Stall | Fault::Drip) => {
            Body::from_stream(stream::iter([Ok::<_, io::Error>(half)]).chain(stream::pending()))
        }
        Some(Fault::Cut | Fault::InStream) => Body::from_stream(stream::iter([Ok(half), Err(broken)])),
        Some(Fault::Garbage) => Body::from("\u{1}{no text"),
        _ => return Json(body).into_response(),
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
