//! `POST /v1/speech:recognize`.

use audio::{Pcm, SampleRate, g711};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::access::Guest;
use crate::vendors::sound::has_speech;
use crate::vendors::{Fault, World};

const API: &str = "google/recognize";
/// The longest sound of one request.
const LONGEST_SECONDS: usize = 60;
const CONFIG: [&str; 14] = [
    "encoding",
    "sampleRateHertz",
    "audioChannelCount",
    "languageCode",
    "alternativeLanguageCodes",
    "maxAlternatives",
    "profanityFilter",
    "speechContexts",
    "enableWordTimeOffsets",
    "enableAutomaticPunctuation",
    "model",
    "useEnhanced",
    "metadata",
    "adaptation",
];
const MODELS: [&str; 7] =
    ["latest_long", "latest_short", "phone_call", "command_and_search", "default", "video", "telephony"];

/// The route.
pub(super) async fn recognize(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered = async {
        let guest = Guest::admit(world, API, &uri, &headers).await?;
        let body: Value = serde_json::from_slice(&body).map_err(|_| guest.forbid("Invalid JSON payload."))?;
        let config = body["config"].to_string();
        guest.note(|seen| seen.body = config);
        let (rate, samples) = sound_of(&guest, &body)?;
        guest.note(|seen| seen.samples += samples.len() as u64);
        let answer = answer_of(&guest, &samples, rate);
        Ok(guest.answer(guest.world.delays.recogniser_ms, &answer).await)
    };
    answered.await.unwrap_or_else(|refusal: Response| refusal)
}

fn sound_of(guest: &Guest, body: &Value) -> Result<(SampleRate, Vec<i16>), Response> {
    let config = &body["config"];
    let is_known = |name: &String| CONFIG.contains(&name.as_str());
    if !config.as_object().is_some_and(|fields| fields.keys().all(is_known)) {
        return Err(guest.forbid("Invalid JSON payload received. Unknown name."));
    }
    if config["languageCode"].as_str().unwrap_or_default().is_empty() {
        return Err(guest.forbid("languageCode is missing."));
    }
    if !config["model"].as_str().is_none_or(|model| MODELS.contains(&model)) {
        return Err(guest.forbid("Incorrect model specified."));
    }
    let hz = config["sampleRateHertz"].as_u64().and_then(|hz| u32::try_from(hz).ok()).unwrap_or_default();
    let rate =
        SampleRate::try_from(hz).map_err(|_| guest.forbid("sampleRateHertz must be 8000 to 48000."))?;
    let content = body["audio"]["content"].as_str().unwrap_or_default();
    let bytes = base64_simd::STANDARD
        .decode_to_vec(content.as_bytes())
        .map_err(|_| guest.forbid("Base64 decoding failed."))?;
    if bytes.is_empty() {
        return Err(guest.forbid("RecognitionAudio not set."));
    }
    let samples = match config["encoding"].as_str() {
        Some("LINEAR16") => Pcm::from_le_bytes(&bytes).to_vec(),
        Some("MULAW") => {
            let mut samples = Vec::new();
            g711::mulaw_decode_into(&bytes, &mut samples);
            samples
        }
        _ => return Err(guest.forbid("encoding is not heard here.")),
    };
    if samples.len() > rate.hz() as usize * LONGEST_SECONDS {
        return Err(
            guest.forbid("Sync input too long. For audio longer than 1 min use LongRunningRecognize.")
        );
    }
    Ok((rate, samples))
}

/// What is empty is left out: silence is an answer without results.
fn answer_of(guest: &Guest, samples: &[i16], rate: SampleRate) -> Value {
    if guest.fault == Some(Fault::Silence) || !has_speech(samples, rate) {
        return json!({});
    }
    // Requests have nothing that would tell callers apart: each hears the next text.
    let said = guest.world.heard(guest.world.ledger.count(API) - 1);
    let result = |text: &str| {
        json!({"alternatives": [{"transcript": text, "confidence": 0.96}], "resultEndTime": "1.230s",
            "languageCode": "en-in"})
    };
    let results = match said.split_once(' ') {
        Some((first, rest)) if guest.has("split") => vec![result(first), result(&format!(" {rest}"))],
        _ => vec![result(said)],
    };
    json!({"results": results, "totalBilledTime": "15s", "requestId": "123"})
}
