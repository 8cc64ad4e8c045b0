//! Exotel's REST interface and status callback against messages as its documents show them, and against any bytes.

use std::path::Path;
use std::time::Duration;

use carriers::exotel::{ActiveStreams, ExotelMode, ExotelRegion, ExotelRest, status};
use carriers::rest::{
    Asked, Callback, Dial, Dialled, MachineDetection, Rest as _, RestAnswer, RestFaultKind, RestRequest,
    form_pairs,
};
use jiff::Timestamp;
use proptest::prelude::*;
use records::{AnsweredBy, CallRecord, CallStatus, Fact};

const CALL: &str = "5b1d4c0e7a9f42d88e3b60c1f2a7d918";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/exotel").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rest() -> ExotelRest {
    ExotelRest::new("acme1", ExotelMode::Bot)
}

fn dial() -> Dial {
    Dial {
        call: "call_1".to_owned(),
        to: "+919800000001".to_owned(),
        from: "08000000002".to_owned(),
        ring_s: 30,
        longest_s: 3600,
        answer_url: String::new(),
        media_url: "wss://gw.example.com/voicebot/ws?sample-rate=8000".to_owned(),
        status_url: "https://gw.example.com/api/v1/exotel/status?k=7d1f0c".to_owned(),
        machine: MachineDetection::Off,
        machine_url: String::new(),
    }
}

fn answer(status: u16, body: &str) -> RestAnswer<'_> {
    RestAnswer { status, retry_after: None, body: body.as_bytes() }
}

fn form_of(request: &RestRequest) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.form).finish()
}

fn field<'a>(request: &'a RestRequest, name: &str) -> Option<&'a str> {
    request.form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment of a test")
}

fn read(content_type: &str, body: &str) -> Callback {
    let pairs = form_pairs(Some(content_type), body.as_bytes()).expect("it is no multipart form");
    status::callback(at("2025-06-01T05:00:00Z"), &pairs)
}

#[test]
fn a_number_is_connected_with_the_bot_as_the_reference_shows() {
    let request = rest().dial(&dial()).unwrap();
    assert!(request.is_post);
    assert_eq!(request.target, "/v1/Accounts/acme1/Calls/connect.json");
    assert_eq!(form_of(&request), fixture("rest-connect.form").trim());
}

#[test]
fn a_number_is_connected_with_a_flow_or_with_another_number() {
    let dial = Dial { ring_s: 90, longest_s: 20_000, ..dial() };
    let flow = ExotelRest::new("acme1", ExotelMode::Flow { app: "11754".to_owned() }).dial(&dial).unwrap();
    assert_eq!(field(&flow, "Url"), Some("http://my.exotel.com/acme1/exoml/start_voice/11754"));
    assert_eq!((field(&flow, "From"), field(&flow, "To")), (Some("+919800000001"), None));
    assert_eq!((field(&flow, "StreamUrl"), field(&flow, "CallType")), (None, Some("trans")));
    assert_eq!((field(&flow, "TimeOut"), field(&flow, "TimeLimit")), (Some("60"), Some("14400")));

    let second = ExotelMode::Number { second: "+918000000002".to_owned() };
    let number = ExotelRest::new("acme1", second).dial(&dial).unwrap();
    assert_eq!(
        (field(&number, "From"), field(&number, "To")),
        (Some("+919800000001"), Some("+918000000002"))
    );
    assert_eq!((field(&number, "Url"), field(&number, "StreamUrl")), (None, None));
}

#[test]
fn what_exotel_would_not_take_is_not_sent() {
    let refused = |dial: Dial| rest().dial(&dial).map_err(|fault| (fault.kind, fault.why));
    let long = Dial { media_url: format!("wss://gw.example.com/{}", "x".repeat(600)), ..dial() };
    assert!(refused(long).unwrap_err().1.contains("600"));
    let many = Dial { media_url: "wss://gw.example.com/ws?sample-rate=8000&k=1&x=2".to_owned(), ..dial() };
    assert!(refused(many).unwrap_err().1.contains("parameters"));
    let plain = Dial { media_url: "https://gw.example.com/ws".to_owned(), ..dial() };
    assert_eq!(refused(plain).unwrap_err().0, RestFaultKind::Request);
    let id = Dial { call: "x".repeat(129), ..dial() };
    assert!(refused(id).unwrap_err().1.contains("custom field"));
}

