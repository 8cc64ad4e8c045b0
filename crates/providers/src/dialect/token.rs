//! Tokens that change: asked for with something that stays, good for a while.

use call::Fault;
use secrecy::SecretString;

use super::{HttpRequest, Refuses};

/// How a vendor's tokens are asked for. `now` is seconds since 1970.
pub trait TokenDialect: Refuses + Send + Sync {
    /// The request for a new token.
    fn request(&self, now: u64) -> Result<HttpRequest, Fault>;

    /// The token in the body of its answer; `now` is when it was asked for.
    fn token(&self, body: &[u8], now: u64) -> Result<Token, Fault>;
}

/// A token.
#[derive(Debug, Clone)]
pub struct Token {
    /// What goes behind `Bearer`.
    pub bearer: SecretString,
    /// From then on a new one is to be asked for, in seconds since 1970.
    pub good_until: u64,
}

impl Token {
    /// Whether it is still to be used.
    pub const fn is_good(&self, now: u64) -> bool {
        now < self.good_until
    }
}
