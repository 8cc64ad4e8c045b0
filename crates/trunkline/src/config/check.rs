//! What can only be seen when everything is known: references that lead nowhere, halves of pairs, values that
//! contradict each other.

use providers::tools::ToolRunner;
use providers::{Misfit, VendorTable};
use secrecy::ExposeSecret as _;

use super::agent::Agent;
use super::layers::no_such;
use super::problem::{Problem, suggestion};
use super::schema::{Config, Environment};

/// The carriers that calls can be placed over.
const CARRIERS: &[&str] = &["twilio", "exotel"];

/// All that is wrong. `place` says where a key was set.
pub(super) fn check(config: &Config, place: impl Fn(&str) -> String) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |path: &str, what: String| found.push(Problem::new(place(path), format!("{path}: {what}")));
    server(config, &mut add);
    acting(config, &mut add);
    accounts(config, &mut add);
    for (key, what) in config.alerts.problems() {
        add(&format!("alerts.{key}"), what);
    }
    if !config.agents.contains_key(&config.default_agent) {
        let names: Vec<&str> = config.agents.keys().map(String::as_str).collect();
        add("default_agent", no_such("agent", &config.default_agent, &names));
    }
    if tracing_subscriber::EnvFilter::try_new(&config.log.level).is_err() {
        add(
            "log.level",
            format!("\"{}\" is no level; use error, warn, info, debug or trace", config.log.level),
        );
    }
    if let Some(Err(error)) = config.recording.remote().map(|options| store::Remote::open(&options)) {
        add("recording.url", error.to_string().trim_start_matches("recording.url: ").to_owned());
    }
    for (name, vendor) in &config.vendors {
        for (key, what) in providers::check_vendor(name, vendor) {
            add(&format!("vendors.{name}.{key}"), what);
        }
        if let Some(file) = &vendor.credentials_file
            && let Err(error) = std::fs::File::open(file)
        {
            let what = format!("the file {} can't be read: {error}", file.display());
            add(&format!("vendors.{name}.credentials_file"), what);
        }
        if vendor.key.as_ref().is_some_and(|key| key.expose_secret().trim().is_empty()) {
            add(&format!("vendors.{name}.key"), "it is empty; leave it out to have none".to_owned());
        }
    }
    if !config.faults.links.is_empty() && config.environment == Environment::Production {
        add(
            "faults.links",
            "faults are not injected in production; set environment = \"development\", or take them out"
                .to_owned(),
        );
    }
    if let Some(problem) = config.faults.problem() {
        add("faults.links", problem);
    }
    for (name, one) in &config.agents {
        agent(&format!("agents.{name}"), one, &config.vendors, &mut add);
    }
    found
}

fn server(config: &Config, add: &mut impl FnMut(&str, String)) {
    let server = &config.server;
    if !server.ws_path.starts_with('/') || server.ws_path.contains(['?', '#', '{', '}', ' ']) {
        add(
            "server.ws_path",
            format!("\"{}\" is no path; it begins with / and has no query", server.ws_path),
        );
    }
    if ![8_000, 16_000, 24_000].contains(&server.stream_rate) {
        add(
            "server.stream_rate",
            format!("{} is no rate of the carrier; use 8000, 16000 or 24000", server.stream_rate),
        );
    }
    if let Some(url) = &server.public_url
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        add("server.public_url", "it begins with https:// (or http:// for trials)".to_owned());
    }
    for (path, secret) in [("server.token", &server.token), ("server.basic.password", &server.basic.password)]
    {
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().trim().is_empty()) {
            add(path, "it is empty; leave it out to have none".to_owned());
        }
    }
    match (&server.tls.cert, &server.tls.key) {
        (Some(_), None) => add("server.tls.cert", "server.tls.key is missing".to_owned()),
        (None, Some(_)) => add("server.tls.key", "server.tls.cert is missing".to_owned()),
        _ => {}
    }
    for (path, file) in [("server.tls.cert", &server.tls.cert), ("server.tls.key", &server.tls.key)] {
        if let Some(file) = file
            && let Err(error) = std::fs::File::open(file)
        {
            add(path, format!("the file {} can't be read: {error}", file.display()));
        }
    }
    for (path, count) in [
        ("server.max_calls", server.max_calls),
        ("server.limits.max_connections", server.limits.max_connections),
        ("server.limits.connections_per_address", server.limits.connections_per_address),
    ] {
        if count == 0 {
            add(path, "it is 0; nobody could connect".to_owned());
        }
    }
    if server.worker_threads > 1024 {
        add("server.worker_threads", format!("{} is more than 1024", server.worker_threads));
    }
}