#[test]
fn what_comes_of_a_dial() {
    // The phone still rings: `in-progress` is no answer here.
    let taken = Dialled::Taken { id: CALL.to_owned(), status: CallStatus::Queued };
    let json = fixture("rest-connected.json");
    assert_eq!(rest().dialled(answer(200, &json)), taken);
    assert_eq!(rest().dialled(answer(202, &fixture("rest-connected.xml"))), taken);
    let lower = json
        .replace("\"Call\"", "\"call\"")
        .replace("\"Sid\"", "\"sid\"")
        .replace("\"Status\"", "\"status\"");
    assert_eq!(rest().dialled(answer(200, &lower)), taken);

    let kind = |status: u16, body: &str| match rest().dialled(answer(status, body)) {
        Dialled::Refused(fault) => Some(fault.kind),
        Dialled::Unknown { .. } => None,
        Dialled::Taken { id, .. } => panic!("{status} took {id}"),
    };
    let error = fixture("rest-error.json");
    assert_eq!(kind(401, &error), Some(RestFaultKind::Auth));
    assert_eq!(kind(200, &error), Some(RestFaultKind::Auth), "an exception is one whatever the status");
    assert_eq!(kind(402, &fixture("rest-error.xml")), Some(RestFaultKind::Auth));
    assert_eq!(kind(200, &fixture("rest-error.xml")), Some(RestFaultKind::Auth));
    assert_eq!(kind(400, r#"{"RestException":{"Status":400,"Message":"no"}}"#), Some(RestFaultKind::Request));
    assert_eq!(kind(404, ""), Some(RestFaultKind::Request));
    assert_eq!(kind(429, "too many"), Some(RestFaultKind::Busy));
    for (status, body) in [
        (500, ""),
        (503, "<html>"),
        (200, "OK"),
        (200, "{}"),
        (200, r#"{"RestException":{}}"#),
        (200, r#"{"RestException":{"Status":503}}"#),
        (302, ""),
    ] {
        assert_eq!(kind(status, body), None, "{status} {body}");
    }
}

#[test]
fn an_error_names_its_code_and_no_number() {
    let Dialled::Refused(fault) = rest().dialled(answer(401, &fixture("rest-error.json"))) else { panic!() };
    assert_eq!(fault.why, "Exotel 34010, HTTP 401: Authentication failed for +***");
}

#[test]
fn there_is_no_hanging_up() {
    assert_eq!(rest().hang_up(CALL), None);
    assert!(rest().hung_up(answer(200, "{}")).is_err());
}

#[test]
fn details_of_a_call_that_is_over() {
    assert_eq!(rest().look(CALL).target, format!("/v1/Accounts/acme1/Calls/{CALL}.json?details=true"));
    let now = at("2025-06-01T05:00:00Z");
    let seen = rest().seen(now, answer(200, &fixture("rest-details.json"))).unwrap();
    assert_eq!((seen.id.as_str(), seen.status), (CALL, Some(CallStatus::Completed)));
    let mut record = CallRecord::new("call_1", "exotel", now);
    for event in seen.events {
        record.apply(event);
    }
    assert_eq!(record.ended_at, Some(at("2025-06-01T04:30:25Z")));
    assert_eq!(record.duration_s, Some(8), "what was talked, without the ringing");
    assert_eq!(record.price.map(|price| price.amount).as_deref(), Some("1.500"));
    assert_eq!(record.answered_by, Some(AnsweredBy::Human));
    assert_eq!(record.carrier_recordings.len(), 1);

    let live = rest().seen(now, answer(200, &fixture("rest-connected.json"))).unwrap();
    assert_eq!(live.status, Some(CallStatus::Queued));
    let gone =
        rest().seen(now, answer(404, r#"{"RestException":{"Status":404,"Message":"x"}}"#)).unwrap_err();
    assert_eq!(gone.kind, RestFaultKind::NoCall);
    assert_eq!(rest().seen(now, answer(200, "{}")).unwrap_err().kind, RestFaultKind::Garbage);
}

#[test]
fn a_call_that_is_looked_for_has_the_numbers_the_direction_and_the_time() {
    let dial = dial();
    let asked = Asked { since: at("2025-06-01T04:30:00Z"), now: at("2025-06-01T06:00:00Z") };
    assert_eq!(
        rest().find(&dial, asked.since).target,
        "/v1/Accounts/acme1/Calls.json?DateCreated=gte%3A2025-06-01+10%3A00%3A00%3Blte%3A2025-06-01+10%3A05%3A00\
         &From=%2B919800000001&PageSize=100"
    );
    let found = rest().found(&dial, asked, answer(200, &fixture("rest-calls.json"))).unwrap();
    let ids: Vec<&str> = found.iter().map(|seen| seen.id.as_str()).collect();
    assert_eq!(ids, ["newer", "match"]);
    assert_eq!(found[0].status, Some(CallStatus::NoAnswer));
    let none = r#"{"Metadata":{"Total":0},"Calls":[]}"#;
    assert_eq!(rest().found(&dial, asked, answer(200, none)), Ok(Vec::new()));
    assert_eq!(rest().found(&dial, asked, answer(200, "{}")).unwrap_err().kind, RestFaultKind::Garbage);
    // Its media socket opens or it is over, however long it may take and whatever ring time was asked for.
    assert_eq!(rest().settles_after(&dial), Duration::from_secs(60 + 60));
    for mode in
        [ExotelMode::Flow { app: "7".to_owned() }, ExotelMode::Number { second: "+918000000003".to_owned() }]
    {
        assert_eq!(ExotelRest::new("acme1", mode).settles_after(&dial), Duration::from_secs(30 + 3600 + 180));
    }
}

#[test]
fn streams_in_both_shapes() {
    assert_eq!(rest().active_streams().target, "/v1/Accounts/acme1/ActiveStreams");
    let both = Ok(ActiveStreams { active: 3, limit: Some(100) });
    assert_eq!(rest().streams(answer(200, &fixture("rest-streams.xml"))), both);
    assert_eq!(rest().streams(answer(200, &fixture("rest-streams.json"))), both);
    assert_eq!(rest().streams(answer(401, "")).unwrap_err().kind, RestFaultKind::Auth);
    assert_eq!(ExotelRegion::Singapore.base_url(), "https://api.exotel.com");
    assert_eq!(ExotelRegion::default().base_url(), "https://api.in.exotel.com");
}

#[test]
fn a_terminal_callback_is_the_same_in_json_and_as_a_form() {
    let json = read("application/json", &fixture("status-terminal.json"));
    let form = read("application/x-www-form-urlencoded", &fixture("status-terminal.form"));
    assert_eq!(json, form);
    assert_eq!(
        read("text/plain", &fixture("status-terminal.json")),
        json,
        "a wrong content type is no hindrance"
    );
    assert_eq!((json.carrier_call_id.as_str(), json.call.as_str()), (CALL, "lead-42"));
    assert_eq!(json.answered_by, Some(AnsweredBy::Human));
    assert_eq!(json.findings, Vec::<&str>::new());
    let facts: Vec<&Fact> = json.events.iter().map(|event| &event.fact).collect();
    assert_eq!(
        facts,
        [
            &Fact::CarrierCall { id: CALL.to_owned() },
            &Fact::Status { status: CallStatus::Completed, reason: None, detail: String::new() },
            &Fact::Duration { seconds: 41 },
            &Fact::AnsweredBy { by: AnsweredBy::Human },
            &Fact::Recording { url: "https://recordings.exotel.com/exotelrecordings/acme1/x.mp3".to_owned() },
        ]
    );
    assert_eq!(json.events[1].at, at("2025-06-01T04:31:08Z"));
}

#[test]
fn a_multipart_form_is_left_to_who_can_take_it_apart() {
    assert_eq!(form_pairs(Some("multipart/form-data; boundary=x"), b"--x"), None);
}

#[test]
fn only_the_event_answered_is_an_answer() {
    let status = |event: &str, word: &str| {
        let body = format!("CallSid=c&EventType={event}&Status={word}&DateUpdated=2025-06-01+10:00:05");
        let callback = read("", &body);
        let status = callback.events.iter().find_map(|event| match &event.fact {
            Fact::Status { status, .. } => Some(*status),
            _ => None,
        });
        (status, callback.findings)
    };
    assert_eq!(status("answered", "in-progress"), (Some(CallStatus::InProgress), vec![]));
    assert_eq!(status("ringing", "in-progress"), (Some(CallStatus::Ringing), vec![]));
    assert_eq!(status("", "in-progress"), (Some(CallStatus::Queued), vec![]));
    assert_eq!(status("", "no-answer"), (Some(CallStatus::NoAnswer), vec![]));
    assert_eq!(status("answered", "completed"), (Some(CallStatus::Completed), vec![]));
    assert_eq!(status("terminal", "in-progress"), (None, vec!["terminal_but_not_over"]));
    assert_eq!(status("terminal", "vanished"), (None, vec!["unknown_status"]));
    assert_eq!(status("resurrected", "busy"), (Some(CallStatus::Busy), vec!["unknown_event"]));
}

#[test]
fn the_operators_words_are_kept_where_an_account_is_told_them() {
    let callback = read(
        "",
        "CallSid=c&EventType=terminal&Status=failed&Legs[0][CauseCode]=1&Legs[0][Cause]=no+route+to+09800000001",
    );
    let detail = callback.events.iter().find_map(|event| match &event.fact {
        Fact::Status { detail, .. } => Some(detail.as_str()),
        _ => None,
    });
    assert_eq!(detail, Some("cause 1: no route to ***"));
}

proptest! {
    /// A call only ends by one of the words that mean it, whatever else comes.
    #[test]
    fn no_other_word_ends_a_call(
        word in "[a-z-]{0,12}", event in "[a-z]{0,9}",
        more in prop::collection::vec(("[A-Za-z\\[\\]0-9]{0,20}", ".{0,20}"), 0..8),
    ) {
        let known = ["completed", "busy", "no-answer", "failed", "canceled", "cancelled"];
        let mut pairs: Vec<(String, String)> =
            [("CallSid", "c"), ("Status", &word), ("EventType", &event)].map(|(k, v)| (k.into(), v.into())).into();
        pairs.extend(more);
        let now = at("2025-06-01T05:00:00Z");
        let callback = status::callback(now, &pairs);
        let ended = callback.events.iter().any(|event| {
            matches!(event.fact, Fact::Status { status, .. } if status.is_final())
        });
        prop_assert_eq!(ended, known.contains(&word.as_str()));
        prop_assert!(callback.events.iter().all(|event| event.at <= now), "nothing comes from the future");
    }

    /// Any answer is read as something, and nobody is dialled by what says nothing.
    #[test]
    fn any_answer_is_understood_or_is_a_fault(code in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (rest, now) = (rest(), at("2025-06-01T05:00:00Z"));
        let answer = RestAnswer { status: code, retry_after: None, body: &body };
        if let Dialled::Taken { id, .. } = rest.dialled(answer) {
            prop_assert!(!id.is_empty() && (200..300).contains(&code));
        }
        let _ = rest.seen(now, answer);
        let _ = rest.streams(answer);
        let _ = rest.found(&dial(), Asked { since: now, now }, answer);
        if let Some(pairs) = form_pairs(None, &body) {
            let _ = status::callback(now, &pairs);
        }
    }
}
