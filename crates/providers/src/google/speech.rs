//! Cloud Speech-to-Text v1 over REST: `POST /v1/speech:recognize`, one stretch of speech in one request. Streaming is
//! there over gRPC only.

use call::{Fault, FaultClass};
use serde::Deserialize;
use serde_json::json;

use super::{cloud_headers, error, with_own_fields};
use crate::dialect::{EarDialect, HttpRequest, Refusal, Refuses};
use crate::{DialectOptions, ListenSpec, RoleOptions};

/// Where it is.
pub const SPEECH_BASE_URL: &str = "https://speech.googleapis.com";
/// The model for short answers. `phone_call` is another, for some languages.
const DEFAULT_MODEL: &str = "latest_short";
/// What one request may have of phrases, and how long one may be (Google's page of quotas).
const MOST_PHRASES: usize = 500;
const LONGEST_PHRASE: usize = 100;

/// Google's recogniser.
#[derive(Debug, Clone)]
pub struct GoogleEar {
    options: DialectOptions,
}

impl GoogleEar {
    /// A recogniser with these options. What their body says of `config` (`useEnhanced`, `profanityFilter`,
    /// `alternativeLanguageCodes`) leaves the rest of it.
    pub const fn new(options: DialectOptions) -> Self {
        Self { options }
    }
}

impl Refuses for GoogleEar {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl EarDialect for GoogleEar {
    fn request(&self, samples: &[i16], spec: &ListenSpec) -> HttpRequest {
        let role = &self.options.role;
        let mut config = json!({
            "encoding": "LINEAR16",
            "sampleRateHertz": spec.rate.hz(),
            "languageCode": role.language.as_deref().unwrap_or(&spec.language),
            "model": role.model.as_deref().unwrap_or(DEFAULT_MODEL),
            "enableAutomaticPunctuation": true,
            "maxAlternatives": 1,
        });
        let fitting = |phrase: &&String| !phrase.is_empty() && phrase.chars().count() <= LONGEST_PHRASE;
        let phrases = spec.phrases.iter().filter(fitting).take(MOST_PHRASES).collect::<Vec<_>>();
        if !phrases.is_empty() {
            config["speechContexts"] = json!([{"phrases": phrases}]);
        }
        let mut bytes = Vec::with_capacity(samples.len() * 2);
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let body =
            json!({"config": config, "audio": {"content": base64_simd::STANDARD.encode_to_string(&bytes)}});
        let url = self.options.url("/v1/speech:recognize", &[]);
        let mut request = HttpRequest::json(url, &with_own_fields(&self.options, body));
        request.headers = cloud_headers(&self.options);
        request
    }

    /// The list of long-running operations, of which there are none: it asks for a good key and costs nothing.
    fn probe(&self) -> HttpRequest {
        let bare = DialectOptions { role: RoleOptions::default(), ..self.options.clone() };
        let mut request = HttpRequest::get(bare.url("/v1/operations", &[("pageSize", "1".to_owned())]));
        request.headers = cloud_headers(&self.options);
        request
    }

    fn text(&self, body: &[u8]) -> Result<String, Fault> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| Fault::new(FaultClass::Garbage, "its answer is no transcript"))?;
        let best = answer.results.iter().filter_map(|result| result.alternatives.first());
        let texts = best.map(|alternative| alternative.transcript.trim()).filter(|text| !text.is_empty());
        Ok(texts.collect::<Vec<_>>().join(" "))
    }
}

/// What is empty is left out of Google's JSON: where nothing was understood, it is `{}`.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Recognised>,
}

#[derive(Deserialize)]
struct Recognised {
    #[serde(default)]
    alternatives: Vec<Alternative>,
}

#[derive(Deserialize)]
struct Alternative {
    #[serde(default)]
    transcript: String,
}

#[cfg(test)]
mod tests {
    use audio::SampleRate;
    use serde_json::Value;

    use super::*;
    use crate::dialect::Body;
    use crate::google::test_options::options;

    fn body(request: &HttpRequest) -> Value {
        match &request.body {
            Body::Json(body) => serde_json::from_slice(body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn spec(phrases: &[&str]) -> ListenSpec {
        let phrases = phrases.iter().map(ToString::to_string).collect();
        ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases }
    }

    #[test]
    fn a_stretch_goes_as_samples_at_the_lines_own_rate() {
        let request = GoogleEar::new(options(SPEECH_BASE_URL)).request(&[1, -1, 256], &spec(&[]));
        assert_eq!(request.url.as_str(), "https://speech.googleapis.com/v1/speech:recognize");
        assert_eq!(
            body(&request),
            json!({"config": {"encoding": "LINEAR16", "sampleRateHertz": 8000, "languageCode": "en-IN",
                "model": "latest_short", "enableAutomaticPunctuation": true, "maxAlternatives": 1},
                "audio": {"content": "AQD//wAB"}})
        );
    }

    #[test]
    fn phrases_and_the_operators_fields_go_into_the_configuration() {
        let mut options = options(SPEECH_BASE_URL);
        options.role.model = Some("phone_call".to_owned());
        options.role.language = Some("en-US".to_owned());
        options.role.body = serde_json::from_str(r#"{"config":{"useEnhanced":true}}"#).unwrap();
        let long = "x".repeat(101);
        let body = body(&GoogleEar::new(options).request(&[], &spec(&["yes", "no thanks", &long, ""])));
        let config = &body["config"];
        assert_eq!((&config["model"], &config["useEnhanced"]), (&json!("phone_call"), &json!(true)));
        assert_eq!(config["languageCode"], "en-US");
        assert_eq!(config["speechContexts"], json!([{"phrases": ["yes", "no thanks"]}]));
        assert_eq!(config["sampleRateHertz"], 8000);
    }

    #[test]
    fn the_text_is_all_results_and_silence_is_an_empty_object() {
        let ear = GoogleEar::new(options(SPEECH_BASE_URL));
        let answer = include_bytes!("../../../../fixtures/google/recognize.json");
        assert_eq!(ear.text(answer), Ok("what are your opening hours and where are you".to_owned()));
        assert_eq!(ear.text(b"{}"), Ok(String::new()));
        assert_eq!(ear.text(br#"{"totalBilledTime":"3s","requestId":"1"}"#), Ok(String::new()));
        assert_eq!(ear.text(br#"{"results":[{"resultEndTime":"1s"}]}"#), Ok(String::new()));
        for odd in [&b"<html>"[..], b"", b"7", br#"{"results":7}"#] {
            assert_eq!(ear.text(odd).unwrap_err().class, FaultClass::Garbage);
        }
    }
}
