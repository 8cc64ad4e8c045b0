//! Twilio's Calls resource (Twilio, "Call resource", API version 2010-04-01): what it is asked and what it answers.

use std::time::Duration;

use jiff::Timestamp;
use records::{CallEvent, CallStatus, Fact, Price, Witness};

use super::numbers;
use super::words::{answered_by_of, status_of, time_of};
use crate::rest::{
    Asked, Dial, Dialled, Flat, MachineDetection, NumberSettings, Rest, RestAnswer, RestFault, RestFaultKind,
    RestRequest, Seen, status_fault, with_parameter,
};
use crate::text;

/// The account's resources.
pub(super) const VERSION: &str = "/2010-04-01/Accounts";
/// "Call is not in-progress. Cannot redirect.": to one who wants it ended, it is.
const NOT_IN_PROGRESS: u32 = 21220;
/// Authentication failed.
const NOT_AUTHENTICATED: u32 = 20003;
/// Resource not found.
const NOT_FOUND: u32 = 20404;
/// Too many requests at once. "Not processed", so it may be sent again.
const TOO_MANY: u32 = 20429;
/// Twilio's codes have five digits.
const LARGEST_CODE: u32 = 99_999;
/// How long it can take, from the wish to dial, until the request has reached Twilio if it ever does: half a minute for
/// its turn, a quarter for the request, and some to spare.
const DIALLING: Duration = Duration::from_secs(50);
/// How long a phone may ring (`Timeout`).
const LONGEST_RING_S: u32 = 600;
/// How many calls a list gives at once; of one pair of numbers in one day there are fewer.
const PAGE: u32 = 100;

/// Where Twilio's REST interface is: `api.twilio.com`, or another region's by its edge (`https://api.{edge}.{region}...`,
/// Twilio's "Global infrastructure").
///
/// # Errors
/// When only one of the two is given: a name with one part is another place, and the request would go to the United
/// States all the same.
pub fn base_url(region: Option<&str>, edge: Option<&str>) -> Result<String, RestFault> {
    let part = |part: Option<&str>| part.map(segment).filter(|part| !part.is_empty());
    match (part(region), part(edge)) {
        (None, None) => Ok("https://api.twilio.com".to_owned()),
        (Some(region), Some(edge)) => Ok(format!("https://api.{edge}.{region}.twilio.com")),
        _ => Err(RestFault::new(
            RestFaultKind::Request,
            "a region of Twilio needs its edge, and an edge its region",
        )),
    }
}

/// An account's Calls resource.
#[derive(Debug, Clone)]
pub struct TwilioRest {
    account: String,
}

