//! The recogniser over HTTP, `POST /v1/listen`: one finished stretch of speech as a WAV file, one answer. It is the
//! way out where WebSockets do not get through.

use call::Fault;
use serde::Deserialize;

use super::account::{self, Account};
use super::messages::{Channel, garbage};
use crate::ListenSpec;
use crate::dialect::{Body, EarDialect, HttpRequest, Refusal, Refuses};

/// The recogniser over HTTP.
#[derive(Debug)]
pub(super) struct Recorded {
    account: Account,
}

impl Recorded {
    pub(super) const fn new(account: Account) -> Self {
        Self { account }
    }
}

impl Refuses for Recorded {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        account::fault(refusal)
    }
}

impl EarDialect for Recorded {
    /// A WAV file says by itself what it holds: the vendor's reference has no rate among the parameters here.
    fn request(&self, samples: &[i16], spec: &ListenSpec) -> HttpRequest {
        let mut query = vec![("punctuate", "true".to_owned()), ("smart_format", "true".to_owned())];
        query.extend(self.account.recognition(spec));
        let url = self.account.options().url("v1/listen", &query);
        let header = audio::wav::header(spec.rate, 1, samples.len() as u64 * 2);
        let mut bytes = Vec::with_capacity(header.len() + samples.len() * 2);
        bytes.extend_from_slice(&header);
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.account.post(url, Body::Bytes { content_type: "audio/wav", bytes })
    }

    fn probe(&self) -> HttpRequest {
        self.account.probe()
    }

    fn text(&self, body: &[u8]) -> Result<String, Fault> {
        let answer: Answer<'_> = serde_json::from_slice(body)
            .map_err(|error| garbage(&format!("the answer is unreadable at {}", error.column())))?;
        let none = || account::fault_within(body).unwrap_or_else(|| garbage("the answer has no results"));
        let results = answer.results.ok_or_else(none)?;
        let best =
            results.channels.into_iter().next().and_then(|channel| channel.alternatives.into_iter().next());
        let text = best.and_then(|best| best.transcript).unwrap_or_default();
        Ok(text.trim().to_owned())
    }
}

/// The answer, as far as it matters.
#[derive(Debug, Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: Option<AnswerResults<'a>>,
}

#[derive(Debug, Deserialize)]
struct AnswerResults<'a> {
    #[serde(borrow, default)]
    channels: Vec<Channel<'a>>,
}

#[cfg(test)]
mod tests {
    use audio::SampleRate;
    use call::FaultClass;

    use super::*;
    use crate::deepgram::account::tests::account;
    use crate::{QueryValue, RoleOptions};

    fn recorded(role: RoleOptions) -> Recorded {
        Recorded::new(account(role).for_recorded())
    }

    #[test]
    fn a_stretch_is_sent_as_a_wav_file() {
        let spec = ListenSpec {
            rate: SampleRate::HZ_16000,
            language: "hi-IN".to_owned(),
            phrases: vec!["opening hours".to_owned()],
        };
        let request = recorded(RoleOptions::default()).request(&[1, -1], &spec);
        let url = "https://api.deepgram.com/v1/listen?punctuate=true&smart_format=true&model=nova-3&language=hi\
                   &keyterm=opening+hours";
        assert_eq!(request.url.as_str(), url);
        let Body::Bytes { content_type, bytes } = request.body else { panic!() };
        assert_eq!(content_type, "audio/wav");
        let wav = audio::wav::read(&bytes).unwrap();
        assert_eq!((wav.to_mono(), bytes.len()), (vec![1, -1], 48));
    }

    #[test]
    fn a_model_and_parameters_of_the_sockets_are_not_sent() {
        let text = |text: &str| QueryValue::Text(text.to_owned());
        let role = RoleOptions {
            model: Some("flux-general-en".to_owned()),
            query: [("eot_threshold", "0.8"), ("endpointing", "500"), ("numerals", "true")]
                .map(|(name, value)| (name.to_owned(), text(value)))
                .into(),
            ..RoleOptions::default()
        };
        let spec =
            ListenSpec { rate: SampleRate::HZ_8000, language: "en-US".to_owned(), phrases: Vec::new() };
        let url = "https://api.deepgram.com/v1/listen?punctuate=true&smart_format=true&model=nova-3\
                   &language=en-US&numerals=true";
        assert_eq!(recorded(role).request(&[], &spec).url.as_str(), url);
    }

    #[test]
    fn answers_are_understood_or_refused() {
        let recorded = recorded(RoleOptions::default());
        let text = |body: &str| recorded.text(body.as_bytes());
        let answer = r#"{"metadata":{},"results":{"channels":[{"alternatives":[{"transcript":" A table. ","words":[{"end":1}]}],"detected_language":"en"}]}}"#;
        assert_eq!(text(answer).unwrap(), "A table.");
        for empty in [
            r#"{"results":{"channels":[]}}"#,
            r#"{"results":{"channels":[{"alternatives":[]}]}}"#,
            r#"{"results":{"channels":[{"alternatives":[{"transcript":""}]}]}}"#,
        ] {
            assert_eq!(text(empty).unwrap(), "");
        }
        let error =
            text(r#"{"err_code":"INTERNAL_SERVER_ERROR","err_msg":"Something went wrong."}"#).unwrap_err();
        assert_eq!(error.class, FaultClass::Busy, "{error}");
        for odd in ["", "<html>", "[]", r#"{"request_id":"1"}"#] {
            assert_eq!(text(odd).unwrap_err().class, FaultClass::Garbage, "{odd}");
        }
    }
}
