//! Call references: what a carrier is given with its answer and brings back in the stream's start, where its URL can't
//! say whose call a socket is. A reference names our id and the agent and is signed together with the carrier's id of
//! the call; it holds for a minute and opens one socket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use carriers::token::{TokenFault, TokenUses, mint, secret_for};
use store::CallId;

use crate::admission::now_unix_s;
use crate::agent::Agent;
use crate::gateway::Gateway;

/// The name of the stream's parameter that holds it.
pub(crate) const PARAMETER: &str = "call_ref";

/// Signs and checks references.
pub(crate) struct References {
    secret: [u8; 32],
    uses: Mutex<TokenUses>,
    holds_for: Duration,
}

/// Whose call a reference is for.
pub(crate) struct Referred {
    pub(crate) id: CallId,
    pub(crate) agent: Arc<Agent>,
}

/// Why a reference opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReferenceFault {
    /// It is no reference.
    Malformed,
    /// The agent that it names is not configured any more.
    NoAgent,
    /// Its signature.
    Token(TokenFault),
}

impl ReferenceFault {
    /// The code in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed | Self::Token(TokenFault::Malformed) => "reference_malformed",
            Self::NoAgent => "reference_no_agent",
            Self::Token(TokenFault::Forged) => "reference_forged",
            Self::Token(TokenFault::Expired) => "reference_expired",
            Self::Token(TokenFault::Used) => "reference_used",
        }
    }
}

impl References {
    pub(crate) fn new(token_secret: &[u8; 32], holds_for: Duration) -> Self {
        let secret = secret_for(token_secret, "call reference, version 1");
        Self { secret, uses: Mutex::new(TokenUses::default().without_retry()), holds_for }
    }

    /// A reference for the call that has our `id` and is the carrier's `call`. `once` keeps apart those of one call that
    /// are made within a second.
    pub(crate) fn mint(&self, id: CallId, call: &str, agent: &str, once: u64) -> String {
        let expires = now_unix_s().saturating_add(self.holds_for.as_secs());
        let bound = bound(id, call, &format!("{once:x}"), agent);
        format!("{id}.{}.{once:x}.{agent}", mint(&self.secret, &bound, expires))
    }
}

impl Gateway {
    /// Whose call this reference is for, if it is the carrier's `call`. It is used up by that.
    pub(crate) fn referred(&self, reference: &str, call: &str) -> Result<Referred, ReferenceFault> {
        let mut parts = reference.splitn(4, '.');
        let mut part = || parts.next().ok_or(ReferenceFault::Malformed);
        let (id, token, once, name) = (part()?, part()?, part()?, part()?);
        let id: CallId = id.parse().map_err(|_| ReferenceFault::Malformed)?;
        let references = &self.door.references;
        let mut uses = references.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = uses.check(&references.secret, &bound(id, call, once, name), token, now_unix_s());
        drop(uses);
        checked.map_err(ReferenceFault::Token)?;
        let agent = self.agent(name).ok_or(ReferenceFault::NoAgent)?;
        Ok(Referred { id, agent })
    }
}

/// What is signed. Neither id holds a line break: ours by its form, the carrier's since texts are cleaned.
fn bound(id: CallId, call: &str, once: &str, agent: &str) -> String {
    format!("{id}\n{call}\n{once}\n{agent}")
}
