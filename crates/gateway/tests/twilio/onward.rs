//! Calls that are handed on, verdicts that come before their calls do, and what placed calls bring along.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use call::{FailureThen, Settings, Transfer};
use gateway::{Agent, Transfers};
use records::CallStatus;

use super::*;

const DESK: &str = "+12025550177";

/// An agent that can't be reached and so hands its callers on.
fn desk(usual: &str) -> Agent {
    let mut settings =
        Settings { agent: AgentKind::Assistant, speech_to_speech: true, ..Settings::default() };
    settings.failure.then = FailureThen::Transfer;
    settings.limits.mark_ms = 100;
    settings.tools.transfer = Transfer { to: vec!["sales".to_owned()], usual: usual.to_owned() };
    let mut agent = Agent::new("desk", settings);
    agent.transfers = Transfers {
        to: BTreeMap::from([("sales".to_owned(), DESK.to_owned())]),
        ring: Duration::from_secs(20),
        unreached: "Nobody is there.".to_owned(),
        ..Transfers::default()
    };
    agent
}

fn desk_config() -> Config {
    Config { default_agent: "desk".to_owned(), ..config() }
}

/// What waits on the disk for the tables.
fn spooled(server: &Server) -> Vec<String> {
    let folder = server.data.path().join("spool");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// A call that its agent hands on; our id of it.
async fn handed_on(server: &Server) -> String {
    let reference = reference(server, CALL).await;
    let mut carrier = open(server).await;
    start(&mut carrier, CALL, &reference).await;
    assert_eq!(carrier.close_code().await, Some(1000));
    reference.split('.').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_is_handed_on_to_whom_the_configuration_names_and_lives_on() {
    let server = Server::with(desk_config(), desk("sales")).await;
    let id = handed_on(&server).await;
    let after = format!("/twilio/after?call={id}");
    let (status, twiml) = post(&server, &after, &form(CALL, "")).await;
    let wanted = format!(
        "<Response><Dial action=\"{PUBLIC}/twilio/dialled?call={id}&amp;agent=desk&amp;to=sales\" method=\"POST\" \
         timeout=\"20\"><Number>{DESK}</Number></Dial></Response>"
    );
    assert!(status == 200 && twiml.ends_with(&wanted), "{twiml}");
    assert_eq!(post(&server, &after, &form(CALL, "")).await.1, twiml, "asked again, answered the same");
    let record = server.record().await;
    assert_eq!((record.status, record.end_reason), (CallStatus::InProgress, Some(EndReason::Transferred)));
    assert_eq!(record.transfer.as_deref(), Some("sales"));
    // In a call that we placed they see our number, not that of the person called.
    let placed = form(CALL, "").replace("inbound", "outbound-api");
    let (_, twiml) = post(&server, &after, &placed).await;
    assert!(twiml.contains("callerId=\"+12025550123\""), "{twiml}");
    // Another call is none of this.
    let (_, twiml) = post(&server, &after, &form("CAdddddddddddddddddddddddddddddddd", "")).await;
    assert!(twiml.ends_with("<Response><Hangup/></Response>"), "{twiml}");
}

#[tokio::test]
async fn the_end_of_the_leg_is_kept_and_who_reached_nobody_hears_so() {
    let server = Server::with(desk_config(), desk("sales")).await;
    let id = handed_on(&server).await;
    let dialled = format!("/twilio/dialled?call={id}&agent=desk&to=sales");
    for (status, says) in [
        ("completed", false),
        ("answered", false),
        ("busy", true),
        ("no-answer", true),
        ("failed", true),
        ("canceled", false),
    ] {
        let more = format!("&DialCallStatus={status}&DialCallSid=CA7&DialCallDuration=42");
        let (code, twiml) = post(&server, &dialled, &form(CALL, &more)).await;
        let says_so = twiml.contains("<Say language=\"en-IN\">Nobody is there.</Say>");
        assert!(code == 200 && twiml.ends_with("<Hangup/></Response>"), "{twiml}");
        assert_eq!(says_so, says, "{status}: {twiml}");
        let kept = spooled(&server);
        let is_it =
            |text: &&String| text.contains(&id) && text.contains(&format!("\"DialCallStatus\":\"{status}\""));
        let text = kept.iter().find(is_it).unwrap_or_else(|| panic!("{status}: {kept:?}"));
        assert!(text.contains("\"transferred\"") && text.contains("\"DialCallDuration\":\"42\""), "{text}");
        assert!(!text.contains(DESK), "no number: {text}");
    }
    for headers in ["", "X-Twilio-Signature: x\r\n"] {
        assert_ne!(post_with(&server, &dialled, &form(CALL, ""), headers).await.0, 200);
    }
}

#[tokio::test]
async fn a_call_that_is_handed_to_nobody_ends() {
    let server = Server::with(desk_config(), desk("")).await;
    let id = handed_on(&server).await;
    let (_, twiml) = post(&server, &format!("/twilio/after?call={id}"), &form(CALL, "")).await;
    assert!(twiml.ends_with("<Response><Hangup/></Response>"), "{twiml}");
    let record = server.record().await;
    assert_eq!((record.status, record.end_reason), (CallStatus::Completed, Some(EndReason::Transferred)));
}

#[tokio::test]
async fn another_carriers_flow_is_steered_by_whom_the_call_was_handed_to() {
    let server =
        Server::with(Config { default_agent: "desk".to_owned(), ..Config::default() }, desk("sales")).await;
    let mut carrier = server.open("call_id=e1").await.unwrap();
    carrier.connected().await;
    carrier.start("e1", 8000).await;
    assert_eq!(carrier.close_code().await, Some(1000));
    let passthru = |query: &str| format!("/api/v1/exotel/passthru?CallSid=e1{query}");
    for (query, wanted) in [
        ("", 200),
        ("&transfer=sales", 200),
        ("&transfer=Sales", 200),
        ("&transfer=*", 200),
        ("&transfer=support", 302),
    ] {
        assert_eq!(server.get(&passthru(query)).await.0, wanted, "{query}");
    }
    assert_eq!(server.get("/api/v1/exotel/passthru?CallSid=other&transfer=*").await.0, 302);
    // Its flow goes on without us, so the call is over here.
    assert_eq!(server.record().await.status, CallStatus::Completed);
}

#[tokio::test]
async fn a_verdict_that_comes_before_its_call_waits_for_it() {
    let settings = Settings {
        agent: AgentKind::Silent,
        answering_machine: call::AnsweringMachine::HangUp,
        ..Settings::default()
    };
    let server =
        Server::with(Config { default_agent: "quiet".to_owned(), ..config() }, Agent::new("quiet", settings))
            .await;
    let id = CallId::new(jiff::Timestamp::now(), [7; 10]);
    // Twice, and in the wrong order: the surer word stays.
    for by in [AnsweredBy::MachineBeep, AnsweredBy::Machine, AnsweredBy::Unknown, AnsweredBy::MachineBeep] {
        assert!(!server.gateway.answered_by(id, by), "it does not run yet");
    }
    let placed = form(CALL, "").replace("inbound", "outbound-api");
    let (_, twiml) = post(&server, &format!("/twilio/voice?call={id}"), &placed).await;
    let reference = parameter(&twiml, "call_ref").unwrap().to_owned();
    let mut carrier = open(&server).await;
    start(&mut carrier, CALL, &reference).await;
    assert_eq!(carrier.close_code().await, Some(1000));
    let record = server.record().await;
    assert_eq!(record.answered_by, Some(AnsweredBy::MachineBeep));
    assert_eq!((record.id, record.end_reason), (id.to_string(), Some(EndReason::AgentEnded)));
    // Over, it is told nothing, and nothing is kept for another of its id.
    assert!(!server.gateway.answered_by(id, AnsweredBy::Human));
}

/// A call of a carrier that can be given nothing; the record's variables, and how long it took to begin.
async fn placed(server: &Server, id: CallId) -> (BTreeMap<String, String>, Duration) {
    let began = Instant::now();
    let mut carrier = server.open(&format!("call_ref={id}")).await.unwrap();
    carrier.connected().await;
    carrier.start("e1", 8000).await;
    carrier.media(&[1; 320]).await;
    carrier.audio().await;
    let took = began.elapsed();
    carrier.stop("callended").await;
    assert_eq!(carrier.close_code().await, Some(1000));
    (server.record().await.custom, took)
}

fn asha() -> BTreeMap<String, String> {
    BTreeMap::from([("name".to_owned(), "Asha".to_owned())])
}

#[tokio::test]
async fn a_placed_call_brings_along_what_was_said_of_it_or_what_is_kept_elsewhere() {
    let id = |n| CallId::new(jiff::Timestamp::UNIX_EPOCH, [n; 10]);
    let server = Server::start(AgentKind::Echo).await;
    server.gateway.expect(id(1), asha());
    assert_eq!(placed(&server, id(1)).await.0, asha());

    // Its flow asks for a socket without our id: the carrier's own says whose call it is.
    let server = Server::start(AgentKind::Echo).await;
    server.gateway.expect(id(4), asha());
    server.gateway.known_as(id(4), "exotel", "e4");
    let mut carrier = server.open("call_id=e4").await.unwrap();
    carrier.connected().await;
    carrier.start("e4", 8000).await;
    carrier.stop("callended").await;
    assert_eq!(carrier.close_code().await, Some(1000));
    let record = server.record().await;
    assert_eq!((record.id, record.direction), (id(4).to_string(), Direction::Outbound));
    assert_eq!(record.custom, asha());

    // Placed by another process: the tables know.
    let server = Server::start(AgentKind::Echo).await;
    server.gateway.looks_up(Arc::new(|_| Box::pin(async { Some(asha()) })));
    assert_eq!(placed(&server, id(2)).await.0, asha());

    // The tables are away: the call begins without.
    let server = Server::start(AgentKind::Echo).await;
    server.gateway.looks_up(Arc::new(|_| Box::pin(std::future::pending())));
    let (custom, took) = placed(&server, id(3)).await;
    assert_eq!(custom, BTreeMap::new());
    assert!(took < LONG / 2, "{took:?}");
}
