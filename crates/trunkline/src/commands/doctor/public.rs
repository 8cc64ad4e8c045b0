//! The public address, as carriers meet it: name, connection, certificate, and whether it leads to this server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use carriers::Address;
use control::INSTANCE;
use gateway::Seen;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::finding::{Finding, State};
use super::here::Here;
use super::http::{Answer, Http, Request, ms, one_line, public_tls};
use super::{clock, tls, webhooks};
use crate::config::Config;

/// How long a name or a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many addresses of a name are tried.
const ADDRESSES: usize = 4;
/// How often the server is looked for behind a balancer.
const TRIES: usize = 6;

/// The way to the server through its public address.
pub(super) struct Way<'a> {
    pub(super) config: &'a Config,
    pub(super) address: Address,
    /// The address as a URL, without a slash at its end.
    pub(super) base: String,
    pub(super) http: Http,
    pub(super) tls: Arc<rustls::ClientConfig>,
    /// What keeps the requests of one check apart from any other's.
    pub(super) once: String,
    /// How the server sees what comes this way.
    pub(super) seen: Option<Seen>,
}

impl Way<'_> {
    pub(super) fn url(&self, target: &str) -> String {
        self.address.http(target)
    }

    /// What lets one see sessions and open sockets, where anything is needed.
    pub(super) fn authority(&self) -> Option<(&'static str, String)> {
        let server = &self.config.server;
        if let Some(token) = &server.token {
            return Some(("authorization", format!("Bearer {}", token.expose_secret())));
        }
        let password = server.basic.password.as_ref()?;
        let pair = format!("{}:{}", server.basic.user, password.expose_secret());
        Some(("authorization", format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))))
    }
}

/// Looks at the whole way. `url` takes the place of the configured address.
pub(super) async fn findings(config: &Config, url: Option<&str>, here: &Here) -> Vec<Finding> {
    let Some(base) = url.or(config.server.public_url.as_deref()) else {
        let why = "server.public_url is not set; carriers need one to reach this server";
        return vec![
            Finding::left_out("public.url", "the public address", why)
                .fix("server.public_url = \"https://voice.example.com\""),
        ];
    };
    // What stands before the host, or behind a question mark, may be a secret.
    let shown = base.split(['?', '#']).next().unwrap_or_default();
    let shown = shown.rsplit('@').next().unwrap_or_default();
    let name = format!("public address {}", one_line(shown));
    if base.contains('@') {
        let problem = "it holds a user or a password, which every carrier and log would see";
        return vec![
            Finding::fail("public.url", name, problem)
                .fix(format!("server.public_url = \"https://{shown}\"")),
        ];
    }
    let parsed = Address::parse(base).map_err(|fault| fault.to_string()).and_then(|address| {
        Url::parse(&address.http("/")).map(|url| (address, url)).map_err(|error| error.to_string())
    });
    let (address, parsed) = match parsed {
        Ok(parsed) => parsed,
        Err(why) => return vec![Finding::fail("public.url", name, why)],
    };
    let Some(host) = parsed.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()) else {
        return vec![Finding::fail("public.url", name, "it names no host")];
    };
    let port = parsed.port_or_known_default().unwrap_or(443);
    let mut findings = vec![scheme(name, &address, &host)];
    let reached = reach(&mut findings, (&host, port), here).await;
    let Some(reached) = reached else {
        findings.push(rest_left_out("the public address is not reached"));
        return findings;
    };
    if parsed.scheme() == "https" {
        let found = tls::finding(&host, reached).await;
        let is_wrong = found.state == State::Fail;
        findings.push(found);
        if is_wrong {
            findings.push(rest_left_out("no secret is sent over a connection that is not trusted"));
            return findings;
        }
    }
    match way(config, address).await {
        Ok(way) => findings.extend(through(way, here).await),
        Err(why) => findings.push(Finding::fail("public.livez", "the way to the server", why)),
    }
    findings
}

async fn way(config: &Config, address: Address) -> Result<Way<'_>, String> {
    let tls = public_tls()?;
    Ok(Way {
        config,
        base: address.http(""),
        address,
        http: Http::new(tls.clone())?,
        tls: Arc::new(tls),
        once: format!("{:016x}", super::super::seed()),
        seen: None,
    })
}

