//! Getting to the socket: the connect webhook first where the URL is one, then the upgrade, tried twice as
//! Exotel does (Exotel, "AgentStream: limits and retries": one automatic retry, 10 s for the handshake).

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, handshake::client::Request};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::plan::CallPlan;
use super::report::PhoneError;

/// How long the carrier gives a server for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest webhook answer that is read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A byte stream with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// A URL taken apart: what goes to the network and what goes into a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) basic: Option<String>,
    secure: bool,
    host: String,
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

    async fn stream(&self, tls: Option<&Arc<rustls::ClientConfig>>) -> Result<Box<dyn Stream>, PhoneError> {
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

/// Asks the webhook for the socket's URL, with the parameters that Exotel sends.
pub(crate) async fn ask_webhook(plan: &CallPlan, target: &Target) -> Result<(String, Duration), PhoneError> {
    let began = Instant::now();
    let fault = |why: String| PhoneError::Webhook(target.shown(), why);
    let stream = target.stream(plan.tls.as_ref()).await?;
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| fault(format!("did not speak HTTP: {e}")))?;
        let driver = tokio::spawn(connection);
        let request = webhook_request(plan, target).map_err(|why| fault(format!("can't be asked: {why}")))?;
        let response =
            sender.send_request(request).await.map_err(|e| fault(format!("did not answer: {e}")))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER)
            .collect()
            .await
            .map_err(|e| fault(format!("did not finish its answer: {e}")))?
            .to_bytes();
        driver.abort();
        if status != http::StatusCode::OK {
            return Err(fault(format!("answered {status}, not 200")));
        }
        let answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|e| fault(format!("answered no JSON: {e}")))?;
        match answer["url"].as_str() {
            Some(url) if url.starts_with("ws://") || url.starts_with("wss://") => Ok(url.to_owned()),
            Some(_) => Err(fault("named a url that is neither ws:// nor wss://".to_owned())),
            None => Err(fault("answered without a url".to_owned())),
        }
    };
    let url = tokio::time::timeout(HANDSHAKE, exchange)
        .await
        .map_err(|_| fault(format!("did not answer within {} s", HANDSHAKE.as_secs())))??;
    Ok((url, began.elapsed()))
}

fn webhook_request(plan: &CallPlan, target: &Target) -> Result<http::Request<Empty<bytes::Bytes>>, String> {
    let who = &plan.call;
    let separator = if target.uri.query().is_some() { '&' } else { '?' };
    let path = target.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let path = format!(
        "{path}{separator}CallSid={}&CallFrom={from}&CallTo={to}&Direction=incoming&DialWhomNumber=&From={from}&To={to}",
        who.call,
        from = who.from,
        to = who.to,
    );
    let mut request = http::Request::get(path);
    if let Some(authority) = target.uri.authority() {
        request = request.header(HOST, authority.as_str());
    }
    let mut request = request.body(Empty::new()).map_err(|e| e.to_string())?;
    add_headers(plan, target, request.headers_mut())?;
    Ok(request)
}

fn add_headers(plan: &CallPlan, target: &Target, headers: &mut http::HeaderMap) -> Result<(), String> {
    headers.insert(USER_AGENT, HeaderValue::from_static("trunkline-phone"));
    if let Some(basic) = &target.basic {
        let mut value = HeaderValue::from_str(basic).map_err(|e| e.to_string())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in &plan.headers {
        let bad = || format!("the header \"{name}\" can't be sent");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        headers.insert(name, HeaderValue::from_str(value).map_err(|_| bad())?);
    }
    Ok(())
}

/// Opens the socket.
pub(crate) async fn open(plan: &CallPlan, target: &Target) -> Result<(Socket, Duration), PhoneError> {
    let began = Instant::now();
    let first = try_open(plan, target).await;
    let socket = match first {
        Err(PhoneError::Refused { .. } | PhoneError::Handshake(..)) => try_open(plan, target).await?,
        other => other?,
    };
    Ok((socket, began.elapsed()))
}

/// Opens the socket, tried once.
pub(crate) async fn try_open(plan: &CallPlan, target: &Target) -> Result<Socket, PhoneError> {
    let fault = |why: String| PhoneError::Handshake(target.shown(), why);
    let mut request: Request = target.uri.clone().into_client_request().map_err(|e| fault(e.to_string()))?;
    add_headers(plan, target, request.headers_mut()).map_err(&fault)?;
    let stream = target.stream(plan.tls.as_ref()).await?;
    let config = WebSocketConfig::default().read_buffer_size(16 * 1024).max_message_size(Some(4 << 20));
    let handshake = client_async_with_config(request, stream, Some(config));
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Err(_) => Err(fault(format!("no answer within {} s", HANDSHAKE.as_secs()))),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WsError::Http(response))) => Err(PhoneError::Refused {
            socket: target.shown(),
            status: response.status().as_u16(),
            hint: hint(response.status()),
        }),
        Ok(Err(error)) => Err(fault(error.to_string())),
    }
}

fn hint(status: http::StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "; give the token with --token, or user:password@ in the URL, or ring the webhook's URL",
        404 => "; is the path right?",
        429 | 503 => "; the server takes no more calls now",
        _ => "",
    }
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
