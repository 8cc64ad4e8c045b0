//! Answers and callbacks of any bytes, from something that says it is a carrier.

use carriers::exotel::{self, ExotelMode, ExotelRest};
use carriers::rest::{Asked, Callback, Dial, Dialled, MachineDetection, Rest, RestAnswer, form_pairs};
use carriers::twilio::TwilioRest;
use carriers::twilio::callbacks::{self, Form};
use jiff::Timestamp;
use records::{CallRecord, Fact};

use super::bytes::Bytes;

/// Whatever a carrier says, it is understood or it is a fault. No call is taken without an id; nothing comes from the
/// future; a number that is in it does not get into an error; and the record takes all of it in, with a call that
/// ended staying so.
///
/// The first byte says whose it is and what, the second the HTTP status, the rest is the body.
pub fn carrier_rest(data: &[u8]) {
    let mut bytes = Bytes(data);
    let kind = bytes.byte() % 8;
    let status = bytes.pick([200, 201, 400, 401, 402, 404, 429, 500, 503, 302]);
    let body = bytes.0;
    let now = Timestamp::from_second(1_748_752_200).expect("a moment in 2025");
    match kind {
        0 | 1 => answered(&TwilioRest::new("AC1"), status, body, now),
        2 | 3 => answered(&ExotelRest::new("acme1", ExotelMode::Bot), status, body, now),
        _ => {
            let Some(pairs) = form_pairs(None, body) else { return };
            let form = Form { pairs: &pairs, token: None, now };
            let callback = match kind {
                4 => callbacks::status(form),
                5 => callbacks::machine(form),
                6 if body.first() == Some(&b'R') => callbacks::recording(form),
                6 => callbacks::stream(form),
                _ => exotel::status::callback(now, &pairs),
            };
            called_back(callback, now);
        }
    }
}

fn answered(rest: &dyn Rest, status: u16, body: &[u8], now: Timestamp) {
    let answer = RestAnswer { status, retry_after: None, body };
    let dial = dial();
    match rest.dialled(answer) {
        Dialled::Taken { id, .. } => {
            assert!(!id.is_empty() && id.len() <= 256, "a call has an id");
            assert!((200..300).contains(&status), "{status} took a call");
        }
        Dialled::Refused(fault) => says_no_number(&fault.why),
        Dialled::Unknown { why } => says_no_number(&why),
    }
    if let Err(fault) = rest.hung_up(answer) {
        says_no_number(&fault.why);
    }
    let seen = rest.seen(now, answer).into_iter();
    let found = rest.found(&dial, Asked { since: now, now }, answer).unwrap_or_default();
    let mut record = CallRecord::new("call_1", rest.name(), now);
    for event in seen.chain(found).flat_map(|seen| seen.events) {
        assert!(event.at <= now, "nothing comes from the future");
        record.apply(event);
    }
}

fn called_back(callback: Callback, now: Timestamp) {
    assert!(!callback.key.is_empty(), "every callback has a key");
    assert!(callback.carrier_call_id.len() <= 256 && callback.call.len() <= 1024, "ids are bounded");
    assert!(callback.events.is_empty() || !callback.carrier_call_id.is_empty(), "words about no call");
    let mut record = CallRecord::new("call_1", "twilio", now);
    let mut ended = false;
    for event in callback.events {
        assert!(event.at <= now, "nothing comes from the future");
        ended |= matches!(event.fact, Fact::Status { status, .. } if status.is_final());
        record.apply(event);
    }
    assert_eq!(record.status.is_final(), ended);
}

/// Seven digits in a row are a number, or might as well be.
fn says_no_number(why: &str) {
    let longest = why.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    assert!(longest < Some(7), "a number in: {why}");
}

fn dial() -> Dial {
    Dial {
        call: "call_1".to_owned(),
        to: "+919800000001".to_owned(),
        from: "+12025550123".to_owned(),
        ring_s: 30,
        longest_s: 3600,
        answer_url: "https://gw.example.com/twilio/voice".to_owned(),
        media_url: "wss://gw.example.com/voicebot/ws".to_owned(),
        status_url: "https://gw.example.com/status".to_owned(),
        machine: MachineDetection::Off,
        machine_url: String::new(),
    }
}
