//! An utterance over HTTP: `POST /v1/text-to-speech/{voice}/stream`, answered by raw samples as they are made.

use call::{Fault, FaultClass};
use serde_json::json;

use super::format::{PARAMETER, Raw, readable, wanted};
use super::{DEFAULT_VOICE, DEFAULT_VOICE_MODEL, error, headers, language, probe};
use crate::dialect::{AudioDecoder, HttpRequest, Refusal, Refuses, VoiceDialect};
use crate::{DialectOptions, VoiceSpec};

/// ElevenLabs' voices over HTTP.
#[derive(Debug, Clone)]
pub struct ElevenVoice {
    options: DialectOptions,
}

impl ElevenVoice {
    /// A voice with these options. `voice_settings`, `seed`, `apply_text_normalization` and the like are fields of
    /// the options' body; `output_format` and `optimize_streaming_latency` are of their query.
    /// A compressed `output_format` is not taken.
    pub fn new(options: DialectOptions) -> Self {
        Self { options: readable(options) }
    }
}

/// The model that speaks.
pub(super) fn model(options: &DialectOptions) -> &str {
    options.role.model.as_deref().unwrap_or(DEFAULT_VOICE_MODEL)
}

/// The voice that speaks.
pub(super) fn voice(options: &DialectOptions) -> &str {
    options.role.voice.as_deref().unwrap_or(DEFAULT_VOICE)
}

/// The language to be told to `model`. ElevenLabs refuses a `language_code` for models that find the language
/// themselves; those of version 2.5 and of generation 3 take one.
pub(super) fn enforced_language(options: &DialectOptions, spec: &VoiceSpec) -> Option<String> {
    let model = model(options);
    let takes_one = model.ends_with("_v2_5") || model.starts_with("eleven_v3");
    language(options, &spec.language).filter(|_| takes_one)
}

impl Refuses for ElevenVoice {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl VoiceDialect for ElevenVoice {
    fn request(&self, text: &str, spec: &VoiceSpec) -> HttpRequest {
        let options = &self.options;
        let path = format!("/v1/text-to-speech/{}/stream", voice(options));
        let url = options.url(&path, &[(PARAMETER, wanted(options, spec.rate).name())]);
        let mut body = json!({"text": text, "model_id": model(options)});
        if let Some(language) = enforced_language(options, spec) {
            body["language_code"] = language.into();
        }
        let mut request = HttpRequest::json(url, &options.body(body));
        request.headers = headers(options);
        request
    }

    fn probe(&self) -> HttpRequest {
        probe(&self.options)
    }

    fn decoder(&self, spec: &VoiceSpec, content_type: &str) -> Result<Box<dyn AudioDecoder>, Fault> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // The type of raw samples is written in several ways; what is no sound, or is compressed, is told apart.
        if kind.starts_with("text/") || kind == "application/json" || kind == "audio/mpeg" {
            return Err(Fault::new(
                FaultClass::Garbage,
                format!("it answered with {kind}, not with samples"),
            ));
        }
        Ok(Box::new(Raw::new(wanted(&self.options, spec.rate))))
    }
}

#[cfg(test)]
mod tests {
    use audio::SampleRate;
    use serde_json::Value;

    use super::*;
    use crate::QueryValue;
    use crate::dialect::{Body, HeaderText};
    use crate::elevenlabs::test_options::options;

    fn body(request: &HttpRequest) -> Value {
        match &request.body {
            Body::Json(body) => serde_json::from_slice(body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_utterance_is_asked_for_at_the_calls_own_rate() {
        let request = ElevenVoice::new(options()).request("Namaste", &VoiceSpec::at(SampleRate::HZ_8000));
        assert_eq!(
            request.url.as_str(),
            "https://api.elevenlabs.io/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb/stream?output_format=pcm_8000"
        );
        assert_eq!(
            body(&request),
            json!({"text": "Namaste", "model_id": "eleven_flash_v2_5", "language_code": "en"})
        );
        assert!(matches!(&request.headers[..], [(name, HeaderText::Secret(_))] if name == "xi-api-key"));
        assert!(!format!("{request:?}").contains("el-key"));
    }

    #[test]
    fn a_model_that_finds_the_language_itself_is_not_told_it() {
        let mut options = options();
        options.role.language = Some("hi".to_owned());
        for (model, language) in [
            ("eleven_multilingual_v2", None),
            ("eleven_flash_v2", None),
            ("eleven_turbo_v2_5", Some("hi")),
            ("eleven_v3_conversational", Some("hi")),
        ] {
            options.role.model = Some(model.to_owned());
            let request =
                ElevenVoice::new(options.clone()).request("x", &VoiceSpec::at(SampleRate::HZ_24000));
            assert_eq!(body(&request).get("language_code").and_then(Value::as_str), language, "{model}");
        }
    }

    #[test]
    fn what_the_operator_sets_goes_before_the_rest() {
        let mut options = options();
        options.role.voice = Some("mine".to_owned());
        options.role.query.insert("output_format".to_owned(), QueryValue::Text("ulaw_8000".to_owned()));
        options.role.body = serde_json::from_str(r#"{"voice_settings":{"speed":1.1},"seed":7}"#).unwrap();
        let (voice, spec) = (ElevenVoice::new(options), VoiceSpec::at(SampleRate::HZ_16000));
        let request = voice.request("x", &spec);
        assert!(request.url.as_str().ends_with("/v1/text-to-speech/mine/stream?output_format=ulaw_8000"));
        assert_eq!(body(&request)["voice_settings"]["speed"], 1.1);
        assert_eq!(voice.decoder(&spec, "audio/basic").unwrap().rate(), SampleRate::HZ_8000);
    }

    #[test]
    fn what_is_no_sound_is_not_played() {
        let (voice, spec) = (ElevenVoice::new(options()), VoiceSpec::at(SampleRate::HZ_8000));
        for odd in ["text/html; charset=utf-8", "application/json", "audio/mpeg"] {
            assert_eq!(
                voice.decoder(&spec, odd).map(|_| ()).unwrap_err().class,
                FaultClass::Garbage,
                "{odd}"
            );
        }
        for right in ["audio/pcm", "application/octet-stream", ""] {
            assert!(voice.decoder(&spec, right).is_ok(), "{right}");
        }
    }
}
