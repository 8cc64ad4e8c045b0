//! Exotel's calls over REST (Exotel, "Make a call" and "Call details", version 1): what it is asked and what it
//! answers.
//!
//! There is no way to end a call: closing its media socket does.

use std::time::Duration;

use jiff::Timestamp;
use records::CallStatus;

use super::status::{Told, accepted, status_of, time_of, written};
use super::{MAX_PAIRS, MAX_PARAMETER_CHARS};
use crate::rest::{
    Asked, DIAL_WINDOW, Dial, Dialled, Flat, NumberSettings, Rest, RestAnswer, RestFault, RestFaultKind,
    RestRequest, Seen, status_fault, with_parameter,
};
use crate::text;

/// The media URL must be shorter than this.
const STREAM_URL: usize = 600;
/// How long the custom field may be.
const CUSTOM_FIELD: usize = 128;
/// How long a call may take (`TimeLimit`).
const LONGEST_S: u32 = 14_400;
/// How long a phone may ring (`TimeOut`), by the regulator.
const LONGEST_RING_S: u32 = 60;
/// Longer codes are none.
const LONGEST_CODE: usize = 6;
/// The name that a stream gets, at most 32 characters.
const STREAM_NAME: &str = "trunkline";
/// How long after its end a call's details are filled, with some to spare.
const FILLED_S: u32 = 180;
/// From the wish to dial to the first ring, and from the answer to the open media socket, together: half a minute for
/// its turn, two tries at the socket of 10 s each, and some to spare. How long a bot's call may ring can't be asked for.
const OPENS_S: u32 = 60;

/// Where an account lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExotelRegion {
    /// `api.exotel.com`.
    Singapore,
    /// `api.in.exotel.com`.
    #[default]
    Mumbai,
}

impl ExotelRegion {
    /// Where its REST interface is.
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::Singapore => "https://api.exotel.com",
            Self::Mumbai => "https://api.in.exotel.com",
        }
    }
}

/// What the called number is connected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExotelMode {
    /// A media socket of ours, without a flow.
    Bot,
    /// A flow made in Exotel's dashboard, with a Voicebot applet in it.
    Flow {
        /// The flow's id (`app_id`).
        app: String,
    },
    /// Another number, which is dialled when the first has picked up.
    Number {
        /// That number, E.164.
        second: String,
    },
}

/// How many media streams an account has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveStreams {
    /// Now.
    pub active: u32,
    /// At most; `None` where the answer does not say.
    pub limit: Option<u32>,
}

/// An account's calls.
#[derive(Clone)]
pub struct ExotelRest {
    account: String,
    mode: ExotelMode,
}

impl ExotelRest {
    /// The account with this SID, calling in this way.
    pub fn new(account: &str, mode: ExotelMode) -> Self {
        Self { account: segment(account), mode }
    }

    /// To ask how many streams are open. It also shows whether the credentials are good.
    pub fn active_streams(&self) -> RestRequest {
        RestRequest::get(format!("/v1/Accounts/{}/ActiveStreams", self.account))
    }

    /// How many are: XML by the current documents, JSON with other names by an older guide.
    pub fn streams(&self, answer: RestAnswer<'_>) -> Result<ActiveStreams, RestFault> {
        let body = understood(answer)?;
        let number = |names: [&str; 2]| names.into_iter().find_map(|name| body.whole(name));
        Ok(ActiveStreams {
            active: number(["stream.activestreamcount", "active_streams"])
                .ok_or_else(|| RestFault::new(RestFaultKind::Garbage, "no count of active streams"))?,
            limit: number(["stream.throttlelimit", "max_allowed_streams"]),
        })
    }

    fn calls(&self, rest: &str) -> String {
        format!("/v1/Accounts/{}/Calls{rest}", self.account)
    }

    /// The media URL with our id in it, where it keeps what Exotel allows.
    fn stream_url(dial: &Dial) -> Result<String, RestFault> {
        let refused = |why: &str| Err(RestFault::new(RestFaultKind::Request, why));
        let url = with_parameter(&dial.media_url, "call_ref", &dial.call);
        if !url.starts_with("wss://") && !url.starts_with("ws://") {
            return refused("the media URL is not a ws or wss URL");
        }
        if url.len() >= STREAM_URL {
            return refused("the media URL has 600 characters or more, which Exotel does not take");
        }
        let query = url.split_once('?').map_or("", |(_, query)| query);
        if query.split('&').count() > MAX_PAIRS || query.len() > MAX_PARAMETER_CHARS {
            return refused("the media URL has more parameters than Exotel hands on: 3, and 256 characters");
        }
        Ok(url)
    }
}

