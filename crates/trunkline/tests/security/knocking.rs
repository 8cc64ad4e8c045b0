//! Strangers at the door of the real program: what they are answered, how often, and what they can't change.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Answer, LONG, Server, free_port};

const TOKEN: &str = "007";
const TWILIO: &str = "12345";
/// So many at once are too many, also on a machine that is so slow that a few are forgiven meanwhile.
const GUESSES: usize = 300;
const UPGRADE: &str =
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn server() -> Server {
    with("")
}

/// With these lines in `[server]`.
fn with(more: &str) -> Server {
    let address = free_port();
    let configuration = format!(
        "default_agent = \"desk\"\n[server]\nlisten = \"{address}\"\npublic_url = \"https://gw.example.com\"\n\
         token = \"{TOKEN}\"\n{more}\n[twilio]\nauth_token = \"{TWILIO}\"\n[agents.desk]\nkind = \"echo\"\n"
    );
    Server::start(&address, &configuration)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A request to the voice webhook as Twilio sends it, for this public address.
fn signed(base: &str) -> (String, String) {
    let body = "CallSid=CA1&CallStatus=ringing&Direction=inbound&From=%2B12025550123&To=%2B14155550100";
    let pairs = carriers::twilio::signature::pairs(body);
    let signature =
        carriers::twilio::signature::sign(TWILIO.as_bytes(), &format!("{base}/twilio/voice"), &pairs);
    (format!("{FORM}X-Twilio-Signature: {signature}\r\n"), body.to_owned())
}

/// What is wrong with a problem, by the one schema that the document has.
fn faults(schema: &Value, answer: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    if answer.header("content-type") != Some("application/problem+json") {
        return vec![format!("its type is {:?}", answer.header("content-type"))];
    }
    let Ok(Value::Object(problem)) = serde_json::from_str(&answer.body) else {
        return vec![format!("it is no object: {}", answer.body)];
    };
    let properties = schema["properties"].as_object().unwrap();
    for name in schema["required"].as_array().unwrap().iter().filter_map(Value::as_str) {
        if !problem.contains_key(name) {
            faults.push(format!("it lacks {name}"));
        }
    }
    for (name, value) in &problem {
        let Some(property) = properties.get(name) else {
            faults.push(format!("{name} is not in the schema"));
            continue;
        };
        let kinds = property["type"].to_string();
        let fits = match value {
            Value::String(_) => {
                kinds.contains("string") || property["$ref"].is_string() || property["oneOf"].is_array()
            }
            Value::Number(_) => kinds.contains("integer"),
            Value::Array(_) => kinds.contains("array"),
            _ => false,
        };
        if !fits {
            faults.push(format!("{name} is {value}"));
        }
    }
    if problem["status"] != answer.status {
        faults.push(format!("its status is {} under {}", problem["status"], answer.status));
    }
    if problem["request_id"] != answer.header("x-request-id").unwrap_or("none") {
        faults.push("its id is not that of the answer".to_owned());
    }
    faults
}

#[test]
fn whatever_is_refused_is_refused_in_one_form_that_leads_to_an_explanation() {
    let server = server();
    let good = bearer(TOKEN);
    let json = format!("{good}Content-Type: application/json\r\n");
    let document = server.ask("GET", "/openapi.json", "", "").json();
    let schema = &document["components"]["schemas"]["Problem"];
    let page = server.ask("GET", "/docs/errors", "", "").body;
    let mut asked = vec![
        (400, server.ask("GET", "/api/v1/calls?limit=x", &good, "")),
        (400, server.ask("POST", "/api/v1/calls", &json, "{")),
        (400, server.ask("POST", "/api/v1/calls", &json, &"[".repeat(10_000))),
        (400, server.ask("POST", "/twilio/voice", FORM, "CallSid=CA1")),
        (400, server.ask("POST", "/twilio/status", FORM, "CallSid=CA1")),
        (401, server.ask("GET", "/api/v1/calls", "", "")),
        (401, server.ask("GET", "/voicebot/sessions", "", "")),
        (401, server.ask("GET", "/voicebot/ws?call_id=a", UPGRADE, "")),
        (
            403,
            server.ask("POST", "/twilio/voice", &format!("{FORM}X-Twilio-Signature: x\r\n"), "CallSid=CA1"),
        ),
        (
            403,
            server.ask("POST", "/twilio/status", &format!("{FORM}X-Twilio-Signature: x\r\n"), "CallSid=CA1"),
        ),
        (404, server.ask("GET", "/nothing", "", "")),
        (404, server.ask("GET", "/api/v1/calls/call_0", &good, "")),
        (404, server.ask("POST", "/api/v1/exotel/status?k=x", FORM, "")),
        (405, server.ask("DELETE", "/api/v1/calls", &good, "")),
        (405, server.ask("DELETE", "/twilio/voice", "", "")),
        (405, server.ask("DELETE", "/api/v1/exotel/voice/connect", "", "")),
        (405, server.ask("POST", "/docs", "", "")),
        (413, server.ask("POST", "/api/v1/calls", &json, &" ".repeat((1 << 20) + 1))),
        (415, server.ask("POST", "/api/v1/calls", &good, "{}")),
        (431, server.ask("GET", "/health", &format!("X-Long: {}\r\n", "y".repeat(17_000)), "")),
        (431, server.ask("GET", "/health", &"X-Many: y\r\n".repeat(70), "")),
    ];
    let guess = || server.ask("GET", "/api/v1/calls", &bearer("tlk_x"), "");
    let enough = (0..GUESSES).map(|_| guess()).find(|answer| answer.status == 429).unwrap();
    assert!(enough.header("retry-after").is_some(), "{enough:?}");
    asked.push((429, enough));
    for (wanted, answer) in &asked {
        assert_eq!(answer.status, *wanted, "{answer:?}");
        assert_eq!(faults(schema, answer), Vec::<String>::new(), "{answer:?}");
        let problem = answer.json();
        let (path, code) = problem["type"].as_str().unwrap().split_once('#').unwrap();
        assert_eq!((path, &problem["code"]), ("/docs/errors", &Value::from(code)));
        assert!(page.contains(&format!("<section id=\"{code}\">")), "{code} is explained");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    }
}

#[test]
fn a_host_that_was_made_up_is_in_nothing_that_is_handed_out() {
    let server = server();
    let forged = |target: &str, more: &str| {
        server.raw(
            format!(
                "GET {target} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
                 X-Forwarded-Proto: http\r\nForwarded: host=evil.example\r\nX-Forwarded-For: 127.0.0.1\r\n\
                 Connection: close\r\n{more}\r\n"
            )
            .as_bytes(),
        )
    };
    for target in
        ["/api/v1/exotel/voice/connect?CallSid=c", "/docs", "/openapi.json", "/health", "/nothing", "/docs/"]
    {
        let answer = forged(target, "");
        let text = format!("{answer:?}");
        assert!(!text.contains("evil.example") && answer.header("location").is_none(), "{target}: {text}");
    }
    let url = forged("/api/v1/exotel/voice/connect?CallSid=c", "").json();
    assert!(url["url"].as_str().unwrap().starts_with("wss://gw.example.com/voicebot/ws?"), "{url}");
    // The webhook that is signed: the address that was signed for must be ours.
    let (headers, body) = signed("https://evil.example");
    let target = "/twilio/voice";
    assert_eq!(
        server.ask("POST", target, &format!("{headers}X-Forwarded-Host: evil.example\r\n"), &body).status,
        403
    );
    let (headers, body) = signed("https://gw.example.com");
    let answer = server.ask("POST", target, &format!("{headers}X-Forwarded-Host: evil.example\r\n"), &body);
    assert!(answer.status == 200 && answer.body.contains("wss://gw.example.com/twilio/media"), "{answer:?}");
}

#[test]
fn who_guesses_has_to_wait_and_nobody_beside_them_has() {
    let server = server();
    let status = |target: &str, headers: &str| server.ask("GET", target, headers, "").status;
    let mut guesses = (0..GUESSES).map(|n| status("/api/v1/calls", &bearer(&format!("tlk_{n}"))));
    assert!(guesses.by_ref().take(60).all(|status| status == 401));
    assert!(guesses.any(|status| status == 429));
    // From the same address, with a proof.
    assert_eq!(status("/api/v1/calls", &bearer(TOKEN)), 200);
    let forged = format!("{FORM}X-Twilio-Signature: x\r\n");
    let mut forgeries =
        (0..GUESSES).map(|_| server.ask("POST", "/twilio/voice", &forged, "CallSid=CA1").status);
    assert!(forgeries.by_ref().take(60).all(|status| status == 403));
    assert!(forgeries.any(|status| status == 429));
    let (headers, body) = signed("https://gw.example.com");
    assert_eq!(server.ask("POST", "/twilio/voice", &headers, &body).status, 200);
    let mut sockets = (0..GUESSES).map(|_| status("/voicebot/ws?call_id=a", UPGRADE));
    assert!(sockets.any(|status| status == 429));
    // What can't be proven is never refused.
    for n in 0..100 {
        assert_eq!(status(&format!("/api/v1/exotel/voice/connect?CallSid=c{n}"), ""), 200);
    }
}

#[test]
fn a_proxy_that_is_named_has_its_clients_told_apart() {
    let server = with("trusted_proxies = [\"127.0.0.0/8\"]");
    let ask = |client: &str| {
        let headers = format!("{}X-Forwarded-For: {client}\r\n", bearer("tlk_x"));
        server.ask("GET", "/api/v1/calls", &headers, "").status
    };
    assert!((0..GUESSES).any(|_| ask("192.0.2.1") == 429));
    assert_eq!(ask("192.0.2.2"), 401, "another client has done nothing");
    // The first entry is the client's own invention.
    assert!((0..60).any(|_| ask("192.0.2.99, 192.0.2.1") == 429));
}

#[test]
fn a_key_is_told_what_it_has_left() {
    let address = free_port();
    let configuration = format!(
        "default_agent = \"desk\"\n[server]\nlisten = \"{address}\"\ntoken = \"{TOKEN}\"\n[api]\n\
         requests_per_minute = 3\n[agents.desk]\nkind = \"echo\"\n"
    );
    let server = Server::start(&address, &configuration);
    let ask = || server.ask("GET", "/api/v1/calls", &bearer(TOKEN), "");
    for left in ["2", "1", "0"] {
        let answer = ask();
        assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, Some("\"requests\";q=3;w=60")));
        let told = answer.header("ratelimit").unwrap_or_default().to_owned();
        assert!(told.starts_with(&format!("\"requests\";r={left};t=")), "{told}");
    }
    let answer = ask();
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (429, Some("too_many_requests")),
        "{answer:?}"
    );
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert!(answer.header("ratelimit").unwrap().starts_with("\"requests\";r=0;"), "{answer:?}");
}

