//! What an operator can set about a vendor. The names here are the names in the configuration file, under
//! `[vendors.<name>]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use http::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::dialect::HeaderText;

/// Which API a vendor speaks. Several vendors may speak the same one: vLLM, Ollama, Groq and OpenRouter speak
/// OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Deepgram: speech to text, text to speech.
    Deepgram,
    /// OpenAI and whoever speaks like it: all four roles.
    Openai,
    /// Google Cloud Speech and Text-to-Speech, and Gemini.
    Google,
    /// ElevenLabs: text to speech, speech to text.
    Elevenlabs,
    /// Anthropic: language model.
    Anthropic,
}

impl Api {
    /// Every API.
    pub const ALL: [Self; 5] =
        [Self::Deepgram, Self::Openai, Self::Google, Self::Elevenlabs, Self::Anthropic];

    /// The name in configuration, which is also the name of the vendor that it is called after.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deepgram => "deepgram",
            Self::Openai => "openai",
            Self::Google => "google",
            Self::Elevenlabs => "elevenlabs",
            Self::Anthropic => "anthropic",
        }
    }
}

/// Which way to a vendor is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportChoice {
    /// The WebSocket first; HTTP where it is refused, blocked, hangs or dies.
    #[default]
    Auto,
    /// Only the WebSocket.
    Websocket,
    /// Only HTTP.
    Http,
}

/// How a secret is written: that there is one, and nothing of it.
const REDACTED: &str = "[redacted]";

/// One vendor.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct VendorOptions {
    /// The API that it speaks; where absent, the one of its name.
    pub api: Option<Api>,
    /// Where it is; where absent, the vendor's own address. `https://` or `http://`; WebSockets take `wss://` or
    /// `ws://` to the same place.
    pub base_url: Option<String>,
    /// The key. Written as being there, and no more.
    #[serde(serialize_with = "redacted")]
    pub key: Option<SecretString>,
    /// A file that holds the key.
    pub key_file: Option<PathBuf>,
    /// Google: the service account's JSON file.
    pub credentials_file: Option<PathBuf>,
    /// Headers that go with every request. Their values may be keys, so they are written as being there too.
    #[serde(serialize_with = "redacted_values")]
    pub headers: BTreeMap<String, String>,
    /// As a recogniser.
    pub speech_to_text: RoleOptions,
    /// As a language model.
    pub language_model: RoleOptions,
    /// As a voice.
    pub text_to_speech: RoleOptions,
    /// As a speech-to-speech agent.
    pub speech_to_speech: RoleOptions,
}

/// One vendor in one role.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleOptions {
    /// The model; where absent, the dialect's default. An agent's `vendor:name` goes before it.
    pub model: Option<String>,
    /// The voice; where absent, the dialect's default. An agent's `vendor:name` goes before it.
    pub voice: Option<String>,
    /// The language, where the vendor is not to be told the agent's.
    pub language: Option<String>,
    /// For an agent that is set up at the vendor: which of our own settings go before what is set there. The vendor must
    /// allow them.
    pub overrides: Vec<Override>,
    /// For such an agent: how it is told which keys the caller pressed.
    pub keys: KeysTold,
    /// For such an agent: whether it is told who called whom.
    pub tell_numbers: bool,
    /// Which way is taken.
    pub transport: TransportChoice,
    /// How long it may make no progress, in milliseconds; where absent, the usual for role and vendor.
    pub deadline_ms: Option<u64>,
    /// Query parameters beside and before those that the dialect sets.
    pub query: BTreeMap<String, QueryValue>,
    /// Fields of the JSON body beside and before those that the dialect sets. `null` takes a field out.
    pub body: serde_json::Map<String, serde_json::Value>,
}

/// A setting of ours that may go before what is set at the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// The agent's `prompt`.
    Prompt,
    /// The agent's `greeting`, as the first message.
    Greeting,
    /// The agent's `language`.
    Language,
    /// The role's `voice`.
    Voice,
}

/// How an agent is told which keys the caller pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysTold {
    /// As the caller's words, which it answers.
    #[default]
    Message,
    /// Beside the conversation: it knows, and goes on.
    Context,
}

/// A query parameter: one value, or the same key several times.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum QueryValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// The key is repeated, once for each.
    List(Vec<String>),
}

impl QueryValue {
    /// Each value as text.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Bool(value) => vec![value.to_string()],
            Self::Integer(value) => vec![value.to_string()],
            Self::Number(value) => vec![value.to_string()],
            Self::Text(value) => vec![value.clone()],
            Self::List(values) => values.clone(),
        }
    }
}