fn rest_left_out(why: &str) -> Finding {
    Finding::left_out("public.livez", "server, sockets and webhooks through it", why)
}

fn scheme(name: String, address: &Address, host: &str) -> Finding {
    if address.is_loopback() {
        let problem = "only this machine reaches it; good for stand-ins, and no carrier gets here";
        return Finding::warn("public.url", name, problem)
            .fix("server.public_url = \"https://voice.example.com\"");
    }
    if address.http("").starts_with("http://") {
        let problem = "it is plain http: Twilio and Exotel open sockets over TLS only, and what callers say would be \
                       readable on the way";
        return Finding::fail("public.url", name, problem)
            .fix(format!("server.public_url = \"https://{host}\""));
    }
    Finding::ok("public.url", name)
}

/// Resolves the name and connects to each of its addresses. Gives one that answers.
async fn reach(findings: &mut Vec<Finding>, (host, port): (&str, u16), here: &Here) -> Option<SocketAddr> {
    let began = Instant::now();
    let looked = timeout(PATIENCE, lookup_host((host, port))).await;
    let name = format!("name {host}");
    let addresses: Vec<SocketAddr> = match looked {
        Ok(Ok(found)) => found.take(ADDRESSES).collect(),
        Ok(Err(error)) => {
            findings
                .push(Finding::fail("public.dns", name, error.to_string()).fix(format!("dig +short {host}")));
            return None;
        }
        Err(_) => {
            let problem = format!("no answer within {} s", PATIENCE.as_secs());
            findings.push(Finding::fail("public.dns", name, problem).fix("resolvectl status"));
            return None;
        }
    };
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let told = format!("{name} is {}, {}", shown.join(", "), ms(began.elapsed()));
    let private = addresses.iter().any(|address| is_private(address.ip()));
    findings.push(if private && host.parse::<IpAddr>().is_err() && host != "localhost" {
        let problem = "that is an address of a private network: from here the name leads elsewhere than for carriers, \
                       or they can't reach it";
        Finding::warn("public.dns", told, problem).fix(format!("dig +short {host} @1.1.1.1"))
    } else {
        Finding::ok("public.dns", told)
    });
    connect(findings, &addresses, port, here).await
}

async fn connect(
    findings: &mut Vec<Finding>,
    addresses: &[SocketAddr],
    port: u16,
    here: &Here,
) -> Option<SocketAddr> {
    let (mut reached, mut faults) = (Vec::new(), Vec::new());
    for address in addresses {
        let began = Instant::now();
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => reached.push((*address, began.elapsed())),
            Ok(Err(error)) => faults.push(format!("{address}: {error}")),
            Err(_) => faults.push(format!("{address}: no answer within {} s", PATIENCE.as_secs())),
        }
    }
    let name = format!("connections to port {port}");
    findings.push(match (reached.first(), faults.is_empty()) {
        (Some((_, took)), true) => Finding::ok("public.tcp", format!("{name}, {}", ms(*took))),
        (Some(_), false) => {
            let problem = format!("some of the name's addresses do not answer: {}", faults.join("; "));
            Finding::warn("public.tcp", name, problem)
        }
        // The server that is not there would be what listens.
        (None, _) if *here == Here::Nobody => {
            let why = format!("{}; no server runs here that could answer", faults.join("; "));
            Finding::left_out("public.tcp", name, why)
        }
        (None, _) => {
            Finding::fail("public.tcp", name, faults.join("; ")).fix(format!("sudo ufw allow {port}/tcp"))
        }
    });
    reached.first().map(|(address, _)| *address)
}

/// Whether nobody outside reaches this address.
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
    }
}

/// What is to be seen once a connection can be made.
async fn through(mut way: Way<'_>, here: &Here) -> Vec<Finding> {
    let (found, answer) = livez(&way, here).await;
    let leads_here = found.state == State::Ok || found.state == State::Warn;
    let mut findings = vec![found];
    if let Some(ahead) = answer.as_ref().and_then(Answer::ahead_s) {
        findings.push(clock::finding(&[(way.base.clone(), ahead)], matches!(here, Here::Runs(_))));
    }
    if !leads_here {
        let why = "the public address does not lead to this server";
        findings.push(Finding::left_out("public.socket", "sockets and webhooks through it", why));
        return findings;
    }
    findings.extend(proxy(&mut way).await);
    findings.extend(webhooks::findings(&way).await);
    findings
}

