//! Who may see calls.

use http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use store::Scope;
use subtle::ConstantTimeEq;

use crate::Control;
use crate::problem::{Problem, unauthorized};

/// Lets a request in that carries what this scope asks for; says what is missing otherwise.
pub(crate) async fn may(control: &Control, headers: &HeaderMap, _scope: Scope) -> Result<(), Problem> {
    if allowed(control.token.as_ref(), headers) { Ok(()) } else { Err(unauthorized()) }
}

/// Whether a request carries the token, or none is asked for. Takes the same time for every wrong one: digests
/// are compared, which have one length.
fn allowed(token: Option<&SecretString>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = match given.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    digest(given).ct_eq(&digest(token.expose_secret())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_is_let_in() {
        let token = SecretString::from("007");
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            allowed(Some(&token), &headers)
        };
        assert!(with("Bearer 007") && with("bearer  007"));
        assert!(!with("Bearer 7") && !with("Bearer") && !with("Basic 007") && !with("007"));
        assert!(!allowed(Some(&token), &HeaderMap::new()));
        assert!(allowed(None, &HeaderMap::new()));
    }
}
