//! A call as Exotel writes it: TitleCase keys, India time without a zone, duration and price some time after the end.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value, json};

use super::{ExotelCall, Mode};

/// India's time, which has no summer.
const INDIA_S: i32 = 5 * 3600 + 1800;

/// The call as JSON.
pub(super) fn of(account: &str, sid: &str, call: &ExotelCall, now: Timestamp) -> Value {
    let is_settled = call.settles.is_some_and(|at| at <= now);
    let late = |value: Value| if is_settled { value } else { Value::Null };
    json!({
        "Sid": sid,
        "ParentCallSid": null,
        "DateCreated": date(call.created),
        "DateUpdated": date(call.ended.or(call.answered).unwrap_or(call.created)),
        "AccountSid": account,
        "To": to(call),
        "From": national(&call.from),
        "PhoneNumberSid": national(&call.caller_id),
        "Status": call.status,
        "StartTime": date(call.created),
        "EndTime": late(json!(call.ended.map(date))),
        "Duration": late(json!(call.duration_s())),
        "Price": late(json!(0.014 * call.duration_s() as f64)),
        "Direction": "outbound-api",
        "AnsweredBy": call.answered_by,
        "ForwardedFrom": null,
        "CallerName": null,
        "Uri": format!("/v1/Accounts/{account}/Calls.json/{sid}"),
        "RecordingUrl": null,
    })
}

/// What `details=true` adds.
pub(super) fn details(call: &ExotelCall) -> Value {
    let second = matches!(call.mode, Mode::Number(_)).then_some(call.status);
    json!({
        "ConversationDuration": call.duration_s(),
        "Leg1Status": call.ended.map(|_| call.status),
        "Leg2Status": call.ended.and(second),
        "Legs": [{"Leg": {"Id": 1, "OnCallDuration": call.duration_s()}}],
    })
}

/// Whom the call went to: the other number, or in the other modes the number that was shown.
pub(super) fn to(call: &ExotelCall) -> String {
    match &call.mode {
        Mode::Number(to) => national(to),
        Mode::Flow(_) | Mode::Bot(_) => national(&call.caller_id),
    }
}

/// `YYYY-MM-DD HH:mm:ss` in India time.
pub(super) fn date(at: Timestamp) -> String {
    let india = Offset::from_seconds(INDIA_S).expect("five and a half hours are an offset");
    at.to_zoned(TimeZone::fixed(india)).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// India's numbers with a leading 0, as Exotel writes them; others as they are.
pub(super) fn national(number: &str) -> String {
    number.strip_prefix("+91").map_or_else(|| number.to_owned(), |rest| format!("0{rest}"))
}

/// JSON as XML, under `TwilioResponse` as Exotel still names it.
pub(super) fn xml(body: &Value) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TwilioResponse>".to_owned();
    if let Value::Object(body) = body {
        write(body, &mut text);
    }
    text + "</TwilioResponse>\n"
}

fn write(body: &Map<String, Value>, text: &mut String) {
    for (key, value) in body {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            *text += &format!("<{key}>");
            match value {
                Value::Object(inner) => write(inner, text),
                Value::Null => {}
                Value::String(value) => *text += &quick_xml::escape::escape(value.as_str()),
                other => *text += &other.to_string(),
            }
            *text += &format!("</{key}>");
        }
    }
}

impl ExotelCall {
    /// Seconds from the answer to the end.
    pub(super) fn duration_s(&self) -> i64 {
        match (self.answered, self.ended) {
            (Some(answered), Some(ended)) => {
                (ended.as_millisecond() - answered.as_millisecond()).max(0) / 1000
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> ExotelCall {
        ExotelCall {
            mode: Mode::Bot("wss://gw.example.com/voicebot/ws".to_owned()),
            from: "+919800000001".to_owned(),
            caller_id: "08000000002".to_owned(),
            custom: Some("lead-42".to_owned()),
            news: super::super::News::default(),
            longest_s: 60,
            status: "in-progress",
            created: "2025-06-01T04:30:00Z".parse().unwrap(),
            answered: None,
            ended: None,
            answered_by: None,
            settles: None,
        }
    }

    /// The document's own answer.
    #[test]
    fn a_fresh_call_is_as_the_document_shows_it() {
        let sid = "5b1d4c0e7a9f42d88e3b60c1f2a7d918";
        let body = of("acme1", sid, &call(), Timestamp::now());
        let wanted: Value = serde_json::from_str(
            r#"{"Sid":"5b1d4c0e7a9f42d88e3b60c1f2a7d918","ParentCallSid":null,"DateCreated":"2025-06-01 10:00:00",
            "DateUpdated":"2025-06-01 10:00:00","AccountSid":"acme1","To":"08000000002","From":"09800000001",
            "PhoneNumberSid":"08000000002","Status":"in-progress","StartTime":"2025-06-01 10:00:00","EndTime":null,
            "Duration":null,"Price":null,"Direction":"outbound-api","AnsweredBy":null,"ForwardedFrom":null,
            "CallerName":null,"Uri":"/v1/Accounts/acme1/Calls.json/5b1d4c0e7a9f42d88e3b60c1f2a7d918",
            "RecordingUrl":null}"#,
        )
        .unwrap();
        assert_eq!(body, wanted);
        let xml = xml(&json!({"Call": body}));
        assert!(
            xml.contains("<TwilioResponse><Call>") && xml.contains(&format!("<Sid>{sid}</Sid>")),
            "{xml}"
        );
    }

    #[test]
    fn duration_and_price_come_late() {
        let mut over = call();
        over.answered = Some("2025-06-01T04:30:10Z".parse().unwrap());
        over.ended = Some("2025-06-01T04:30:51Z".parse().unwrap());
        over.settles = Some("2025-06-01T04:32:51Z".parse().unwrap());
        let at = |now: &str| of("acme1", "s", &over, now.parse().unwrap());
        assert!(at("2025-06-01T04:31:00Z")["Duration"].is_null());
        let settled = at("2025-06-01T04:33:00Z");
        assert_eq!(
            (settled["Duration"].as_i64(), settled["EndTime"].as_str()),
            (Some(41), Some("2025-06-01 10:00:51"))
        );
    }
}
