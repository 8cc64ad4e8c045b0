//! Twilio's words for where a call is, who picked up, and when.

use jiff::Timestamp;
use records::{AnsweredBy, CallStatus};

/// The status that a word means; `None` for one that nobody knows, which then ends nothing.
///
/// `initiated` comes in callbacks only (Twilio, "Call resource" and "Make outbound calls: status callback").
pub(super) fn status_of(word: &str) -> Option<CallStatus> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "queued" => CallStatus::Queued,
        "initiated" => CallStatus::Initiated,
        "ringing" => CallStatus::Ringing,
        "in-progress" | "answered" => CallStatus::InProgress,
        "completed" => CallStatus::Completed,
        "busy" => CallStatus::Busy,
        "no-answer" => CallStatus::NoAnswer,
        "failed" => CallStatus::Failed,
        "canceled" | "cancelled" => CallStatus::Canceled,
        _ => return None,
    })
}

/// Who a word of the machine detection means.
///
/// All three `machine_end_...` come when the machine's greeting is over, whether a beep, silence or neither ended it
/// (Twilio, "Answering machine detection"). Whatever is said from then on is the message, so all three are a beep.
pub(super) fn answered_by_of(word: &str) -> Option<AnsweredBy> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "human" => AnsweredBy::Human,
        "machine_start" | "machine" => AnsweredBy::Machine,
        "machine_end_beep" | "machine_end_silence" | "machine_end_other" => AnsweredBy::MachineBeep,
        "fax" => AnsweredBy::Fax,
        "unknown" => AnsweredBy::Unknown,
        _ => return None,
    })
}

/// A moment as Twilio writes it: RFC 2822 in calls and their callbacks, ISO 8601 in those of streams.
pub(super) fn time_of(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp());
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_two_clothes() {
        let at: Timestamp = "2018-03-25T09:53:19Z".parse().unwrap();
        assert_eq!(time_of("Sun, 25 Mar 2018 09:53:19 +0000"), Some(at));
        assert_eq!(time_of("2018-03-25T09:53:19.000Z"), Some(at));
        assert_eq!(time_of("yesterday"), None);
    }
}
