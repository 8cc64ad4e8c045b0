//! Twilio's REST interface and callbacks against messages as its documents show them, and against any bytes.

use std::path::Path;
use std::time::Duration;

use carriers::rest::{
    Asked, Callback, Dial, Dialled, MachineDetection, Rest as _, RestAnswer, RestFaultKind, RestRequest,
};
use carriers::twilio::callbacks::{self, Form};
use carriers::twilio::{Redirect, TwilioRest, base_url};
use jiff::Timestamp;
use proptest::prelude::*;
use records::{AnsweredBy, CallStatus, Fact};

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const CALL: &str = "CAcccccccccccccccccccccccccccccccc";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/twilio").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rest() -> TwilioRest {
    TwilioRest::new(ACCOUNT)
}

/// The numbers are put together, since a number in the source would look like somebody's.
fn number(last: u32) -> String {
    format!("+1415555{last:04}")
}

fn dial() -> Dial {
    Dial {
        call: "call_1".to_owned(),
        to: number(101),
        from: number(100),
        ring_s: 30,
        longest_s: 3600,
        answer_url: "https://gw.example.com/twilio/voice".to_owned(),
        media_url: String::new(),
        status_url: "https://gw.example.com/twilio/status".to_owned(),
        machine: MachineDetection::Detect,
        machine_url: "https://gw.example.com/twilio/amd".to_owned(),
    }
}

fn answer(status: u16, body: &str) -> RestAnswer<'_> {
    RestAnswer { status, retry_after: None, body: body.as_bytes() }
}

fn form_of(request: &RestRequest) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.form).finish()
}

fn pairs(form: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(form.trim().as_bytes()).into_owned().collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment of a test")
}