/// All that a dialect is made of: a vendor in one role for one agent.
#[derive(Clone)]
pub struct DialectOptions {
    /// Where the vendor is, checked: no query, no fragment.
    pub base: url::Url,
    /// The key, where it has one.
    pub key: Option<SecretString>,
    /// Headers that go with every request.
    pub headers: BTreeMap<String, String>,
    /// What is set for the role; `model` and `voice` already hold what the agent chose.
    pub role: RoleOptions,
}

impl fmt::Debug for VendorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendorOptions")
            .field("api", &self.api)
            .field("base_url", &self.base_url)
            .field("key", &self.key)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DialectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialectOptions")
            .field("base", &self.base.as_str())
            .field("key", &self.key)
            .field("headers", &self.headers.keys())
            .field("role", &self.role)
            .finish()
    }
}

fn redacted<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) if !secret.expose_secret().is_empty() => serializer.serialize_some(REDACTED),
        _ => serializer.serialize_none(),
    }
}

fn redacted_values<S: Serializer>(
    headers: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| (name, REDACTED)))
}

impl DialectOptions {
    /// `base` with `path` behind it, whatever prefix and slashes it has, and the query of the options; a
    /// dialect's own parameters are added with `query`.
    pub fn url(&self, path: &str, query: &[(&str, String)]) -> url::Url {
        let mut url = self.base.clone();
        let joined = format!("{}/{}", self.base.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&joined);
        {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in query {
                if !self.role.query.contains_key(*name) {
                    pairs.append_pair(name, value);
                }
            }
            for (name, value) in &self.role.query {
                for text in value.texts() {
                    pairs.append_pair(name, &text);
                }
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        url
    }

    /// The same as a WebSocket's address.
    pub fn socket_url(&self, path: &str, query: &[(&str, String)]) -> url::Url {
        let mut url = self.url(path, query);
        let scheme = if url.scheme() == "https" || url.scheme() == "wss" { "wss" } else { "ws" };
        // Both are schemes with a host, so this can't be refused.
        let _ = url.set_scheme(scheme);
        url
    }

    /// `headers` of the dialect, and those of the operator, which go before a dialect's of the same name. An
    /// operator's value may hold a key, so it is never printed. A name that is no header's is left out: the
    /// configuration's check has said so.
    pub fn with_own_headers(&self, headers: Vec<(HeaderName, HeaderText)>) -> Vec<(HeaderName, HeaderText)> {
        let own = self.headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderText::Secret(value.clone().into())))
        });
        let own = own.collect::<Vec<_>>();
        let theirs = headers.into_iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name));
        theirs.collect::<Vec<_>>().into_iter().chain(own).collect()
    }

    /// `body` with the fields of the options over it.
    #[must_use]
    pub fn body(&self, mut body: serde_json::Value) -> serde_json::Value {
        if let Some(fields) = body.as_object_mut() {
            for (name, value) in &self.role.body {
                if value.is_null() {
                    fields.remove(name);
                } else {
                    fields.insert(name.clone(), value.clone());
                }
            }
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(base: &str) -> DialectOptions {
        DialectOptions {
            base: base.parse().unwrap(),
            key: None,
            headers: BTreeMap::new(),
            role: RoleOptions {
                query: BTreeMap::from([
                    ("keyterm".to_owned(), QueryValue::List(vec!["a".to_owned(), "b c".to_owned()])),
                    ("model".to_owned(), QueryValue::Text("theirs".to_owned())),
                ]),
                body: serde_json::from_str(r#"{"seed":7,"stream":null}"#).unwrap(),
                ..RoleOptions::default()
            },
        }
    }

    #[test]
    fn the_operators_parameters_go_before_the_dialects() {
        let url = options("https://proxy.example/dg/")
            .socket_url("/v1/listen", &[("model", "ours".to_owned()), ("encoding", "linear16".to_owned())]);
        assert_eq!(
            url.as_str(),
            "wss://proxy.example/dg/v1/listen?encoding=linear16&keyterm=a&keyterm=b+c&model=theirs"
        );
        let body = options("http://x").body(serde_json::json!({"stream": true, "seed": 1, "n": 2}));
        assert_eq!(body, serde_json::json!({"seed": 7, "n": 2}));
    }

    #[test]
    fn the_operators_headers_go_before_the_dialects_and_are_never_printed() {
        let mut options = options("http://x");
        options.headers.insert("X-Team".to_owned(), "blue-7".to_owned());
        options.headers.insert("no header".to_owned(), "nobody".to_owned());
        let ours = |name: &'static str| (HeaderName::from_static(name), HeaderText::Plain("ours".to_owned()));
        let headers = options.with_own_headers(vec![ours("x-team"), ours("x-other")]);
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["x-other", "x-team"]);
        let printed = format!("{headers:?}");
        assert!(printed.contains("ours") && !printed.contains("blue-7"), "{printed}");
    }
}
