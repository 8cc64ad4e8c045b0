//! An alert's beginning or end as it is told to a webhook: the body that the Standard Webhooks specification
//! recommends, with a type, a time and data, and an id of its own.

use jiff::Timestamp;
use serde_json::json;
use store::jobs::NewJob;
use ulid::Ulid;

use super::board::{Raised, Turn};
use super::rules::AlertKind;
use crate::jobs::NOTIFY;

/// The job that tells of it; `None` for what must not be told: a receiver that does not take its alerts would be told of
/// that, and not take it.
pub(super) fn tell(turn: &Turn, server: Option<&str>, now: Timestamp) -> Option<NewJob> {
    let (kind, Raised { name, detail, since }) = match turn {
        Turn::Raised(alert) => ("alert.raised", alert),
        Turn::Cleared(alert) => ("alert.cleared", alert),
    };
    if name.kind == AlertKind::JobsGivenUp && name.subject == NOTIFY {
        return None;
    }
    let data = json!({
        "alert": name.kind,
        "subject": name.subject,
        "severity": name.kind.severity(),
        "detail": detail,
        "since": since,
        "server": server,
    });
    let payload = json!({ "type": kind, "timestamp": now, "data": data }).to_string();
    Some(NewJob { kind: NOTIFY.to_owned(), key: id(now), payload, run_at: now, asked_at: now })
}

/// `msg_` and 26 characters that sort by time.
fn id(now: Timestamp) -> String {
    let mut random = [0; 16];
    // Without chance two in one millisecond would be taken for one, which costs a word and no call.
    let _ = getrandom::fill(&mut random);
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    format!("msg_{}", Ulid::from_parts(now, u128::from_le_bytes(random)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::rules::Name;
    use super::*;

    #[test]
    fn it_says_what_begins_or_ends_and_since_when() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let alert = |kind, subject: &str| Raised {
            name: Name::new(kind, subject),
            detail: "words".to_owned(),
            since: now,
        };
        let turn = Turn::Cleared(alert(AlertKind::DiskLow, ""));
        let job = tell(&turn, Some("https://voice.example.com"), now).unwrap();
        assert!(job.key.starts_with("msg_") && job.kind == "notify", "{job:?}");
        let body: Value = serde_json::from_str(&job.payload).unwrap();
        let wanted = json!({
            "type": "alert.cleared",
            "timestamp": "2026-11-21T12:00:00Z",
            "data": {
                "alert": "disk_low", "subject": "", "severity": "critical", "detail": "words",
                "since": "2026-11-21T12:00:00Z", "server": "https://voice.example.com",
            },
        });
        assert_eq!(body, wanted);
        assert_ne!(tell(&turn, None, now).unwrap().key, job.key);
        assert!(tell(&Turn::Raised(alert(AlertKind::JobsGivenUp, "notify")), None, now).is_none());
        assert!(tell(&Turn::Raised(alert(AlertKind::JobsGivenUp, "purge")), None, now).is_some());
    }
}
