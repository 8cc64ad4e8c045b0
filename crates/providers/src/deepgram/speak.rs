//! The voice over HTTP, `POST /v1/speak`: the audio streams in the body of the answer.

use audio::SampleRate;
use call::Fault;
use serde_json::json;

use super::VOICE;
use super::account::{self, Account};
use super::messages::garbage;
use super::samples::{Apology, Samples};
use crate::VoiceSpec;
use crate::dialect::{AudioDecoder, Coding, HttpRequest, Refusal, Refuses, VoiceDialect, one_line};

/// The voice over HTTP.
#[derive(Debug)]
pub(super) struct Speak {
    account: Account,
}

impl Speak {
    pub(super) const fn new(account: Account) -> Self {
        Self { account }
    }
}

impl Account {
    /// The parameters of both voices: raw samples at the call's own rate where the vendor has it.
    pub(super) fn speech(&self, spec: &VoiceSpec) -> Vec<(&'static str, String)> {
        let role = &self.options().role;
        let voice = role.voice.as_ref().or(role.model.as_ref()).map_or(VOICE, String::as_str);
        vec![
            ("model", voice.to_owned()),
            ("encoding", "linear16".to_owned()),
            ("sample_rate", self.speech_rate(spec).hz().to_string()),
        ]
    }

    /// The rate of what comes: the operator's, else the call's where the vendor has it, else the vendor's own.
    pub(super) fn speech_rate(&self, spec: &VoiceSpec) -> SampleRate {
        let set = self.setting("sample_rate").and_then(|hz| hz.parse::<u32>().ok());
        let set = set.and_then(|hz| SampleRate::try_from(hz).ok());
        let has = matches!(spec.rate.hz(), 8_000 | 16_000 | 24_000 | 48_000);
        set.unwrap_or(if has { spec.rate } else { SampleRate::HZ_24000 })
    }

    /// How the samples of what comes are written.
    pub(super) fn speech_coding(&self) -> Coding {
        match self.setting("encoding").as_deref() {
            Some("mulaw") => Coding::MuLaw,
            Some("alaw") => Coding::ALaw,
            _ => Coding::Linear,
        }
    }
}

impl Refuses for Speak {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        account::fault(refusal)
    }
}

impl VoiceDialect for Speak {
    /// Without `container=none` a WAV header comes first, which a phone plays as a click.
    fn request(&self, text: &str, spec: &VoiceSpec) -> HttpRequest {
        let mut query = self.account.speech(spec);
        query.push(("container", "none".to_owned()));
        let url = self.account.options().url("v1/speak", &query);
        let mut request = HttpRequest::json(url, &self.account.options().body(json!({ "text": text })));
        request.headers = self.account.headers();
        request
    }

    fn probe(&self) -> HttpRequest {
        self.account.probe()
    }

    fn decoder(&self, spec: &VoiceSpec, content_type: &str) -> Result<Box<dyn AudioDecoder>, Fault> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let rate = parameter(content_type, "rate").unwrap_or_else(|| self.account.speech_rate(spec));
        let coding = match kind.as_str() {
            "application/json" => return Ok(Box::new(Apology::default())),
            "audio/basic" | "audio/mulaw" | "audio/x-mulaw" | "audio/pcmu" => Coding::MuLaw,
            "audio/alaw" | "audio/x-alaw" | "audio/pcma" => Coding::ALaw,
            ""
            | "application/octet-stream"
            | "binary/octet-stream"
            | "audio/l16"
            | "audio/pcm"
            | "audio/raw"
            | "audio/wav"
            | "audio/x-wav"
            | "audio/wave"
            | "audio/vnd.wave" => self.account.speech_coding(),
            other => return Err(garbage(&one_line(&format!("{other} where speech belongs")))),
        };
        Ok(Box::new(Samples::new(rate, coding)))
    }
}

/// A number behind a `;` of a content type, such as the rate in `audio/l16;rate=16000`.
fn parameter(content_type: &str, name: &str) -> Option<SampleRate> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
    let (_, value) = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    SampleRate::try_from(value.trim_matches('"').parse::<u32>().ok()?).ok()
}

#[cfg(test)]
mod tests;
