//! Cloud Text-to-Speech over REST: `POST /v1/text:synthesize`. The whole utterance comes in one JSON, as base64 of a
//! WAV file (reference page of `text.synthesize`: LINEAR16 "also contains a WAV header").

use audio::{SampleRate, wav};
use call::{Fault, FaultClass};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{cloud_headers, error, with_own_fields};
use crate::dialect::{AudioDecoder, HttpRequest, Refusal, Refuses, VoiceDialect};
use crate::{DialectOptions, RoleOptions, VoiceSpec};

/// Where it is. Regions have hosts of their own, such as `https://eu-texttospeech.googleapis.com`.
pub const VOICE_BASE_URL: &str = "https://texttospeech.googleapis.com";
/// Three minutes of sound at 24 kHz, as base64.
const LONGEST_ANSWER: usize = 12 << 20;

/// Google's voices.
#[derive(Debug, Clone)]
pub struct GoogleVoice {
    options: DialectOptions,
}

impl GoogleVoice {
    /// A voice with these options. What their body says of `audioConfig` (`speakingRate`, `pitch`,
    /// `effectsProfileId`) or `voice` leaves the rest of it.
    pub const fn new(options: DialectOptions) -> Self {
        Self { options }
    }

    /// The language, and the name if one is chosen. Names begin with their language, and Google refuses a voice of
    /// another.
    fn voice(&self, spec: &VoiceSpec) -> Value {
        let role = &self.options.role;
        let language = role.language.as_deref().unwrap_or(&spec.language);
        let mut voice = json!({"languageCode": language});
        if let Some(name) = &role.voice {
            let mut parts = name.split('-');
            if let (Some(language), Some(region), Some(_)) = (parts.next(), parts.next(), parts.next()) {
                voice["languageCode"] = format!("{language}-{region}").into();
            }
            voice["name"] = name.as_str().into();
        }
        if let Some(model) = &role.model {
            voice["modelName"] = model.as_str().into();
        }
        voice
    }
}

impl Refuses for GoogleVoice {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl VoiceDialect for GoogleVoice {
    fn request(&self, text: &str, spec: &VoiceSpec) -> HttpRequest {
        let body = json!({
            "input": {"text": text},
            "voice": self.voice(spec),
            "audioConfig": {"audioEncoding": "LINEAR16", "sampleRateHertz": spec.rate.hz()},
        });
        let url = self.options.url("/v1/text:synthesize", &[]);
        let mut request = HttpRequest::json(url, &with_own_fields(&self.options, body));
        request.headers = cloud_headers(&self.options);
        request
    }

    /// The list of voices of one language, which costs nothing.
    fn probe(&self) -> HttpRequest {
        let bare = DialectOptions { role: RoleOptions::default(), ..self.options.clone() };
        let mut request = HttpRequest::get(bare.url("/v1/voices", &[("languageCode", "en-IN".to_owned())]));
        request.headers = cloud_headers(&self.options);
        request
    }

    fn decoder(&self, spec: &VoiceSpec, content_type: &str) -> Result<Box<dyn AudioDecoder>, Fault> {
        if !content_type.trim_start().to_ascii_lowercase().starts_with("application/json") {
            return Err(Fault::new(FaultClass::Garbage, "it answered with no JSON"));
        }
        Ok(Box::new(Whole { rate: spec.rate, body: Vec::new() }))
    }
}

/// The whole answer, since its sound can't be told before its end.
struct Whole {
    rate: SampleRate,
    body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    audio_content: std::borrow::Cow<'a, str>,
}

impl AudioDecoder for Whole {
    fn rate(&self) -> SampleRate {
        self.rate
    }

