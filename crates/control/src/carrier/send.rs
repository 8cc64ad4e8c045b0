//! One request to a carrier over HTTP, and what is known when no answer comes of it.

use std::sync::Arc;
use std::time::Duration;

use carriers::rest::{RestAnswer, RestRequest};
use http::{HeaderMap, header};
use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::{CarrierAccount, ClientError};

/// How long name, TCP and TLS may take together.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(50);
/// The longest answer.
const BODY: usize = 1024 * 1024;

/// Sends, as one account.
pub(super) struct Sender {
    base: String,
    user: String,
    password: SecretString,
    /// For requests that may be repeated.
    asking: reqwest::Client,
    /// For dialling. It keeps no connection: one that the carrier has just closed would take the request and lose
    /// it, and nobody would know whether it was done.
    dialling: reqwest::Client,
}

/// An answer that came whole.
pub(super) struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// No answer.
pub(super) enum Lost {
    /// Not a byte of the request was sent.
    NotSent(String),
    /// The request, or a part of it, was sent.
    Sent(String),
    /// An answer came that has no end.
    TooLong(String),
}

impl Answer {
    pub(super) fn as_rest(&self) -> RestAnswer<'_> {
        RestAnswer { status: self.status, retry_after: self.retry_after, body: &self.body }
    }
}

impl Sender {
    pub(super) fn new(account: &CarrierAccount) -> Result<Self, ClientError> {
        let wrong = || ClientError::BaseUrl { carrier: account.rest.name() };
        let base = Url::parse(account.base_url.trim()).map_err(|_| wrong())?;
        let is_bare = base.username().is_empty() && base.password().is_none() && base.query().is_none();
        if !matches!(base.scheme(), "https" | "http")
            || !base.has_host()
            || !is_bare
            || base.fragment().is_some()
        {
            return Err(wrong());
        }
        Ok(Self {
            base: base.as_str().trim_end_matches('/').to_owned(),
            user: account.user.clone(),
            password: account.password.clone(),
            asking: builder()?.pool_idle_timeout(IDLE).build()?,
            dialling: builder()?.pool_max_idle_per_host(0).build()?,
        })
    }

    /// Sends what may be sent once only.
    pub(super) async fn dial(&self, request: &RestRequest, within: Duration) -> Result<Answer, Lost> {
        self.send(&self.dialling, request, within).await
    }

    /// Sends what may be sent any number of times.
    pub(super) async fn ask(&self, request: &RestRequest, within: Duration) -> Result<Answer, Lost> {
        self.send(&self.asking, request, within).await
    }

    async fn send(
        &self,
        client: &reqwest::Client,
        request: &RestRequest,
        within: Duration,
    ) -> Result<Answer, Lost> {
        let url = format!("{}{}", self.base, request.target);
        let building = if request.is_post {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.form).finish();
            let kind = "application/x-www-form-urlencoded";
            client.post(url).header(header::CONTENT_TYPE, kind).body(form)
        } else {
            client.get(url)
        };
        let response = building
            .basic_auth(&self.user, Some(self.password.expose_secret()))
            .header(header::ACCEPT, "application/json")
            .timeout(within)
            .send()
            .await;
        let mut response = response.map_err(lost)?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| Lost::Sent(words(error)))? {
            if body.len() + piece.len() > BODY {
                return Err(Lost::TooLong(format!("HTTP {status} with a body of more than {BODY} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, retry_after, body })
    }
}

/// A client as all requests of the control plane go out by: no proxy, no redirect, nothing sent twice.
pub(crate) fn builder() -> Result<reqwest::ClientBuilder, ClientError> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(ClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        // A proxy comes in by the base URL, never by the environment.
        .no_proxy()
        // Credentials must not follow a redirect to somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        // Asking again is decided above, where it is known what may be repeated.
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .user_agent(concat!("trunkline/", env!("CARGO_PKG_VERSION"))))
}

/// What is known when a request fails before its answer begins.
fn lost(error: reqwest::Error) -> Lost {
    if error.is_connect() || error.is_builder() {
        Lost::NotSent(words(error))
    } else {
        Lost::Sent(words(error))
    }
}

/// An error's words without its URL, in which numbers may stand.
fn words(error: reqwest::Error) -> String {
    let doing = match (error.is_connect(), error.is_timeout()) {
        (true, _) => "the carrier can't be reached",
        (_, true) => "the carrier did not answer in time",
        _ => "the connection to the carrier broke",
    };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{doing}: {cause}")
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(at.duration_since(Timestamp::now()).unsigned_abs()).filter(|_| at > Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_two_ways() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert!(wait("Tue, 31 Dec 2999 23:59:59 GMT").is_some_and(|wait| wait > Duration::from_secs(86_400)));
        assert_eq!(wait("Tue, 31 Aug 2010 20:36:28 GMT"), None);
        assert_eq!(wait("soon"), None);
    }
}
