//! Google: Gemini, Cloud Speech-to-Text and Cloud Text-to-Speech. They share one error shape.

mod auth;
mod error;
mod gemini;
mod schema;
mod speech;
mod voice;

pub use auth::{KeyFileError, ServiceAccount};
pub use gemini::{GEMINI_BASE_URL, Gemini};
pub use speech::{GoogleEar, SPEECH_BASE_URL};
pub use voice::{GoogleVoice, VOICE_BASE_URL};

use http::HeaderName;
use serde_json::Value;

use crate::DialectOptions;
use crate::dialect::HeaderText;

/// How Google's APIs take a key that stays. A service account's token goes as a bearer instead.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The headers of every request to the Cloud APIs.
fn cloud_headers(options: &DialectOptions) -> Vec<(HeaderName, HeaderText)> {
    let key = options.key.iter().map(|key| (KEY_HEADER, HeaderText::Secret(key.clone())));
    options.with_own_headers(key.collect())
}

/// `body` with the operator's fields over it, object by object: what is set of `audioConfig` leaves the rest of it.
fn with_own_fields(options: &DialectOptions, mut body: Value) -> Value {
    for (name, own) in &options.role.body {
        match (body.get_mut(name).and_then(Value::as_object_mut), own.as_object()) {
            (Some(fields), Some(own)) => {
                for (name, value) in own {
                    if value.is_null() {
                        fields.remove(name);
                    } else {
                        fields.insert(name.clone(), value.clone());
                    }
                }
            }
            _ if own.is_null() => {
                body.as_object_mut().map(|fields| fields.remove(name));
            }
            _ => body[name] = own.clone(),
        }
    }
    body
}

#[cfg(test)]
pub(crate) mod test_options {
    use std::collections::BTreeMap;

    use crate::{DialectOptions, RoleOptions};

    /// Options as the registry makes them, with a key.
    pub(crate) fn options(base: &str) -> DialectOptions {
        DialectOptions {
            base: base.parse().unwrap(),
            key: Some("g-key".to_owned().into()),
            headers: BTreeMap::new(),
            role: RoleOptions::default(),
        }
    }
}
