//! A call as Twilio writes it: every value a string or null.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::TwilioCall;

/// What a minute costs, in dollars.
const CENTS_A_MINUTE: i64 = 3;

/// The call as JSON.
pub(super) fn of(account: &str, sid: &str, call: &TwilioCall) -> Value {
    let base = format!("/2010-04-01/Accounts/{account}/Calls/{sid}");
    let seconds = call.duration_s();
    json!({
        "sid": sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "parent_call_sid": null,
        "to": call.request.to,
        "to_formatted": call.request.to,
        "from": call.request.from,
        "from_formatted": call.request.from,
        "phone_number_sid": format!("PN{:0>32}", 1),
        "status": call.status.as_str(),
        "direction": "outbound-api",
        "answered_by": call.answered_by,
        "caller_name": null,
        "forwarded_from": null,
        "group_sid": null,
        "trunk_sid": null,
        "queue_time": call.queue_ms.to_string(),
        "start_time": call.started.map(date),
        "end_time": call.ended.map(date),
        "duration": call.ended.map(|_| seconds.to_string()),
        "price": call.ended.filter(|_| call.started.is_some()).map(|_| price(seconds)),
        "price_unit": "USD",
        "date_created": date(call.created),
        "date_updated": date(call.ended.or(call.started).unwrap_or(call.created)),
        "uri": format!("{base}.json"),
        "subresource_uris": {
            "notifications": format!("{base}/Notifications.json"),
            "recordings": format!("{base}/Recordings.json"),
            "events": format!("{base}/Events.json"),
            "streams": format!("{base}/Streams.json"),
        },
    })
}

/// The call in the moment of its creation, when nothing has a date yet.
pub(super) fn fresh(account: &str, sid: &str, call: &TwilioCall) -> Value {
    let mut body = of(account, sid, call);
    for key in ["date_created", "date_updated", "start_time", "end_time", "duration", "price"] {
        body[key] = Value::Null;
    }
    body
}

/// RFC 2822.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Whole minutes, begun ones too, and negative as a charge is.
fn price(seconds: i64) -> String {
    let cents = seconds.max(1).div_ceil_minutes() * CENTS_A_MINUTE;
    format!("-{}.{:02}000", cents / 100, cents % 100)
}

/// Seconds in begun minutes.
trait Minutes {
    fn div_ceil_minutes(self) -> i64;
}

impl Minutes for i64 {
    fn div_ceil_minutes(self) -> i64 {
        (self + 59) / 60
    }
}

impl TwilioCall {
    /// Seconds from the answer to the end.
    pub(super) fn duration_s(&self) -> i64 {
        match (self.started, self.ended) {
            (Some(started), Some(ended)) => (ended.as_millisecond() - started.as_millisecond()).max(0) / 1000,
            _ => 0,
        }
    }

    /// The same in begun minutes, as callbacks have it.
    pub(super) fn minutes(&self) -> i64 {
        self.duration_s().div_ceil_minutes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_prices_are_as_documented() {
        assert_eq!(date("2010-08-31T20:36:28Z".parse().unwrap()), "Tue, 31 Aug 2010 20:36:28 +0000");
        assert_eq!((price(15).as_str(), price(61).as_str()), ("-0.03000", "-0.06000"));
        assert_eq!(49.div_ceil_minutes(), 1);
    }
}
