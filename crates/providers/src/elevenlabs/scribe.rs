//! Scribe over HTTP: `POST /v1/speech-to-text`, one stretch of speech as `multipart/form-data`.

use audio::{SampleRate, wav};
use call::{Fault, FaultClass};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{DEFAULT_SCRIBE_MODEL, error, headers, language, probe};
use crate::dialect::{Body, EarDialect, HttpRequest, Part, Refusal, Refuses};
use crate::{DialectOptions, ListenSpec, RoleOptions};

/// What only the realtime socket's query knows.
const REALTIME_ONLY: [&str; 9] = [
    "audio_format",
    "commit_strategy",
    "vad_threshold",
    "vad_silence_threshold_secs",
    "min_speech_duration_ms",
    "min_silence_duration_ms",
    "include_timestamps",
    "include_language_detection",
    "filter_background_audio",
];
/// What is a parameter of the query on the socket, and a field of the form over HTTP.
const FORM_FIELDS: [&str; 2] = ["keyterms", "no_verbatim"];
const REALTIME: &str = "_realtime";

/// ElevenLabs' Scribe over HTTP.
#[derive(Debug, Clone)]
pub struct Scribe {
    options: DialectOptions,
}

impl Scribe {
    /// A recogniser with these options, the same as over the WebSocket. Fields of the options' body become fields
    /// of the form. `keyterms` raise the price, so they are sent only where the operator sets them.
    pub const fn new(options: DialectOptions) -> Self {
        Self { options }
    }

    /// The form's fields beside the file.
    fn fields(&self, spec: &ListenSpec) -> Vec<(String, String)> {
        let options = &self.options;
        let model = options.role.model.as_deref().unwrap_or(DEFAULT_SCRIBE_MODEL);
        let mut fields = vec![
            ("model_id".to_owned(), model.strip_suffix(REALTIME).unwrap_or(model).to_owned()),
            // Else "(laughter)" and the like are part of what the caller said.
            ("tag_audio_events".to_owned(), "false".to_owned()),
            ("timestamps_granularity".to_owned(), "none".to_owned()),
        ];
        fields.extend(language(options, &spec.language).map(|code| ("language_code".to_owned(), code)));
        for name in FORM_FIELDS {
            let values = options.role.query.get(name).into_iter().flat_map(crate::QueryValue::texts);
            fields.extend(values.map(|value| (name.to_owned(), value)));
        }
        for (name, value) in &options.role.body {
            fields.retain(|(other, _)| other != name);
            let values = match value {
                Value::Null => continue,
                Value::Array(values) => values.iter().collect(),
                one => vec![one],
            };
            fields.extend(values.into_iter().map(|value| (name.clone(), in_form(value))));
        }
        fields
    }
}

