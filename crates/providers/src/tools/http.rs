//! One tool: its arguments checked, its request made, its answer cut to size.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use call::{Tool, ToolAnswer};
use jsonschema::Validator;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use url::Url;

use super::guard::{Forbidden, Guard, GuardedLookup, Lookup};
use super::options::ToolOptions;
use super::template::{CallFacts, Template, UrlTemplate};

/// The longest arguments that are looked at.
const MAX_ARGUMENTS: usize = 16 * 1024;
/// How much the model is told of an answer that is no success, in bytes.
const MAX_REASON: usize = 500;
/// The limits of an operator's own limits.
const MAX_TIMEOUT_MS: u64 = 60_000;
const MAX_BYTES: usize = 1024 * 1024;

/// What is wrong with one option.
pub(super) type Problem = (&'static str, String);

/// One tool over HTTP.
pub(super) struct HttpTool {
    name: String,
    options: ToolOptions,
    url: UrlTemplate,
    headers: Vec<(HeaderName, Template)>,
    bound: BTreeMap<String, Template>,
    schema: Validator,
    guard: Guard,
    client: Client,
}

/// Why a run gave no result: the name for metrics, and the text for the model.
struct Failed(&'static str, String);

impl HttpTool {
    pub(super) fn new(name: &str, options: &ToolOptions, lookup: Arc<dyn Lookup>) -> Result<Self, Problem> {
        let url = UrlTemplate::parse(&options.url).map_err(|why| ("url", why))?;
        let guard = Guard::new(&options.allow, url.base());
        guard
            .check_host(url.base())
            .map_err(|fault| ("url", format!("{fault}; the option `allow` can open its network")))?;
        if !url.base().scheme().eq("https") && options.allow.is_empty() {
            return Err(("url", "http:// is taken only where `allow` names the network".to_owned()));
        }
        let headers = headers(options)?;
        let bound = bound(options)?;
        let schema = schema(&options.parameters).map_err(|why| ("parameters", why))?;
        let declared = |place: &str| options.parameters["properties"].get(place).is_some();
        if let Some(place) = url.places().find(|place| is_servers(place) == declared(place)) {
            let why = if is_servers(place) {
                format!("{{{place}}} is the server's to fill; the parameter needs another name")
            } else {
                format!("{{{place}}} is neither a parameter nor known to the server")
            };
            return Err(("url", why));
        }
        if options.timeout_ms == 0 || options.timeout_ms > MAX_TIMEOUT_MS {
            return Err(("timeout_ms", format!("it must lie between 1 and {MAX_TIMEOUT_MS}")));
        }
        if options.max_bytes == 0 || options.max_bytes > MAX_BYTES {
            return Err(("max_bytes", format!("it must lie between 1 and {MAX_BYTES}")));
        }
        let client = client(GuardedLookup { guard: guard.clone(), lookup }).map_err(|why| ("url", why))?;
        Ok(Self {
            name: name.to_owned(),
            options: options.clone(),
            url,
            headers,
            bound,
            schema,
            guard,
            client,
        })
    }

    pub(super) const fn side_effects(&self) -> bool {
        self.options.side_effects
    }

    pub(super) const fn max_runs(&self) -> u32 {
        self.options.max_runs
    }

    pub(super) fn declared(&self) -> Tool {
        Tool {
            name: self.name.clone(),
            description: self.options.description.clone(),
            parameters: self.options.parameters.clone(),
            side_effects: self.options.side_effects,
        }
    }

    pub(super) fn counted(&self, outcome: &'static str) {
        let labels = [("tool", self.name.clone()), ("outcome", outcome.to_owned())];
        metrics::counter!("trunkline_tool_runs_total", &labels).increment(1);
    }

    /// Runs it. Always answers, within the tool's time limit.
    pub(super) async fn run(&self, arguments: &str, facts: &CallFacts) -> ToolAnswer {
        let began = Instant::now();
        let done = self.attempt(arguments, facts).await;
        let took = began.elapsed();
        metrics::histogram!("trunkline_tool_seconds", "tool" => self.name.clone()).record(took);
        let (outcome, answer) = match done {
            Ok(text) => ("ok", ToolAnswer::Result(text)),
            Err(Failed(outcome, why)) => (outcome, ToolAnswer::Failed(why)),
        };
        self.counted(outcome);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(tool = self.name, outcome, millis, "a tool has run");
        answer
    }

    async fn attempt(&self, arguments: &str, facts: &CallFacts) -> Result<String, Failed> {
        let arguments = self.checked(arguments).map_err(|why| Failed("bad_arguments", why))?;
        let (url, body) = self.target(&arguments, facts).map_err(|why| Failed("bad_arguments", why))?;
        self.guard.check_host(&url).map_err(|fault| self.forbidden(fault))?;
        let limit = Duration::from_millis(self.options.timeout_ms);
        let fetched = tokio::time::timeout(limit, self.fetch(url, body, facts)).await;
        fetched.unwrap_or_else(|_| {
            Err(Failed("slow", "it took too long; say that it can't be done now".to_owned()))
        })
    }

    /// The arguments, if they are what the schema says. The fault is text for the model.
    fn checked(&self, arguments: &str) -> Result<Map<String, Value>, String> {
        if arguments.len() > MAX_ARGUMENTS {
            return Err("the arguments are too long".to_owned());
        }
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let value: Value = serde_json::from_str(arguments)
            .map_err(|fault| format!("the arguments are not JSON: {fault}"))?;
        let faults: Vec<String> = self
            .schema
            .iter_errors(&value)
            .take(3)
            .map(|fault| match fault.instance_path().as_str() {
                "" => fault.to_string(),
                path => format!("{path}: {fault}"),
            })
            .collect();
        match value {
            Value::Object(arguments) if faults.is_empty() => Ok(arguments),
            _ => Err(cut(&format!("the arguments are wrong: {}", faults.join("; ")), MAX_REASON)),
        }
    }

    /// Where the request goes and what it carries.
    fn target(
        &self,
        arguments: &Map<String, Value>,
        facts: &CallFacts,
    ) -> Result<(Url, Option<Value>), String> {
        let of = |name: &str| match facts.value(name) {
            Some(value) => value.to_owned(),
            None => arguments.get(name).map(text).unwrap_or_default(),
        };
        let mut rest = arguments.clone();
        rest.retain(|name, _| !self.url.places().any(|place| place == name));
        for (name, template) in &self.bound {
            rest.insert(name.clone(), filled(template, facts).into());
        }
        if self.options.method.has_body() {
            return Ok((self.url.fill(of, &[])?, Some(Value::Object(rest))));
        }
        let given = rest.iter().filter(|(_, value)| !value.is_null());
        let query: Vec<_> = given.map(|(name, value)| (name.clone(), text(value))).collect();
        Ok((self.url.fill(of, &query)?, None))
    }

    async fn fetch(&self, url: Url, body: Option<Value>, facts: &CallFacts) -> Result<String, Failed> {
        let mut headers = HeaderMap::new();
        for (name, template) in &self.headers {
            let mut value = HeaderValue::from_str(&filled(template, facts))
                .map_err(|_| Failed("bad_header", "the tool can't be used in this call".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let mut request = self.client.request(self.options.method.as_http(), url).headers(headers);
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|fault| self.unsent(&fault))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Failed(
                "redirected",
                "its server answered with a redirect, which is not followed".to_owned(),
            ));
        }
        let limit = self.options.max_bytes;
        let text = self.body(response, if status.is_success() { limit } else { limit.min(MAX_REASON) }).await;
        match text {
            Ok(text) if status.is_success() => Ok(if text.is_empty() { "done".to_owned() } else { text }),
            Ok(text) => Err(Failed(outcome(status), said(status, &text))),
            Err(_) if !status.is_success() => Err(Failed(outcome(status), said(status, ""))),
            Err(failed) => Err(failed),
        }
    }

    /// The body as text, no longer than `limit`.
    async fn body(&self, mut response: Response, limit: usize) -> Result<String, Failed> {
        let too_large = || Failed("too_large", format!("its answer is larger than {limit} bytes"));
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|fault| self.unsent(&fault))? {
            if bytes.len() + piece.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        let text =
            String::from_utf8(bytes).map_err(|_| Failed("not_text", "its answer is not text".to_owned()))?;
        Ok(text
            .chars()
            .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
            .collect::<String>()
            .trim()
            .to_owned())
    }

    /// What it means that there was no answer. Never says where the request went.
    fn unsent(&self, fault: &reqwest::Error) -> Failed {
        let mut cause = fault.source();
        while let Some(inner) = cause {
            if let Some(forbidden) = inner.downcast_ref::<Forbidden>() {
                return self.forbidden(*forbidden);
            }
            cause = inner.source();
        }
        let why = if fault.is_connect() { "its server can't be reached" } else { "its server broke off" };
        tracing::warn!(tool = self.name, connect = fault.is_connect(), "a tool's server gave no answer");
        Failed("network", why.to_owned())
    }

    fn forbidden(&self, fault: Forbidden) -> Failed {
        tracing::warn!(tool = self.name, %fault, "a tool may not go where its name leads");
        Failed("forbidden", "its address is not allowed".to_owned())
    }
}

/// A client for tools alone: no redirects, no proxy of the environment, no second attempts, and no address that
/// its resolver has not let pass.
fn client(lookup: GuardedLookup) -> Result<Client, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| fault.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("trunkline/", env!("CARGO_PKG_VERSION")))
        .pool_max_idle_per_host(4)
        .pool_idle_timeout(Duration::from_secs(30))
        .dns_resolver(Arc::new(lookup))
        .build()
        .map_err(|fault| fault.to_string())
}