fn acting(config: &Config, add: &mut impl FnMut(&str, String)) {
    if let Some(url) = &config.database.url
        && !["postgres://", "postgresql://"].iter().any(|scheme| url.expose_secret().starts_with(scheme))
    {
        add("database.url", "it begins with postgres://; leave it out for SQLite".to_owned());
    }
    if config.api.require_key == Some(false) && !config.server.listen.ip().to_canonical().is_loopback() {
        add(
            "api.require_key",
            format!("{} can be reached by strangers, so the API needs a key", config.server.listen),
        );
    }
    let outbound = &config.outbound;
    if let Some(carrier) = &outbound.carrier
        && !CARRIERS.contains(&carrier.as_str())
    {
        add("outbound.carrier", no_such("carrier", carrier, CARRIERS));
    }
    for (path, prefixes) in [
        ("outbound.blocked_prefixes", &outbound.blocked_prefixes),
        ("outbound.allowed_prefixes", &outbound.allowed_prefixes),
    ] {
        let is_prefix = |prefix: &str| {
            let digits = prefix.strip_prefix('+').unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if let Some(odd) = prefixes.iter().find(|prefix| !is_prefix(prefix)) {
            add(path, format!("\"{odd}\" is no beginning of a number; write + and digits, such as +1900"));
        }
    }
    for (path, ms, most) in [
        ("outbound.ring_ms", outbound.ring_ms, 600_000),
        ("outbound.max_call_ms", outbound.max_call_ms, 14_400_000),
    ] {
        if !(1_000..=most).contains(&ms) {
            add(path, format!("{ms} is not from 1000 to {most}"));
        }
    }
    for (path, minutes) in [
        ("outbound.minutes_per_day", outbound.minutes_per_day),
        ("outbound.whole_server.minutes_per_day", outbound.whole_server.minutes_per_day),
    ] {
        if minutes > 0 && u64::from(minutes) * 60_000 < outbound.max_call_ms {
            add(path, "one call may take longer (outbound.max_call_ms), so none could be placed".to_owned());
        }
    }
    if config.sweep.after_ms < 60_000 {
        add(
            "sweep.after_ms",
            format!("{} is less than a minute; living calls would be asked after", config.sweep.after_ms),
        );
    }
}

fn accounts(config: &Config, add: &mut impl FnMut(&str, String)) {
    let (twilio, exotel) = (&config.twilio, &config.exotel);
    match (&twilio.region, &twilio.edge) {
        (Some(_), None) => {
            add("twilio.region", "twilio.edge is missing; a region has one of its own".to_owned());
        }
        (None, Some(_)) => add("twilio.edge", "twilio.region is missing".to_owned()),
        _ => {}
    }
    match (&twilio.api_key, &twilio.api_secret) {
        (Some(_), None) => add("twilio.api_key", "twilio.api_secret is missing".to_owned()),
        (None, Some(_)) => add("twilio.api_secret", "twilio.api_key is missing".to_owned()),
        _ => {}
    }
    if exotel.flow.is_some() && exotel.connect_to.is_some() {
        add("exotel.connect_to", "exotel.flow is set too; keep one".to_owned());
    }
    for (path, pace) in [
        ("twilio.calls_per_second", twilio.calls_per_second),
        ("exotel.calls_per_second", exotel.calls_per_second),
    ] {
        if pace.is_some_and(|pace| !(0.01..=1000.0).contains(&pace)) {
            add(path, "it is not from 0.01 to 1000".to_owned());
        }
    }
    for (path, url) in [("twilio.base_url", &twilio.base_url), ("exotel.base_url", &exotel.base_url)] {
        if url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            add(path, "it begins with https:// (or http:// for trials)".to_owned());
        }
    }
}

fn agent(under: &str, agent: &Agent, vendors: &VendorTable, add: &mut impl FnMut(&str, String)) {
    let at = |key: &str| format!("{under}.{key}");
    for role in agent.roles() {
        let entries = agent.entries(*role);
        if entries.is_empty() {
            add(&at(role.as_str()), Misfit::Empty.to_string());
        }
        for entry in entries {
            match providers::check_entry(vendors, *role, &entry) {
                // Said once, at the vendor's own table.
                Ok(()) | Err(Misfit::Vendor { .. }) => {}
                Err(misfit) => add(&at(role.as_str()), told(&misfit)),
            }
        }
    }
    if let Err(why) = crate::vendors::script(agent.script.as_deref()) {
        add(&at("script"), why);
    }
    let own = agent.tools.own.iter().map(|(name, tool)| (name.as_str(), tool));
    for problem in ToolRunner::new(own).err().into_iter().flatten() {
        add(&at(&format!("tools.{}.{}", problem.tool, problem.key)), problem.why);
    }
    for (key, problem) in agent.transfer.problems() {
        add(&at(&format!("transfer.{key}")), problem);
    }
    for problem in agent.call_settings().problems() {
        add(under, problem);
    }
}

/// A misfit with what was probably meant.
fn told(misfit: &Misfit) -> String {
    let near = |known: &[String], name: &str| suggestion(name, known.iter().map(String::as_str));
    match misfit {
        Misfit::NoSuchVendor { name, role, known } => {
            format!("there is no vendor \"{name}\" for {}{}", role.as_str(), near(known, name))
        }
        Misfit::NoSuchChoice { name, known } => format!("there is no \"{name}\"{}", near(known, name)),
        other => other.to_string(),
    }
}