/// What a live call is to do from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirect<'a> {
    /// Ask this address what to do.
    Url(&'a str),
    /// Do this (TwiML, at most 4000 characters).
    Twiml(&'a str),
}

impl TwilioRest {
    /// The account with this SID (`AC` and 32 hexadecimal digits).
    pub fn new(account: &str) -> Self {
        Self { account: segment(account) }
    }

    /// To end a call that was not answered yet, and only such a one.
    pub fn cancel(&self, carrier_call_id: &str) -> RestRequest {
        self.update(carrier_call_id, "Status", "canceled")
    }

    /// To send a live call elsewhere. [`Rest::seen`] reads the answer; a call that is not live is a
    /// [`RestFaultKind::NoCall`].
    pub fn redirect(&self, carrier_call_id: &str, to: Redirect<'_>) -> RestRequest {
        match to {
            Redirect::Url(url) => self.update(carrier_call_id, "Url", url),
            Redirect::Twiml(twiml) => self.update(carrier_call_id, "Twiml", twiml),
        }
    }

    fn update(&self, carrier_call_id: &str, name: &str, value: &str) -> RestRequest {
        RestRequest::post(self.call(carrier_call_id), vec![(name.to_owned(), value.to_owned())])
    }

    fn call(&self, carrier_call_id: &str) -> String {
        format!("{VERSION}/{}/Calls/{}.json", self.account, segment(carrier_call_id))
    }
}

impl Rest for TwilioRest {
    fn name(&self) -> &'static str {
        "twilio"
    }

    fn dial(&self, dial: &Dial) -> Result<RestRequest, RestFault> {
        let status_url = with_parameter(&dial.status_url, "call", &dial.call);
        if host(&status_url).contains('_') {
            let why = "Twilio takes no status callback whose host name has an underscore";
            return Err(RestFault::new(RestFaultKind::Request, why));
        }
        let mut form = Vec::new();
        let mut field = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        field("To", &dial.to);
        field("From", &dial.from);
        field("Url", &with_parameter(&dial.answer_url, "call", &dial.call));
        field("StatusCallback", &status_url);
        // One field an event; several in one field are taken for one unknown event.
        for event in ["initiated", "ringing", "answered", "completed"] {
            field("StatusCallbackEvent", event);
        }
        field("Timeout", &dial.ring_s.min(LONGEST_RING_S).to_string());
        field("TimeLimit", &dial.longest_s.to_string());
        let detection = match dial.machine {
            MachineDetection::Off => None,
            MachineDetection::Detect => Some("Enable"),
            MachineDetection::MessageEnd => Some("DetectMessageEnd"),
        };
        if let Some(detection) = detection {
            field("MachineDetection", detection);
            // Else the call is silent until the verdict is there.
            field("AsyncAmd", "true");
            field("AsyncAmdStatusCallback", &with_parameter(&dial.machine_url, "call", &dial.call));
        }
        Ok(RestRequest::post(format!("{VERSION}/{}/Calls.json", self.account), form))
    }

    fn dialled(&self, answer: RestAnswer<'_>) -> Dialled {
        let flat = Flat::of_body(answer.body);
        if (200..300).contains(&answer.status) {
            return match flat.as_ref().and_then(|flat| flat.text("sid")) {
                Some(sid) => Dialled::Taken {
                    id: text::cleaned(sid, text::ID),
                    status: flat.as_ref().and_then(status).unwrap_or_default(),
                },
                None => Dialled::Unknown { why: format!("HTTP {} without a call's SID", answer.status) },
            };
        }
        let fault = fault(answer, flat.as_ref());
        match fault.kind {
            RestFaultKind::Server | RestFaultKind::Garbage | RestFaultKind::Network => {
                Dialled::Unknown { why: fault.why }
            }
            // It is the account that does not exist: there is no call yet that could be missing.
            RestFaultKind::NoCall => Dialled::Refused(RestFault { kind: RestFaultKind::Request, ..fault }),
            _ => Dialled::Refused(fault),
        }
    }

    fn hang_up(&self, carrier_call_id: &str) -> Option<RestRequest> {
        Some(self.update(carrier_call_id, "Status", "completed"))
    }

    fn hung_up(&self, answer: RestAnswer<'_>) -> Result<(), RestFault> {
        match understood(answer) {
            Ok(call) if call.text("sid").is_none() => {
                Err(RestFault::new(RestFaultKind::Garbage, "a success without a call's SID"))
            }
            Err(fault) if fault.kind != RestFaultKind::NoCall => Err(fault),
            _ => Ok(()),
        }
    }

    fn look(&self, carrier_call_id: &str) -> RestRequest {
        RestRequest::get(self.call(carrier_call_id))
    }

    fn seen(&self, now: Timestamp, answer: RestAnswer<'_>) -> Result<Seen, RestFault> {
        let flat = understood(answer)?;
        if flat.text("sid").is_none() {
            return Err(RestFault::new(RestFaultKind::Garbage, "a call without a SID"));
        }
        Ok(seen(now, &flat))
    }

    /// Without a `StartTime`: a call that still waits in Twilio's queue has none, and must be found above all others.
    fn find(&self, dial: &Dial, _since: Timestamp) -> RestRequest {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("To", &dial.to)
            .append_pair("From", &dial.from)
            .append_pair("PageSize", &PAGE.to_string())
            .finish();
        RestRequest::get(format!("{VERSION}/{}/Calls.json?{query}", self.account))
    }

    fn found(&self, dial: &Dial, asked: Asked, answer: RestAnswer<'_>) -> Result<Vec<Seen>, RestFault> {
        let flat = understood(answer)?;
        if !flat.has("page_size") && !flat.has("calls") {
            return Err(RestFault::new(RestFaultKind::Garbage, "a list without calls"));
        }
        let mut calls = flat.list("calls");
        calls.retain(|call| {
            call.text("sid").is_some()
                && call.text("to") == Some(dial.to.as_str())
                && call.text("from") == Some(dial.from.as_str())
                && call.text("direction") == Some("outbound-api")
                // One without any date was made just now.
                && made(call).is_none_or(|at| asked.means(at))
        });
        calls.sort_by_key(|call| std::cmp::Reverse(made(call).unwrap_or(asked.now)));
        Ok(calls.iter().map(|call| seen(asked.now, call)).collect())
    }

    /// A call is in the list as soon as it is made, even while it waits in the queue.
    fn settles_after(&self, _dial: &Dial) -> Duration {
        DIALLING
    }

    fn probe(&self) -> RestRequest {
        RestRequest::get(format!("{VERSION}/{}/Calls.json?PageSize=1", self.account))
    }

    fn probed(&self, answer: RestAnswer<'_>) -> Result<String, RestFault> {
        understood(answer).map(|_| String::new())
    }

    fn number(&self, number: &str) -> Option<RestRequest> {
        Some(numbers::ask(&self.account, number))
    }

    fn number_seen(&self, number: &str, answer: RestAnswer<'_>) -> Result<Option<NumberSettings>, RestFault> {
        numbers::seen(number, answer)
    }

    fn point(&self, id: &str, voice_url: &str, status_url: &str) -> Option<RestRequest> {
        Some(numbers::point(&self.account, &segment(id), voice_url, status_url))
    }
}