/// Whether what answers is the server on this machine.
async fn livez(way: &Way<'_>, here: &Here) -> (Finding, Option<Answer>) {
    let mut name = format!("the server through {}", way.base);
    let mut last = None;
    for number in 0..TRIES {
        let url = way.url(&format!("/livez?doctor={}{number}", way.once));
        let answer = match way.http.ask(Request::get(&url)).await {
            Ok(answer) => answer,
            Err(why) => return (Finding::fail("public.livez", name, why), None),
        };
        let instance = answer.header(INSTANCE).map(str::to_owned);
        if number == 0 {
            name = format!("{name}, {}", ms(answer.took));
        }
        match (here, instance) {
            (_, None) => return (stranger(name, &answer, here), Some(answer)),
            (Here::Runs(own), Some(instance)) if *own == instance => {
                return (Finding::ok("public.livez", name), Some(answer));
            }
            (Here::Runs(_), Some(_)) => last = Some(answer),
            (_, Some(_)) => {
                let name = format!("{name}; a trunkline, and none runs here to compare it with");
                return (Finding::ok("public.livez", name), Some(answer));
            }
        }
    }
    let problem = "another trunkline answers, each time: well where several share the name and this one is new, else \
                   name or proxy lead to another machine";
    (Finding::warn("public.livez", name, problem), last)
}

fn stranger(name: String, answer: &Answer, here: &Here) -> Finding {
    let told = answer.told();
    if let 300..=399 = answer.status {
        let to = answer.header("location").map(one_line).unwrap_or_default();
        let to = to.split('?').next().unwrap_or_default().trim_end_matches("/livez").to_owned();
        let problem = format!("{told}: it leads on to {to}, and no carrier follows");
        return Finding::fail("public.livez", name, problem).fix(format!("server.public_url = \"{to}\""));
    }
    match (answer.status, here) {
        (502..=504, Here::Nobody) => Finding::left_out(
            "public.livez",
            name,
            format!("{told}: a proxy without a server, as none runs here"),
        ),
        (502..=504, _) => {
            let problem = format!("{told}: the proxy does not reach the server");
            Finding::fail("public.livez", name, problem).fix("proxy_pass http://127.0.0.1:8080;")
        }
        _ => {
            let problem = format!("{told}: what answers there is no trunkline of this version");
            Finding::fail("public.livez", name, problem)
        }
    }
}

/// What the server sees of what comes this way.
async fn proxy(way: &mut Way<'_>) -> Vec<Finding> {
    let name = "what proxies make of it";
    let url = way.url("/voicebot/seen");
    let mut request = Request::get(&url);
    request.headers.extend(way.authority());
    let answer = match way.http.ask(request).await {
        Ok(answer) => answer,
        Err(why) => return vec![Finding::fail("public.proxy", name, why)],
    };
    let seen: Option<Seen> = serde_json::from_str(&answer.body).ok().filter(|_| answer.status == 200);
    let Some(seen) = seen else {
        if answer.status == 401 {
            let problem = "the server refuses the configured token: it runs with another one, or a proxy takes \
                           `Authorization` out";
            return vec![
                Finding::fail("public.proxy", name, problem).fix("sudo systemctl restart trunkline"),
            ];
        }
        let problem = format!("{}: does the proxy pass /voicebot/ on?", answer.told());
        return vec![Finding::fail("public.proxy", name, problem)];
    };
    let by = seen.peer.clone().unwrap_or_else(|| "an unknown address".to_owned());
    let told = format!("{name}: connected by {}", one_line(&by));
    // Only one of the carriers signs.
    let signs = way.config.twilio.auth_token.is_some();
    let found = match mend(&seen, way).filter(|_| signs) {
        Some((problem, fix)) => Finding::fail("public.proxy", told, problem).fix(fix),
        None => Finding::ok("public.proxy", told),
    };
    way.seen = Some(seen);
    vec![found]
}

