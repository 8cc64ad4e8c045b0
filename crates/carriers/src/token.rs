//! The signed token that a webhook hands out and a socket brings back: proof that it was made for this call, and
//! lately. In Exotel's socket URL it is the only proof, since Exotel signs nothing; at Twilio it binds the socket to
//! its call.
//!
//! URLs and parameters end up in logs and in the carriers' own reports, so a token is bound to its call, short-lived,
//! and good for one use with two exceptions:
//! - **Retry**, where the carrier does so. Exotel repeats a failed handshake once with the same URL (Exotel, "Updated
//!   Extension Guide"), and the server can't know that the first one failed. A second use within 10 seconds of the
//!   first is granted.
//! - **Reconnect.** A running call whose socket broke may be taken over by a new one with the same URL.
//!   `TokenUses::reopen` grants one more use up to a moment that the caller names, even past the token's expiry.

use std::collections::BTreeMap;

use base64_simd::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How long after the first use the carrier's one retry is granted, in seconds.
pub const RETRY_WINDOW_S: u64 = 10;
/// What is signed begins with this, so that the same key can sign other things.
const PURPOSE: &[u8] = b"exotel media socket\0";
/// Bytes of the expiry: seconds since 1970 until the year 36812.
const EXPIRY: usize = 5;
/// Bytes of the signature: 128 bits of HMAC-SHA256.
const SIGNATURE: usize = 16;
/// Characters of a token: 21 bytes in base64 without padding.
const TOKEN: usize = 28;

/// Why a token does not open the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is not a token at all.
    #[error("the token is malformed")]
    Malformed,
    /// It was not signed with this secret for this call.
    #[error("the token was not made for this call")]
    Forged,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It was used before.
    #[error("the token was used before")]
    Used,
}

/// A token for one call: URL-safe, 28 characters. `expires_unix_s` is the last second at which it is good.
pub fn mint(secret: &[u8], call_id: &str, expires_unix_s: u64) -> String {
    let expiry = expires_unix_s.min((1 << (8 * EXPIRY)) - 1).to_be_bytes();
    let mut token = [0; EXPIRY + SIGNATURE];
    token[..EXPIRY].copy_from_slice(&expiry[8 - EXPIRY..]);
    let signature = signer(secret, call_id, &expiry[8 - EXPIRY..]).finalize().into_bytes();
    token[EXPIRY..].copy_from_slice(&signature[..SIGNATURE]);
    URL_SAFE_NO_PAD.encode_to_string(token)
}

/// Whether the token was made for this call and is still good, in constant time. It may have been used before:
/// `TokenUses` knows.
///
/// # Errors
/// Says why not. `Expired` is only said of a token that is genuine.
pub fn verify(secret: &[u8], call_id: &str, token: &str, now_unix_s: u64) -> Result<(), TokenFault> {
    let genuine = genuine(secret, call_id, token)?;
    if now_unix_s > genuine.expires { Err(TokenFault::Expired) } else { Ok(()) }
}

/// A secret for tokens of another purpose, which then hold nowhere but there.
pub fn secret_for(secret: &[u8], purpose: &str) -> [u8; 32] {
    let mut signer = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    signer.update(purpose.as_bytes());
    signer.finalize().into_bytes().into()
}

struct Genuine {
    signature: [u8; SIGNATURE],
    expires: u64,
}

fn genuine(secret: &[u8], call_id: &str, token: &str) -> Result<Genuine, TokenFault> {
    if token.len() != TOKEN {
        return Err(TokenFault::Malformed);
    }
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(token).map_err(|_| TokenFault::Malformed)?;
    let (expiry, signature) = bytes.split_at_checked(EXPIRY).ok_or(TokenFault::Malformed)?;
    let signature: [u8; SIGNATURE] = signature.try_into().map_err(|_| TokenFault::Malformed)?;
    signer(secret, call_id, expiry).verify_truncated_left(&signature).map_err(|_| TokenFault::Forged)?;
    let expires = expiry.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(Genuine { signature, expires })
}

fn signer(secret: &[u8], call_id: &str, expiry: &[u8]) -> Hmac<Sha256> {
    let mut signer = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    signer.update(PURPOSE);
    signer.update(expiry);
    signer.update(call_id.as_bytes());
    signer
}

