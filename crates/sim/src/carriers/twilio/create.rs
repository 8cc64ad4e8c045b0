//! A request to place a call, read and judged by the document.

use super::super::World;
use super::super::form::Form;
use super::access::Asked;
use crate::twilio::{Document, Next};

/// Every field that the document has.
const KNOWN: &[&str] = &[
    "To",
    "From",
    "Url",
    "Twiml",
    "ApplicationSid",
    "Method",
    "FallbackUrl",
    "FallbackMethod",
    "StatusCallback",
    "StatusCallbackMethod",
    "StatusCallbackEvent",
    "Timeout",
    "TimeLimit",
    "SendDigits",
    "Record",
    "RecordingChannels",
    "RecordingTrack",
    "Trim",
    "RecordingStatusCallback",
    "RecordingStatusCallbackMethod",
    "RecordingStatusCallbackEvent",
    "MachineDetection",
    "MachineDetectionTimeout",
    "MachineDetectionSpeechThreshold",
    "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSilenceTimeout",
    "AsyncAmd",
    "AsyncAmdStatusCallback",
    "AsyncAmdStatusCallbackMethod",
    "CallerId",
    "CallReason",
    "CallToken",
    "Byoc",
    "SipAuthUsername",
    "SipAuthPassword",
    "ClientNotificationUrl",
];
const EVENTS: &[&str] = &["initiated", "ringing", "answered", "completed"];
/// Ring seconds, and the default.
const LONGEST_RING: u64 = 600;
const RING: u64 = 60;
/// Twilio's numbers for tests (Twilio, "Test credentials").
const MAGIC: &str = "+1500555";

/// A call to be placed.
#[derive(Debug, Clone)]
pub(super) struct Create {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) document: Source,
    pub(super) fallback: Option<Next>,
    pub(super) status: Option<Next>,
    /// Which callbacks are wanted.
    pub(super) events: Vec<String>,
    pub(super) ring_s: u64,
    pub(super) longest_s: Option<u64>,
    pub(super) machine: Detection,
    pub(super) recording: Option<Wish>,
}

/// Where the TwiML comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Url(Next),
    Text(String),
}

/// Answering machine detection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Detection {
    /// Whether it is on.
    pub(super) is_on: bool,
    /// Whether it waits for the end of the machine's greeting.
    pub(super) to_the_end: bool,
    /// Whether the call goes on meanwhile.
    pub(super) is_async: bool,
    pub(super) callback: Option<Next>,
}

/// A recording to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) source: &'static str,
    pub(super) channels: u8,
    pub(super) callback: Option<Next>,
    pub(super) events: Vec<String>,
}

/// A refusal: Twilio's code and words.
pub(super) type Refusal = (u32, String);

impl Create {
    /// Reads the form. What the document forbids but Twilio lets pass is noted as a breach.
    pub(super) fn read(asked: &Asked) -> Result<Self, Refusal> {
        let form = &asked.form;
        let (to, from) = numbers(&asked.world, form)?;
        let twiml = form.one("Twiml").map(str::to_owned);
        let document = match (next(form, "Url", "Method"), twiml) {
            (Some(url), _) => Source::Url(url),
            (None, Some(text)) if text.len() > 4_000 => {
                return Err((21_218, "Twiml has more than 4000 characters".to_owned()));
            }
            (None, Some(text)) => match Document::parse(&text) {
                Ok(_) => Source::Text(text),
                Err(error) => return Err((21_218, error.to_string())),
            },
            (None, None) => return Err((21_205, "Url, Twiml or ApplicationSid is required".to_owned())),
        };
        for name in form.unknown(KNOWN) {
            asked.breach(&format!("the Calls resource has no field {name}"));
        }
        let mut ring_s = form.number("Timeout").unwrap_or(RING);
        if ring_s > LONGEST_RING {
            asked.breach("Timeout over 600");
            ring_s = LONGEST_RING;
        }
        Ok(Self {
            to,
            from,
            document,
            fallback: next(form, "FallbackUrl", "FallbackMethod"),
            status: status(asked),
            events: events(asked),
            ring_s,
            longest_s: form.number("TimeLimit"),
            machine: machine(asked),
            recording: (form.one("Record") == Some("true")).then(|| recording(form, "OutboundAPI")),
        })
    }
}

