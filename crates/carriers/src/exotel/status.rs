//! What Exotel says about a call: in its status callback (Exotel, "Outgoing call to connect two numbers", status
//! callback parameters) and when asked for a call's details. Both have the same words, in a form or in JSON.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use records::{AnsweredBy, CallEvent, CallStatus, Fact, Price, Witness};

use crate::rest::{Callback, Flat, digest, masked};
use crate::text;

/// How far India's time, which Exotel writes without saying so, is ahead.
const INDIA: SignedDuration = SignedDuration::from_mins(330);
/// How many characters of a recording's address are kept.
const URL: usize = 1024;

/// What a status callback says. `pairs` are those of its form in whatever encoding it came.
///
/// `in-progress` is an answer only where the event is `answered`: it is also what Exotel says of a call that it has
/// just accepted.
pub fn callback(now: Timestamp, pairs: &[(String, String)]) -> Callback {
    let flat = Flat::of_pairs(pairs);
    let part = |name: &str| flat.text(name).unwrap_or_default();
    let key = digest(&[
        part("callsid"),
        part("eventtype"),
        part("status"),
        part("dateupdated"),
        part("recordingurl"),
        part("conversationduration"),
    ]);
    let mut callback = Callback {
        carrier_call_id: text::cleaned(part("callsid"), text::ID),
        call: text::cleaned(part("customfield"), text::NAME),
        key,
        ..Callback::default()
    };
    if callback.carrier_call_id.is_empty() {
        return Callback { key: callback.key, findings: vec!["no_call_sid"], ..Callback::default() };
    }
    let event = part("eventtype").to_ascii_lowercase();
    let status = match (event.as_str(), status_of(part("status"))) {
        // Both words are the carrier's, and a call that is over stays so.
        (_, Some(status)) if status.is_final() => Some(status),
        ("answered", _) => Some(CallStatus::InProgress),
        ("ringing", _) => Some(CallStatus::Ringing),
        ("terminal", Some(_)) => {
            callback.findings.push("terminal_but_not_over");
            None
        }
        (_, Some(status)) => Some(accepted(status)),
        (_, None) => None,
    };
    if !matches!(event.as_str(), "" | "answered" | "ringing" | "terminal") {
        callback.findings.push("unknown_event");
    }
    if status_of(part("status")).is_none() {
        callback.findings.push("unknown_status");
    }
    let told = Told { now, call: &flat, details: &flat, status };
    callback.answered_by = told.answered_by();
    callback.events = told.events(&callback.carrier_call_id);
    callback
}

/// The status that a word means; `None` for one that nobody knows, which then ends nothing.
pub(super) fn status_of(word: &str) -> Option<CallStatus> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "queued" => CallStatus::Queued,
        "ringing" => CallStatus::Ringing,
        "in-progress" => CallStatus::InProgress,
        "completed" => CallStatus::Completed,
        "busy" => CallStatus::Busy,
        "no-answer" => CallStatus::NoAnswer,
        "failed" => CallStatus::Failed,
        "canceled" | "cancelled" => CallStatus::Canceled,
        _ => return None,
    })
}

/// A status that was not said to be an answer: Exotel calls a call `in-progress` while the phone still rings.
pub(super) fn accepted(status: CallStatus) -> CallStatus {
    if status == CallStatus::InProgress { CallStatus::Queued } else { status }
}

/// `2025-06-01 10:00:00`, in India's time.
pub(super) fn time_of(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.trim().replacen(' ', "T", 1).parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok()?.timestamp().checked_sub(INDIA).ok()
}

/// A moment as Exotel wants it in a filter.
pub(super) fn written(at: Timestamp) -> String {
    at.checked_add(INDIA).unwrap_or(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What was said about one call.
pub(super) struct Told<'a> {
    pub(super) now: Timestamp,
    /// The call's own fields.
    pub(super) call: &'a Flat,
    /// Those of its details: the legs and how long it was talked.
    pub(super) details: &'a Flat,
    /// The status that it comes to.
    pub(super) status: Option<CallStatus>,
}

impl Told<'_> {
    /// All of it, as the record takes it.
    pub(super) fn events(&self, id: &str) -> Vec<CallEvent> {
        let mut events = Vec::new();
        let mut say = |at: Timestamp, fact: Fact| events.push(CallEvent { at, from: Witness::Carrier, fact });
        say(self.now, Fact::CarrierCall { id: id.to_owned() });
        let is_final = self.status.is_some_and(CallStatus::is_final);
        if let Some(status) = self.status {
            let named = if is_final { ["endtime", "dateupdated"] } else { ["dateupdated", "datecreated"] };
            let at = self.call.first(&named).and_then(time_of).map_or(self.now, |at| at.min(self.now));
            let detail = if is_final { self.cause() } else { String::new() };
            say(at, Fact::Status { status, reason: None, detail });
        }
        // How long it was talked, as other carriers count; `Duration` has the ringing in it.
        let talked = self.details.whole("conversationduration").or_else(|| self.call.whole("duration"));
        if let Some(seconds) = talked.filter(|_| is_final) {
            say(self.now, Fact::Duration { seconds });
        }
        if let Some(amount) = self.call.text("price").and_then(amount) {
            // Accounts are billed in the currency of their country, which no answer names.
            say(self.now, Fact::Price { price: Price { at: self.now, amount, currency: String::new() } });
        }
        if let Some(by) = self.answered_by() {
            say(self.now, Fact::AnsweredBy { by });
        }
        let url = text::cleaned(self.call.text("recordingurl").unwrap_or_default(), URL);
        if url.starts_with("https://") || url.starts_with("http://") {
            say(self.now, Fact::Recording { url });
        }
        events
    }

    /// Who picked up the phone that we called: it is the first leg in every mode.
    fn answered_by(&self) -> Option<AnsweredBy> {
        let word = self.leg("answeredby").or_else(|| self.call.text("answeredby").map(str::to_owned))?;
        match word.to_ascii_lowercase().as_str() {
            "human" => Some(AnsweredBy::Human),
            "machine" => Some(AnsweredBy::Machine),
            "notsure" => Some(AnsweredBy::Unknown),
            _ => None,
        }
    }

    /// The operator's words on how the first leg ended, on accounts that are told them.
    fn cause(&self) -> String {
        let code = self.leg("causecode").filter(|code| code.len() <= 4);
        let words = self.leg("cause").map(|words| masked(&words, 3));
        match (code, words) {
            (Some(code), Some(words)) => format!("cause {code}: {words}"),
            (Some(code), None) => format!("cause {code}"),
            (None, Some(words)) => words,
            (None, None) => String::new(),
        }
    }

    /// A field of the first leg. In details each leg is wrapped once more.
    fn leg(&self, name: &str) -> Option<String> {
        let [plain, wrapped] = [format!("legs.0.{name}"), format!("legs.0.leg.{name}")];
        self.details.first(&[&plain, &wrapped]).map(|value| text::cleaned(value, text::NAME))
    }
}

fn amount(text: &str) -> Option<String> {
    let amount = text.trim_start_matches('-');
    let is_number = amount.chars().all(|c| c.is_ascii_digit() || c == '.') && amount.parse::<f64>().is_ok();
    is_number.then(|| text::cleaned(amount, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_indias() {
        let at: Timestamp = "2025-06-01T04:30:00Z".parse().unwrap();
        assert_eq!(time_of("2025-06-01 10:00:00"), Some(at));
        assert_eq!(written(at), "2025-06-01 10:00:00");
        assert_eq!(time_of("0000-00-00 00:00:00"), None);
        assert_eq!(time_of(""), None);
    }
}
