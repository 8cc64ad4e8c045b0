//! Where Twilio sends the calls of a number (Twilio, "IncomingPhoneNumber resource"). Its fields' names are known from
//! its client libraries, not from a message that was captured.

use super::rest::{VERSION, understood};
use crate::rest::{NumberSettings, RestAnswer, RestFault, RestFaultKind, RestRequest};
use crate::text;

/// How many characters of an address are kept.
const URL: usize = 2048;

/// To see the settings of a number of the account.
pub(super) fn ask(account: &str, number: &str) -> RestRequest {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("PhoneNumber", number).finish();
    RestRequest::get(format!("{VERSION}/{account}/IncomingPhoneNumbers.json?{query}"))
}

/// What they are; `None` where the account has no such number. The filter also gives numbers that only contain it.
pub(super) fn seen(number: &str, answer: RestAnswer<'_>) -> Result<Option<NumberSettings>, RestFault> {
    let flat = understood(answer)?;
    if !flat.has("incoming_phone_numbers") && !flat.has("page_size") {
        return Err(RestFault::new(RestFaultKind::Garbage, "a list without numbers"));
    }
    let numbers = flat.list("incoming_phone_numbers");
    let found = numbers.iter().find(|found| found.text("phone_number") == Some(number));
    Ok(found.map(|found| {
        let url = |name: &str| text::cleaned(found.text(name).unwrap_or_default(), URL);
        NumberSettings {
            id: text::cleaned(found.text("sid").unwrap_or_default(), text::ID),
            voice_url: url("voice_url"),
            is_post: found.text("voice_method").is_none_or(|method| method.eq_ignore_ascii_case("POST")),
            status_url: url("status_callback"),
            elsewhere: found.first(&["voice_application_sid", "trunk_sid"]).is_some(),
        }
    }))
}

/// To send its calls and what becomes of them to these addresses.
pub(super) fn point(account: &str, id: &str, voice_url: &str, status_url: &str) -> RestRequest {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let form = vec![
        field("VoiceUrl", voice_url),
        field("VoiceMethod", "POST"),
        field("StatusCallback", status_url),
        field("StatusCallbackMethod", "POST"),
    ];
    RestRequest::post(format!("{VERSION}/{account}/IncomingPhoneNumbers/{id}.json"), form)
}
