//! The server under signals, and what its log may hold.

use std::net::TcpStream;
use std::time::Duration;

use sim::phone::{CallPlan, EndedBy, Phone, PhoneError, PhoneReport, Step};

use crate::support::{Server, run, text};

/// A call that lasts this long and then hangs up.
fn call(url: String, seed: u64, length: Duration) -> Result<PhoneReport, PhoneError> {
    let mut plan = CallPlan::new(url);
    let rate = plan.rate();
    plan = CallPlan::exotel(plan.url, sim::exotel::Call::invented(seed, rate));
    plan.patience = Duration::from_millis(20);
    plan.steps = vec![Step::Wait(length)];
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a test has a runtime");
    runtime.block_on(Phone::call(plan, |_| {}))
}

#[test]
fn it_is_ready_within_200_ms() {
    let folder = tempfile::tempdir().unwrap();
    let mut best = f64::MAX;
    // The machine may be busy with other tests; the program itself must be fast.
    for _ in 0..3 {
        let server = Server::start(folder.path(), &[], &[]);
        assert_eq!(server.ask("/readyz").0, 200);
        best = best.min(server.ready_ms);
    }
    assert!(best < 200.0, "ready after {best} ms");
}

#[test]
fn sigterm_drains_and_a_running_call_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--agent", "silent"], &[]);
    let (url, address) = (server.socket(), server.address);
    let running = std::thread::spawn(move || call(url, 1, Duration::from_millis(1_500)));
    server.wait_for("a call begins");
    server.signal("TERM");
    server.wait_for("draining");
    assert_eq!(server.ask("/readyz").0, 503);
    assert_eq!(server.ask("/livez").0, 200);
    let refused = call(server.socket(), 2, Duration::ZERO).unwrap_err();
    assert!(matches!(refused, PhoneError::Refused { status: 503, .. }), "{refused}");

    let report = running.join().unwrap().unwrap();
    assert_eq!(report.end.by, EndedBy::Caller, "{report:?}");
    let (status, log) = server.wait();
    assert!(status.success(), "{log}");
    assert!(log.contains("caller_hung_up"), "{log}");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_second_signal_ends_the_calls_now() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--agent", "silent"], &[]);
    let url = server.socket();
    let running = std::thread::spawn(move || call(url, 1, Duration::from_secs(600)));
    server.wait_for("a call begins");
    server.signal("INT");
    server.wait_for("draining");
    server.signal("TERM");
    let report = running.join().unwrap().unwrap();
    assert_eq!((report.end.by, report.end.close_code), (EndedBy::Server, Some(1001)), "{report:?}");
    let (status, log) = server.wait();
    assert!(status.success() && log.contains("drained"), "{log}");
    let list = run(&["call", "list", "--data", folder.path().join("data").to_str().unwrap()]);
    assert!(text(&list.stdout).contains("drained"), "{}", text(&list.stdout));
}

#[test]
fn sighup_takes_agents_over_and_a_faulty_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trunkline.toml");
    std::fs::write(&file, "default_agent = 'desk'\n[agents.desk]\nkind = 'echo'\n").unwrap();
    let mut server = Server::start(folder.path(), &[], &[]);
    assert!(server.ask("/health").1.contains(r#""mode":"echo""#));

    std::fs::write(&file, "default_agent = 'desk'\n[agents.desk]\nkind = 'eko'\n").unwrap();
    server.signal("HUP");
    let told = server.wait_for("the old one stays");
    assert!(told.contains("trunkline.toml:3:8"), "{told}");
    assert!(server.ask("/health").1.contains(r#""mode":"echo""#));

    std::fs::write(&file, "default_agent = 'desk'\n[agents.desk]\nkind = 'silent'\n").unwrap();
    server.signal("HUP");
    server.wait_for("was read again");
    assert!(server.ask("/health").1.contains(r#""mode":"silent""#));

    std::fs::write(&file, "default_agent = 'desk'\n[server]\nmax_calls = 3\n[agents.desk]\nkind = 'echo'\n")
        .unwrap();
    server.signal("HUP");
    assert!(server.wait_for("wants a restart").contains("server.max_calls"));
}

#[test]
fn every_line_of_a_call_has_its_id_and_no_line_a_secret_or_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let token = "canary-token-1";
    let mut server = Server::start(
        folder.path(),
        &["--agent", "echo"],
        &[("EXOTEL_WS_TOKEN", token), ("RUST_LOG", "debug")],
    );
    let refused = call(format!("{}?token=canary-2", server.socket()), 1, Duration::ZERO).unwrap_err();
    assert!(matches!(refused, PhoneError::Refused { status: 401, .. }), "{refused}");
    let webhook = format!("http://{}/api/v1/exotel/voice/connect", server.address);
    call(webhook, 2, Duration::from_millis(100)).unwrap();
    server.wait_for("the call has ended");
    server.signal("TERM");
    let (status, log) = server.wait();
    assert!(status.success());
    for forbidden in ["canary", "09800000001", "08000000002"] {
        assert!(!log.contains(forbidden), "{forbidden} in:\n{log}");
    }
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_call: Vec<_> = lines.iter().filter(|line| line["target"] == "gateway::call_task").collect();
    assert!(!of_call.is_empty());
    for line in of_call {
        assert!(line["span"]["call_id"].as_str().is_some_and(|id| id.starts_with("call_")), "{line}");
    }
}