/// Which tokens were used. Bounded; time comes in as an argument, in seconds since 1970.
#[derive(Debug, Clone)]
pub struct TokenUses {
    used: BTreeMap<[u8; SIGNATURE], Use>,
    most: usize,
    /// Whether the carrier's one retry is granted.
    retries: bool,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    first: u64,
    retried: bool,
    /// One more use is granted until then.
    open_until: Option<u64>,
    /// Nothing needs to be known of it after this.
    forget: u64,
}

impl Default for TokenUses {
    /// Room for 16,384 tokens, about a megabyte when full.
    fn default() -> Self {
        Self::with_room(16_384)
    }
}

impl TokenUses {
    /// Room for `most` tokens at a time. When it is full, those that can be used no more are forgotten, then the
    /// ones that can be used least long.
    pub const fn with_room(most: usize) -> Self {
        Self { used: BTreeMap::new(), most, retries: true }
    }

    /// The same for a carrier that does not repeat a handshake: a second use is one too many.
    #[must_use]
    pub fn without_retry(self) -> Self {
        Self { retries: false, ..self }
    }

    /// Checks the token as `verify` does and counts its use.
    ///
    /// # Errors
    /// As `verify`, and `Used` when this use is one too many.
    pub fn check(
        &mut self,
        secret: &[u8],
        call_id: &str,
        token: &str,
        now_unix_s: u64,
    ) -> Result<(), TokenFault> {
        let genuine = genuine(secret, call_id, token)?;
        let expired = now_unix_s > genuine.expires;
        if let Some(used) = self.used.get_mut(&genuine.signature) {
            if used.open_until.take_if(|until| now_unix_s <= *until).is_some() {
                return Ok(());
            }
            if expired {
                return Err(TokenFault::Expired);
            }
            if used.retried || now_unix_s > used.first.saturating_add(RETRY_WINDOW_S) {
                return Err(TokenFault::Used);
            }
            used.retried = true;
            return Ok(());
        }
        if expired {
            return Err(TokenFault::Expired);
        }
        self.make_room(now_unix_s);
        let used =
            Use { first: now_unix_s, retried: !self.retries, open_until: None, forget: genuine.expires };
        self.used.insert(genuine.signature, used);
        Ok(())
    }