fn read(read: fn(Form<'_>) -> Callback, form: &str) -> Callback {
    read(Form { pairs: &pairs(form), token: None, now: at("2018-03-25T10:00:00Z") })
}

fn facts(callback: &Callback) -> Vec<&Fact> {
    callback.events.iter().map(|event| &event.fact).collect()
}

#[test]
fn a_call_is_created_as_the_reference_shows() {
    let request = rest().dial(&dial()).unwrap();
    assert!(request.is_post);
    assert_eq!(request.target, format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json"));
    assert_eq!(form_of(&request), fixture("create.form").trim());

    let waits = Dial { machine: MachineDetection::MessageEnd, ..dial() };
    assert!(
        form_of(&rest().dial(&waits).unwrap()).contains("MachineDetection=DetectMessageEnd&AsyncAmd=true")
    );
    let off = Dial { machine: MachineDetection::Off, ring_s: 5000, ..dial() };
    let off = form_of(&rest().dial(&off).unwrap());
    assert!(
        !off.contains("Amd") && !off.contains("MachineDetection") && off.contains("Timeout=600"),
        "{off}"
    );
}

#[test]
fn a_region_has_an_edge() {
    assert_eq!(base_url(None, None).as_deref(), Ok("https://api.twilio.com"));
    assert_eq!(base_url(Some("ie1"), Some("dublin")).as_deref(), Ok("https://api.dublin.ie1.twilio.com"));
    assert_eq!(base_url(Some("ie1"), None).unwrap_err().kind, RestFaultKind::Request);
    assert_eq!(base_url(Some(""), Some("dublin")).unwrap_err().kind, RestFaultKind::Request);
}

#[test]
fn a_host_that_twilio_refuses_is_refused_before_it_is_asked() {
    let dial = Dial { status_url: "https://my_gw.example.com:8443/twilio/status".to_owned(), ..dial() };
    assert_eq!(rest().dial(&dial).unwrap_err().kind, RestFaultKind::Request);
    let path = Dial { status_url: "https://gw.example.com/my_status".to_owned(), ..dial };
    assert!(rest().dial(&path).is_ok());
}

#[test]
fn nothing_that_prints_a_request_prints_a_number() {
    let request = rest().dial(&dial()).unwrap();
    let find = rest().find(&dial(), at("2018-03-25T09:53:19Z"));
    let printed = format!("{request:?} {find:?} {:?}", dial());
    assert!(!printed.contains("1415") && !printed.contains("gw.example.com"), "{printed}");
}

#[test]
fn what_comes_of_a_dial() {
    let taken = rest().dialled(answer(201, &fixture("call-queued.json")));
    assert_eq!(taken, Dialled::Taken { id: CALL.to_owned(), status: CallStatus::Queued });

    let kind = |status: u16, body: &str| match rest().dialled(answer(status, body)) {
        Dialled::Refused(fault) => Some(fault.kind),
        Dialled::Unknown { .. } => None,
        Dialled::Taken { id, .. } => panic!("{status} took {id}"),
    };
    assert_eq!(kind(400, &fixture("error-21211.json")), Some(RestFaultKind::Request));
    assert_eq!(kind(429, &fixture("error-rfc9457.json")), Some(RestFaultKind::Busy));
    assert_eq!(kind(429, "slow down"), Some(RestFaultKind::Busy));
    assert_eq!(kind(401, r#"{"code":20003,"message":"Authenticate"}"#), Some(RestFaultKind::Auth));
    assert_eq!(kind(403, "<html>no</html>"), Some(RestFaultKind::Auth));
    assert_eq!(kind(404, r#"{"code":20404,"message":"not found"}"#), Some(RestFaultKind::Request));
    // The request may have been done all the same.
    for (status, body) in [
        (500, "{}"),
        (502, "Bad gateway"),
        (503, ""),
        (504, ""),
        (408, ""),
        (302, ""),
        (201, "<html>"),
        (200, "{}"),
    ] {
        assert_eq!(kind(status, body), None, "{status} {body}");
    }
}

#[test]
fn an_error_names_its_code_and_no_number() {
    let Dialled::Refused(fault) = rest().dialled(answer(400, &fixture("error-21211.json"))) else { panic!() };
    assert_eq!(fault.why, "Twilio 21211, HTTP 400: The 'To' number *** is not a valid phone number.");
    let busy = RestAnswer {
        retry_after: Some(Duration::from_secs(2)),
        ..answer(429, r#"{"code":20429,"message":"from +1 415 555 0101"}"#)
    };
    let Dialled::Refused(fault) = rest().dialled(busy) else { panic!() };
    assert_eq!(fault.retry_after, Some(Duration::from_secs(2)));
    assert!(!fault.why.contains("415"), "{}", fault.why);
}

#[test]
fn a_call_that_is_over_counts_as_ended() {
    let request = rest().hang_up(CALL).unwrap();
    assert_eq!(request.target, format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"));
    assert_eq!((request.is_post, form_of(&request).as_str()), (true, "Status=completed"));
    assert_eq!(form_of(&rest().cancel(CALL)), "Status=canceled");

    let gone = r#"{"code":21220,"message":"Call is not in-progress. Cannot redirect.","status":400}"#;
    assert_eq!(rest().hung_up(answer(400, gone)), Ok(()));
    assert_eq!(rest().hung_up(answer(404, r#"{"code":20404,"message":"no"}"#)), Ok(()));
    assert_eq!(rest().hung_up(answer(404, "gone")), Ok(()));
    assert_eq!(rest().hung_up(answer(200, &fixture("call-completed.json"))), Ok(()));
    assert_eq!(rest().hung_up(answer(400, "{}")).unwrap_err().kind, RestFaultKind::Request);
    assert_eq!(rest().hung_up(answer(503, "")).unwrap_err().kind, RestFaultKind::Server);
    assert_eq!(rest().hung_up(answer(200, "<html>")).unwrap_err().kind, RestFaultKind::Garbage);
}

#[test]
fn a_live_call_is_sent_elsewhere() {
    let redirect = rest().redirect(CALL, Redirect::Twiml("<Response><Hangup/></Response>"));
    assert_eq!(form_of(&redirect), "Twiml=%3CResponse%3E%3CHangup%2F%3E%3C%2FResponse%3E");
    assert_eq!(
        form_of(&rest().redirect(CALL, Redirect::Url("https://gw.example.com/x"))),
        "Url=https%3A%2F%2Fgw.example.com%2Fx"
    );
    let gone = rest().seen(at("2018-03-25T10:00:00Z"), answer(400, r#"{"code":21220}"#)).unwrap_err();
    assert_eq!(gone.kind, RestFaultKind::NoCall);
}

#[test]
fn an_id_can_not_leave_its_place_in_the_path() {
    assert_eq!(
        rest().look("../../Messages.json?x=").target,
        format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/Messagesjsonx.json")
    );
}

#[test]
fn a_call_that_is_over_says_when_for_how_long_and_for_how_much() {
    let now = at("2010-08-31T21:00:00Z");
    let seen = rest().seen(now, answer(200, &fixture("call-completed.json"))).unwrap();
    assert_eq!((seen.id.as_str(), seen.status), (CALL, Some(CallStatus::Completed)));
    let mut record = records::CallRecord::new("call_1", "twilio", now);
    for event in seen.events {
        record.apply(event);
    }
    assert_eq!(record.carrier_call_id, CALL);
    assert_eq!(record.ended_at, Some(at("2010-08-31T20:36:44Z")));
    assert_eq!(record.duration_s, Some(15));
    let price = record.price.unwrap();
    assert_eq!((price.amount.as_str(), price.currency.as_str()), ("0.03000", "USD"));
    assert_eq!(record.answered_by, Some(AnsweredBy::MachineBeep));
}

#[test]
fn a_word_that_nobody_knows_ends_nothing() {
    let body = fixture("call-completed.json").replace("\"completed\"", "\"evaporated\"");
    let seen = rest().seen(at("2010-08-31T21:00:00Z"), answer(200, &body)).unwrap();
    assert_eq!(seen.status, None);
    assert!(!seen.events.iter().any(|event| matches!(event.fact, Fact::Status { .. })));
    assert!(!seen.events.iter().any(|event| matches!(event.fact, Fact::Duration { .. })));
}

#[test]
fn a_call_that_is_looked_for_has_the_numbers_the_direction_and_the_time() {
    let dial = dial();
    let asked = Asked { since: at("2010-08-31T20:36:00Z"), now: at("2010-08-31T20:37:00Z") };
    let request = rest().find(&dial, asked.since);
    assert_eq!(
        request.target,
        format!(
            "/2010-04-01/Accounts/{ACCOUNT}/Calls.json?To=%2B14155550101&From=%2B14155550100&PageSize=100"
        )
    );
    let found = rest().found(&dial, asked, answer(200, &fixture("calls.json"))).unwrap();
    let ids: Vec<String> = found.iter().map(|seen| seen.id[2..3].to_owned()).collect();
    // The one without a date is the newest; others differ in direction, number or time.
    assert_eq!(ids, ["6", "1"]);
    assert_eq!(found[1].status, Some(CallStatus::Completed));
    assert_eq!(rest().found(&dial, asked, answer(200, &fixture("calls-none.json"))), Ok(Vec::new()));
    assert_eq!(
        rest().found(&dial, asked, answer(200, "{\"hello\":1}")).unwrap_err().kind,
        RestFaultKind::Garbage,
        "what is no list does not say that there is no call"
    );
}

#[test]
fn a_final_callback_as_it_was_captured() {
    let callback = read(callbacks::status, &fixture("status-completed.form"));
    assert_eq!(callback.carrier_call_id, CALL);
    assert_eq!(callback.findings, Vec::<&str>::new());
    assert_eq!(callback.answered_by, Some(AnsweredBy::Human));
    assert_eq!(
        facts(&callback),
        [
            &Fact::CarrierCall { id: CALL.to_owned() },
            &Fact::Status { status: CallStatus::Completed, reason: None, detail: String::new() },
            &Fact::Duration { seconds: 49 },
            &Fact::AnsweredBy { by: AnsweredBy::Human },
        ]
    );
    assert_eq!(callback.events[1].at, at("2018-03-25T09:53:19Z"));

    let busy = read(callbacks::status, &fixture("status-busy.form"));
    assert!(facts(&busy).contains(&&Fact::Status {
        status: CallStatus::Busy,
        reason: None,
        detail: "SIP 486".to_owned()
    }));
}

#[test]
fn the_key_is_the_same_for_one_callback_and_differs_between_two() {
    let form = fixture("status-completed.form");
    let once = read(callbacks::status, &form);
    assert_eq!(read(callbacks::status, &form).key, once.key);
    assert_ne!(read(callbacks::status, &form.replace("SequenceNumber=3", "SequenceNumber=2")).key, once.key);
    assert_ne!(read(callbacks::machine, &form).key, once.key);
    let (pairs, now) = (pairs(&form), at("2018-03-25T10:00:00Z"));
    let with_token = callbacks::status(Form { pairs: &pairs, token: Some("5d2f"), now });
    assert_eq!(with_token.key, "5d2f");
}

#[test]
fn who_picked_up() {
    let beep = read(callbacks::machine, &fixture("amd.form"));
    assert_eq!(beep.answered_by, Some(AnsweredBy::MachineBeep));
    let by = |word: &str| {
        let form = fixture("amd.form").replace("machine_end_beep", word);
        let callback = read(callbacks::machine, &form);
        (callback.answered_by, callback.findings)
    };
    assert_eq!(by("human"), (Some(AnsweredBy::Human), vec![]));
    assert_eq!(by("machine_start"), (Some(AnsweredBy::Machine), vec![]));
    assert_eq!(by("machine_end_other"), (Some(AnsweredBy::MachineBeep), vec![]));
    assert_eq!(by("fax"), (Some(AnsweredBy::Fax), vec![]));
    assert_eq!(by("unknown"), (Some(AnsweredBy::Unknown), vec![]));
    assert_eq!(by("parrot"), (None, vec!["unknown_answered_by"]));
    assert_eq!(by(""), (None, vec!["no_answered_by"]));
}

#[test]
fn recordings_and_streams() {
    let recording = read(callbacks::recording, &fixture("recording.form"));
    let is_there =
        |callback: &Callback| facts(callback).iter().any(|fact| matches!(fact, Fact::Recording { .. }));
    assert!(is_there(&recording));
    let later = fixture("recording.form").replace("RecordingStatus=completed", "RecordingStatus=in-progress");
    assert!(!is_there(&read(callbacks::recording, &later)));
    let odd = fixture("recording.form").replace("https%3A", "javascript%3A");
    assert!(!is_there(&read(callbacks::recording, &odd)));

    let stream = read(callbacks::stream, &fixture("stream-error.form"));
    assert_eq!(stream.findings, ["stream_error"]);
    let Fact::Report { fields } = facts(&stream)[1] else { panic!("{stream:?}") };
    assert_eq!(fields["StreamError"], "31920 - Stream - WebSocket - Handshake Error");
    assert_eq!(fields["stream-error"], "2018-03-25T09:53:19Z");
}

#[test]
fn a_callback_without_a_call_says_nothing() {
    let callback = read(callbacks::status, "CallStatus=completed&CallDuration=3");
    assert_eq!((callback.events.len(), callback.findings), (0, vec!["no_call_sid"]));
}

fn any_form() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        Just("CallSid".to_owned()),
        Just("CallStatus".to_owned()),
        Just("AnsweredBy".to_owned()),
        Just("CallDuration".to_owned()),
        Just("Timestamp".to_owned()),
        Just("StreamEvent".to_owned()),
        ".{0,8}",
    ];
    let value = prop_oneof![".{0,24}", Just("completed".to_owned()), Just("CA1".to_owned()), "[0-9]{0,12}"];
    prop::collection::vec((name, value), 0..12)
}

proptest! {
    /// A call only ends by one of the five words that mean it, whatever else comes.
    #[test]
    fn no_other_word_ends_a_call(form in any_form(), word in "[a-z-]{0,12}") {
        let known = ["completed", "busy", "no-answer", "failed", "canceled", "cancelled"];
        let mut pairs = vec![("CallSid".to_owned(), "CA1".to_owned()), ("CallStatus".to_owned(), word.clone())];
        pairs.extend(form);
        let now = at("2018-03-25T10:00:00Z");
        for read in [callbacks::status, callbacks::machine, callbacks::recording, callbacks::stream] {
            let callback = read(Form { pairs: &pairs, token: None, now });
            let ended = callback.events.iter().any(|event| {
                matches!(event.fact, Fact::Status { status, .. } if status.is_final())
            });
            prop_assert!(!ended || known.contains(&word.as_str()), "{word} ended a call");
            prop_assert!(callback.events.iter().all(|event| event.at <= now), "nothing comes from the future");
        }
    }

    /// Any answer is read as something, and nobody is dialled by what says nothing.
    #[test]
    fn any_answer_is_understood_or_is_a_fault(status in 100u16..600, body in ".{0,200}") {
        let (rest, now) = (rest(), at("2018-03-25T10:00:00Z"));
        let answer = answer(status, &body);
        if let Dialled::Taken { id, .. } = rest.dialled(answer) {
            prop_assert!(!id.is_empty() && (200..300).contains(&status));
        }
        let _ = rest.hung_up(answer);
        prop_assert!(rest.seen(now, answer).is_err() || body.contains("sid"));
        let _ = rest.found(&dial(), Asked { since: now, now }, answer);
    }
}

#[test]
fn where_a_numbers_calls_go() {
    let request = rest().number(&number(100)).unwrap();
    assert_eq!(
        request.target,
        format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json?PhoneNumber=%2B14155550100")
    );
    let seen = |number: &str| rest().number_seen(number, answer(200, &fixture("numbers.json"))).unwrap();
    let settings = seen(&number(100)).unwrap();
    assert_eq!(
        settings.id, "PNdddddddddddddddddddddddddddddddd",
        "not the longer one, which the filter gives too"
    );
    assert_eq!(settings.voice_url, "https://demo.example.com/welcome?k=canary");
    assert_eq!((settings.is_post, settings.status_url.as_str(), settings.elsewhere), (false, "", false));
    assert!(!format!("{settings:?}").contains("canary"));
    assert_eq!(seen(&number(199)), None);
    assert!(rest().number_seen(&number(100), answer(200, "{}")).is_err());

    let point = rest().point(&settings.id, "https://gw.example.com/v", "https://gw.example.com/s").unwrap();
    assert!(
        point.target.ends_with("/IncomingPhoneNumbers/PNdddddddddddddddddddddddddddddddd.json"),
        "{point:?}"
    );
    assert_eq!(
        form_of(&point),
        "VoiceUrl=https%3A%2F%2Fgw.example.com%2Fv&VoiceMethod=POST&StatusCallback=https%3A%2F%2Fgw.example.com%2Fs\
         &StatusCallbackMethod=POST"
    );
}
