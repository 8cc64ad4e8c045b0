//! API keys: made once, shown once, and kept as a digest only. A key has 256 random bits, so that a plain SHA-256 of
//! it tells nothing, and looking the digest up takes no longer for a key that is nearly right.

use base64_simd::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use store::{ApiKey, Scope};
use ulid::Ulid;

/// What every key begins with, so that scanners for leaked secrets know one when they see it.
const PREFIX: &str = "tlk_";
/// How many characters of a key are kept in the clear, to tell it from others.
const SHOWN: usize = 10;

/// A new key.
#[derive(Debug)]
pub struct NewKey {
    /// The key itself, to be shown once: `tlk_` and 43 characters.
    pub secret: SecretString,
    /// What is kept of it.
    pub kept: ApiKey,
}

impl NewKey {
    /// Makes a key of this name.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn make(name: &str, scope: Scope, now: Timestamp) -> Result<Self, getrandom::Error> {
        let (mut secret, mut id) = ([0; 32], [0; 16]);
        getrandom::fill(&mut secret)?;
        getrandom::fill(&mut id)?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode_to_string(secret));
        let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let kept = ApiKey {
            id: format!("key_{}", Ulid::from_parts(ms, u128::from_be_bytes(id))),
            name: name.to_owned(),
            prefix: text[..SHOWN].to_owned(),
            digest: digest(&text),
            scope,
            created_at: now,
            used_at: None,
            revoked_at: None,
        };
        Ok(Self { secret: SecretString::from(text), kept })
    }
}

/// What a key is looked up by.
pub(crate) fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Whether this text may be a key at all.
pub(crate) fn is_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_key_is_kept_as_its_digest() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let key = NewKey::make("desk", Scope::Call, now).unwrap();
        let text = key.secret.expose_secret();
        assert_eq!((text.len(), &text[..4]), (47, "tlk_"));
        assert!(text[4..].chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{text}");
        assert_eq!((key.kept.digest, key.kept.id.len()), (digest(text), 30));
        assert!(!format!("{key:?}").contains(text));
        let other = NewKey::make("desk", Scope::Call, now).unwrap();
        assert!(other.kept.digest != key.kept.digest && other.kept.id != key.kept.id);
        assert!(is_key(text) && !is_key("secret"));
    }
}
