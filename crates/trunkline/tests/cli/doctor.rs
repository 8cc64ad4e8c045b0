//! `trunkline doctor` beside a real server, through proxies that do what proxies do, and with Twilio's stand-in.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use serde_json::Value;
use sim::carriers::{CarrierServer, Settings, World};

use crate::proxy::{Change, Proxy, whole, with_other_host, with_other_host_told, without_upgrade};
use crate::support::{Server, program, text};

const TOKEN: &str = "canary-server-token";
const TWILIO: &str = "canary-twilio-token";
const NUMBER: &str = "+12025550123";

/// What was found, by check.
struct Found {
    output: Output,
    by_check: BTreeMap<String, Value>,
}

impl Found {
    fn of(output: Output) -> Self {
        let shown = text(&output.stdout);
        assert!(!shown.contains("canary"), "a secret is shown: {shown}");
        let report: Value =
            serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        let worst = report["worst"].as_str().unwrap();
        let code = match worst {
            "fail" => 1,
            "warn" => 3,
            _ => 0,
        };
        assert_eq!(output.status.code(), Some(code), "the exit code is the worst finding's: {worst}");
        let findings = report["findings"].as_array().unwrap().clone();
        let by_check = findings.into_iter().map(|found| (found["check"].as_str().unwrap().to_owned(), found));
        Self { by_check: by_check.collect(), output }
    }

    fn state(&self, check: &str) -> &str {
        self.by_check.get(check).map_or("absent", |found| found["state"].as_str().unwrap())
    }

    fn told(&self, check: &str) -> String {
        self.by_check.get(check).map_or_else(|| format!("no {check}"), Value::to_string)
    }
}

/// The doctor's report with this environment.
fn doctor(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    program()
        .args(["doctor", "--json"])
        .args(arguments)
        .current_dir(folder)
        .env("TRUNKLINE__DATA__DIR", folder.join("data"))
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// A server behind a proxy, and what the doctor finds. `set` is for the server; the doctor has the same and `also`.
fn behind(
    change: Change,
    set: &[(&str, &str)],
    arguments: impl Fn(&str) -> Vec<String>,
) -> (Found, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::bind();
    let url = proxy.url();
    let mut environment = vec![
        ("TRUNKLINE__SERVER__TOKEN", TOKEN),
        ("TRUNKLINE__TWILIO__AUTH_TOKEN", TWILIO),
        ("TRUNKLINE__SERVER__PUBLIC_URL", url.as_str()),
    ];
    environment.extend(set);
    let server = Server::start(folder.path(), &["--agent", "silent"], &environment);
    proxy.run(server.address, change);
    let listen = server.address.to_string();
    environment.push(("TRUNKLINE__SERVER__LISTEN", &listen));
    let arguments = arguments(&url);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    (Found::of(doctor(folder.path(), &arguments, &environment)), folder)
}

#[test]
fn a_server_that_carriers_reach_is_well_and_no_call_is_left_of_it() {
    let (found, folder) = behind(whole, &[], |_| Vec::new());
    for check in [
        "configuration",
        "data.database",
        "server.running",
        "server.ready",
        "public.livez",
        "public.proxy",
        "public.socket",
        "exotel.webhook",
        "exotel.token",
        "twilio.webhook",
        "twilio.socket",
        "twilio.forged",
    ] {
        assert_eq!(found.state(check), "ok", "{}", found.told(check));
    }
    // Only this machine reaches a loopback address, and its clock may be this one's.
    assert_eq!((found.state("public.url"), found.state("clock")), ("warn", "left_out"));
    let data = folder.path().join("data");
    let calls = program().args(["call", "list", "--data"]).arg(&data).output().unwrap();
    assert_eq!(text(&calls.stdout), "no calls yet\n");
    for place in ["live", "pending", "calls"] {
        assert_eq!(std::fs::read_dir(data.join(place)).unwrap().count(), 0, "{place}");
    }
}

#[test]
fn a_proxy_that_eats_upgrades_is_found() {
    let (found, _folder) = behind(without_upgrade, &[], |_| Vec::new());
    for check in ["public.socket", "twilio.socket"] {
        assert_eq!(found.state(check), "fail", "{}", found.told(check));
        assert!(found.told(check).contains("proxy_set_header Upgrade"), "{}", found.told(check));
    }
    assert_eq!(found.state("twilio.webhook"), "ok", "{}", found.told("twilio.webhook"));
}

#[test]
fn a_proxy_that_changes_the_host_of_a_second_name_is_found_and_what_to_trust_is_said() {
    let first = ("TRUNKLINE__SERVER__PUBLIC_URL", "https://first.example.com");
    let second = |url: &str| vec!["--url".to_owned(), url.to_owned()];
    let (found, _folder) = behind(with_other_host, &[first], second);
    assert_eq!(found.state("public.livez"), "ok", "{}", found.told("public.livez"));
    for check in ["public.proxy", "twilio.webhook"] {
        assert_eq!(found.state(check), "fail", "{}", found.told(check));
        let told = found.told(check);
        assert!(told.contains("server.trusted_proxies = [\\\"127.0.0.1/32\\\"]"), "{told}");
        assert!(told.contains("X-Forwarded-Host"), "{told}");
    }
    let trusted = ("TRUNKLINE__SERVER__TRUSTED_PROXIES", "127.0.0.1/32");
    let (found, _folder) = behind(with_other_host_told, &[first, trusted], second);
    for check in ["public.proxy", "twilio.webhook", "twilio.forged"] {
        assert_eq!(found.state(check), "ok", "{}", found.told(check));
    }
}

#[test]
fn without_a_server_what_asks_one_is_left_out_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (listen, url) = (free.to_string(), format!("http://{free}"));
    let set = [("TRUNKLINE__SERVER__LISTEN", listen.as_str()), ("TRUNKLINE__SERVER__PUBLIC_URL", &url)];
    let found = Found::of(doctor(folder.path(), &[], &set));
    for check in ["server.running", "public.tcp", "public.livez", "vendor"] {
        assert_eq!(found.state(check), "left_out", "{}", found.told(check));
        assert!(found.by_check[check]["problem"].is_string(), "{}", found.told(check));
    }
    assert!(!folder.path().join("data").exists(), "a look makes nothing");
}

