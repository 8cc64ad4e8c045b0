//! Commands that run to their end.

use std::net::TcpListener;

use crate::support::{program, run, text};

#[test]
fn help_begins_with_examples_and_ends_with_exit_codes() {
    for command in [
        &[][..],
        &["serve"],
        &["demo"],
        &["phone"],
        &["conformance"],
        &["call"],
        &["replay"],
        &["config"],
        &["doctor"],
        &["keys"],
        &["sweep"],
        &["erase"],
        &["retention"],
        &["sim"],
        &["call", "place"],
        &["call", "hangup"],
        &["call", "tail"],
    ] {
        let output = run(&[command, &["--help"]].concat());
        let help = text(&output.stdout);
        assert!(output.status.success(), "{command:?}");
        assert!(help.starts_with("Examples:\n  trunkline "), "{command:?}: {help}");
        assert!(help.contains("Exit codes: 0 ok"), "{command:?}: {help}");
    }
}

#[test]
fn a_mistyped_command_is_suggested_and_exits_2() {
    for (arguments, hint) in [(&["serv"][..], "'serve'"), (&["serve", "--agnet", "echo"], "'--agent'")] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(hint), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_bad_file_is_explained_on_stderr_and_exits_78() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    std::fs::write(&file, "[server]\ntokn = \"x\"\n").unwrap();
    let file = file.to_str().unwrap();
    for arguments in [&["config", "check", file][..], &["serve", "--config", file], &["config", "show", file]]
    {
        let output = run(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {told}");
        let wanted = format!("{file}:2:1: there is no key \"tokn\" in [server]; did you mean \"token\"?");
        assert!(told.contains(&wanted), "{told}");
        assert!(!told.contains('\x1b'), "no colour where nobody sees it");
    }
    let output = run(&["config", "check", "--json", file]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert!(report["problems"][0]["place"].as_str().unwrap().ends_with("t.toml:2:1"));
}

#[test]
fn the_example_and_the_defaults_can_be_loaded() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output =
        program().args(["config", "check", "trunkline.example.toml"]).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));

    let folder = tempfile::tempdir().unwrap();
    let defaults = run(&["config", "show", "--defaults"]);
    std::fs::write(folder.path().join("trunkline.toml"), &defaults.stdout).unwrap();
    let output = program().args(["config", "check"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("ok: trunkline.toml"));
}

#[test]
fn secrets_are_not_shown() {
    let output = program()
        .args(["config", "show"])
        .env("EXOTEL_WS_TOKEN", "canary-7")
        .env("OPENAI_API_KEY", "canary-8")
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    assert!(
        shown.contains("token = \"[redacted]\"  # from the environment variable EXOTEL_WS_TOKEN"),
        "{shown}"
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_taken_port_names_its_holder_and_exits_69() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["serve", "--agent", "echo", "--listen", &address])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(told.contains(&address) && told.contains(&format!("process {}", std::process::id())), "{told}");
    assert!(!folder.path().join("data").exists(), "a second server leaves the first one's data alone");
}

#[test]
fn a_public_address_without_authentication_is_refused_with_the_way_out() {
    let output = run(&["serve", "--agent", "echo", "--listen", "0.0.0.0:0"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    for way in ["EXOTEL_WS_TOKEN", "127.0.0.1", "--insecure"] {
        assert!(told.contains(way), "{told}");
    }
}

#[test]
fn a_server_that_is_not_there_exits_69_and_a_bad_url_2() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run(&["phone", &format!("ws://{free}/")]);
    assert_eq!(output.status.code(), Some(69), "{}", text(&output.stderr));
    for arguments in [
        &["phone", "ftp://x"][..],
        &["phone", "ws://x", "--rate", "11025"],
        &["phone", "ws://x", "--dtmf", "x"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_call_that_is_not_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let output = run(&["call", "list", "--data", data]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "no calls yet\n"));
    let output = run(&["call", "show", "nonsense", "--data", data]);
    assert_eq!(output.status.code(), Some(2));
}