/// What is known of a call. `start_time` is when dialling began and so no answer; for one that is live its answer was
/// before now.
fn seen(now: Timestamp, call: &Flat) -> Seen {
    let id = text::cleaned(call.text("sid").unwrap_or_default(), text::ID);
    let status = status(call);
    let time = |name: &str| call.text(name).and_then(time_of);
    let mut events = Vec::new();
    let mut say = |at: Timestamp, fact: Fact| events.push(CallEvent { at, from: Witness::Carrier, fact });
    say(now, Fact::CarrierCall { id: id.clone() });
    if let Some(status) = status {
        let at = if status.is_final() { time("end_time") } else { None };
        let fact = Fact::Status { status, reason: None, detail: String::new() };
        say(at.map_or(now, |at| at.min(now)), fact);
    }
    if let Some(seconds) = call.whole("duration").filter(|_| status.is_some_and(CallStatus::is_final)) {
        say(now, Fact::Duration { seconds });
    }
    if let Some(price) = price(now, call) {
        say(now, Fact::Price { price });
    }
    if let Some(by) = call.text("answered_by").and_then(answered_by_of) {
        say(now, Fact::AnsweredBy { by });
    }
    Seen { id, status, made: made(call), events }
}

fn made(call: &Flat) -> Option<Timestamp> {
    call.first(&["date_created", "start_time"]).and_then(time_of)
}

fn status(call: &Flat) -> Option<CallStatus> {
    status_of(call.text("status")?)
}

/// `-0.03000`: what is charged is negative.
fn price(now: Timestamp, call: &Flat) -> Option<Price> {
    let amount = call.text("price")?.trim_start_matches('-');
    let is_number = amount.chars().all(|c| c.is_ascii_digit() || c == '.') && amount.parse::<f64>().is_ok();
    is_number.then(|| Price {
        at: now,
        amount: amount.to_owned(),
        currency: text::cleaned(call.text("price_unit").unwrap_or_default(), 8),
    })
}

/// The body of a success, or what is wrong.
pub(super) fn understood(answer: RestAnswer<'_>) -> Result<Flat, RestFault> {
    let flat = Flat::of_body(answer.body);
    if !(200..300).contains(&answer.status) {
        return Err(fault(answer, flat.as_ref()));
    }
    flat.ok_or_else(|| RestFault::new(RestFaultKind::Garbage, "a success without JSON"))
}

/// What a refusal means: `{"code":..,"message":..,"status":..}`, the newer services' RFC 9457
/// (`{"type":..,"title":..,"status":..,"code":..,"detail":..}`), or a body of something in between that is no JSON.
fn fault(answer: RestAnswer<'_>, body: Option<&Flat>) -> RestFault {
    let code = body.and_then(|body| body.whole("code")).filter(|code| *code <= LARGEST_CODE);
    let words = body.and_then(|body| body.first(&["message", "detail", "title"])).unwrap_or_default();
    let mut fault = status_fault(answer, words);
    if let Some(code) = code {
        fault.why = format!("Twilio {code}, {}", fault.why);
    }
    fault.kind = match code {
        Some(NOT_AUTHENTICATED) => RestFaultKind::Auth,
        Some(NOT_FOUND | NOT_IN_PROGRESS) => RestFaultKind::NoCall,
        Some(TOO_MANY) => RestFaultKind::Busy,
        _ => fault.kind,
    };
    fault
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

/// An id as a part of a path: what a SID can't hold is left out.
fn segment(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(text::ID).collect()
}
