//! ElevenLabs: voices over HTTP and over its multi-context WebSocket, the Scribe recogniser over HTTP and over its
//! realtime WebSocket. Wire facts are those of ElevenLabs' API reference and of its published schemas.

mod agent;
mod error;
mod format;
mod scribe;
mod scribe_socket;
mod voice;
mod voice_socket;
pub mod webhook;

use http::HeaderName;
use secrecy::SecretString;

pub use agent::ElevenAgent;
pub use scribe::Scribe;
pub use scribe_socket::ScribeSocket;
pub use voice::ElevenVoice;
pub use voice_socket::ElevenVoiceSocket;

use crate::dialect::{Body, HeaderText, HttpRequest};
use crate::{DialectOptions, RoleOptions};

/// Where ElevenLabs is. Accounts with data residency have a host of their own, such as
/// `https://api.in.residency.elevenlabs.io`.
pub const BASE_URL: &str = "https://api.elevenlabs.io";
/// The voice where none is chosen: the one of ElevenLabs' own first example.
pub const DEFAULT_VOICE: &str = "JBFqnCBsd6RMkjVDRZzb";
/// The voices' model where none is chosen: the fastest one that knows many languages.
pub const DEFAULT_VOICE_MODEL: &str = "eleven_flash_v2_5";
/// Scribe over HTTP where no model is chosen.
pub const DEFAULT_SCRIBE_MODEL: &str = "scribe_v2";
/// Scribe over its WebSocket where no realtime model is chosen.
pub const DEFAULT_SCRIBE_REALTIME_MODEL: &str = "scribe_v2_realtime";

const KEY_HEADER: HeaderName = HeaderName::from_static("xi-api-key");

/// The headers of every request: the key, and what the operator adds.
fn headers(options: &DialectOptions) -> Vec<(HeaderName, HeaderText)> {
    let key = options.key.iter().map(|key: &SecretString| (KEY_HEADER, HeaderText::Secret(key.clone())));
    options.with_own_headers(key.collect())
}

/// `GET /v1/user`: a small JSON about the account, which asks for a good key and costs nothing. A key that was
/// restricted to some endpoints needs `user_read` beside them. (`GET /v1/models` is larger, and is documented
/// without saying what it answers to a wrong key.)
fn probe(options: &DialectOptions) -> HttpRequest {
    let bare = DialectOptions { role: RoleOptions::default(), ..options.clone() };
    let url = bare.url("/v1/user", &[]);
    HttpRequest { method: http::Method::GET, url, headers: headers(options), body: Body::Empty }
}

/// The language as ElevenLabs takes it: ISO 639-1, the first part of `language`, which is BCP 47. The operator's
/// own goes before it.
fn language(options: &DialectOptions, language: &str) -> Option<String> {
    let language = options.role.language.as_deref().unwrap_or(language);
    let primary = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    (!primary.is_empty()).then_some(primary)
}

#[cfg(test)]
pub(crate) mod test_options {
    use std::collections::BTreeMap;

    use crate::{DialectOptions, RoleOptions};

    /// Options as the registry makes them, with a key.
    pub(crate) fn options() -> DialectOptions {
        DialectOptions {
            base: super::BASE_URL.parse().unwrap(),
            key: Some("el-key".to_owned().into()),
            headers: BTreeMap::new(),
            role: RoleOptions::default(),
        }
    }
}
