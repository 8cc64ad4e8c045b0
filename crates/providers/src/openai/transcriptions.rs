//! Speech to text, one stretch of speech at a time: `POST /audio/transcriptions` with a WAV file.

use audio::wav;
use call::{Fault, FaultClass};
use serde_json::{Map, Value, json};

use super::{error, list_models};
use crate::dialect::{Body, EarDialect, HttpRequest, Part, Refusal, Refuses};
use crate::{DialectOptions, ListenSpec};

const DEFAULT_MODEL: &str = "gpt-4o-mini-transcribe";

/// A recogniser behind `/audio/transcriptions`.
#[derive(Debug, Clone)]
pub struct Transcriptions(DialectOptions);

impl Transcriptions {
    /// The recogniser that these options choose; `gpt-4o-mini-transcribe` where they choose none. Fields of the body
    /// in the options become fields of the form.
    pub const fn new(options: DialectOptions) -> Self {
        Self(options)
    }
}

impl Refuses for Transcriptions {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl EarDialect for Transcriptions {
    fn request(&self, samples: &[i16], spec: &ListenSpec) -> HttpRequest {
        let mut fields = json!({
            "model": self.0.role.model.as_deref().unwrap_or(DEFAULT_MODEL),
            "response_format": "json",
        });
        if let Some(language) = self.0.role.language.as_deref().or_else(|| two_letters(&spec.language)) {
            fields["language"] = language.into();
        }
        if !spec.phrases.is_empty() {
            fields["prompt"] = spec.phrases.join(", ").into();
        }
        let mut parts: Vec<Part> = self.0.body(fields).as_object().into_iter().flat_map(as_parts).collect();
        parts.push(Part::File {
            name: "file",
            // The format is told by the name's ending.
            file_name: "utt.wav",
            content_type: "audio/wav",
            bytes: file(samples, spec),
        });
        HttpRequest { body: Body::Multipart(parts), ..self.post() }.with_own_headers(&self.0)
    }

    fn probe(&self) -> HttpRequest {
        list_models(&self.0)
    }

    fn text(&self, body: &[u8]) -> Result<String, Fault> {
        let garbage = || Fault::new(FaultClass::Garbage, "the answer holds no text");
        if let Ok(answer) = serde_json::from_slice::<Value>(body) {
            if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
                return Err(error::in_stream(error));
            }
            let text = answer.get("text").and_then(Value::as_str).ok_or_else(garbage)?;
            return Ok(text.trim().to_owned());
        }
        // Plain text is an answer only where the options ask for it: a proxy's page is text too.
        let plain = self.0.role.body.get("response_format").is_some_and(|format| format == "text");
        match std::str::from_utf8(body) {
            Ok(text) if plain && !text.trim_start().starts_with('<') => Ok(text.trim().to_owned()),
            _ => Err(garbage()),
        }
    }
}

impl Transcriptions {
    fn post(&self) -> HttpRequest {
        HttpRequest {
            method: http::Method::POST,
            ..HttpRequest::get(self.0.url("audio/transcriptions", &[]))
        }
        .bearer(self.0.key.as_ref())
    }
}

/// ISO 639-1 out of BCP 47: `en-IN` is `en`. A language without two letters is left to the vendor to find out.
fn two_letters(language: &str) -> Option<&str> {
    let first = language.split(['-', '_']).next()?;
    (first.len() == 2 && first.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(first)
}

/// Each field once; a list repeats the field with `[]` behind its name, as OpenAI's form has it.
fn as_parts(fields: &Map<String, Value>) -> Vec<Part> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let one = |(name, value): (&String, &Value)| match value {
        Value::Array(values) => {
            values.iter().map(|value| Part::Text { name: format!("{name}[]"), value: text(value) }).collect()
        }
        value => vec![Part::Text { name: name.clone(), value: text(value) }],
    };
    fields.iter().flat_map(one).collect()
}

fn file(samples: &[i16], spec: &ListenSpec) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(wav::HEADER_BYTES + samples.len() * 2);
    bytes.extend_from_slice(&wav::header(spec.rate, 1, samples.len() as u64 * 2));
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests;
