//! The voice over HTTP, `POST /v1/speak`.

use std::io;

use audio::SampleRate;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::access::{Guest, Refusal, pause};
use super::query::{Coding, Query, Refused, rate_of};
use super::voice::{PACE, Speech, broken, drip};
use crate::vendors::{Fault, World};

/// The parameters of the vendor's reference.
const KNOWN: &[&str] = &[
    "model",
    "encoding",
    "container",
    "sample_rate",
    "bit_rate",
    "speed",
    "tag",
    "mip_opt_out",
    "callback",
    "callback_method",
];

/// The longest text that an Aura voice takes.
const LONGEST: usize = 2_000;

/// The route.
pub(super) async fn speak(State(world): State<World>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    answer(world, &uri, &headers, &body).await.unwrap_or_else(|refusal| *refusal)
}

async fn answer(world: World, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Response, Refusal> {
    let guest = Guest::admit(world, "deepgram/speak", uri, headers).await?;
    let query = guest.query(uri, KNOWN)?;
    let format = Format::of(&query).map_err(|refused| guest.refuse_query(&refused))?;
    let text = text_of(&guest, headers, body)?;
    guest.world.ledger.note(guest.place, |seen| seen.texts.push(text.clone()));
    pause(guest.world.delays.voice_ms + guest.slowness_ms()).await;
    let body = audio_of(&guest, &format, &text);
    let names = [
        ("content-type", format.content_type()),
        ("dg-model-name", &format.model),
        ("dg-char-count", &text.chars().count().to_string()),
    ];
    let mut response = body.into_response();
    for (name, value) in names {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    match guest.fault {
        Some(Fault::Garbage) => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            Ok(guest.signed((kind, "\u{1}{not sound").into_response()))
        }
        Some(Fault::InStream) => {
            let body = json!({"err_code": "INTERNAL_SERVER_ERROR", "err_msg": "Something went wrong."});
            Ok(guest.signed(axum::Json(body).into_response()))
        }
        _ => Ok(guest.signed(response)),
    }
}

/// The format that was asked for.
#[derive(Debug)]
struct Format {
    model: String,
    coding: Coding,
    rate: SampleRate,
    has_header: bool,
}

impl Format {
    fn of(query: &Query) -> Result<Self, Refused> {
        let model = query.text("model").unwrap_or("aura-asteria-en");
        if !model.starts_with("aura-") {
            return Err(Refused(format!("no such model: {model}")));
        }
        // Compressed sound is more than a stand-in needs.
        let coding = Coding::of(query.text("encoding").unwrap_or("mp3"))?;
        let (usual, rates): (_, &[u64]) = match coding {
            Coding::Linear16 => (24_000, &[8_000, 16_000, 24_000, 32_000, 48_000]),
            Coding::Mulaw | Coding::Alaw => (8_000, &[8_000, 16_000]),
        };
        let hz = query.number("sample_rate")?.unwrap_or(usual);
        if !rates.contains(&hz) {
            return Err(Refused(format!("sample_rate={hz} is not supported")));
        }
        let has_header = match query.text("container").unwrap_or("wav") {
            "none" => false,
            "wav" => true,
            other => return Err(Refused(format!("container={other} is not supported"))),
        };
        Ok(Self { model: model.to_owned(), coding, rate: rate_of(hz)?, has_header })
    }

    const fn content_type(&self) -> &'static str {
        match (self.has_header, self.coding) {
            (true, _) => "audio/wav",
            (false, Coding::Linear16) => "audio/l16",
            (false, Coding::Mulaw) => "audio/mulaw",
            (false, Coding::Alaw) => "audio/alaw",
        }
    }
}

/// The text to be spoken.
fn text_of(guest: &Guest, headers: &HeaderMap, body: &Bytes) -> Result<String, Refusal> {
    let bad = |status: StatusCode, code: &str, message: &str| {
        guest.breach(message);
        Err(guest.refuse(status, code, message).into())
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return bad(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "The content type is not JSON.",
        );
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return bad(StatusCode::BAD_REQUEST, "INVALID_JSON", "The body is not JSON.");
    };
    let text = body["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return bad(StatusCode::BAD_REQUEST, "EMPTY_TEXT", "The text is empty.");
    }
    if text.chars().count() > LONGEST {
        return bad(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            "The text is longer than 2000 characters.",
        );
    }
    Ok(text.to_owned())
}

/// The sound, in pieces, as the key wants it.
fn audio_of(guest: &Guest, format: &Format, text: &str) -> Body {
    let mut speech = Speech::of(text, format.coding, format.rate);
    let head = if format.has_header || guest.has("wav-anyway") {
        Bytes::copy_from_slice(&audio::wav::header(format.rate, 1, speech.left() as u64))
    } else {
        Bytes::new()
    };
    let first = speech.next().unwrap_or_default();
    match guest.fault {
        Some(Fault::Mute) => Body::from_stream(stream::pending::<Result<Bytes, io::Error>>()),
        Some(Fault::Stall) => {
            Body::from_stream(stream::iter([Ok::<_, io::Error>(first)]).chain(stream::pending()))
        }
        Some(Fault::Cut) => Body::from_stream(stream::iter([Ok(first), Err(broken())])),
        Some(Fault::Drip) => drip(first),
        Some(Fault::Silence) => Body::from(vec![0; first.len() + speech.left()]),
        _ => {
            let rest = stream::unfold(speech, |mut speech| async move {
                sleep(PACE).await;
                speech.next().map(|piece| (Ok::<_, io::Error>(piece), speech))
            });
            let head = [head, first].into_iter().filter(|piece| !piece.is_empty());
            Body::from_stream(stream::iter(head.map(Ok).collect::<Vec<_>>()).chain(rest))
        }
    }
}
