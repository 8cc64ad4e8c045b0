//! What ElevenLabs tells of a conversation after it: by a signed webhook, or by the conversation's own address where no
//! webhook came. By ElevenLabs' reference of post-call webhooks; what is signed and how old it may be is as its official
//! library has it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::headers;
use crate::dialect::HttpRequest;
use crate::{DialectOptions, RoleOptions};

/// The header that holds the signature.
pub const SIGNATURE_HEADER: &str = "elevenlabs-signature";
/// A signature is good for so long, in seconds.
const GOOD_FOR: u64 = 30 * 60;
/// No more of a text is kept than this many bytes.
const LONGEST_TEXT: usize = 16_000;
/// No more lines or entries are kept.
const MOST_ENTRIES: usize = 2_000;
const MOST_RESULTS: usize = 64;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// There is no signature, or none that can be read.
    #[error("the signature is missing or can't be read")]
    Missing,
    /// It was signed too long ago.
    #[error("it was signed more than 30 minutes ago")]
    Old,
    /// It is somebody else's.
    #[error("the signature is wrong")]
    Wrong,
}

/// Whether `header`, such as `t=1739537297,v0=bf24..`, signs this body with this secret. `now` is seconds since 1970.
///
/// # Errors
/// Why it does not.
pub fn verify(header: &str, body: &[u8], secret: &SecretString, now: u64) -> Result<(), Unsigned> {
    let part = |prefix: &str| header.split(',').find_map(|part| part.trim().strip_prefix(prefix));
    let (Some(time), Some(given)) = (part("t="), part("v0=")) else { return Err(Unsigned::Missing) };
    let signed: u64 = time.parse().map_err(|_| Unsigned::Missing)?;
    let wanted = signature(time, body, secret);
    if !bool::from(wanted.as_bytes().ct_eq(given.to_ascii_lowercase().as_bytes())) {
        return Err(Unsigned::Wrong);
    }
    // After the signature, so that nobody without it learns what this machine's clock says.
    if now.saturating_sub(signed) > GOOD_FOR { Err(Unsigned::Old) } else { Ok(()) }
}

/// The signature of a body at a time: HMAC-SHA256 of `<time>.<body>`, in hex.
fn signature(time: &str, body: &[u8], secret: &SecretString) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        // Writing into a text can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What a post-call webhook tells.
#[derive(Debug, Clone, PartialEq)]
pub enum PostCall {
    /// The conversation is over, and this is known of it.
    Ended(Box<Conversation>),
    /// Its recording. The sound itself is left where it is: the call has its own.
    Audio {
        /// Which conversation.
        conversation: String,
    },
    /// A call that ElevenLabs was to place never began.
    NeverBegan {
        /// Which conversation.
        conversation: String,
        /// Why.
        reason: String,
    },
    /// Something that was not known when this was written.
    Other(String),
}

/// One conversation, as ElevenLabs saw it.
#[derive(Clone, Default, PartialEq)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// The agent's id.
    pub agent: String,
    /// Our id of the call, which the conversation was begun with.
    pub call: Option<String>,
    /// `initiated`, `in-progress`, `processing`, `done` or `failed`.
    pub status: String,
    /// What was said, oldest first.
    pub transcript: Vec<Line>,
    /// `success`, `failure` or `unknown`.
    pub successful: Option<String>,
    /// What it was about.
    pub summary: Option<String>,
    /// What the agent's evaluation and data collection gave, by their names there.
    pub results: BTreeMap<String, String>,
    /// How long it was, in seconds.
    pub seconds: Option<u64>,
    /// What it cost, in ElevenLabs' credits.
    pub cost: Option<f64>,
    /// Why it ended, in ElevenLabs' words.
    pub ended_because: Option<String>,
}

/// One thing said.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// By the agent, not by the caller.
    pub by_agent: bool,
    /// The words.
    pub text: String,
    /// When, in seconds since the conversation's beginning.
    pub at_seconds: u64,
}

impl std::fmt::Debug for Line {
    /// Without the words: whoever prints a report must not print what callers say.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("by_agent", &self.by_agent)
            .field("at_seconds", &self.at_seconds)
            .finish()
    }
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation")
            .field("id", &self.id)
            .field("call", &self.call)
            .field("status", &self.status)
            .field("lines", &self.transcript.len())
            .field("successful", &self.successful)
            .finish_non_exhaustive()
    }
}

impl Conversation {
    /// Whether nothing more will be known of it.
    pub fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "done" | "failed")
    }
}

