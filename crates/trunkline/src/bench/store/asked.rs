//! What is asked of the server: pages of lists by each filter, and callbacks as both carriers send them.

use secrecy::{ExposeSecret as _, SecretString};
use sim::load::Post;

use super::filled::Dialled;
use crate::carriers::exotel_secret_of;

/// The address that carriers are told.
pub(super) const PUBLIC: &str = "https://voice.example.com";
/// What Twilio's callbacks are signed with, and what the secret in the URL of Exotel's is made of. Of nobody.
pub(super) const TWILIO_TOKEN: &str = "12345678901234567890123456789012";
pub(super) const EXOTEL_TOKEN: &str = "a token for a benchmark";

/// Filters, by name, as parameters. `filled` says of how many calls each holds.
pub(super) const FILTERS: [(&str, &str); 17] = [
    ("all", ""),
    ("completed", "status=completed"),
    ("busy", "status=busy"),
    ("every final status", "status=completed,failed,busy,no_answer,canceled"),
    ("one end reason", "end_reason=idle_timeout"),
    ("outbound", "direction=outbound"),
    ("one carrier", "carrier=exotel"),
    ("a rare agent", "agent=night"),
    ("an agent of long ago", "agent=retired"),
    ("a caller", "number=%2B15550100007"),
    ("our own number, which all called", "number=%2B12025550123"),
    ("a number of nobody", "number=%2B918000000002"),
    ("a span of time", "from=2026-09-30T00:00:00Z&until=2026-10-09T00:00:00Z"),
    (
        "four that hold together",
        "direction=outbound&agent=night&status=completed&from=2026-09-30T00:00:00Z&until=2026-10-09T00:00:00Z",
    ),
    ("two that contradict each other", "status=busy&end_reason=idle_timeout"),
    ("three that contradict each other", "direction=inbound&carrier=exotel&end_reason=dial_refused"),
    ("our own number and an agent of long ago", "number=%2B12025550123&agent=retired"),
];

/// The callback of each call: ringing or over, from Twilio or from Exotel by turns.
pub(super) fn posts(dialled: &[Dialled]) -> Vec<Post> {
    let secret = exotel_secret_of(&SecretString::from(EXOTEL_TOKEN));
    let posts = dialled.iter().enumerate().map(|(n, call)| {
        let is_over = n % 4 < 2;
        let form = if call.is_exotel { exotel(call, is_over) } else { twilio(call, is_over) };
        let form: Vec<_> = form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if call.is_exotel {
            let secret = secret.expose_secret();
            Post::exotel(&format!("{PUBLIC}/api/v1/exotel/status?k={secret}&call={}", call.id), &form)
        } else {
            Post::twilio(TWILIO_TOKEN, &format!("{PUBLIC}/twilio/status?call={}", call.id), &form)
        }
    });
    posts.collect()
}

type Form = Vec<(&'static str, String)>;

fn twilio(call: &Dialled, is_over: bool) -> Form {
    let (status, number) = if is_over { ("completed", "3") } else { ("ringing", "1") };
    let mut form: Form = [
        ("AccountSid", "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", call.carrier_call_id.as_str()),
        ("CallStatus", status),
        ("CallbackSource", "call-progress-events"),
        ("Direction", "outbound-api"),
        ("From", "+12025550123"),
        ("Caller", "+12025550123"),
        ("CallerCountry", "US"),
        ("To", "+919800000001"),
        ("Called", "+919800000001"),
        ("CalledCountry", "IN"),
        ("SequenceNumber", number),
        ("Timestamp", "Wed, 21 Oct 2026 09:53:19 +0000"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    if is_over {
        form.extend([("Duration", "1".to_owned()), ("CallDuration", "41".to_owned())]);
    }
    form
}

fn exotel(call: &Dialled, is_over: bool) -> Form {
    let (status, event) = if is_over { ("completed", "terminal") } else { ("in-progress", "answered") };
    [
        ("CallSid", call.carrier_call_id.as_str()),
        ("EventType", event),
        ("Status", status),
        ("DateCreated", "2026-10-21 15:20:00"),
        ("DateUpdated", "2026-10-21 15:21:08"),
        ("StartTime", "2026-10-21 15:20:00"),
        ("EndTime", if is_over { "2026-10-21 15:21:08" } else { "" }),
        ("To", "09800000001"),
        ("From", "08000000002"),
        ("PhoneNumberSid", "08000000002"),
        ("ConversationDuration", if is_over { "41" } else { "0" }),
        ("Direction", "outbound-api"),
        ("CustomField", call.id.as_str()),
        ("RecordingUrl", ""),
        ("Legs[0][OnCallDuration]", "41"),
        ("Legs[0][Status]", status),
        ("Legs[0][AnsweredBy]", "human"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}
