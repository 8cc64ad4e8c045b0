//! The id of a call. It sorts by time and says the day that its folder lies under, so that a call is found
//! without an index; and since it is parsed before it is used, no request can make a path of it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use ulid::Ulid;

/// Our id of a call: `call_` and 26 characters (a ULID, in upper case) that sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(Ulid);

/// A text that is not a call's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a call id: it is `call_` and 26 letters and digits")]
pub struct NotACallId;

const PREFIX: &str = "call_";

impl CallId {
    /// The id of a call that began `at`; `random` keeps apart calls that began in the same millisecond.
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let mut low = [0; 16];
        low[6..].copy_from_slice(&random);
        let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
        Self(Ulid::from_parts(ms, u128::from_be_bytes(low)))
    }

    /// When the call began, to the millisecond.
    pub fn began(self) -> Timestamp {
        i64::try_from(self.0.timestamp_ms())
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// The day on which the call began, UTC, as `yyyy-mm-dd`.
    pub(crate) fn day(self) -> String {
        self.began().strftime("%Y-%m-%d").to_string()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ulid::ULID_LEN];
        f.write_str(PREFIX)?;
        f.write_str(self.0.array_to_str(&mut buffer))
    }
}

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        let ulid = text.strip_prefix(PREFIX).ok_or(NotACallId)?;
        let id = Self(Ulid::from_string(ulid).map_err(|_| NotACallId)?);
        // One spelling only: lower case and look-alike letters would name a second folder.
        if id.to_string() == text { Ok(id) } else { Err(NotACallId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_sorts_by_time_and_knows_its_day() {
        let early = CallId::new("2026-11-21T23:59:59.999Z".parse().unwrap(), [0xFF; 10]);
        let late = CallId::new("2026-11-22T00:00:00Z".parse().unwrap(), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!((early.day().as_str(), late.day().as_str()), ("2026-11-21", "2026-11-22"));
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(early.to_string().len(), 31);
    }

    #[test]
    fn nothing_else_is_an_id() {
        let good = CallId::new("2026-11-21T12:00:00Z".parse().unwrap(), *b"abcdefghij").to_string();
        let lower = format!("call_{}", good[5..].to_lowercase());
        let traversal = format!("call_../../../../{}", &good[17..]);
        for bad in
            ["", "call_", "../etc/passwd", &good[5..], &lower, &traversal, &format!("{good}x"), "call_é"]
        {
            assert_eq!(bad.parse::<CallId>(), Err(NotACallId), "{bad}");
        }
    }
}