impl Rest for ExotelRest {
    fn name(&self) -> &'static str {
        "exotel"
    }

    fn dial(&self, dial: &Dial) -> Result<RestRequest, RestFault> {
        if dial.call.chars().count() > CUSTOM_FIELD {
            return Err(RestFault::new(
                RestFaultKind::Request,
                "the call's id is longer than Exotel's custom field",
            ));
        }
        let mut form = Vec::new();
        let mut field = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        field("From", &dial.to);
        if let ExotelMode::Number { second } = &self.mode {
            field("To", second);
        }
        field("CallerId", &dial.from);
        match &self.mode {
            ExotelMode::Bot => {
                field("StreamUrl", &Self::stream_url(dial)?);
                field("StreamType", "bidirectional");
                field("StreamName", STREAM_NAME);
            }
            ExotelMode::Flow { app } => {
                let (account, app) = (&self.account, segment(app));
                field("Url", &format!("http://my.exotel.com/{account}/exoml/start_voice/{app}"));
            }
            ExotelMode::Number { .. } => {}
        }
        if self.mode != ExotelMode::Bot {
            field("CallType", "trans");
            field("TimeOut", &dial.ring_s.min(LONGEST_RING_S).to_string());
        }
        field("TimeLimit", &dial.longest_s.min(LONGEST_S).to_string());
        // The custom field comes back with some events in some modes only; the URL always does.
        field("StatusCallback", &with_parameter(&dial.status_url, "call", &dial.call));
        for event in ["terminal", "answered"] {
            field("StatusCallbackEvents[]", event);
        }
        field("CustomField", &dial.call);
        Ok(RestRequest::post(self.calls("/connect.json"), form))
    }

    fn dialled(&self, answer: RestAnswer<'_>) -> Dialled {
        let fault = match understood(answer) {
            Ok(body) => {
                let call = body.below("call");
                return match call.text("sid") {
                    Some(sid) => {
                        let status = call.text("status").and_then(status_of).map(accepted);
                        Dialled::Taken {
                            id: text::cleaned(sid, text::ID),
                            status: status.unwrap_or_default(),
                        }
                    }
                    None => Dialled::Unknown { why: format!("HTTP {} without a call's SID", answer.status) },
                };
            }
            Err(fault) => fault,
        };
        match fault.kind {
            RestFaultKind::Server | RestFaultKind::Garbage | RestFaultKind::Network => {
                Dialled::Unknown { why: fault.why }
            }
            // It is the account that does not exist: there is no call yet that could be missing.
            RestFaultKind::NoCall => Dialled::Refused(RestFault { kind: RestFaultKind::Request, ..fault }),
            _ => Dialled::Refused(fault),
        }
    }

    /// Exotel documents none for these calls.
    fn hang_up(&self, _carrier_call_id: &str) -> Option<RestRequest> {
        None
    }

    fn hung_up(&self, _answer: RestAnswer<'_>) -> Result<(), RestFault> {
        Err(RestFault::new(RestFaultKind::Request, "Exotel ends a call when its media socket closes"))
    }

    fn look(&self, carrier_call_id: &str) -> RestRequest {
        RestRequest::get(self.calls(&format!("/{}.json?details=true", segment(carrier_call_id))))
    }

    fn seen(&self, now: Timestamp, answer: RestAnswer<'_>) -> Result<Seen, RestFault> {
        let call = understood(answer)?.below("call");
        if call.text("sid").is_none() {
            return Err(RestFault::new(RestFaultKind::Garbage, "a call without a SID"));
        }
        Ok(seen(now, &call))
    }

    fn details_after(&self) -> Duration {
        Duration::from_secs(FILLED_S.into())
    }

    fn find(&self, dial: &Dial, since: Timestamp) -> RestRequest {
        let until = since.checked_add(DIAL_WINDOW).unwrap_or(since);
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("DateCreated", &format!("gte:{};lte:{}", written(since), written(until)))
            .append_pair("From", &dial.to)
            .append_pair("PageSize", "100")
            .finish();
        RestRequest::get(self.calls(&format!(".json?{query}")))
    }

    fn found(&self, dial: &Dial, asked: Asked, answer: RestAnswer<'_>) -> Result<Vec<Seen>, RestFault> {
        let body = understood(answer)?;
        if !body.has("calls") && !body.has("metadata") {
            return Err(RestFault::new(RestFaultKind::Garbage, "a list without calls"));
        }
        let mut calls = body.list("calls");
        calls.retain(|call| {
            let shown = call.first(&["phonenumbersid", "to"]).unwrap_or_default();
            let custom = call.text("customfield");
            call.text("sid").is_some()
                && same_number(call.text("from").unwrap_or_default(), &dial.to)
                && same_number(shown, &dial.from)
                && call.text("direction") == Some("outbound-api")
                && custom.is_none_or(|custom| custom == dial.call)
                && made(call).is_some_and(|at| asked.means(at))
        });
        calls.sort_by_key(|call| std::cmp::Reverse(made(call)));
        Ok(calls.iter().map(|call| seen(asked.now, call)).collect())
    }

    /// A list need not show the calls that are going on: one version of Exotel's page on it ("Bulk call details") says
    /// that it never does, another names their states among those that can be asked for. So its silence about a call
    /// proves nothing while the call may be going on.
    ///
    /// A bot's call can't go on without us: once it is answered it opens our media socket, within seconds, or it is over.
    /// What a flow or another number does with a call we are told when it ends, so there only its longest length tells.
    fn settles_after(&self, dial: &Dial) -> Duration {
        let seconds = match self.mode {
            ExotelMode::Bot => LONGEST_RING_S + OPENS_S,
            ExotelMode::Flow { .. } | ExotelMode::Number { .. } => {
                dial.ring_s.min(LONGEST_RING_S) + dial.longest_s.min(LONGEST_S) + FILLED_S
            }
        };
        Duration::from_secs(seconds.into())
    }

    fn probe(&self) -> RestRequest {
        self.active_streams()
    }

    fn probed(&self, answer: RestAnswer<'_>) -> Result<String, RestFault> {
        let ActiveStreams { active, limit } = self.streams(answer)?;
        let most = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        Ok(format!("{active}{most} media streams are open"))
    }

    /// A number's flow is set in Exotel's dashboard and can't be asked after.
    fn number(&self, _number: &str) -> Option<RestRequest> {
        None
    }

    fn number_seen(
        &self,
        _number: &str,
        _answer: RestAnswer<'_>,
    ) -> Result<Option<NumberSettings>, RestFault> {
        Ok(None)
    }

    fn point(&self, _id: &str, _voice_url: &str, _status_url: &str) -> Option<RestRequest> {
        None
    }
}

