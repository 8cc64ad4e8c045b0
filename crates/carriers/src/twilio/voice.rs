//! What Twilio says about a call when it asks what to do with it (Twilio, "TwiML Voice: request parameters").

use std::fmt;

use records::{AnsweredBy, Direction};

use super::words::answered_by_of;
use crate::text;

/// A voice webhook's request. Numbers are as given.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct VoiceRequest {
    /// `CallSid`: `CA` and 32 hexadecimal digits.
    pub call: Option<String>,
    /// `AccountSid`.
    pub account: Option<String>,
    /// `From`: the caller's number, or ours in a call that we placed.
    pub from: Option<String>,
    /// `To`: the number called.
    pub to: Option<String>,
    /// `Direction`: `inbound`, `outbound-api`, `outbound-dial`.
    pub direction: Direction,
    /// Whether the phone still rings, so that the call can be turned down without being answered.
    pub is_ringing: bool,
    /// `AnsweredBy`, where Twilio listened for a machine before it asked.
    pub answered_by: Option<AnsweredBy>,
}

impl VoiceRequest {
    /// Reads the pairs of the query and of the form. Anything reads as something; where a name comes twice the first
    /// counts.
    pub fn of(pairs: &[(String, String)]) -> Self {
        let first = |name: &str, most: usize| {
            let (_, value) = pairs.iter().find(|(key, value)| key == name && !value.trim().is_empty())?;
            Some(text::cleaned(value.trim(), most))
        };
        let direction = first("Direction", text::ID).unwrap_or_default();
        Self {
            call: first("CallSid", text::ID),
            account: first("AccountSid", text::ID),
            from: first("From", text::NAME),
            to: first("To", text::NAME),
            direction: if direction.starts_with("outbound") {
                Direction::Outbound
            } else {
                Direction::Inbound
            },
            is_ringing: first("CallStatus", text::ID).is_none_or(|status| status == "ringing"),
            answered_by: first("AnsweredBy", text::ID).and_then(|word| answered_by_of(&word)),
        }
    }
}

impl fmt::Debug for VoiceRequest {
    /// Without numbers: they are private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceRequest")
            .field("call", &self.call)
            .field("direction", &self.direction)
            .field("is_ringing", &self.is_ringing)
            .field("answered_by", &self.answered_by)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> VoiceRequest {
        VoiceRequest::of(&form_urlencoded::parse(form.as_bytes()).into_owned().collect::<Vec<_>>())
    }

    #[test]
    fn a_call_that_comes_in_is_understood() {
        let asked = read(
            "AccountSid=AC1&ApiVersion=2010-04-01&CallSid=CA1&CallStatus=ringing&Called=%2B919876543210\
             &Direction=inbound&From=%2B12025550123&To=%2B919876543210&FromCity=&StirVerstat=TN-Validation-Passed-A",
        );
        assert_eq!((asked.call.as_deref(), asked.account.as_deref()), (Some("CA1"), Some("AC1")));
        assert_eq!(
            (asked.from.as_deref(), asked.to.as_deref()),
            (Some("+12025550123"), Some("+919876543210"))
        );
        assert_eq!((asked.direction, asked.is_ringing, asked.answered_by), (Direction::Inbound, true, None));
        assert!(!format!("{asked:?}").contains("1202"));
    }

    #[test]
    fn a_call_that_we_placed_says_who_picked_up() {
        let asked =
            read("CallSid=CA1&CallStatus=in-progress&Direction=outbound-api&AnsweredBy=machine_end_beep");
        assert_eq!((asked.direction, asked.is_ringing), (Direction::Outbound, false));
        assert_eq!(asked.answered_by, Some(AnsweredBy::MachineBeep));
    }

    #[test]
    fn anything_reads_as_something() {
        assert_eq!(read(""), VoiceRequest { is_ringing: true, ..VoiceRequest::default() });
        assert_eq!(read("CallSid=&CallSid=+b%00&From=%20").call.as_deref(), Some("b"));
        assert_eq!(read("CallSid=&From=%20").from, None);
    }
}
