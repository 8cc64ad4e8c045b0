//! The account itself, and the numbers with their settings.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Answering;
use super::access::Asked;
use std::sync::PoisonError;

/// A number of the account.
#[derive(Debug, Clone)]
pub(super) struct Number {
    sid: String,
    number: String,
    /// By field: `VoiceUrl`, `VoiceMethod`, `StatusCallback` and so on.
    settings: Vec<(String, String)>,
}

/// Fields that can be set here, with their keys in answers.
const FIELDS: &[(&str, &str)] = &[
    ("FriendlyName", "friendly_name"),
    ("VoiceUrl", "voice_url"),
    ("VoiceMethod", "voice_method"),
    ("VoiceFallbackUrl", "voice_fallback_url"),
    ("VoiceFallbackMethod", "voice_fallback_method"),
    ("StatusCallback", "status_callback"),
    ("StatusCallbackMethod", "status_callback_method"),
];

impl Number {
    fn body(&self, account: &str) -> Value {
        let mut body = json!({
            "sid": self.sid,
            "account_sid": account,
            "phone_number": self.number,
            "capabilities": {"voice": true, "sms": true, "mms": false, "fax": false},
            "api_version": "2010-04-01",
            "uri": format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{}.json", self.sid),
        });
        for (field, key) in FIELDS {
            let set = self.settings.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str());
            let default = if field.ends_with("Method") { "POST" } else { "" };
            body[*key] = json!(set.unwrap_or(default));
        }
        body
    }
}

/// Whether the credentials are right.
pub(super) async fn account(asked: Asked) -> Response {
    let sid = asked.world.settings().twilio.sid.clone();
    let body = json!({
        "sid": sid,
        "friendly_name": "a stand-in's account",
        "status": "active",
        "type": "Full",
        "uri": format!("/2010-04-01/Accounts/{sid}.json"),
    });
    asked.answer("", StatusCode::OK, &body)
}

pub(super) async fn list(asked: Asked) -> Response {
    let account = asked.world.settings().twilio.sid.clone();
    let wanted = asked.form.one("PhoneNumber");
    if let Some(refused) = wanted.and_then(|wanted| spoilt(&asked, wanted)) {
        return refused;
    }
    let found: Vec<Value> = numbers(&asked)
        .iter()
        .filter(|number| wanted.is_none_or(|wanted| number.number.contains(wanted)))
        .map(|number| number.body(&account))
        .collect();
    let uri = format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json");
    let body = json!({
        "incoming_phone_numbers": found, "page": 0, "page_size": 50, "uri": uri,
        "first_page_uri": uri, "next_page_uri": null, "previous_page_uri": null,
    });
    asked.answer("", StatusCode::OK, &body)
}

/// The answer about a number whose manner is that requests fail.
fn spoilt(asked: &Asked, number: &str) -> Option<Response> {
    match asked.world.manner(number).answering {
        Answering::ErrorBefore | Answering::ErrorAfter => {
            Some(asked.refuse("", 500, 20500, "Internal Server Error"))
        }
        Answering::Busy => Some(asked.refuse("", 429, 20429, "Too Many Requests")),
        _ => None,
    }
}

pub(super) async fn fetch(asked: Asked) -> Response {
    change(&asked, &[])
}

pub(super) async fn update(asked: Asked) -> Response {
    change(&asked, &asked.form.0)
}

fn change(asked: &Asked, fields: &[(String, String)]) -> Response {
    let account = &asked.world.settings().twilio.sid;
    let sid = asked.ids.first().map_or("", String::as_str);
    let mut all = numbers(asked);
    let Some(number) = all.iter_mut().find(|number| number.sid == sid) else {
        return asked.not_found(&asked.target);
    };
    for (name, value) in fields {
        if !FIELDS.iter().any(|(field, _)| field == name) {
            asked.breach(&format!("this number has no field {name} that is known here"));
        }
        number.settings.retain(|(known, _)| known != name);
        number.settings.push((name.clone(), value.clone()));
    }
    let body = number.body(account);
    *asked.world.twilio().numbers.lock().unwrap_or_else(PoisonError::into_inner) = all;
    asked.answer("", StatusCode::OK, &body)
}

/// The account's numbers, as they are set now.
fn numbers(asked: &Asked) -> Vec<Number> {
    let mut known = asked.world.twilio().numbers.lock().unwrap_or_else(PoisonError::into_inner);
    if known.is_empty() {
        let owned = &asked.world.settings().twilio.numbers;
        *known = owned
            .iter()
            .enumerate()
            .map(|(index, number)| Number {
                sid: format!("PN{:0>32}", index + 1),
                number: number.clone(),
                settings: vec![("FriendlyName".to_owned(), number.clone())],
            })
            .collect();
    }
    known.clone()
}