/// A body that is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not what ElevenLabs tells of a conversation: {0}")]
pub struct Malformed(&'static str);

/// Understands the body of a webhook.
///
/// # Errors
/// When it is no JSON object with a `type`, or tells of no conversation.
pub fn post_call(body: &[u8]) -> Result<PostCall, Malformed> {
    let envelope: Value = serde_json::from_slice(body).map_err(|_| Malformed("no JSON"))?;
    let kind = envelope.get("type").and_then(Value::as_str).ok_or(Malformed("no type"))?;
    let data = envelope.get("data").unwrap_or(&Value::Null);
    let id = || text(data, "/conversation_id").ok_or(Malformed("no conversation_id"));
    Ok(match kind {
        "post_call_transcription" => PostCall::Ended(Box::new(told(data)?)),
        "post_call_audio" => PostCall::Audio { conversation: id()? },
        "call_initiation_failure" => PostCall::NeverBegan {
            conversation: id()?,
            reason: text(data, "/failure_reason").unwrap_or_default(),
        },
        other => PostCall::Other(cut(other)),
    })
}

/// `GET /v1/convai/conversations/{id}`. `None` where this can't be the id of one.
pub fn conversation_request(options: &DialectOptions, id: &str) -> Option<HttpRequest> {
    let is_id = !id.is_empty() && id.len() <= 128;
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'_' || letter == b'-';
    if !is_id || !id.bytes().all(is_plain) {
        return None;
    }
    let bare = DialectOptions { role: RoleOptions::default(), ..options.clone() };
    let mut request = HttpRequest::get(bare.url(&format!("/v1/convai/conversations/{id}"), &[]));
    request.headers = headers(options);
    Some(request)
}

/// What its answer tells. `None` where ElevenLabs knows no such conversation, or not yet.
///
/// # Errors
/// When the answer is a success and makes no sense, or a refusal that asking again may get over.
pub fn conversation_answer(status: StatusCode, body: &[u8]) -> Result<Option<Conversation>, Malformed> {
    match status {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => {
            let data: Value = serde_json::from_slice(body).map_err(|_| Malformed("no JSON"))?;
            told(&data).map(Some)
        }
        _ => Err(Malformed("a refusal")),
    }
}

fn told(data: &Value) -> Result<Conversation, Malformed> {
    let list =
        |path: &str| data.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let line = |line: &Value| Line {
        by_agent: line.get("role").and_then(Value::as_str) == Some("agent"),
        text: text(line, "/message").unwrap_or_default(),
        at_seconds: line.get("time_in_call_secs").and_then(Value::as_u64).unwrap_or_default(),
    };
    let mut results = BTreeMap::new();
    for (path, field) in [
        ("/analysis/evaluation_criteria_results", "/result"),
        ("/analysis/data_collection_results", "/value"),
    ] {
        let entries = data.pointer(path).and_then(Value::as_object).into_iter().flatten();
        for (name, entry) in entries.take(MOST_RESULTS) {
            match entry.pointer(field) {
                None | Some(Value::Null) => {}
                Some(Value::String(value)) => drop(results.insert(cut(name), cut(value))),
                Some(other) => drop(results.insert(cut(name), cut(&other.to_string()))),
            }
        }
    }
    Ok(Conversation {
        id: text(data, "/conversation_id").ok_or(Malformed("no conversation_id"))?,
        agent: text(data, "/agent_id").unwrap_or_default(),
        call: text(data, "/conversation_initiation_client_data/dynamic_variables/call_id"),
        status: text(data, "/status").unwrap_or_default(),
        transcript: list("/transcript").iter().take(MOST_ENTRIES).map(line).collect(),
        successful: text(data, "/analysis/call_successful"),
        summary: text(data, "/analysis/transcript_summary"),
        results,
        seconds: data.pointer("/metadata/call_duration_secs").and_then(Value::as_u64),
        cost: data.pointer("/metadata/cost").and_then(Value::as_f64),
        ended_because: text(data, "/metadata/termination_reason"),
    })
}

fn text(data: &Value, path: &str) -> Option<String> {
    data.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty()).map(cut)
}