fn numbers(world: &World, form: &Form) -> Result<(String, String), Refusal> {
    let to = form.one("To").unwrap_or_default();
    let from = form.one("From").unwrap_or_default();
    let magic = |number: &str| number.strip_prefix(MAGIC).map(|rest| rest.trim_start_matches('0').to_owned());
    match magic(from).as_deref() {
        Some("1") => return Err((21_212, format!("The 'From' number {from} is not a valid phone number."))),
        Some("6") | None => {}
        Some(_) => return Err((21_210, format!("'From' phone number not verified: {from}"))),
    }
    match magic(to).as_deref() {
        Some("1") => return Err((21_217, format!("Phone number {to} does not appear to be valid"))),
        Some("2") => return Err((21_214, format!("'To' phone number {to} cannot be reached"))),
        Some("3") => return Err((21_215, "Account not authorized to call this number.".to_owned())),
        Some("4") => return Err((21_216, format!("Account not allowed to call {to}"))),
        _ => {}
    }
    if !is_number(to) || to == from {
        return Err((21_211, format!("The 'To' number {to} is not a valid phone number.")));
    }
    if !is_number(from) {
        return Err((21_212, format!("The 'From' number {from} is not a valid phone number.")));
    }
    let owned = &world.settings().twilio.numbers;
    if !owned.is_empty() && !owned.iter().any(|number| number == from) && magic(from).is_none() {
        return Err((
            21_210,
            format!("The source phone number provided, {from}, is not yet verified for your account."),
        ));
    }
    Ok((to.to_owned(), from.to_owned()))
}

/// E.164.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|rest| {
        (7..=15).contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_digit())
            && !rest.starts_with('0')
    })
}

/// A URL with its method.
pub(super) fn next(form: &Form, url: &str, method: &str) -> Option<Next> {
    let is_get = form.one(method).is_some_and(|method| method.eq_ignore_ascii_case("GET"));
    Some(Next { url: form.one(url)?.to_owned(), is_get })
}

fn status(asked: &Asked) -> Option<Next> {
    let status = next(&asked.form, "StatusCallback", "StatusCallbackMethod")?;
    let host = status.url.split('/').nth(2).unwrap_or_default();
    if host.contains('_') {
        asked.breach("the host of StatusCallback has an underscore");
    }
    Some(status)
}

fn events(asked: &Asked) -> Vec<String> {
    let wanted = asked.form.all("StatusCallbackEvent");
    for event in &wanted {
        if !EVENTS.contains(event) {
            asked.breach(
                "StatusCallbackEvent is repeated for each of initiated, ringing, answered and completed",
            );
        }
    }
    if wanted.is_empty() {
        return vec!["completed".to_owned()];
    }
    wanted.into_iter().map(str::to_owned).collect()
}

fn machine(asked: &Asked) -> Detection {
    let form = &asked.form;
    let mode = form.one("MachineDetection").unwrap_or_default();
    if !matches!(mode, "" | "Enable" | "DetectMessageEnd") {
        asked.breach("MachineDetection is Enable or DetectMessageEnd");
    }
    Detection {
        // Twilio, "Answering machine detection": it is off where digits are sent.
        is_on: !mode.is_empty() && form.one("SendDigits").is_none(),
        to_the_end: mode == "DetectMessageEnd",
        is_async: form.one("AsyncAmd") == Some("true"),
        callback: next(form, "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod"),
    }
}

pub(super) fn recording(form: &Form, source: &'static str) -> Wish {
    let events = form.one("RecordingStatusCallbackEvent").unwrap_or("completed");
    Wish {
        source,
        channels: if form.one("RecordingChannels") == Some("dual") { 2 } else { 1 },
        callback: next(form, "RecordingStatusCallback", "RecordingStatusCallbackMethod"),
        events: events.split(' ').map(str::to_owned).collect(),
    }
}
