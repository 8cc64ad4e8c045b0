//! Telling the operator by a webhook, in the form of the Standard Webhooks specification: an id that is the same each
//! time the same is told, the time, and an HMAC-SHA256 over id, time and body. Signed here with the crates that are in
//! the tree anyway: it is one call of each.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use base64_simd::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{StatusCode, header};
use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;
use store::jobs::JobError;

use crate::carrier::{ClientError, builder};

/// How long the receiver may take.
const WITHIN: Duration = Duration::from_secs(15);
/// The largest body: receivers refuse more.
const LARGEST: usize = 20_000;
/// What a secret begins with; base64 follows.
const PREFIX: &str = "whsec_";
/// How many bytes a secret has at least and at most.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A text that is no secret of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASecret {
    /// It begins otherwise.
    #[error("it begins with whsec_, and then comes base64")]
    Prefix,
    /// What follows is no base64.
    #[error("what follows whsec_ is no base64")]
    Base64,
    /// It is too short or too long.
    #[error("it holds {0} bytes, and must hold 24 to 64: `openssl rand -base64 32` makes some")]
    Length(usize),
}

/// No receiver can be told.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The address is none.
    #[error("it is no http or https address")]
    Url,
    /// The secret is none.
    #[error(transparent)]
    Secret(#[from] NotASecret),
    /// The client can't be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The client can't be set up.
    #[error("the HTTP client can't be set up: {0}")]
    Http(#[from] reqwest::Error),
}

/// The key in a secret: `whsec_` and 24 to 64 bytes as base64.
///
/// # Errors
/// What is wrong with it.
pub fn webhook_key(secret: &str) -> Result<SecretSlice<u8>, NotASecret> {
    let text = secret.trim().strip_prefix(PREFIX).ok_or(NotASecret::Prefix)?;
    let key = STANDARD.decode_to_vec(text).map_err(|_| NotASecret::Base64)?;
    if KEY_BYTES.contains(&key.len()) { Ok(key.into()) } else { Err(NotASecret::Length(key.len())) }
}

/// Whom alerts are told.
pub struct Receiver {
    url: Url,
    key: SecretSlice<u8>,
    client: reqwest::Client,
    /// It has said that it wants no more: HTTP 410.
    is_gone: AtomicBool,
}

impl std::fmt::Debug for Receiver {
    /// Without the address, which may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("is_gone", &self.is_gone).finish_non_exhaustive()
    }
}

impl Receiver {
    /// At this address; nothing is sent yet.
    ///
    /// # Errors
    /// When address or secret are none.
    pub fn new(url: &str, secret: &SecretString) -> Result<Self, ReceiverError> {
        let url = Url::parse(url.trim()).map_err(|_| ReceiverError::Url)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(ReceiverError::Url);
        }
        let key = webhook_key(secret.expose_secret())?;
        let client = builder()?.timeout(WITHIN).build()?;
        Ok(Self { url, key, client, is_gone: AtomicBool::new(false) })
    }

    /// Tells once. `id` is the same each time the same is told, so that the receiver can tell repetitions.
    pub(crate) async fn take(&self, id: &str, body: &str) -> Result<(), JobError> {
        if self.is_gone.load(Relaxed) {
            return Err(JobError::Never("the receiver has said that it wants no more (HTTP 410)".to_owned()));
        }
        if body.len() > LARGEST {
            return Err(JobError::Never(format!("{} bytes are more than receivers take", body.len())));
        }
        let at = Timestamp::now().as_second();
        let sent = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature(&self.key, id, at, body))
            .body(body.to_owned())
            .send()
            .await;
        match sent.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Ok(()),
            Ok(StatusCode::GONE) => {
                self.is_gone.store(true, Relaxed);
                tracing::error!(
                    "the receiver of alerts wants no more (HTTP 410); nothing is sent to it until the next start"
                );
                Err(JobError::Never("the receiver wants no more: HTTP 410".to_owned()))
            }
            Ok(status) if status.is_redirection() => {
                let status = status.as_u16();
                Err(JobError::Again(format!(
                    "HTTP {status}; redirects are not followed, so set the new address"
                )))
            }
            Ok(status) => Err(JobError::Again(format!("HTTP {}", status.as_u16()))),
            Err(error) => Err(JobError::Again(words(error))),
        }
    }
}

/// An error's words without its URL, in which a secret may stand.
fn words(error: reqwest::Error) -> String {
    let doing = if error.is_timeout() { "no answer in time" } else { "the receiver can't be reached" };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{doing}: {cause}")
}

/// `v1,` and the HMAC-SHA256 of `<id>.<seconds since 1970>.<body>`, as base64.
fn signature(key: &SecretSlice<u8>, id: &str, at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", STANDARD.encode_to_string(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_signed_as_in_the_example_of_the_specification() {
        let key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_its_form_and_is_never_shown() {
        assert_eq!(webhook_key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap_err(), NotASecret::Prefix);
        assert_eq!(webhook_key("whsec_not base64").unwrap_err(), NotASecret::Base64);
        assert_eq!(webhook_key("whsec_c2hvcnQ=").unwrap_err(), NotASecret::Length(5));
        let long = format!("whsec_{}", STANDARD.encode_to_string([1; 65]));
        assert_eq!(webhook_key(&long).unwrap_err(), NotASecret::Length(65));
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let receiver = Receiver::new("https://example.com/hook?token=canary", &secret).unwrap();
        assert!(!format!("{receiver:?}").contains("canary"), "{receiver:?}");
        for url in ["", "example.com", "ftp://example.com", "file:///etc/passwd"] {
            assert!(matches!(Receiver::new(url, &secret), Err(ReceiverError::Url)), "{url}");
        }
    }
}
