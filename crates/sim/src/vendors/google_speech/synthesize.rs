//! `POST /v1/text:synthesize`.

use audio::{Pcm, SampleRate, g711, wav};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::access::Guest;
use crate::vendors::sound::spoken;
use crate::vendors::{Fault, World};

/// The longest text that is taken, in bytes.
const LONGEST: usize = 5_000;

/// The route.
pub(super) async fn synthesize(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered = async {
        let guest = Guest::admit(world, "google/synthesize", &uri, &headers).await?;
        guest.note(|seen| seen.body = String::from_utf8_lossy(&body).into_owned());
        let body: Value = serde_json::from_slice(&body).map_err(|_| guest.forbid("Invalid JSON payload."))?;
        let text = text_of(&guest, &body)?;
        let sound = sound_of(&guest, &body["audioConfig"], &text)?;
        guest.note(|seen| seen.texts.push(text));
        let content = base64_simd::STANDARD.encode_to_string(&sound);
        Ok(guest.answer(guest.world.delays.voice_ms, &json!({"audioContent": content})).await)
    };
    answered.await.unwrap_or_else(|refusal: Response| refusal)
}

fn text_of(guest: &Guest, body: &Value) -> Result<String, Response> {
    let known = ["input", "voice", "audioConfig"];
    if body.as_object().is_none_or(|fields| fields.keys().any(|name| !known.contains(&name.as_str()))) {
        return Err(guest.forbid("Invalid JSON payload received. Unknown name."));
    }
    let text = body["input"]["text"].as_str().unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST {
        return Err(
            guest.forbid("Either the input text is empty, or it is longer than the limit of 5000 bytes.")
        );
    }
    let language = body["voice"]["languageCode"].as_str().unwrap_or_default();
    if language.is_empty() {
        return Err(guest.forbid("The voice's languageCode is missing."));
    }
    match body["voice"]["name"].as_str() {
        Some(name) if name.contains('-') && !name.starts_with(language) => {
            Err(guest.forbid("Requested language code does not match the voice's."))
        }
        _ => Ok(text.to_owned()),
    }
}

fn sound_of(guest: &Guest, config: &Value, text: &str) -> Result<Vec<u8>, Response> {
    let hz = config["sampleRateHertz"].as_u64().unwrap_or(24_000);
    let rate = u32::try_from(hz).ok().and_then(|hz| SampleRate::try_from(hz).ok());
    let rate = rate.ok_or_else(|| guest.forbid("The sample rate is not supported."))?;
    let sound = spoken(text, rate);
    let sound = if guest.fault == Some(Fault::Silence) { Pcm::silence(sound.len()) } else { sound };
    let mut bytes = Vec::new();
    match config["audioEncoding"].as_str() {
        Some("PCM") => sound.write_le_bytes(&mut bytes),
        Some("LINEAR16") => {
            let mut header = wav::header(rate, 1, sound.len() as u64 * 2);
            if guest.has("open-sizes") {
                header[4..8].fill(0xFF);
                header[40..44].fill(0xFF);
            }
            bytes.extend_from_slice(&header);
            sound.write_le_bytes(&mut bytes);
        }
        Some("MULAW") => {
            let mut header = wav::header(rate, 1, sound.len() as u64);
            header[20..22].copy_from_slice(&7_u16.to_le_bytes());
            header[28..32].copy_from_slice(&rate.hz().to_le_bytes());
            header[32..34].copy_from_slice(&1_u16.to_le_bytes());
            header[34..36].copy_from_slice(&8_u16.to_le_bytes());
            bytes.extend_from_slice(&header);
            g711::mulaw_encode_into(&sound, &mut bytes);
        }
        _ => return Err(guest.forbid("audioEncoding is not spoken here.")),
    }
    Ok(bytes)
}