fn seen(now: Timestamp, call: &Flat) -> Seen {
    let id = text::cleaned(call.text("sid").unwrap_or_default(), text::ID);
    let status: Option<CallStatus> = call.text("status").and_then(status_of).map(accepted);
    let details = call.below("details");
    let events = Told { now, call, details: &details, status }.events(&id);
    Seen { id, status, made: made(call), events }
}

fn made(call: &Flat) -> Option<Timestamp> {
    call.text("datecreated").and_then(time_of)
}

/// The body of a success, or what is wrong. An exception is one whatever the HTTP status says.
fn understood(answer: RestAnswer<'_>) -> Result<Flat, RestFault> {
    let body = Flat::of_body(answer.body).map(|body| {
        let inner = body.below("twilioresponse");
        if inner == Flat::default() { body } else { inner }
    });
    let is_success = (200..300).contains(&answer.status);
    let Some(body) = body else {
        return Err(if is_success {
            RestFault::new(RestFaultKind::Garbage, "a success without JSON or XML")
        } else {
            status_fault(answer, "")
        });
    };
    let exception = body.below("restexception");
    if is_success && !body.has("restexception") {
        return Ok(body);
    }
    let words = exception.first(&["message", "description"]).unwrap_or_default();
    let named = exception.whole("status").and_then(|status| u16::try_from(status).ok());
    let status = if is_success { named.unwrap_or(500) } else { answer.status };
    let mut fault = status_fault(RestAnswer { status, ..answer }, words);
    if let Some(code) = exception.text("code").filter(|code| code.len() <= LONGEST_CODE) {
        fault.why = format!("Exotel {}, {}", text::cleaned(code, LONGEST_CODE), fault.why);
    }
    Err(fault)
}

/// Whether two texts are the same number: Exotel is asked for `+91...` and answers `0...`.
fn same_number(one: &str, other: &str) -> bool {
    const NATIONAL: usize = 10;
    let digits = |number: &str| -> String { number.chars().filter(char::is_ascii_digit).collect() };
    let (one, other) = (digits(one), digits(other));
    match (one.len().checked_sub(NATIONAL), other.len().checked_sub(NATIONAL)) {
        (Some(a), Some(b)) => one[a..] == other[b..],
        _ => !one.is_empty() && one == other,
    }
}

/// An id as a part of a path: what it can't hold is left out.
fn segment(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(text::ID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_in_both_spellings() {
        assert!(same_number("09800000001", "+919800000001"));
        assert!(same_number("9800000001", "+919800000001"));
        assert!(!same_number("09800000002", "+919800000001"));
        assert!(!same_number("", "+919800000001") && !same_number("", ""));
        assert!(same_number("112", "112") && !same_number("112", "+919800000112"));
    }
}