/// The schema, which takes no argument that it does not name, unless it says so itself.
fn schema(parameters: &Value) -> Result<Validator, String> {
    let mut parameters = parameters.clone();
    let object = parameters.as_object_mut().filter(|schema| schema.get("type") == Some(&"object".into()));
    let Some(object) = object else { return Err("it must be a schema of \"type\": \"object\"".to_owned()) };
    object.entry("additionalProperties").or_insert(Value::Bool(false));
    jsonschema::validator_for(&parameters).map_err(|fault| cut(&fault.to_string(), MAX_REASON))
}

fn headers(options: &ToolOptions) -> Result<Vec<(HeaderName, Template)>, Problem> {
    let mut headers = Vec::new();
    for (name, value) in &options.headers {
        let fault = |why: String| ("headers", format!("{name}: {why}"));
        let parsed: HeaderName = name.parse().map_err(|_| fault("it is no header's name".to_owned()))?;
        if [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&parsed) {
            return Err(fault("it can't be set".to_owned()));
        }
        // The value may be a key, so a fault says nothing of it.
        let template = Template::parse(value.expose_secret())
            .map_err(|_| fault("a brace has no partner or holds no name".to_owned()))?;
        if !template.places().all(is_servers) {
            return Err(fault("only the server's own values can stand in a header".to_owned()));
        }
        headers.push((parsed, template));
    }
    Ok(headers)
}