/// Whether two addresses have scheme, host, port and path in common, the default port written or not.
pub(super) fn is_same_place(one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let url = Url::parse(url).ok()?;
        Some((
            url.scheme().to_owned(),
            url.host_str()?.to_owned(),
            url.port(),
            url.path().trim_end_matches('/').to_owned(),
        ))
    };
    place(one).is_some_and(|one| Some(one) == place(other))
}

/// Why signatures over this address would not fit, and what to set.
pub(super) fn mend(seen: &Seen, way: &Way<'_>) -> Option<(String, String)> {
    if seen.addresses.iter().any(|address| is_same_place(address, &way.base)) {
        return None;
    }
    let believed = seen.addresses.first().map_or_else(|| "none".to_owned(), |address| one_line(address));
    let problem = format!("carriers sign for {}, and the server checks for {believed}", way.base);
    let configured = way.config.server.public_url.as_deref().and_then(|url| Address::parse(url).ok());
    if configured.is_some_and(|address| is_same_place(&address.http(""), &way.base)) {
        // The configuration is right, so the server has not read it.
        return Some((
            problem,
            "sudo systemctl restart trunkline   # it runs with another public_url".to_owned(),
        ));
    }
    if way.config.server.public_url.is_none() || seen.peer.is_none() {
        return Some((problem, format!("server.public_url = \"{}\"", way.base)));
    }
    let peer = seen.peer.as_deref().unwrap_or_default();
    let mask = if peer.contains(':') { 128 } else { 32 };
    let mut fix = Vec::new();
    if !seen.is_trusted_proxy {
        fix.push(format!("server.trusted_proxies = [\"{}/{mask}\"]", one_line(peer)));
    }
    let host = way.base.split_once("://").map_or("", |(_, rest)| rest);
    if seen.forwarded_host.as_deref() != Some(host) && seen.host.as_deref() != Some(host) {
        fix.push("proxy_set_header X-Forwarded-Host $host;".to_owned());
    }
    if way.base.starts_with("http:") && seen.forwarded_proto.as_deref() != Some("http") {
        fix.push("proxy_set_header X-Forwarded-Proto $scheme;".to_owned());
    }
    Some((problem, fix.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_notation() {
        for (ip, wanted) in [
            ("10.1.2.3", true),
            ("::ffff:192.168.0.1", true),
            ("100.64.0.1", true),
            ("169.254.169.254", true),
            ("fd00::1", true),
            ("127.0.0.1", true),
            ("8.8.8.8", false),
            ("2606:4700::1111", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), wanted, "{ip}");
        }
    }

    #[test]
    fn the_default_port_is_no_other_place() {
        assert!(is_same_place("https://gw.example.com", "https://GW.example.com:443/"));
        assert!(!is_same_place("https://gw.example.com", "https://gw.example.com:8443"));
        assert!(!is_same_place("https://gw.example.com/phone", "https://gw.example.com"));
    }

    #[tokio::test]
    async fn what_to_set_follows_from_what_the_server_sees() {
        let mut config = Config::default();
        let address = Address::parse("https://gw.example.com").unwrap();
        let seen = Seen {
            peer: Some("10.1.2.3".to_owned()),
            is_trusted_proxy: false,
            addresses: vec!["https://inner:8080".to_owned()],
            host: Some("inner:8080".to_owned()),
            forwarded_host: None,
            forwarded_proto: None,
            forwarded_for: None,
        };
        let mended = |config: &Config| {
            let http = Http::new(public_tls().unwrap()).unwrap();
            let tls = Arc::new(public_tls().unwrap());
            let base = address.http("");
            let once = String::new();
            let way = Way { config, address: address.clone(), base, http, tls, once, seen: None };
            mend(&seen, &way).unwrap().1
        };
        assert_eq!(mended(&config), "server.public_url = \"https://gw.example.com\"");
        config.server.public_url = Some("https://gw.example.com/".to_owned());
        assert!(mended(&config).contains("restart"));
        config.server.public_url = Some("https://first.example.com".to_owned());
        let wanted = "server.trusted_proxies = [\"10.1.2.3/32\"]\nproxy_set_header X-Forwarded-Host $host;";
        assert_eq!(mended(&config), wanted);
    }
}