#[test]
fn a_stranger_on_the_port_and_behind_the_name_does_not_pass_for_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            // Nothing depends on what is asked.
            let _ = client.read(&mut request);
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\nserver: stranger\r\ncontent-length: 3\r\n\r\nok\n");
        }
    });
    let (listen, url) = (address.to_string(), format!("http://{address}"));
    let set = [("TRUNKLINE__SERVER__LISTEN", listen.as_str()), ("TRUNKLINE__SERVER__PUBLIC_URL", &url)];
    let found = Found::of(doctor(folder.path(), &[], &set));
    for check in ["server.address", "public.livez"] {
        assert_eq!(found.state(check), "fail", "{}", found.told(check));
        assert!(found.told(check).contains("stranger"), "{}", found.told(check));
    }
    assert_eq!(found.state("twilio.webhook"), "absent", "no secret goes to a stranger");
}

#[test]
fn a_certificate_that_no_carrier_trusts_is_found_and_no_secret_is_sent_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut secure = rustls::StreamOwned::new(session, client);
            let mut request = Vec::new();
            // The handshake is all that is wanted; a request would be a breach.
            let _ = secure.read_to_end(&mut request);
            assert!(request.is_empty(), "something was sent");
        }
    });
    let set = [
        ("TRUNKLINE__SERVER__LISTEN", "127.0.0.1:0"),
        ("TRUNKLINE__SERVER__PUBLIC_URL", &url),
        ("TRUNKLINE__SERVER__TOKEN", TOKEN),
    ];
    let found = Found::of(doctor(folder.path(), &[], &set));
    assert_eq!(found.state("public.tls"), "fail", "{}", found.told("public.tls"));
    assert!(found.told("public.tls").contains("do not trust"), "{}", found.told("public.tls"));
    assert_eq!(found.state("public.livez"), "left_out", "{}", found.told("public.livez"));
}

