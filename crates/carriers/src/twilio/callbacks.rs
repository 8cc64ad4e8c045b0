//! What Twilio's callbacks say. Each comes as a form of its own, late, twice or out of order; each is read by itself,
//! and the record puts them together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use records::{CallEvent, Fact, Witness};

use super::words::{answered_by_of, status_of, time_of};
use crate::rest::{Callback, Flat, digest, masked};
use crate::text;

/// How many characters of a recording's address are kept.
const URL: usize = 1024;
/// How many digits Twilio's codes have.
const CODE: usize = 5;

/// A callback as it came.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    /// Its pairs, decoded, in their order.
    pub pairs: &'a [(String, String)],
    /// `I-Twilio-Idempotency-Token`, where it was there: the same for every delivery of one callback.
    pub token: Option<&'a str>,
    /// When it came. A moment that it names itself counts, unless that is in the future.
    pub now: Timestamp,
}

/// How a call goes (`StatusCallback`): one callback each when it is initiated, ringing, answered and over.
pub fn status(form: Form<'_>) -> Callback {
    let mut read = Reading::of(form, "status");
    let word = read.text("callstatus").to_owned();
    let at = read.at("timestamp");
    let is_final = match status_of(&word) {
        Some(status) => {
            let detail = if status.is_final() { sip_detail(&read.flat) } else { String::new() };
            read.say(at, Fact::Status { status, reason: None, detail });
            status.is_final()
        }
        None => {
            read.find("unknown_status");
            false
        }
    };
    // `Duration` is whole minutes, begun ones counted: no measure of a call.
    if let Some(seconds) = read.flat.whole("callduration").filter(|_| is_final) {
        read.say(at, Fact::Duration { seconds });
    }
    read.answered_by(at);
    read.recording(at);
    read.done()
}

/// Who picked up (`AsyncAmdStatusCallback`).
pub fn machine(form: Form<'_>) -> Callback {
    let mut read = Reading::of(form, "machine");
    let at = read.now;
    read.answered_by(at);
    if read.flat.text("answeredby").is_none() {
        read.find("no_answered_by");
    }
    read.done()
}

/// What became of a recording that Twilio makes (`RecordingStatusCallback`).
pub fn recording(form: Form<'_>) -> Callback {
    let mut read = Reading::of(form, "recording");
    let at = read.now;
    match read.text("recordingstatus").to_ascii_lowercase().as_str() {
        "" | "completed" => read.recording(at),
        // Nothing to fetch yet, or ever: silence was all there was.
        "in-progress" | "paused" | "stopped" | "processing" | "absent" | "deleted" => {}
        "failed" => read.find("recording_failed"),
        _ => read.find("unknown_recording_status"),
    }
    read.done()
}

/// How a media stream goes (the `statusCallback` of `<Stream>`). The record gets it as the carrier's report: each
/// event's name with its moment, and the words of an error.
pub fn stream(form: Form<'_>) -> Callback {
    let mut read = Reading::of(form, "stream");
    let at = read.at("timestamp");
    let mut fields = BTreeMap::new();
    let event = read.text("streamevent").to_ascii_lowercase();
    match event.as_str() {
        "stream-started" | "stream-stopped" | "stream-error" => {
            fields.insert(event.clone(), at.to_string());
        }
        _ => read.find("unknown_stream_event"),
    }
    let error = masked(read.text("streamerror"), CODE + 1);
    if event == "stream-error" || !error.is_empty() {
        read.find("stream_error");
        fields.insert("StreamError".to_owned(), error);
    }
    let stream = text::cleaned(read.text("streamsid"), text::ID);
    if !stream.is_empty() {
        fields.insert("StreamSid".to_owned(), stream);
    }
    read.say(at, Fact::Report { fields });
    read.done()
}

/// How the leg went that a `<Dial>` called (what its `action` is asked with): the record gets it as the carrier's
/// report, and whether somebody talked is said beside it.
pub fn dialled(form: Form<'_>) -> (Callback, Leg) {
    let mut read = Reading::of(form, "dialled");
    let at = read.now;
    let mut status = read.text("dialcallstatus").to_ascii_lowercase();
    let leg = match status.as_str() {
        "completed" | "answered" => Leg::Talked,
        "busy" => Leg::Busy,
        "no-answer" => Leg::NoAnswer,
        "canceled" => Leg::Canceled,
        "failed" => Leg::Failed,
        _ => {
            read.find("unknown_dial_status");
            "unknown".clone_into(&mut status);
            Leg::Failed
        }
    };
    let sid = text::cleaned(read.text("dialcallsid"), text::ID);
    if form.token.is_none() {
        read.callback.key = digest(&["dialled", read.text("callsid"), &sid, &status]);
    }
    let mut fields = BTreeMap::from([("DialCallStatus".to_owned(), status)]);
    if let Some(seconds) = read.flat.whole("dialcallduration") {
        fields.insert("DialCallDuration".to_owned(), seconds.to_string());
    }
    if !sid.is_empty() {
        fields.insert("DialCallSid".to_owned(), sid);
    }
    read.say(at, Fact::Report { fields });
    (read.done(), leg)
}