fn bound(options: &ToolOptions) -> Result<BTreeMap<String, Template>, Problem> {
    let mut bound = BTreeMap::new();
    for (name, value) in &options.bound {
        let fault = |why: String| ("bound", format!("{name}: {why}"));
        let template = Template::parse(value).map_err(fault)?;
        if !template.places().all(is_servers) {
            return Err(fault("only the server's own values can stand here".to_owned()));
        }
        if options.parameters["properties"].get(name).is_some() {
            return Err(fault("the model must not be told of it: take it out of `parameters`".to_owned()));
        }
        bound.insert(name.clone(), template);
    }
    Ok(bound)
}

fn is_servers(place: &str) -> bool {
    CallFacts::default().value(place).is_some()
}

fn filled(template: &Template, facts: &CallFacts) -> String {
    let value =
        |name: &str| Ok::<_, std::convert::Infallible>(facts.value(name).unwrap_or_default().to_owned());
    template.fill(value).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

const fn outcome(status: StatusCode) -> &'static str {
    if status.as_u16() >= 500 { "server_error" } else { "client_error" }
}

fn said(status: StatusCode, text: &str) -> String {
    let more = if text.is_empty() { "" } else { ": " };
    format!("its server answered {}{more}{text}", status.as_u16())
}

/// The first `limit` bytes, cut between characters.
fn cut(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
