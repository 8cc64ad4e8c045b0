//! To the server that is phoned: its URL taken apart, a request over HTTP, a WebSocket. The same for every carrier.

mod exchange;
mod socket;
mod target;

use std::sync::Arc;

pub(crate) use exchange::{Answer, exchange, form_body, post_form};
pub(crate) use socket::{Socket, open};
pub(crate) use target::{Stream, Target};

/// What goes along with every request to one server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Along<'a> {
    /// Headers, by name.
    pub(crate) headers: &'a [(String, String)],
    /// Trust for `wss` and `https`; without it the public roots.
    pub(crate) tls: Option<&'a Arc<rustls::ClientConfig>>,
}

impl Along<'_> {
    /// Adds the headers, and the authority that the URL names.
    fn add_to(self, target: &Target, headers: &mut http::HeaderMap) -> Result<(), String> {
        use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
        headers.insert(USER_AGENT, HeaderValue::from_static("trunkline-phone"));
        if let Some(basic) = &target.basic {
            let mut value = HeaderValue::from_str(basic).map_err(|e| e.to_string())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        for (name, value) in self.headers {
            let bad = || format!("the header \"{name}\" can't be sent");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| bad())?);
        }
        Ok(())
    }
}
