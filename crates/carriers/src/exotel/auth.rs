//! Who may open a media socket. Exotel offers HTTP Basic in the URL and nothing else of its own; `Bearer` is for
//! other clients, the signed token for URLs that our webhook handed out. Any check that is configured and passes
//! is enough.
//!
//! Secrets are kept and compared as SHA-256 digests, so that a comparison takes the same time whatever comes.

use base64_simd::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::token::{TokenFault, TokenUses};

type Digest = [u8; 32];

/// What opens the socket. Nothing configured means that it is open to all.
#[derive(Clone, Default)]
pub struct Auth {
    bearer: Option<Digest>,
    basic: Option<(Digest, Digest)>,
    token_secret: Option<Vec<u8>>,
}

/// What a request for the socket brought.
#[derive(Clone, Copy)]
pub struct Knock<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The token of the query.
    pub token: Option<&'a str>,
    /// The call's id of the query, to which the token is bound.
    pub call_id: &'a str,
    /// Now, in seconds since 1970.
    pub now_unix_s: u64,
}

/// What opened the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// No check is configured.
    Open,
    /// The bearer token.
    Bearer,
    /// Basic user and password, or the bearer token as the password.
    Basic,
    /// The URL's signed token.
    Token,
}

/// Why the socket stays closed: answer 401 before the upgrade. Holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The request brought nothing to check.
    #[error("no credentials")]
    Nothing,
    /// The header is neither Bearer nor Basic, or is broken.
    #[error("the Authorization header can't be read")]
    Header,
    /// A header came, but no check of its kind is configured or it is wrong.
    #[error("wrong credentials")]
    Wrong,
    /// The URL's token is at fault.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

impl Denied {
    /// The code in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "no_credentials",
            Self::Header => "bad_header",
            Self::Wrong => "wrong_credentials",
            Self::Token(TokenFault::Malformed) => "token_malformed",
            Self::Token(TokenFault::Forged) => "token_forged",
            Self::Token(TokenFault::Expired) => "token_expired",
            Self::Token(TokenFault::Used) => "token_used",
        }
    }
}

impl Auth {
    /// No check yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts `Authorization: Bearer <token>`. The same text is accepted as the password of Basic under any user
    /// name, since a carrier's console has a field for a URL and none for a header.
    #[must_use]
    pub fn with_bearer(mut self, token: &str) -> Self {
        self.bearer = Some(digest(token));
        self
    }

    /// Accepts HTTP Basic with this user and password.
    #[must_use]
    pub fn with_basic(mut self, user: &str, password: &str) -> Self {
        self.basic = Some((digest(user), digest(password)));
        self
    }

    /// Accepts tokens signed with this secret.
    #[must_use]
    pub fn with_token_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.token_secret = Some(secret.into());
        self
    }

    /// Whether nothing is checked.
    pub const fn is_open(&self) -> bool {
        self.bearer.is_none() && self.basic.is_none() && self.token_secret.is_none()
    }

    /// Whether the socket opens. A signed token is counted as used in `uses`, and only when nothing else opens.
    ///
    /// # Errors
    /// Says what was wrong with what was brought; with both, what was wrong with the token.
    pub fn check(&self, knock: &Knock<'_>, uses: &mut TokenUses) -> Result<Granted, Denied> {
        if self.is_open() {
            return Ok(Granted::Open);
        }
        let header = knock.authorization.map_or(Err(Denied::Nothing), |header| self.header(header));
        if header.is_ok() {
            return header;
        }
        match (&self.token_secret, knock.token) {
            (Some(secret), Some(token)) => {
                uses.check(secret, knock.call_id, token, knock.now_unix_s)?;
                Ok(Granted::Token)
            }
            _ => header,
        }
    }

    fn header(&self, header: &str) -> Result<Granted, Denied> {
        let (scheme, rest) = header.trim().split_once(' ').ok_or(Denied::Header)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            let same = self.bearer.map_or(Choice::from(0), |wanted| wanted.ct_eq(&digest(rest)));
            return if same.into() { Ok(Granted::Bearer) } else { Err(Denied::Wrong) };
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Denied::Header);
        }
        let decoded = STANDARD.decode_to_vec(rest).map_err(|_| Denied::Header)?;
        let decoded = String::from_utf8(decoded).map_err(|_| Denied::Header)?;
        let (user, password) = decoded.split_once(':').ok_or(Denied::Header)?;
        let (user, password) = (digest(user), digest(password));
        let pair = self.basic.map_or(Choice::from(0), |(u, p)| u.ct_eq(&user) & p.ct_eq(&password));
        let bearer = self.bearer.map_or(Choice::from(0), |wanted| wanted.ct_eq(&password));
        if (pair | bearer).into() { Ok(Granted::Basic) } else { Err(Denied::Wrong) }
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("bearer", &self.bearer.is_some())
            .field("basic", &self.basic.is_some())
            .field("token", &self.token_secret.is_some())
            .finish()
    }
}