    /// Grants one more use up to `until_unix_s`: the call's socket broke and the call waits for a new one.
    ///
    /// # Errors
    /// When the token was not made for this call.
    pub fn reopen(
        &mut self,
        secret: &[u8],
        call_id: &str,
        token: &str,
        until_unix_s: u64,
    ) -> Result<(), TokenFault> {
        let genuine = genuine(secret, call_id, token)?;
        if !self.used.contains_key(&genuine.signature) {
            self.make_room(0);
        }
        // Its first use may be forgotten by now: it counts as used up, but for what is granted here.
        let fresh = Use { first: 0, retried: true, open_until: None, forget: genuine.expires };
        let used = self.used.entry(genuine.signature).or_insert(fresh);
        used.open_until = Some(until_unix_s);
        used.forget = used.forget.max(until_unix_s);
        Ok(())
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    fn make_room(&mut self, now: u64) {
        if self.used.len() < self.most {
            return;
        }
        self.used.retain(|_, used| now <= used.forget);
        // A quarter at once, so that a full ledger is not sorted for every call.
        if self.used.len() >= self.most {
            let mut ends: Vec<u64> = self.used.values().map(|used| used.forget).collect();
            let place = ends.len() / 4;
            let (_, end, _) = ends.select_nth_unstable(place);
            let end = *end;
            let mut spare = place + 1;
            self.used.retain(|_, used| {
                let goes = used.forget <= end && spare > 0;
                spare -= usize::from(goes);
                !goes
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of the operator";
    const NOW: u64 = 1_750_000_000;

    #[test]
    fn vectors_hold_for_ever() {
        // Made with Python: base64.urlsafe_b64encode(exp.to_bytes(5) + hmac.new(key, purpose + exp + call,
        // sha256).digest()[:16]).
        for (secret, call, expires, token) in VECTORS {
            assert_eq!(mint(secret.as_bytes(), call, expires), token);
            assert_eq!(verify(secret.as_bytes(), call, token, expires), Ok(()));
            assert_eq!(verify(secret.as_bytes(), call, token, expires + 1), Err(TokenFault::Expired));
        }
    }

    const VECTORS: [(&str, &str, u64, &str); 3] = [
        ("secret", "0f1e2d3c4b5a69788796a5b4c3d2e118", 1750000000, "AGhO4YBwwJJTjtWDoGjiayZVZ4P9"),
        ("", "", 0, "AAAAAADCw2haLql_7vqPAb01ZvaI"),
        (
            "another, longer secret of the operator's own choosing, over sixty-four bytes long",
            "call/ü",
            1099511627774,
            "______6ebBfd3u4_wj7zBvKEzRN7",
        ),
    ];

    #[test]
    fn another_call_secret_expiry_or_text_is_refused() {
        let token = mint(SECRET, "call", NOW);
        assert_eq!(verify(SECRET, "other", &token, NOW), Err(TokenFault::Forged));
        assert_eq!(verify(b"other", "call", &token, NOW), Err(TokenFault::Forged));
        let later = mint(SECRET, "call", NOW + 1000);
        let spliced = format!("{}{}", &later[..7], &token[7..]);
        assert_eq!(verify(SECRET, "call", &spliced, NOW), Err(TokenFault::Forged));
        for bad in [
            "",
            "x",
            &token[1..],
            &format!("{token}A"),
            &token.replace(&token[5..6], "*"),
            "é".repeat(14).as_str(),
        ] {
            assert_eq!(verify(SECRET, "call", bad, NOW), Err(TokenFault::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_token_is_good_once_and_for_one_retry_soon() {
        let token = mint(SECRET, "call", NOW + 60);
        let mut uses = TokenUses::default();
        assert_eq!(uses.check(SECRET, "call", &token, NOW), Ok(()));
        assert_eq!(uses.check(SECRET, "call", &token, NOW + 10), Ok(()));
        assert_eq!(uses.check(SECRET, "call", &token, NOW + 10), Err(TokenFault::Used));
        let token = mint(SECRET, "late", NOW + 60);
        assert_eq!(uses.check(SECRET, "late", &token, NOW), Ok(()));
        assert_eq!(uses.check(SECRET, "late", &token, NOW + 11), Err(TokenFault::Used));
        assert_eq!(uses.check(SECRET, "call", &token, NOW), Err(TokenFault::Forged));
    }

    #[test]
    fn without_retry_a_token_is_good_once() {
        let token = mint(SECRET, "call", NOW + 60);
        let mut uses = TokenUses::default().without_retry();
        assert_eq!(uses.check(SECRET, "call", &token, NOW), Ok(()));
        assert_eq!(uses.check(SECRET, "call", &token, NOW), Err(TokenFault::Used));
    }

    #[test]
    fn a_secret_for_another_purpose_opens_nothing_else() {
        let (one, other) = (secret_for(SECRET, "one"), secret_for(SECRET, "other"));
        let token = mint(&one, "call", NOW);
        assert_eq!(verify(&one, "call", &token, NOW), Ok(()));
        assert_eq!(verify(&other, "call", &token, NOW), Err(TokenFault::Forged));
        assert_eq!(verify(SECRET, "call", &token, NOW), Err(TokenFault::Forged));
    }

    #[test]
    fn a_broken_socket_opens_it_once_more() {
        let token = mint(SECRET, "call", NOW + 60);
        let mut uses = TokenUses::default();
        uses.check(SECRET, "call", &token, NOW).unwrap();
        let later = NOW + 600;
        assert_eq!(uses.check(SECRET, "call", &token, later), Err(TokenFault::Expired));
        uses.reopen(SECRET, "call", &token, later + 10).unwrap();
        assert_eq!(uses.check(SECRET, "call", &token, later + 5), Ok(()));
        assert_eq!(uses.check(SECRET, "call", &token, later + 5), Err(TokenFault::Expired));
        uses.reopen(SECRET, "call", &token, later + 10).unwrap();
        assert_eq!(uses.check(SECRET, "call", &token, later + 11), Err(TokenFault::Expired));
        assert_eq!(uses.reopen(SECRET, "other", &token, later), Err(TokenFault::Forged));
    }

    #[test]
    fn the_ledger_is_bounded_and_forgets_what_is_over() {
        let mut uses = TokenUses::with_room(100);
        for i in 0..1000 {
            let call = format!("call-{i}");
            let token = mint(SECRET, &call, NOW + i + 5);
            assert_eq!(uses.check(SECRET, &call, &token, NOW + i), Ok(()));
            assert!(uses.len() <= 100);
            assert_eq!(uses.check(SECRET, &call, &token, NOW + i), Ok(()));
            assert_eq!(uses.check(SECRET, &call, &token, NOW + i), Err(TokenFault::Used));
        }
    }
}
