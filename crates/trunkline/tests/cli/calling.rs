//! `trunkline call place|hangup|tail` and `sweep` by a running server: what they ask, what they say, how they exit.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::sync::mpsc;

use serde_json::Value;

use crate::support::{PATIENCE, Server, program, text};

const CALL: &str = "call_01JD3V6W0Z8Q4T1F5N9R2X7KBM";

/// A server that answers each connection with the next of these texts, and what it was asked.
fn scripted(answers: Vec<String>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((client, _)) = listener.accept() else { return };
            let head = head_and_body(&client);
            // Whoever asks may have heard enough already.
            let _ = (&client).write_all(answer.as_bytes());
            let _ = sender.send(head);
        }
    });
    (address, asked)
}

fn head_and_body(client: &TcpStream) -> String {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    format!("{head}\n{}", text(&body))
}

fn json(status: &str, body: &str) -> String {
    let kind = if status.starts_with('2') { "application/json" } else { "application/problem+json" };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A stream of events that breaks off behind them.
fn events(events: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}")
}

fn event(seq: u64, status: &str) -> String {
    format!(
        "id: {seq}\nevent: status\ndata: {{\"seq\":{seq},\"call_id\":\"{CALL}\",\"at\":\"2026-11-21T12:00:0{seq}Z\",\
         \"from\":\"carrier\",\"call_status\":\"{status}\",\"kind\":\"status\",\"status\":\"{status}\"}}\n\n"
    )
}

fn call(address: SocketAddr, arguments: &[&str]) -> Output {
    let server = format!("http://{address}");
    let folder = tempfile::tempdir().unwrap();
    program()
        .arg("call")
        .args(arguments)
        .args(["--server", &server])
        .env("TRUNKLINE_API_KEY", "canary-key")
        .current_dir(folder.path())
        .output()
        .unwrap()
}

#[test]
fn a_watcher_goes_on_where_the_stream_broke_and_is_told_nothing_twice() {
    let (address, asked) = scripted(vec![
        json("200 OK", "{}"),
        // The second event is cut: it counts only when it comes whole.
        events(&format!("id: 3\n\n{}{}", event(4, "ringing"), &event(5, "in_progress")[..20])),
        events(&event(5, "in_progress")),
        events(&format!("{}{}", event(6, "completed"), event(7, "completed"))),
    ]);
    let output = call(address, &["tail", CALL, "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let seen: Vec<u64> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seen, [4, 5, 6], "it ends when the call is over");
    let asked: Vec<String> = asked.iter().take(4).collect();
    let begins: Vec<&str> = asked[1..]
        .iter()
        .map(|head| head.lines().find_map(|line| line.strip_prefix("last-event-id: ")).unwrap())
        .collect();
    assert_eq!(begins, ["0", "4", "5"]);
    assert!(asked.iter().all(|head| head.contains("authorization: Bearer canary-key")), "{asked:?}");
}

#[test]
fn a_call_whose_answer_is_lost_is_asked_for_again_as_the_same() {
    let placed =
        format!(r#"{{"call_id":"{CALL}","status":"queued","carrier":"twilio","carrier_call_id":"CA1"}}"#);
    let (address, asked) = scripted(vec![String::new(), json("201 Created", &placed)]);
    let output = call(address, &["place", "+919876543210", "--var", "name=Asha", "--agent", "echo"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), format!("{CALL}  queued over twilio\n"));
    let asked: Vec<String> = asked.iter().take(2).collect();
    assert_eq!(asked[0], asked[1], "with the same Idempotency-Key");
    assert!(asked[0].contains("idempotency-key: cli-"), "{}", asked[0]);
    let body: Value = serde_json::from_str(asked[0].lines().last().unwrap()).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"to": "+919876543210", "agent": "echo", "variables": {"name": "Asha"}})
    );
}

#[test]
fn a_refusal_is_told_with_what_to_do_and_a_code_of_its_own() {
    let refused = |status: &str, code: &str| {
        json(status, &format!(r#"{{"code":"{code}","detail":"The detail.","status":0}}"#))
    };
    for (answer, code, wanted) in [
        (refused("403 Forbidden", "country_not_open"), 1, "outbound.countries"),
        (refused("401 Unauthorized", "unauthorized"), 77, "keys create"),
        (refused("403 Forbidden", "forbidden"), 77, "scope"),
        (refused("503 Service Unavailable", "carrier_busy"), 69, "The detail."),
        (json("200 OK", "<html>"), 69, "something else answers"),
    ] {
        let (address, _asked) = scripted(vec![answer]);
        let arguments = if wanted == "something else answers" {
            vec!["hangup", CALL]
        } else {
            vec!["place", "+919876543210", "--idempotency-key", "k"]
        };
        let output = call(address, &arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(wanted) && !told.contains("canary"), "{told}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn without_a_server_it_exits_69_and_a_wrong_id_exits_2() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for arguments in [&["place", "+919876543210"][..], &["hangup", CALL], &["tail"]] {
        let output = call(free, arguments);
        assert_eq!(output.status.code(), Some(69), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("trunkline serve"), "{}", text(&output.stderr));
    }
    for arguments in [&["hangup", "nonsense"][..], &["tail", "nonsense"], &["place", "1", "--var", "x"]] {
        assert_eq!(call(free, arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_key_opens_the_server_from_the_environment_or_a_file_and_its_scope_counts() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(folder.path(), &["--agent", "echo"], &[("TRUNKLINE__API__REQUIRE_KEY", "true")]);
    let data = folder.path().join("data");
    let make = |scope: &str| {
        let made = program()
            .args(["keys", "create", "--name", scope, "--scope", scope, "--data"])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        text(&made.stdout).trim().to_owned()
    };
    let url = format!("http://{}", server.address);
    let run = |arguments: &[&str], key: &str| {
        let mut command = program();
        command.args(arguments).args(["--server", &url]).current_dir(folder.path());
        if !key.is_empty() {
            command.env("TRUNKLINE_API_KEY", key);
        }
        command.output().unwrap()
    };
    let (read, call) = (make("read"), make("call"));
    assert_eq!(run(&["sweep", "--dry-run"], "").status.code(), Some(77));
    assert_eq!(run(&["sweep", "--dry-run"], &read).status.code(), Some(77), "a smaller scope");
    let output = run(&["sweep", "--dry-run", "--json"], &call);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{call}\n")).unwrap();
    let output = run(&["sweep", "--dry-run", "--key-file", file.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = run(&["call", "hangup", CALL], &call);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("call_not_found"), "{}", text(&output.stderr));
    let output = run(&["call", "place", "+919876543210"], &call);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}
