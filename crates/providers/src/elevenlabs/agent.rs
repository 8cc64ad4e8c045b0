//! ElevenLabs' conversational agents: set up at ElevenLabs, spoken to over one WebSocket. By ElevenLabs' reference of
//! the agents' WebSocket and of signed URLs, and by what its official clients do where the reference is silent.

mod history;
mod initiation;
mod pieces;
mod session;
mod uplink;

use call::{Fault, FaultClass};
use serde::Deserialize;
use url::Url;

use super::{error, headers};
use crate::dialect::{AgentSession, AgentSocketDialect, HttpRequest, Refusal, Refuses, SocketRequest};
use crate::{ConverseSpec, DialectOptions, RoleOptions};

use session::AgentConversation;

/// One ElevenLabs agent, by its id: `model` of the options.
#[derive(Debug)]
pub struct ElevenAgent {
    options: DialectOptions,
}

/// The answer to a request for a signed URL.
#[derive(Deserialize)]
struct Signed {
    signed_url: String,
}

impl ElevenAgent {
    /// The dialect for these options. With a key a signed URL is asked for, which a private agent needs; without one
    /// the agent must be public. Fields of `body` are laid over the first message, however deep.
    pub const fn new(options: DialectOptions) -> Self {
        Self { options }
    }

    fn agent(&self) -> String {
        self.options.role.model.clone().unwrap_or_default()
    }

    /// The options without what the operator sets about the socket's query.
    fn bare(&self) -> DialectOptions {
        DialectOptions { role: RoleOptions::default(), ..self.options.clone() }
    }
}

impl Refuses for ElevenAgent {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl AgentSocketDialect for ElevenAgent {
    fn invitation(&self) -> Option<HttpRequest> {
        self.options.key.as_ref()?;
        let query = [("agent_id", self.agent())];
        let mut request = HttpRequest::get(self.bare().url("/v1/convai/conversation/get-signed-url", &query));
        request.headers = headers(&self.options);
        Some(request)
    }

    fn connect(&self, _: &ConverseSpec, invitation: Option<&[u8]>) -> Result<SocketRequest, Fault> {
        let Some(body) = invitation else {
            let query = [("agent_id", self.agent())];
            let url = self.options.socket_url("/v1/convai/conversation", &query);
            return Ok(SocketRequest { url, headers: self.options.with_own_headers(Vec::new()) });
        };
        let garbage = |why: &str| Fault::new(FaultClass::Garbage, format!("its signed URL {why}"));
        let signed: Signed = serde_json::from_slice(body).map_err(|_| garbage("is not there"))?;
        let mut url: Url = signed.signed_url.parse().map_err(|_| garbage("is none"))?;
        // What was asked for over TLS must not lead to where there is none.
        let may_be_plain = self.options.base.scheme() == "http";
        if !(url.scheme() == "wss" || url.scheme() == "ws" && may_be_plain) {
            return Err(garbage("is no wss address"));
        }
        {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &self.options.role.query {
                for text in value.texts() {
                    pairs.append_pair(name, &text);
                }
            }
        }
        // It is signed: the key stays here.
        Ok(SocketRequest { url, headers: Vec::new() })
    }

    fn session(&self, spec: &ConverseSpec) -> Box<dyn AgentSession> {
        Box::new(AgentConversation::new(&self.options.role, spec))
    }

    fn needs_call(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
