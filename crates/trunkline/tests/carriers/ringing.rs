//! Twilio rings the server: the phone follows its TwiML, talks with its agents, and the conformance test has nothing to
//! find fault with.

use std::time::{Duration, Instant};

use audio::g711::{mulaw_decode, mulaw_encode};
use audio::{level_db, wav};
use serde_json::Value;

use crate::support::{LONG, Server, TOKEN};

const QUESTION: &str = "what are your opening hours";

fn phone(server: &Server, agent: &str, steps: &[&str]) -> (Value, Vec<i16>, Vec<i16>) {
    let recording = server.folder.path().join("call.wav").display().to_string();
    let url = format!("http://{}/twilio/voice?agent={agent}", server.address);
    let mut arguments = vec!["phone", "--carrier", "twilio", &url, "--auth-token", TOKEN, "--json"];
    arguments.extend(["--patience", "6", "--record", &recording]);
    arguments.extend(steps);
    let output = server.run(&arguments);
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "trunkline phone: {}\n{messages}", output.status);
    let report = serde_json::from_slice(&output.stdout).expect("--json gives JSON");
    let both = wav::read(&std::fs::read(&recording).expect("the call was recorded")).expect("as WAV");
    (report, both.channel(0), both.channel(1))
}

/// Rules that were broken, but for advice.
fn broken(report: &Value) -> Vec<&Value> {
    let findings = report["received"]["findings"].as_array().expect("a report has findings");
    findings.iter().filter(|finding| finding["is_advice"] == false).collect()
}

#[test]
fn an_echo_comes_back_as_mu_law_has_it() {
    let server = Server::start(&[]);
    let (report, said, heard) = phone(&server, "echo", &["--say", QUESTION, "--wait", "1"]);
    assert_eq!(broken(&report), Vec::<&Value>::new(), "{report}");
    // Frame by frame, in order: on a busy machine the caller may hear a gap between two, never inside one.
    let mut rest = heard.as_slice();
    let mut loud = 0;
    for (number, said) in said.chunks_exact(160).enumerate().filter(|(_, said)| level_db(said) > -40.0) {
        let said: Vec<i16> = said.iter().map(|sample| mulaw_decode(mulaw_encode(*sample))).collect();
        let back = rest.windows(160).position(|heard| heard == said);
        let back = back.unwrap_or_else(|| panic!("frame {number} did not come back as it was"));
        rest = &rest[back + 160..];
        loud += 1;
    }
    assert!(loud >= 20, "only {loud} frames of the question are loud");
}

#[test]
fn a_conversation_is_held_and_kept() {
    let server = Server::start(&[]);
    let (report, _, _) = phone(&server, "assistant", &["--say", QUESTION]);
    assert_eq!(broken(&report), Vec::<&Value>::new(), "{report}");
    assert!(report["greeting_ms"].is_u64() && report["turns"][0]["answer_ms"].is_u64(), "{report}");
    let sid = report["call_sid"].clone();
    let record = server.record(|record| record["carrier_call_id"] == sid && !record["ended_at"].is_null());
    assert_eq!((&record["carrier"], &record["end_reason"]), (&"twilio".into(), &"caller_hung_up".into()));
    let turns = record["turns"].as_array().expect("a record has turns");
    assert!(turns.iter().any(|turn| turn["speaker"] == "caller"), "{record}");
}

#[test]
fn the_server_conforms_to_twilios_documents() {
    let server = Server::start(&[]);
    for (agent, profile) in [("echo", "echo"), ("assistant", "agent")] {
        let url = format!("http://{}/twilio/voice?agent={agent}", server.address);
        let output =
            server.run(&["conformance", "twilio", &url, "--auth-token", TOKEN, "--profile", profile]);
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(!report.contains("SKIP"), "{report}");
    }
}

/// A server whose agent can't be reached and so hands its callers on to this number.
fn handing_on(to: &str) -> Server {
    Server::start(&[
        ("TRUNKLINE__AGENTS__ASSISTANT__SPEECH_TO_SPEECH", "openai"),
        ("TRUNKLINE__AGENTS__ASSISTANT__FAILURE__THEN", "transfer"),
        ("TRUNKLINE__AGENTS__ASSISTANT__TRANSFER__TO__SALES", to),
        ("TRUNKLINE__VENDORS__OPENAI__KEY", "sk-none"),
        // Nothing listens there.
        ("TRUNKLINE__VENDORS__OPENAI__BASE_URL", "http://127.0.0.1:9/v1"),
    ])
}

/// What the API shows of a call, once it is as wanted.
fn shown(server: &Server, id: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + LONG;
    loop {
        let (_, detail) = server.ask("GET", &format!("/api/v1/calls/{id}"), "");
        if is_it(&detail) {
            return detail;
        }
        assert!(Instant::now() < until, "{detail}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_call_is_handed_on_and_its_record_tells_how_that_went() {
    for (to, outcome) in
        [("+12025550177", "completed"), ("+918000009001", "busy"), ("+918000009002", "no-answer")]
    {
        let server = handing_on(to);
        let (report, _, _) = phone(&server, "assistant", &["--wait", "30"]);
        assert_eq!(broken(&report), Vec::<&Value>::new(), "{report}");
        let sid = report["call_sid"].clone();
        let record =
            server.record(|record| record["carrier_call_id"] == sid && !record["ended_at"].is_null());
        assert_eq!((&record["end_reason"], &record["transfer"]), (&"transferred".into(), &"sales".into()));
        let id = record["id"].as_str().expect("a record has an id");
        let detail = shown(&server, id, |detail| detail["carrier_report"]["DialCallStatus"] == outcome);
        assert_eq!((&detail["status"], &detail["end_reason"]), (&"completed".into(), &"transferred".into()));
        let kinds: Vec<&Value> =
            detail["callbacks"].as_array().into_iter().flatten().map(|callback| &callback["kind"]).collect();
        assert!(kinds.contains(&&"dialled".into()), "{detail}");
        assert!(!detail.to_string().contains(to), "whom is the operator's to know: {detail}");
    }
}