fn digest(text: &str) -> Digest {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::mint;

    const NOW: u64 = 1_750_000_000;

    fn knock<'a>(authorization: Option<&'a str>, token: Option<&'a str>) -> Knock<'a> {
        Knock { authorization, token, call_id: "call", now_unix_s: NOW }
    }

    #[test]
    fn the_header_opens_or_does_not() {
        // `a2V5OnRva2Vu` is `key:token`.
        let auth = Auth::new().with_bearer("letmein").with_basic("key", "token");
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode_to_string(pair));
        for (header, wanted) in [
            ("Bearer letmein", Ok(Granted::Bearer)),
            ("bearer  letmein ", Ok(Granted::Bearer)),
            ("Basic a2V5OnRva2Vu", Ok(Granted::Basic)),
            (&basic("anyone:letmein"), Ok(Granted::Basic)),
            ("Bearer letmei", Err(Denied::Wrong)),
            ("Bearer ", Err(Denied::Header)),
            (&basic("key:other"), Err(Denied::Wrong)),
            (&basic("other:token"), Err(Denied::Wrong)),
            (&basic("key"), Err(Denied::Header)),
            ("Basic ***", Err(Denied::Header)),
            ("Digest x", Err(Denied::Header)),
            ("letmein", Err(Denied::Header)),
        ] {
            assert_eq!(auth.check(&knock(Some(header), None), &mut TokenUses::default()), wanted, "{header}");
        }
        assert_eq!(auth.check(&knock(None, None), &mut TokenUses::default()), Err(Denied::Nothing));
        assert_eq!(auth.check(&knock(None, Some("x")), &mut TokenUses::default()), Err(Denied::Nothing));
    }

    #[test]
    fn any_check_that_passes_is_enough() {
        let auth = Auth::new().with_bearer("letmein").with_token_secret("secret");
        let token = mint(b"secret", "call", NOW + 60);
        let mut uses = TokenUses::default();
        let wrong = knock(Some("Bearer wrong"), Some(&token));
        assert_eq!(auth.check(&wrong, &mut uses), Ok(Granted::Token));
        assert_eq!(auth.check(&knock(None, Some(&token)), &mut uses), Ok(Granted::Token));
        let spent = auth.check(&knock(None, Some(&token)), &mut uses);
        assert_eq!(spent, Err(Denied::Token(TokenFault::Used)));
        assert_eq!(spent.unwrap_err().as_str(), "token_used");
        assert_eq!(auth.check(&knock(Some("Bearer letmein"), Some(&token)), &mut uses), Ok(Granted::Bearer));
        let other = mint(b"secret", "other", NOW + 60);
        assert_eq!(auth.check(&knock(None, Some(&other)), &mut uses), Err(Denied::Token(TokenFault::Forged)));
        let late = Knock { now_unix_s: NOW + 61, ..knock(None, Some(&token)) };
        assert_eq!(auth.check(&late, &mut uses), Err(Denied::Token(TokenFault::Expired)));
    }

    #[test]
    fn nothing_configured_is_open_and_secrets_are_not_shown() {
        assert_eq!(Auth::new().check(&knock(None, None), &mut TokenUses::default()), Ok(Granted::Open));
        let auth =
            Auth::new().with_bearer("canary").with_basic("canary", "canary").with_token_secret("canary");
        assert!(!format!("{auth:?}").contains("canary"));
    }
}
