//! What is asked when a call is to be placed, and what is answered.

use std::collections::BTreeMap;

use carriers::rest::MachineDetection;
use http::HeaderMap;
use records::CallRecord;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Code, Mistake, Problem};

/// How many variables a call may have, and how long names and values may be together.
const VARIABLES: usize = 20;
const VARIABLES_BYTES: usize = 2 * 1024;
/// Twilio passes on name and value of a parameter where they have fewer than 500 characters together.
const VARIABLE_LENGTH: usize = 499;
/// How long an `Idempotency-Key` may be.
const KEY: usize = 255;

/// A call to be placed.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceCall {
    /// The number to call: E.164, or as it is dialled within `outbound.default_country`.
    #[schema(example = "+919876543210")]
    pub(crate) to: String,
    /// The agent that talks; the default agent when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    /// The number that is shown, one of the carrier account's own; the configured one when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The carrier; the configured one when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carrier: Option<String>,
    /// What the agent is told about this call: texts, numbers, true or false, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) variables: BTreeMap<String, Value>,
    /// Whether the carrier listens for an answering machine; as configured when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) machine_detection: Option<Listens>,
}

/// Whether the carrier listens for an answering machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Listens {
    /// No.
    Off,
    /// It says whether it is one as soon as it knows.
    Detect,
    /// It also says when the machine's greeting is over.
    MessageEnd,
}

impl From<Listens> for MachineDetection {
    fn from(listens: Listens) -> Self {
        match listens {
            Listens::Off => Self::Off,
            Listens::Detect => Self::Detect,
            Listens::MessageEnd => Self::MessageEnd,
        }
    }
}

/// How to sweep.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SweepQuery {
    /// Only look: change nothing and ask nobody.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A call that was placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub(crate) struct PlacedCall {
    /// Our id of it.
    #[schema(example = "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM")]
    pub(crate) call_id: String,
    /// The same, as older set-ups read it.
    #[serde(rename = "callId")]
    pub(crate) older_id: String,
    /// `queued`, `initiated`, ... `queued` without a carrier's id: whether the carrier dialled is being found out.
    #[schema(example = "queued")]
    pub(crate) status: String,
    /// The carrier.
    pub(crate) carrier: String,
    /// The carrier's id of it, once it took the call.
    pub(crate) carrier_call_id: Option<String>,
}

impl PlacedCall {
    pub(crate) fn of(record: &CallRecord) -> Self {
        Self {
            call_id: record.id.clone(),
            older_id: record.id.clone(),
            status: record.status.as_str().to_owned(),
            carrier: record.carrier.clone(),
            carrier_call_id: Some(record.carrier_call_id.clone()).filter(|id| !id.is_empty()),
        }
    }
}

impl PlaceCall {
    /// The variables as texts.
    pub(crate) fn texts(&self) -> Result<BTreeMap<String, String>, Problem> {
        let mut texts = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (name, value) in &self.variables {
            let pointer = format!("/variables/{}", name.replace('~', "~0").replace('/', "~1"));
            let name = &carriers::cleaned(name, VARIABLE_LENGTH + 1);
            let text = match value {
                Value::String(text) => carriers::cleaned(text, VARIABLE_LENGTH + 1),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    mistakes.push(Mistake::at(&pointer, "A variable is a text, a number, true or false."));
                    continue;
                }
            };
            if name.chars().count() + text.chars().count() > VARIABLE_LENGTH {
                let limit = format!("Name and value have at most {VARIABLE_LENGTH} characters together.");
                mistakes.push(Mistake::at(&pointer, limit));
            }
            texts.insert(name.clone(), text);
        }
        let bytes: usize = texts.iter().map(|(name, text)| name.len() + text.len()).sum();
        if texts.len() > VARIABLES || bytes > VARIABLES_BYTES {
            let limit = format!("At most {VARIABLES} variables and {VARIABLES_BYTES} bytes of them.");
            mistakes.push(Mistake::at("/variables", limit));
        }
        if mistakes.is_empty() { Ok(texts) } else { Err(Problem::of_mistakes(Code::Unprocessable, mistakes)) }
    }

    /// What differs between two requests that ask for different things.
    pub(crate) fn digest(&self) -> String {
        // The same fields in the same order, whatever order they came in.
        let text = serde_json::to_string(self).unwrap_or_default();
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The request's `Idempotency-Key`.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > KEY {
        let what = format!("An Idempotency-Key is 1 to {KEY} visible ASCII characters.");
        return Err(Problem::of_mistakes(
            Code::InvalidParameters,
            vec![Mistake::header("Idempotency-Key", what)],
        ));
    }
    Ok(Some(text.to_owned()))
}

/// A number to show, as carriers take it: digits, with `+` where it has one.
pub(crate) fn shown_number(text: &str) -> Option<String> {
    let is_filler = |c: char| matches!(c, ' ' | '-' | '(' | ')' | '.');
    let number: String = text.trim().chars().filter(|c| !is_filler(*c)).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let is_number = (3..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_has_the_same_digest_in_any_order() {
        let read = |text: &str| serde_json::from_str::<PlaceCall>(text).unwrap();
        let one = read(r#"{"to":"+919876543210","variables":{"a":1,"b":"x"}}"#);
        let same = read(r#"{"variables":{"b":"x","a":1},"to":"+919876543210"}"#);
        let other = read(r#"{"to":"+919876543211","variables":{"a":1,"b":"x"}}"#);
        assert_eq!(one.digest(), same.digest());
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.texts().unwrap()["a"], "1");
        assert!(read(r#"{"to":"1","variables":{"a":{}}}"#).texts().is_err());
        assert!(serde_json::from_str::<PlaceCall>(r#"{"to":"1","agnt":"x"}"#).is_err());
    }

    #[test]
    fn a_number_to_show_has_digits() {
        assert_eq!(shown_number("+1 (415) 555-0100").as_deref(), Some("+14155550100"));
        assert_eq!(shown_number("08000000002").as_deref(), Some("08000000002"));
        for bad in ["", "+", "12", "sip:x", "+14155550100;x"] {
            assert_eq!(shown_number(bad), None, "{bad}");
        }
    }
}
