//! What a vendor's folder holds: dialects. A dialect is pure: it builds requests and frames as values and
//! understands what comes back. It has no socket, no clock and no task; the drivers have those, one for HTTP and
//! one for WebSockets, and serve every vendor.

mod agent;
mod ear;
#[cfg(test)]
pub(crate) mod golden;
mod history;
mod model;
mod raw;
mod sse;
mod token;
mod usual;
mod voice;

use bytes::Bytes;
use call::Fault;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use agent::{AgentSession, AgentSocketDialect, Parting};
pub use ear::{EarDialect, EarSession, EarSocketDialect};
pub(crate) use history::{Called, Given, Turn, turns};
pub use model::{ModelDecoder, ModelDialect};
pub(crate) use raw::{Coding, RawSamples};
pub use sse::SseDecoder;
pub use token::{Token, TokenDialect};
pub use usual::{class_of, one_line, retry_after};
pub use voice::{AudioDecoder, VoiceDialect, VoiceSession, VoiceSocketDialect};

/// A request over HTTP, as a value.
#[derive(Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The whole URL. Holds no secret.
    pub url: Url,
    /// Headers, in the order in which they were added.
    pub headers: Vec<(HeaderName, HeaderText)>,
    /// The body.
    pub body: Body,
}

/// A header's value: some must never be printed.
#[derive(Debug)]
pub enum HeaderText {
    /// Anybody may see it.
    Plain(String),
    /// A key.
    Secret(SecretString),
}

/// A request's body.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// `application/json`.
    Json(Vec<u8>),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Bytes of this content type.
    Bytes {
        /// The content type.
        content_type: &'static str,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
}

/// One part of a `multipart/form-data` body.
#[derive(Debug)]
pub enum Part {
    /// A field.
    Text {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A file.
    File {
        /// The field's name.
        name: &'static str,
        /// The file's name, with its ending: some vendors tell the format by it.
        file_name: &'static str,
        /// Its content type.
        content_type: &'static str,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

impl HttpRequest {
    /// A `POST` of JSON.
    ///
    /// # Panics
    /// Never: a `Value` can always be written.
    pub fn json(url: Url, body: &serde_json::Value) -> Self {
        let body = serde_json::to_vec(body).expect("a value has only string keys");
        Self { method: Method::POST, url, headers: Vec::new(), body: Body::Json(body) }
    }

    /// A `GET`.
    pub const fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Body::Empty }
    }

    /// The same with `authorization: Bearer` and this key. Servers of one's own often want none.
    #[must_use]
    pub fn bearer(self, key: Option<&SecretString>) -> Self {
        match key {
            Some(key) => {
                self.secret(http::header::AUTHORIZATION, format!("Bearer {}", key.expose_secret()).into())
            }
            None => self,
        }
    }

    /// The same with the operator's headers, which go before those that it has.
    #[must_use]
    pub fn with_own_headers(mut self, options: &crate::DialectOptions) -> Self {
        self.headers = options.with_own_headers(self.headers);
        self
    }

    /// The same with a header that anybody may see.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, HeaderText::Plain(value.into())));
        self
    }

    /// The same with a header that must never be printed.
    #[must_use]
    pub fn secret(mut self, name: HeaderName, value: SecretString) -> Self {
        self.headers.push((name, HeaderText::Secret(value)));
        self
    }
}

/// An opening of a WebSocket, as a value.
pub struct SocketRequest {
    /// `ws` or `wss`, the whole URL. Its query may hold a signature, and is not printed.
    pub url: Url,
    /// Headers beside those of the upgrade.
    pub headers: Vec<(HeaderName, HeaderText)>,
}

impl std::fmt::Debug for SocketRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = format!("{}://{}{}", self.url.scheme(), self.url.authority(), self.url.path());
        f.debug_struct("SocketRequest").field("url", &place).field("headers", &self.headers).finish()
    }
}

/// A frame of a WebSocket, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// What a session answers to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// All that was asked for is done: close with 1000. The session is over without a fault.
    Close,
}

/// A vendor's answer that is not a success, for a dialect to say what it means.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers: some vendors put the reason there.
    pub headers: &'a HeaderMap,
    /// The body, cut to its first 16 kB.
    pub body: &'a [u8],
}

/// Tells what a refusal means. Every dialect of a vendor shares one.
pub trait Refuses {
    /// The fault that this refusal is, by the vendor's own error shape; `Refusal::usual` for the rest. Never
    /// copies more than a sentence of the vendor's message.
    fn fault(&self, refusal: &Refusal<'_>) -> Fault;
}
