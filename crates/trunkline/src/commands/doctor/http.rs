//! Asking over HTTP as a carrier does: the public roots, no proxy of the environment, no redirect followed, and an error
//! in words that say how far it came.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::{Method, Url};

/// How long an answer may take: as long as Exotel waits for one.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const LONGEST: usize = 256 * 1024;

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: String,
    pub(super) took: Duration,
    /// When it was asked, and when the answer's head had come.
    pub(super) between: (Timestamp, Timestamp),
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// By how much the clock of whoever answered is ahead of ours, in whole seconds. Its header counts whole seconds and
    /// was written somewhere between asking and hearing: within those it is nothing.
    pub(super) fn ahead_s(&self) -> Option<i64> {
        let date = jiff::fmt::rfc2822::parse(self.header("date")?).ok()?.timestamp().as_second();
        let (asked, heard) = (self.between.0.as_second(), self.between.1.as_second());
        Some(if date < asked { date - asked } else { (date - heard).max(0) })
    }

    /// The answer in a few words: its status and who it says to be.
    pub(super) fn told(&self) -> String {
        match self.header("server") {
            Some(server) => format!("HTTP {} of {}", self.status, one_line(server)),
            None => format!("HTTP {}", self.status),
        }
    }

    /// What a refusal of ours says, if it is one.
    pub(super) fn problem(&self) -> Option<String> {
        let is_problem = self.header("content-type")?.starts_with("application/problem+json");
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        is_problem.then(|| one_line(body["detail"].as_str().unwrap_or_default()))
    }
}

/// A client. Cloning gives another handle of the same.
#[derive(Clone)]
pub(super) struct Http(reqwest::Client);

/// What is asked.
pub(super) struct Request<'a> {
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Makes it a `POST`.
    pub(super) form: Option<&'a [(String, String)]>,
}

impl<'a> Request<'a> {
    pub(super) fn get(url: &'a str) -> Self {
        Self { url, headers: Vec::new(), form: None }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Http {
    /// One that trusts what `tls` trusts. A connection is made for each request: what is looked at is the way.
    pub(super) fn new(tls: rustls::ClientConfig) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .user_agent(concat!("trunkline-doctor/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(words)
    }

    /// Asks. The error is in words, without the URL, in which a token may stand.
    pub(super) async fn ask(&self, request: Request<'_>) -> Result<Answer, String> {
        let url = Url::parse(request.url).map_err(|error| format!("it is no URL: {error}"))?;
        let method = if request.form.is_some() { Method::POST } else { Method::GET };
        let mut building = self.0.request(method, url);
        for (name, value) in request.headers {
            building = building.header(name, value);
        }
        if let Some(form) = request.form {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            building = building.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let (began, asked) = (Instant::now(), Timestamp::now());
        let mut response = building.send().await.map_err(words)?;
        let between = (asked, Timestamp::now());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(words)? {
            if body.len() + piece.len() > LONGEST {
                return Err(format!("the answer is longer than {LONGEST} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
            took: began.elapsed(),
            between,
        })
    }
}

/// A TLS set-up that trusts what the public roots do.
pub(super) fn public_tls() -> Result<rustls::ClientConfig, String> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

/// The first step of every TLS set-up here.
pub(super) fn builder() -> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>, String>
{
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

/// An error's deepest cause, after how far it came.
fn words(error: reqwest::Error) -> String {
    let doing = match (error.is_connect(), error.is_timeout()) {
        (_, true) => format!("no answer within {} s", PATIENCE.as_secs()),
        (true, _) => "it can't be reached".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_timeout() { doing } else { format!("{doing}: {cause}") }
}

/// Somebody else's text as a part of a line.
pub(super) fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(200).collect::<String>().trim().to_owned()
}

/// How long something took, for people.
pub(super) fn ms(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}

/// An address as a shell takes it, for lines to copy.
pub(super) fn shown(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(date: &str, asked: &str, heard: &str) -> Answer {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("date", date.parse().unwrap());
        Answer {
            status: 200,
            headers,
            body: String::new(),
            took: Duration::ZERO,
            between: (asked.parse().unwrap(), heard.parse().unwrap()),
        }
    }

    #[test]
    fn a_clock_is_ahead_or_behind_by_what_the_way_does_not_explain() {
        let (asked, heard) = ("2026-11-21T12:00:10.9Z", "2026-11-21T12:00:13.1Z");
        for (date, ahead) in [
            ("Sat, 21 Nov 2026 12:00:10 GMT", 0),
            ("Sat, 21 Nov 2026 12:00:13 GMT", 0),
            ("Sat, 21 Nov 2026 12:00:14 GMT", 1),
            ("Sat, 21 Nov 2026 11:59:10 GMT", -60),
            ("Sat, 21 Nov 2026 12:02:13 GMT", 120),
        ] {
            assert_eq!(dated(date, asked, heard).ahead_s(), Some(ahead), "{date}");
        }
        assert_eq!(dated("soon", asked, heard).ahead_s(), None);
    }

    #[test]
    fn what_others_say_stays_on_its_line() {
        assert_eq!(one_line("nginx\r\nok   all is well\u{1b}[2J"), "nginx  ok   all is well [2J");
    }
}
