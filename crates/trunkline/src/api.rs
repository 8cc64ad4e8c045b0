//! The running server's API, as commands use it: where the server is, with which key it is asked, and what its refusals
//! mean to people and to scripts.

mod refusal;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::{Method, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::config::{self, Config, Sources};
use crate::failure::Failure;
use crate::terminal::message;

/// The environment variable that holds the key. Not an option: everyone on the machine sees the options of a program.
pub(crate) const KEY: &str = "TRUNKLINE_API_KEY";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Which server, and with which key.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The configuration; without it trunkline.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The running server; without it the one of the configuration.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// A file that holds a key of the API. Without it the environment variable TRUNKLINE_API_KEY, else the
    /// configuration's token.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// A server that can be asked.
pub(crate) struct Api {
    base: String,
    http: reqwest::Client,
    key: Option<SecretString>,
}

/// Why there is no answer that helps.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nobody listens there: nothing was asked.
    Nobody(String),
    /// The request was sent, and what came of it is not known.
    Lost(String),
    /// The server says no.
    Refused(Box<Refusal>),
}

pub(crate) use refusal::Refusal;

impl ServerArgs {
    /// The server, by the configuration as far as it is needed.
    pub(crate) fn open(&self) -> Result<Api, Failure> {
        let config = config::load(&Sources::of_process(self.config.as_deref()))?.config;
        self.open_with(&config)
    }

    /// The same with a configuration that is there already.
    pub(crate) fn open_with(&self, config: &Config) -> Result<Api, Failure> {
        let tls = tls(config).map_err(Failure::config)?;
        let mut building = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .user_agent(concat!("trunkline/", env!("CARGO_PKG_VERSION")));
        let base = match &self.server {
            Some(url) => named(url)?,
            None => {
                let (base, resolved) = configured(config);
                if let Some((host, address)) = resolved {
                    building = building.resolve(&host, address);
                }
                base
            }
        };
        let http = building.build().map_err(|error| Failure::failed(error.to_string()))?;
        let key = key(self.key_file.as_deref())?.or_else(|| config.server.token.clone());
        if key.is_some() && base.starts_with("http://") && !is_here(&base) {
            message(&format!("the key goes to {base} unencrypted; anyone on the way can read it"));
        }
        Ok(Api { base, http, key })
    }
}

/// The key of a file or of the environment.
fn key(file: Option<&Path>) -> Result<Option<SecretString>, Failure> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("--key-file {}: {error}", file.display())))?,
        None => std::env::var(KEY).unwrap_or_default(),
    };
    let key = text.trim();
    if key.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(Failure::usage("the key is one line of visible ASCII characters"));
    }
    if file.is_some() && key.is_empty() {
        return Err(Failure::usage("the file of --key-file is empty"));
    }
    Ok((!key.is_empty()).then(|| key.to_owned().into()))
}

/// An address from the command line.
fn named(url: &str) -> Result<String, Failure> {
    let wrong = || Failure::usage("--server takes an address such as https://voice.example.com");
    let parsed = Url::parse(url).map_err(|_| wrong())?;
    let is_bare = parsed.username().is_empty() && parsed.password().is_none() && parsed.query().is_none();
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() || !is_bare {
        return Err(wrong());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

type Resolved = Option<(String, std::net::SocketAddr)>;

/// Where the configured server listens. With a certificate it is asked by the public name, which the certificate is for.
fn configured(config: &Config) -> (String, Resolved) {
    let mut listen = config.server.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    if config.server.tls.cert.is_none() {
        return (format!("http://{listen}"), None);
    }
    let public = config.server.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    match public.as_ref().and_then(Url::host_str) {
        Some(host) => (format!("https://{host}:{}", listen.port()), Some((host.to_owned(), listen))),
        None => (format!("https://{listen}"), None),
    }
}

fn is_here(base: &str) -> bool {
    let url = Url::parse(base).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The public roots, and the server's own certificate where this machine has it.
fn tls(config: &Config) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &config.server.tls.cert {
        let own = CertificateDer::pem_file_iter(file).into_iter().flatten().flatten();
        roots.add_parsable_certificates(own);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A request to be made.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: &'a str,
    /// Beside the key.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    pub(crate) within: Option<Duration>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: Method, target: &'a str) -> Self {
        Self { method, target, headers: Vec::new(), body: None, within: Some(Duration::from_secs(90)) }
    }
}

impl Api {
    /// Asks, and gives the answer's body as JSON.
    pub(crate) async fn json(&self, ask: Ask<'_>) -> Result<Value, Fault> {
        let response = self.send(ask).await?;
        let body = response.bytes().await.map_err(lost)?;
        serde_json::from_slice(&body)
            .map_err(|_| Fault::Lost("its answer is no JSON: something else answers there".to_owned()))
    }

    /// Asks, and gives the answer once its head says that it is one.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<reqwest::Response, Fault> {
        let mut building = self.http.request(ask.method, format!("{}{}", self.base, ask.target));
        if let Some(key) = &self.key {
            building = building.bearer_auth(key.expose_secret());
        }
        for (name, value) in ask.headers {
            building = building.header(name, value);
        }
        if let Some(body) = ask.body {
            building = building.header("content-type", "application/json").body(body.to_string());
        }
        if let Some(within) = ask.within {
            building = building.timeout(within);
        }
        let response = building.send().await.map_err(lost)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        // A refusal whose words are lost is one all the same.
        let body = response.bytes().await.unwrap_or_default();
        Err(Fault::Refused(Box::new(Refusal::read(status, &body, self.key.is_some()))))
    }

    /// Where the server is.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A fault, as a command ends with it.
    pub(crate) fn failure(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Nobody(why) => Failure::unavailable(format!(
                "no server answers on {}: {why}\nstart one with `trunkline serve`, or say where it is with --server",
                self.base
            )),
            Fault::Lost(why) => {
                Failure::unavailable(format!("the server on {} did not answer: {why}", self.base))
            }
            Fault::Refused(refusal) => refusal.failure(),
        }
    }
}

fn lost(error: reqwest::Error) -> Fault {
    let is_connect = error.is_connect();
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let why = if error.is_timeout() { "it takes too long".to_owned() } else { cause.to_string() };
    if is_connect { Fault::Nobody(why) } else { Fault::Lost(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_by_the_name_that_its_certificate_is_for() {
        let mut config = Config::default();
        config.server.listen = "0.0.0.0:8443".parse().unwrap();
        assert_eq!(configured(&config), ("http://127.0.0.1:8443".to_owned(), None));
        config.server.tls.cert = Some("cert.pem".into());
        assert_eq!(configured(&config), ("https://127.0.0.1:8443".to_owned(), None));
        config.server.public_url = Some("https://gw.example.com/phone".to_owned());
        let (base, resolved) = configured(&config);
        assert_eq!(base, "https://gw.example.com:8443");
        assert_eq!(resolved.unwrap().1.to_string(), "127.0.0.1:8443");
    }

    #[test]
    fn an_address_holds_no_secret() {
        for bad in ["voice.example.com", "ftp://x", "http://user:canary@x", "https://x?k=1"] {
            assert!(named(bad).is_err_and(|failure| !failure.to_string().contains("canary")), "{bad}");
        }
        assert_eq!(named("https://gw.example.com/").unwrap(), "https://gw.example.com");
        assert!(is_here("http://localhost:1") && is_here("http://[::1]:1") && !is_here("http://10.0.0.1"));
    }
}
