//! The recogniser over HTTP, `POST /v1/listen`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::json;

use super::access::{Guest, Refusal, pause};
use super::voice::broken;
use crate::vendors::sound::has_speech;
use crate::vendors::{Fault, World};

/// The parameters of the vendor's reference for recorded audio.
const KNOWN: &[&str] = &[
    "model",
    "language",
    "detect_language",
    "punctuate",
    "smart_format",
    "utterances",
    "utt_split",
    "paragraphs",
    "diarize",
    "diarize_model",
    "keyterm",
    "keywords",
    "numerals",
    "profanity_filter",
    "dictation",
    "redact",
    "search",
    "replace",
    "callback",
    "callback_method",
    "tag",
    "extra",
    "version",
    "mip_opt_out",
    "summarize",
    "topics",
    "custom_topic",
    "custom_topic_mode",
    "intents",
    "custom_intent",
    "custom_intent_mode",
    "sentiment",
    "multichannel",
    "filler_words",
    "measurements",
    "encoding",
    "detect_entities",
];

/// The route.
pub(super) async fn listen(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(world, &uri, &headers, &body).await.unwrap_or_else(|refusal| *refusal)
}

async fn answer(world: World, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Response, Refusal> {
    let guest = Guest::admit(world, "deepgram/recorded", uri, headers).await?;
    let query = guest.query(uri, KNOWN)?;
    query.model(&["nova", "enhanced", "base", "whisper"]).map_err(|refused| guest.refuse_query(&refused))?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let bad_audio = || {
        guest.breach(&format!("no WAV file as {kind}"));
        let message = "Bad Request: failed to process audio: corrupt or unsupported data";
        Refusal::from(guest.refuse(StatusCode::BAD_REQUEST, "Bad Request", message))
    };
    let wav = audio::wav::read(body).map_err(|_| bad_audio())?;
    if !kind.starts_with("audio/") {
        return Err(bad_audio());
    }
    let samples = wav.to_mono();
    guest.world.ledger.note(guest.place, |seen| seen.samples += samples.len() as u64);
    // Each file with speech in it is the next thing that the caller says.
    let index = guest.world.ledger.count("deepgram/recorded") - 1;
    let is_speech = has_speech(&samples, wav.rate) && guest.fault != Some(Fault::Silence);
    let text = if is_speech { guest.world.heard(index).to_owned() } else { String::new() };
    pause(guest.world.delays.recogniser_ms + guest.slowness_ms()).await;
    let seconds = samples.len() as f64 / f64::from(wav.rate.hz());
    let answer = json!({
        "metadata": {"transaction_key": "deprecated", "request_id": guest.id, "sha256": "0".repeat(64),
            "created": "2026-01-05T10:00:00Z", "duration": seconds, "channels": 1},
        "results": {"channels": [{"alternatives": [{"transcript": text, "confidence": 0.99, "words": []}]}]}
    });
    Ok(guest.signed(spoilt(&guest, answer.to_string())))
}

/// The answer as the key wants it.
fn spoilt(guest: &Guest, answer: String) -> Response {
    let whole = Bytes::from(answer);
    let half = whole.slice(..whole.len() / 2);
    let body = match guest.fault {
        Some(Fault::Mute) => Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
        Some(Fault::Stall) => {
            Body::from_stream(stream::iter([Ok(half)]).chain(stream::pending::<Result<_, std::io::Error>>()))
        }
        Some(Fault::Cut) => Body::from_stream(stream::iter([Ok(half), Err(broken())])),
        Some(Fault::Drip) => super::voice::drip(whole),
        Some(Fault::Garbage) => Body::from("\u{1}{not json"),
        Some(Fault::InStream) => Body::from(
            json!({"err_code": "INTERNAL_SERVER_ERROR", "err_msg": "Something went wrong."}).to_string(),
        ),
        _ => Body::from(whole),
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