#[test]
fn a_body_that_trickles_is_given_up_and_holds_nobody_up() {
    let server = with("limits = { header_timeout_ms = 700 }");
    let begun = Instant::now();
    let mut tricklers = Vec::new();
    for path in ["/api/v1/calls", "/twilio/status", "/twilio/voice", "/elevenlabs/post-call"] {
        let mut socket = TcpStream::connect(&server.address).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{}Content-Type: application/json\r\nX-Twilio-Signature: x\r\n\
             Connection: close\r\nContent-Length: 100000\r\n\r\n{{",
            bearer(TOKEN)
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        tricklers.push((path, socket));
    }
    assert_eq!(server.ask("GET", "/health", "", "").status, 200);
    for (path, mut socket) in tricklers {
        let mut answer = String::new();
        // Closed with a word or without one, and not kept.
        let _ = socket.read_to_string(&mut answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{path}: {answer}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn no_id_is_a_path() {
    let server = server();
    let document = server.ask("GET", "/openapi.json", "", "").json();
    let secret = std::fs::read_to_string(server.folder.path().join("trunkline.toml")).unwrap();
    assert!(secret.contains(TOKEN));
    let mut looked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some((before, rest)) = path.split_once('{') else { continue };
        let after = rest.split_once('}').unwrap().1;
        for id in [
            "..%2f..%2f..%2f..%2ftrunkline.toml",
            "..%2F..%2Ftrunkline.db",
            "%2e%2e%2f%2e%2e%2ftrunkline.toml",
            "..%5c..%5ctrunkline.toml",
            "%c0%ae%c0%ae%c0%af",
            "%ff%fe",
            "%00",
            "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM%00",
            "call_..%2f..%2f..%2f..%2f..%2f..%2flock",
            "call_0000000000000000000000000O",
            &"a".repeat(4_000),
            "%E2%80%AE",
        ] {
            for method in item.as_object().unwrap().keys() {
                let target = format!("{before}{id}{after}");
                let json = format!("{}Content-Type: application/json\r\n", bearer(TOKEN));
                let answer = server.ask(&method.to_ascii_uppercase(), &target, &json, "{}");
                assert!((400..500).contains(&answer.status), "{method} {target}: {answer:?}");
                assert!(!answer.body.contains("default_agent"), "{answer:?}");
                looked += 1;
            }
        }
    }
    assert!(looked >= 36, "{looked} requests");
}

#[test]
fn sessions_are_shown_to_a_key_and_to_nobody_without_one() {
    let server = server();
    let shown = server.run(&["keys", "create", "--name", "desk", "--scope", "read"]);
    let key = shown.split_whitespace().find(|word| word.starts_with("tlk_")).unwrap();
    let status = |headers: &str| server.ask("GET", "/voicebot/sessions", headers, "").status;
    assert_eq!((status(""), status(&bearer("tlk_x")), status(&bearer(key))), (401, 401, 200));
    assert_eq!(status(&bearer(TOKEN)), 200);
}

#[test]
fn a_server_with_a_public_address_is_never_open_behind_its_proxy() {
    let address = free_port();
    let public = |url: &str| {
        format!(
            "default_agent = \"desk\"\n[server]\nlisten = \"{address}\"\n{url}\n[agents.desk]\nkind = \"echo\"\n"
        )
    };
    // Nobody but this machine can come: no key is needed yet.
    let here = Server::start(&address, &public(""));
    assert_eq!(here.ask("GET", "/api/v1/calls", "", "").status, 200);
    assert_eq!(here.ask("GET", "/api/v1/calls", "X-Forwarded-For: 192.0.2.1\r\n", "").status, 401);
    drop(here);
    // Behind a proxy every request comes from this machine, whoever sent it.
    let published = Server::start(&address, &public("public_url = \"https://gw.example.com\""));
    for path in ["/api/v1/calls", "/voicebot/sessions", "/metrics", "/api/v1/events?follow=false"] {
        assert_eq!(published.ask("GET", path, "", "").status, 401, "{path}");
    }
    let dial =
        published.ask("POST", "/call", "Content-Type: application/json\r\n", r#"{"to":"+919800000001"}"#);
    assert_eq!(dial.status, 401);
}
