//! The voice over HTTP, `POST /v1/text-to-speech/{voice}/stream`.

use std::io;
use std::time::Duration;

use audio::{Pcm, SampleRate, g711};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Uri, header};
use serde_json::Value;

use super::access::{Guest, Parameters, parameters, pause, refuse};
use crate::vendors::sound::spoken;
use crate::vendors::{Fault, World};

/// Networks cut where they like: through the middle of a sample, too.
const PIECE: usize = 1_333;
const LONGEST_TEXT: usize = 40_000;
const KNOWN: [&str; 3] = ["output_format", "optimize_streaming_latency", "enable_logging"];

/// A sound that can be asked for. The compressed ones are more than a stand-in needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Pcm(SampleRate),
    MuLaw,
    ALaw,
}

impl Format {
    pub(super) fn of(parameters: &Parameters) -> Option<Self> {
        match parameters.get("output_format").map_or("mp3_44100_128", String::as_str) {
            "ulaw_8000" => Some(Self::MuLaw),
            "alaw_8000" => Some(Self::ALaw),
            name => {
                let hz: u32 = name.strip_prefix("pcm_")?.parse().ok()?;
                SampleRate::try_from(hz).ok().map(Self::Pcm)
            }
        }
    }

    pub(super) const fn rate(self) -> SampleRate {
        match self {
            Self::Pcm(rate) => rate,
            Self::MuLaw | Self::ALaw => SampleRate::HZ_8000,
        }
    }

    /// The bytes of `text` as it is spoken, or of as much silence.
    pub(super) fn bytes(self, text: &str, is_silent: bool) -> Vec<u8> {
        let sound = spoken(text, self.rate());
        let sound = if is_silent { Pcm::silence(sound.len()) } else { sound };
        let mut bytes = Vec::new();
        match self {
            Self::Pcm(_) => sound.write_le_bytes(&mut bytes),
            Self::MuLaw => g711::mulaw_encode_into(&sound, &mut bytes),
            Self::ALaw => g711::alaw_encode_into(&sound, &mut bytes),
        }
        bytes
    }
}

/// Whether this model is one of the vendor's, and can be told a language.
pub(super) fn takes_language(model: &str) -> Option<bool> {
    let takes_one = model.ends_with("_v2_5") || model.starts_with("eleven_v3");
    model.starts_with("eleven_").then_some(takes_one)
}

/// The route.
pub(super) async fn speak(
    State(world): State<World>,
    Path(voice): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = parameters(&uri);
    let answered = async {
        let guest = Guest::admit(world, "elevenlabs/speak", &uri, &headers).await?;
        guest.note(|seen| seen.body = String::from_utf8_lossy(&body).into_owned());
        if let Some(unknown) = parameters.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            guest.breach(format!("the parameter {unknown}"));
        }
        let format = Format::of(&parameters).ok_or_else(|| {
            guest.forbid(400, "invalid_output_format", "That output_format is not spoken here")
        })?;
        let text = text_of(&guest, &voice, &body)?;
        guest.note(|seen| seen.texts.push(text.clone()));
        pause(guest.world.delays.voice_ms).await;
        Ok(sound(&guest, format, &text))
    };
    answered.await.unwrap_or_else(|refusal: Response| refusal)
}

fn text_of(guest: &Guest, voice: &str, body: &[u8]) -> Result<String, Response> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| guest.forbid(422, "invalid_request", "The body is not JSON"))?;
    if voice == "missing" {
        return Err(refuse(404, "voice_not_found", "A voice with the voice_id missing was not found."));
    }
    let Some(text) = body["text"].as_str().filter(|text| !text.trim().is_empty()) else {
        return Err(guest.forbid(400, "empty_text", "There is no text"));
    };
    let model = body["model_id"].as_str().unwrap_or("eleven_multilingual_v2");
    match takes_language(model) {
        None => Err(guest.forbid(400, "model_not_found", "No such model")),
        Some(false) if body.get("language_code").is_some() => {
            Err(guest.forbid(400, "unsupported_language", "That model takes no language_code"))
        }
        Some(_) if text.chars().count() > LONGEST_TEXT => {
            Err(guest.forbid(400, "max_character_limit_exceeded", "The text is too long"))
        }
        Some(_) => Ok(text.to_owned()),
    }
}

fn sound(guest: &Guest, format: Format, text: &str) -> Response {
    let bytes = format.bytes(text, guest.fault == Some(Fault::Silence));
    let pieces = bytes.chunks(PIECE).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let first = pieces[0].clone();
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    let body = match guest.fault {
        Some(Fault::Mute) => Body::from_stream(stream::pending::<io::Result<Bytes>>()),
        Some(Fault::Stall) => {
            Body::from_stream(stream::iter([Ok::<_, io::Error>(first)]).chain(stream::pending()))
        }
        // Raw sound has no room for a report: a failure is a connection that breaks.
        Some(Fault::Cut | Fault::InStream) => {
            let late = stream::once(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(broken())
            });
            Body::from_stream(stream::iter([Ok(first)]).chain(late))
        }
        Some(Fault::Drip) => Body::from_stream(stream::unfold(bytes.into_iter(), |mut bytes| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bytes.next().map(|byte| (Ok::<_, io::Error>(Bytes::from(vec![byte])), bytes))
        })),
        Some(Fault::Garbage) => {
            return ([(header::CONTENT_TYPE, "application/json")], "\u{1}{no sound").into_response();
        }
        _ => Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, io::Error>))),
    };
    ([(header::CONTENT_TYPE, "audio/pcm"), (http::HeaderName::from_static("request-id"), "r1")], body)
        .into_response()
}
