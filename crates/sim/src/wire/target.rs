//! A URL taken apart, and the byte stream to it.

use std::sync::Arc;

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::phone::PhoneError;

/// A byte stream with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A URL taken apart: what goes to the network and what goes into a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) basic: Option<String>,
    secure: bool,
    pub(crate) host: String,
    port: u16,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, PhoneError> {
        let fault = |why: &str| PhoneError::Url { url: shown(url), why: why.to_owned() };
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| fault("it has no scheme; use ws, wss, http or https"))?;
        let secure = match scheme {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(fault("use ws, wss, http or https")),
        };
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let basic = authority.rsplit_once('@').map(|(user, _)| {
            let credentials = percent_decoded(user);
            format!("Basic {}", base64_simd::STANDARD.encode_to_string(credentials))
        });
        let without_user = match authority.rsplit_once('@') {
            Some((user, _)) => &rest[user.len() + 1..],
            None => rest,
        };
        let uri: Uri =
            format!("{scheme}://{without_user}").parse().map_err(|_| fault("it can't be read as a URL"))?;
        let host = uri.host().ok_or_else(|| fault("it names no host"))?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { uri, basic, secure, host, port })
    }

    pub(crate) fn is_webhook(&self) -> bool {
        self.uri.scheme_str().is_some_and(|scheme| scheme.starts_with("http"))
    }

    /// Host and path: the query may hold a token.
    pub(crate) fn shown(&self) -> String {
        format!("{}:{}{}", self.host, self.port, self.uri.path())
    }

    pub(super) async fn stream(
        &self,
        tls: Option<&Arc<rustls::ClientConfig>>,
    ) -> Result<Box<dyn Stream>, PhoneError> {
        let unreachable = |why: String| PhoneError::Unreachable(format!("{}:{}", self.host, self.port), why);
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        tcp.set_nodelay(true).map_err(|e| unreachable(e.to_string()))?;
        if !self.secure {
            return Ok(Box::new(tcp));
        }
        let config = match tls {
            Some(config) => Arc::clone(config),
            None => public_roots().map_err(&unreachable)?,
        };
        let name = rustls::pki_types::ServerName::try_from(self.host.clone())
            .map_err(|_| unreachable("its name can't stand in a certificate".to_owned()))?;
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(|e| unreachable(format!("TLS: {e}")))?;
        Ok(Box::new(stream))
    }
}

fn public_roots() -> Result<Arc<rustls::ClientConfig>, String> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A URL fit for a message: without user, password and query.
fn shown(url: &str) -> String {
    let cut = &url[..url.find('?').unwrap_or(url.len())];
    match (cut.find("://"), cut.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://{}", &cut[..scheme], &cut[at + 1..]),
        _ => cut.to_owned(),
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn userinfo_becomes_basic_and_leaves_the_url() {
        let target = Target::parse("wss://bot:p%40ss@gw.example.com/voicebot/ws?k=1").unwrap();
        assert_eq!(target.basic.as_deref(), Some("Basic Ym90OnBAc3M="));
        assert_eq!(target.uri.to_string(), "wss://gw.example.com/voicebot/ws?k=1");
        assert_eq!((target.host.as_str(), target.port), ("gw.example.com", 443));
        assert_eq!(target.shown(), "gw.example.com:443/voicebot/ws");
    }

    #[test]
    fn a_fault_never_shows_the_password_or_the_query() {
        let error = Target::parse("gopher://bot:secret@host/path?token=secret").unwrap_err().to_string();
        assert_eq!(error, "gopher://host/path: use ws, wss, http or https");
    }

    #[test]
    fn ports_and_ipv6_are_understood() {
        let target = Target::parse("ws://[::1]:8080").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8080));
        assert!(Target::parse("http://host/x").unwrap().is_webhook());
    }
}