fn cut(text: &str) -> String {
    let end = (0..=text.len().min(LONGEST_TEXT)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or_default()].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::elevenlabs::test_options::options;

    const BODY: &[u8] = br#"{"type":"post_call_transcription"}"#;
    const SIGNED: u64 = 1_739_537_297;
    const GOOD: &str = "t=1739537297,v0=bf24cdfd50c54afb3a6816658701ff8a30c8f0eb164f28e7cbec98f14a8c4b96";

    fn secret() -> SecretString {
        "wsec_test_secret_0123456789".to_owned().into()
    }

    #[test]
    fn a_signature_holds_for_its_body_its_secret_and_half_an_hour() {
        let check = |header: &str, body: &[u8], now| verify(header, body, &secret(), now);
        assert_eq!(check(GOOD, BODY, SIGNED), Ok(()));
        assert_eq!(check(GOOD, BODY, SIGNED + 1_800), Ok(()));
        let turned =
            "v0=BF24CDFD50C54AFB3A6816658701FF8A30C8F0EB164F28E7CBEC98F14A8C4B96, v1=x, t=1739537297";
        assert_eq!(check(turned, BODY, SIGNED - 5), Ok(()), "the order is nobody's promise");
        assert_eq!(check(GOOD, BODY, SIGNED + 1_801), Err(Unsigned::Old));
        assert_eq!(check(GOOD, b"{}", SIGNED), Err(Unsigned::Wrong));
        assert_eq!(check(&GOOD.replace("t=1", "t=2"), BODY, SIGNED), Err(Unsigned::Wrong));
        assert_eq!(verify(GOOD, BODY, &"other".to_owned().into(), SIGNED), Err(Unsigned::Wrong));
        for header in ["", "t=1739537297", "v0=bf24", "t=x,v0=y", "t=,v0="] {
            assert_eq!(check(header, BODY, SIGNED), Err(Unsigned::Missing), "{header}");
        }
    }

    #[test]
    fn a_report_tells_the_call_what_was_said_and_what_was_found() {
        let body = include_bytes!("../../../../fixtures/elevenlabs/post_call_transcription.json");
        let PostCall::Ended(conversation) = post_call(body).unwrap() else { panic!("it is a transcription") };
        assert_eq!(conversation.call.as_deref(), Some("call_01h2xcejqtf2nbrexx3vqjhp41"));
        assert_eq!((conversation.id.as_str(), conversation.status.as_str()), ("conv_1", "done"));
        assert!(conversation.is_final());
        assert_eq!(conversation.transcript.len(), 3);
        assert!(conversation.transcript[0].by_agent && !conversation.transcript[1].by_agent);
        assert_eq!(conversation.transcript[1].text, "I would like a table for four.");
        assert_eq!(conversation.transcript[2].at_seconds, 7);
        assert_eq!(conversation.successful.as_deref(), Some("success"));
        let results: Vec<_> =
            conversation.results.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(results, [("guests", "4"), ("polite", "success")]);
        assert_eq!((conversation.seconds, conversation.cost), (Some(22), Some(296.0)));
        assert_eq!(conversation.ended_because.as_deref(), Some("Call ended by remote party"));
        let printed = format!("{conversation:?}");
        assert!(!printed.contains("table"), "what callers say is not printed: {printed}");
        // The conversation's own address answers with the same without an envelope.
        let data = serde_json::from_slice::<Value>(body).unwrap()["data"].to_string();
        assert_eq!(conversation_answer(StatusCode::OK, data.as_bytes()), Ok(Some(*conversation)));
        assert_eq!(conversation_answer(StatusCode::NOT_FOUND, b"{}"), Ok(None));
        assert!(conversation_answer(StatusCode::BAD_GATEWAY, b"{}").is_err());
    }

    #[test]
    fn other_webhooks_are_told_apart() {
        let told = |kind: &str| {
            post_call(
                json!({ "type": kind, "data": { "conversation_id": "c",
            "failure_reason": "busy", "full_audio": "AAAA" } })
                .to_string()
                .as_bytes(),
            )
        };
        assert_eq!(told("post_call_audio"), Ok(PostCall::Audio { conversation: "c".to_owned() }));
        let never = PostCall::NeverBegan { conversation: "c".to_owned(), reason: "busy".to_owned() };
        assert_eq!(told("call_initiation_failure"), Ok(never));
        assert_eq!(told("voice_removal_notice"), Ok(PostCall::Other("voice_removal_notice".to_owned())));
        assert!(post_call(b"[]").is_err() && post_call(b"{").is_err());
    }

    #[test]
    fn only_an_id_becomes_an_address() {
        let request = conversation_request(&options(), "conv_1").unwrap();
        assert_eq!(request.url.as_str(), "https://api.elevenlabs.io/v1/convai/conversations/conv_1");
        assert!(!format!("{request:?}").contains("el-key"));
        for id in ["", "../user", "a b", "conv/1", "conv?x"] {
            assert!(conversation_request(&options(), id).is_none(), "{id}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_does_harm(body: Vec<u8>, header in ".*", text in ".*") {
            let _ = post_call(&body);
            let _ = verify(&header, &body, &secret(), 0);
            let odd = json!({ "type": "post_call_transcription", "data": { "conversation_id": text,
                "transcript": [text, 1, { "message": text }], "analysis": { "data_collection_results":
                { text.clone(): { "value": [text] } } }, "metadata": { "cost": text } } });
            let _ = post_call(odd.to_string().as_bytes());
        }
    }
}