/// Twilio's stand-in with its runtime, and what the doctor needs to ask it.
struct Twilio {
    _runtime: tokio::runtime::Runtime,
    carriers: CarrierServer,
    folder: tempfile::TempDir,
}

impl Twilio {
    fn start(number: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut settings = Settings::default();
        settings.twilio.token = TWILIO.into();
        settings.twilio.numbers = vec![number.to_owned()];
        let carriers = runtime.block_on(CarrierServer::start(World::new(settings))).unwrap();
        Self { _runtime: runtime, carriers, folder: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str], set: &[(&str, &str)]) -> Output {
        // Nobody listens there, so that nothing is said against the way to it.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (listen, url) = (free.to_string(), format!("http://{free}"));
        let base = self.carriers.url();
        let mut environment = vec![
            ("TRUNKLINE__SERVER__LISTEN", listen.as_str()),
            ("TRUNKLINE__SERVER__PUBLIC_URL", &url),
            ("TRUNKLINE__TWILIO__ACCOUNT_SID", &self.carriers.world().settings().twilio.sid),
            ("TRUNKLINE__TWILIO__AUTH_TOKEN", TWILIO),
            ("TRUNKLINE__TWILIO__BASE_URL", &base),
            ("TRUNKLINE__TWILIO__FROM", NUMBER),
        ];
        environment.extend(set);
        doctor(self.folder.path(), arguments, &environment)
    }

    fn changes(&self) -> usize {
        let all = serde_json::to_value(self.carriers.ledger().all()).unwrap().to_string();
        all.matches("StatusCallbackMethod").count()
    }
}

#[test]
fn a_number_is_pointed_here_only_when_somebody_agrees() {
    let twilio = Twilio::start(NUMBER);
    let output = twilio.run(&["--fix"], &[]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("now  not set") && told.contains("/twilio/voice") && told.contains("--yes"),
        "{told}"
    );
    assert!(!told.contains(NUMBER), "{told}");
    assert_eq!(twilio.changes(), 0);

    let url = ("TRUNKLINE__SERVER__PUBLIC_URL", "http://127.0.0.1:1");
    let found = Found::of(twilio.run(&["--fix", "--yes"], &[url]));
    assert_eq!(found.state("carrier.fix"), "ok", "{}", found.told("carrier.fix"));
    assert!(twilio.changes() > 0);
    let changes = twilio.changes();
    let found = Found::of(twilio.run(&["--fix", "--yes", "--online"], &[url]));
    assert!(found.told("carrier.fix").contains("already"), "{}", found.told("carrier.fix"));
    assert_eq!(found.state("carrier.number"), "ok", "{}", found.told("carrier.number"));
    assert_eq!(found.state("clock"), "ok", "{}", found.told("clock"));
    assert_eq!(twilio.changes(), changes, "what is right is left alone");

    // Its calls go here now; a second server that wants them shows where they go.
    let found = Found::of(
        twilio.run(&["--fix", "--yes"], &[("TRUNKLINE__SERVER__PUBLIC_URL", "http://127.0.0.1:2")]),
    );
    assert_eq!(found.state("carrier.fix"), "ok");
    let told = text(&found.output.stderr);
    assert!(
        told.contains("now  http://127.0.0.1:1/twilio/voice") && told.contains("somewhere else"),
        "{told}"
    );
}

#[test]
fn a_carrier_that_refuses_leaves_the_number_as_it_is() {
    let twilio = Twilio::start(NUMBER);
    for (set, wanted) in [
        (("TRUNKLINE__TWILIO__AUTH_TOKEN", "canary-wrong"), "20003"),
        (("TRUNKLINE__TWILIO__ACCOUNT_SID", "AC00000000000000000000000000000000"), "account"),
        (("TRUNKLINE__TWILIO__FROM", "+12025550101"), "no such number"),
    ] {
        let found = Found::of(twilio.run(&["--fix", "--yes"], &[set]));
        assert_eq!(found.state("carrier.fix"), "fail", "{set:?}: {}", found.told("carrier.fix"));
        assert!(found.told("carrier.fix").contains(wanted), "{}", found.told("carrier.fix"));
    }
    assert_eq!(twilio.changes(), 0);
}