    fn bytes(&mut self, bytes: &[u8], _out: &mut Vec<i16>) -> Result<(), Fault> {
        if self.body.len() + bytes.len() > LONGEST_ANSWER {
            return Err(Fault::new(FaultClass::Garbage, "its answer is longer than any utterance"));
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<i16>) -> Result<(), Fault> {
        let garbage = |what: String| Fault::new(FaultClass::Garbage, what);
        let body = std::mem::take(&mut self.body);
        let answer: Answer<'_> =
            serde_json::from_slice(&body).map_err(|_| garbage("its answer holds no sound".to_owned()))?;
        let file = base64_simd::STANDARD
            .decode_to_vec(answer.audio_content.as_bytes())
            .map_err(|_| garbage("its sound is no base64".to_owned()))?;
        let sound = wav::read(&file).map_err(|error| garbage(error.to_string()))?;
        self.rate = sound.rate;
        out.extend(sound.to_mono());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::Body;
    use crate::google::test_options::options;

    fn body(request: &HttpRequest) -> Value {
        match &request.body {
            Body::Json(body) => serde_json::from_slice(body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn spec() -> VoiceSpec {
        VoiceSpec { rate: SampleRate::HZ_8000, language: "hi-IN".to_owned() }
    }

    /// An answer with a WAV file of these samples, its sizes left open where `is_open`.
    fn answer(samples: &[i16], is_open: bool) -> Vec<u8> {
        let mut file = wav::header(SampleRate::HZ_16000, 1, samples.len() as u64 * 2).to_vec();
        if is_open {
            file[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
            file[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        }
        file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        json!({"audioContent": base64_simd::STANDARD.encode_to_string(&file)}).to_string().into_bytes()
    }

    #[test]
    fn an_utterance_is_asked_for_at_the_calls_own_rate() {
        let request = GoogleVoice::new(options(VOICE_BASE_URL)).request("नमस्ते", &spec());
        assert_eq!(request.url.as_str(), "https://texttospeech.googleapis.com/v1/text:synthesize");
        assert_eq!(
            body(&request),
            json!({"input": {"text": "नमस्ते"}, "voice": {"languageCode": "hi-IN"},
                "audioConfig": {"audioEncoding": "LINEAR16", "sampleRateHertz": 8000}})
        );
        let [(name, crate::dialect::HeaderText::Secret(_))] = &request.headers[..] else { panic!("one key") };
        assert_eq!(name, "x-goog-api-key");
    }

    #[test]
    fn what_the_operator_sets_leaves_the_rest() {
        let mut options = options(VOICE_BASE_URL);
        options.role.voice = Some("en-US-Neural2-C".to_owned());
        options.role.body =
            serde_json::from_str(r#"{"audioConfig":{"speakingRate":1.1},"input":{"prompt":"calmly"}}"#)
                .unwrap();
        let body = body(&GoogleVoice::new(options.clone()).request("Hi", &spec()));
        assert_eq!(body["voice"], json!({"languageCode": "en-US", "name": "en-US-Neural2-C"}));
        assert_eq!(body["input"], json!({"text": "Hi", "prompt": "calmly"}));
        assert_eq!(
            body["audioConfig"],
            json!({"audioEncoding": "LINEAR16", "sampleRateHertz": 8000, "speakingRate": 1.1})
        );
        options.role.voice = Some("Kore".to_owned());
        options.role.model = Some("gemini-2.5-flash-tts".to_owned());
        let voice = GoogleVoice::new(options).voice(&spec());
        assert_eq!(
            voice,
            json!({"languageCode": "hi-IN", "name": "Kore", "modelName": "gemini-2.5-flash-tts"})
        );
    }

    #[test]
    fn the_header_is_taken_off_whatever_its_sizes_say() {
        for is_open in [false, true] {
            let mut decoder = GoogleVoice::new(options(VOICE_BASE_URL))
                .decoder(&spec(), "application/json; charset=UTF-8")
                .unwrap();
            let mut samples = Vec::new();
            decoder.bytes(&answer(&[1, -2, 3], is_open), &mut samples).unwrap();
            decoder.end(&mut samples).unwrap();
            assert_eq!((decoder.rate(), &samples[..]), (SampleRate::HZ_16000, &[1, -2, 3][..]));
        }
    }

    #[test]
    fn what_holds_no_sound_is_garbage() {
        let voice = GoogleVoice::new(options(VOICE_BASE_URL));
        assert_eq!(voice.decoder(&spec(), "text/html").map(|_| ()).unwrap_err().class, FaultClass::Garbage);
        for odd in [&b"{}"[..], b"", b"{\"audioContent\":\"**\"}", b"{\"audioContent\":\"aGVsbG8=\"}"] {
            let mut decoder = voice.decoder(&spec(), "application/json").unwrap();
            let mut samples = Vec::new();
            decoder.bytes(odd, &mut samples).unwrap();
            assert_eq!(decoder.end(&mut samples).unwrap_err().class, FaultClass::Garbage, "{odd:?}");
            assert!(samples.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_sound(sound: Vec<i16>, cuts in prop::collection::vec(1usize..50, 1..9)) {
            let mut decoder =
                GoogleVoice::new(options(VOICE_BASE_URL)).decoder(&spec(), "application/json").unwrap();
            let (answer, mut samples) = (answer(&sound, false), Vec::new());
            let mut rest = &answer[..];
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                decoder.bytes(piece, &mut samples).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            decoder.end(&mut samples).unwrap();
            prop_assert_eq!(samples, sound);
        }
    }
}