/// A value as a form has it: text without quotes, the rest as JSON.
fn in_form(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

impl Refuses for Scribe {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl EarDialect for Scribe {
    fn request(&self, samples: &[i16], spec: &ListenSpec) -> HttpRequest {
        let query = &self.options.role.query;
        let other = query.iter().filter(|(name, _)| {
            !REALTIME_ONLY.contains(&name.as_str()) && !FORM_FIELDS.contains(&name.as_str())
        });
        let role = RoleOptions {
            query: other.map(|(name, value)| (name.clone(), value.clone())).collect(),
            ..RoleOptions::default()
        };
        let url = DialectOptions { role, ..self.options.clone() }.url("/v1/speech-to-text", &[]);

        // Raw samples are taken at 16 kHz only, and save the vendor a look at them.
        let is_raw = spec.rate == SampleRate::HZ_16000;
        let mut bytes = Vec::with_capacity(wav::HEADER_BYTES + samples.len() * 2);
        if !is_raw {
            bytes.extend_from_slice(&wav::header(spec.rate, 1, samples.len() as u64 * 2));
        }
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let (file_name, content_type, format) = if is_raw {
            ("speech.pcm", "application/octet-stream", "pcm_s16le_16")
        } else {
            ("speech.wav", "audio/wav", "other")
        };
        let text = |(name, value)| Part::Text { name, value };
        let mut parts = self.fields(spec).into_iter().map(text).collect::<Vec<_>>();
        parts.push(Part::Text { name: "file_format".to_owned(), value: format.to_owned() });
        parts.push(Part::File { name: "file", file_name, content_type, bytes });
        HttpRequest {
            method: Method::POST,
            url,
            headers: headers(&self.options),
            body: Body::Multipart(parts),
        }
    }

    fn probe(&self) -> HttpRequest {
        probe(&self.options)
    }

    fn text(&self, body: &[u8]) -> Result<String, Fault> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| Fault::new(FaultClass::Garbage, "its answer is no transcript"))?;
        Ok(answer.text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueryValue;
    use crate::elevenlabs::test_options::options;

    fn spec(rate: SampleRate) -> ListenSpec {
        ListenSpec { rate, language: "hi-IN".to_owned(), phrases: vec!["yes".to_owned()] }
    }

    fn fields(request: &HttpRequest) -> Vec<(&str, &str)> {
        let Body::Multipart(parts) = &request.body else { panic!("{request:?}") };
        let texts = parts.iter().filter_map(|part| match part {
            Part::Text { name, value } => Some((name.as_str(), value.as_str())),
            Part::File { .. } => None,
        });
        texts.collect()
    }

    fn file(request: &HttpRequest) -> (&str, &[u8]) {
        let Body::Multipart(parts) = &request.body else { panic!("{request:?}") };
        let file = parts.iter().find_map(|part| match part {
            Part::File { name: "file", file_name, bytes, .. } => Some((*file_name, &bytes[..])),
            _ => None,
        });
        file.unwrap()
    }

    #[test]
    fn a_stretch_goes_as_wav_or_as_raw_samples_at_16_khz() {
        let scribe = Scribe::new(options());
        let narrow = scribe.request(&[1, -2, 3], &spec(SampleRate::HZ_8000));
        assert_eq!(narrow.url.as_str(), "https://api.elevenlabs.io/v1/speech-to-text");
        assert_eq!(
            fields(&narrow),
            [
                ("model_id", "scribe_v2"),
                ("tag_audio_events", "false"),
                ("timestamps_granularity", "none"),
                ("language_code", "hi"),
                ("file_format", "other"),
            ]
        );
        let (name, bytes) = file(&narrow);
        let sound = wav::read(bytes).unwrap();
        assert_eq!(
            (name, sound.rate, &sound.samples[..]),
            ("speech.wav", SampleRate::HZ_8000, &[1, -2, 3][..])
        );

        let wide = scribe.request(&[1, -2], &spec(SampleRate::HZ_16000));
        assert!(fields(&wide).contains(&("file_format", "pcm_s16le_16")));
        assert_eq!(file(&wide), ("speech.pcm", &[1, 0, 0xFE, 0xFF][..]));
    }

    #[test]
    fn options_of_the_socket_mean_the_same_over_http() {
        let mut options = options();
        options.role.model = Some("scribe_v2_realtime".to_owned());
        let terms = QueryValue::List(vec!["Pune".to_owned(), "EMI".to_owned()]);
        options.role.query.insert("keyterms".to_owned(), terms);
        options.role.query.insert("commit_strategy".to_owned(), QueryValue::Text("vad".to_owned()));
        options.role.query.insert("enable_logging".to_owned(), QueryValue::Bool(false));
        options.role.body = serde_json::from_str(r#"{"temperature":0.2,"tag_audio_events":null}"#).unwrap();
        let request = Scribe::new(options).request(&[0], &spec(SampleRate::HZ_8000));
        assert_eq!(request.url.query(), Some("enable_logging=false"));
        let fields = fields(&request);
        for wanted in
            [("model_id", "scribe_v2"), ("keyterms", "Pune"), ("keyterms", "EMI"), ("temperature", "0.2")]
        {
            assert!(fields.contains(&wanted), "{wanted:?} {fields:?}");
        }
        assert!(fields.iter().all(|(name, _)| *name != "tag_audio_events"), "{fields:?}");
    }

    #[test]
    fn the_text_is_taken_out_of_an_answer() {
        let scribe = Scribe::new(options());
        let answer = include_bytes!("../../../../fixtures/elevenlabs/scribe-answer.json");
        assert_eq!(scribe.text(answer), Ok("Is the shop open on Sunday?".to_owned()));
        assert_eq!(scribe.text(br#"{"text":" ","words":[]}"#), Ok(String::new()));
        for odd in [&b"<html>"[..], b"{}", b"", b"[]"] {
            assert_eq!(scribe.text(odd).unwrap_err().class, FaultClass::Garbage);
        }
    }
}