/// How the leg of a call that was handed on ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// Somebody answered, and the two have talked.
    Talked,
    /// They talk to somebody else.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The caller hung up before.
    Canceled,
    /// They could not be reached.
    Failed,
}

impl Leg {
    /// The word in metrics and details.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Talked => "talked",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }
}

struct Reading {
    flat: Flat,
    now: Timestamp,
    callback: Callback,
}

impl Reading {
    fn of(form: Form<'_>, kind: &str) -> Self {
        let flat = Flat::of_pairs(form.pairs);
        let part = |name: &str| flat.text(name).unwrap_or_default();
        let token = form.token.map(str::trim).filter(|token| !token.is_empty());
        let key = match token {
            Some(token) => text::cleaned(token, text::NAME),
            None => digest(&[
                kind,
                part("callsid"),
                part("sequencenumber"),
                part("callstatus"),
                part("answeredby"),
                part("recordingsid"),
                part("recordingstatus"),
                part("streamsid"),
                part("streamevent"),
            ]),
        };
        let callback = Callback {
            carrier_call_id: text::cleaned(part("callsid"), text::ID),
            key,
            ..Callback::default()
        };
        Self { flat, now: form.now, callback }
    }

    fn text(&self, name: &str) -> &str {
        self.flat.text(name).unwrap_or_default()
    }

    /// The moment that the field names.
    fn at(&self, name: &str) -> Timestamp {
        self.flat.text(name).and_then(time_of).map_or(self.now, |at| at.min(self.now))
    }

    fn say(&mut self, at: Timestamp, fact: Fact) {
        self.callback.events.push(CallEvent { at, from: Witness::Carrier, fact });
    }

    fn find(&mut self, finding: &'static str) {
        self.callback.findings.push(finding);
    }

    fn answered_by(&mut self, at: Timestamp) {
        let Some(word) = self.flat.text("answeredby") else { return };
        match answered_by_of(word) {
            Some(by) => {
                self.callback.answered_by = Some(by);
                self.say(at, Fact::AnsweredBy { by });
            }
            None => self.find("unknown_answered_by"),
        }
    }

    fn recording(&mut self, at: Timestamp) {
        let url = text::cleaned(self.text("recordingurl"), URL);
        if url.starts_with("https://") || url.starts_with("http://") {
            self.say(at, Fact::Recording { url });
        }
    }

    /// A callback without a call says nothing that could be used.
    fn done(mut self) -> Callback {
        if self.callback.carrier_call_id.is_empty() {
            return Callback { key: self.callback.key, findings: vec!["no_call_sid"], ..Callback::default() };
        }
        let id = self.callback.carrier_call_id.clone();
        self.callback
            .events
            .insert(0, CallEvent { at: self.now, from: Witness::Carrier, fact: Fact::CarrierCall { id } });
        self.callback
    }
}

/// The operator's answer, where the call got one: 486 is busy, 603 declined, 404 no such number.
fn sip_detail(flat: &Flat) -> String {
    match flat.whole("sipresponsecode") {
        Some(code @ 100..700) => format!("SIP {code}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> (Callback, Leg) {
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        dialled(Form { pairs: &pairs, token: None, now: Timestamp::UNIX_EPOCH })
    }

    fn fields(callback: &Callback) -> Option<&BTreeMap<String, String>> {
        callback.events.iter().find_map(|event| match &event.fact {
            Fact::Report { fields } => Some(fields),
            _ => None,
        })
    }

    #[test]
    fn the_end_of_a_leg_is_understood() {
        let (callback, leg) = read(
            "CallSid=CA1&CallStatus=in-progress&DialCallStatus=completed&DialCallSid=CA2&DialCallDuration=42&DialBridged=true",
        );
        assert_eq!((leg, callback.carrier_call_id.as_str()), (Leg::Talked, "CA1"));
        let said = fields(&callback).unwrap();
        assert_eq!((said["DialCallStatus"].as_str(), said["DialCallDuration"].as_str()), ("completed", "42"));
        assert_eq!(said["DialCallSid"], "CA2");
        assert!(callback.findings.is_empty());
        for (word, leg) in [
            ("busy", Leg::Busy),
            ("no-answer", Leg::NoAnswer),
            ("failed", Leg::Failed),
            ("canceled", Leg::Canceled),
        ] {
            assert_eq!(read(&format!("CallSid=CA1&DialCallStatus={word}")).1, leg);
        }
    }

    #[test]
    fn another_leg_is_another_callback_and_odd_words_are_not_kept() {
        let key = |form: &str| read(form).0.key;
        let one = key("CallSid=CA1&DialCallStatus=busy&DialCallSid=CA2");
        assert_eq!(one, key("DialCallSid=CA2&CallSid=CA1&DialCallStatus=busy"));
        assert_ne!(one, key("CallSid=CA1&DialCallStatus=busy&DialCallSid=CA3"));
        let (callback, leg) = read("CallSid=CA1&DialCallStatus=%2B12025550123");
        assert_eq!((leg, callback.findings.as_slice()), (Leg::Failed, &["unknown_dial_status"][..]));
        assert_eq!(fields(&callback).unwrap()["DialCallStatus"], "unknown");
    }
}
