//! How much may be dialled within a day, by one key and by the whole server. A call counts at its longest from before it
//! is dialled, and at what it really took once it is over: so many calls at once can't all be the last one, and a call of
//! which nothing more is heard costs what it could have cost.

use crate::dial::Refusal;

/// How much somebody may place. 0: as much as they like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Calls within a minute.
    pub calls_per_minute: u32,
    /// Calls within a day.
    pub calls_per_day: u32,
    /// Minutes of calls within a day.
    pub minutes_per_day: u32,
}

impl Allowance {
    /// Whether there is any limit.
    pub const fn is_limited(&self) -> bool {
        self.calls_per_minute > 0 || self.calls_per_day > 0 || self.minutes_per_day > 0
    }
}

/// What somebody has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls placed within the last minute.
    pub calls_last_minute: u32,
    /// Calls placed within the last day.
    pub calls_last_day: u32,
    /// Seconds of the calls placed within the last day: those that are over as they were, the others at their longest.
    pub seconds_last_day: u64,
}

/// What the next call is held against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// What one key may place.
    pub key: Allowance,
    /// What all keys may place together.
    pub server: Allowance,
    /// How long a call may take at most, in seconds: what each one counts until it is over.
    pub longest_s: u32,
}

impl Quota {
    /// Whether one more call may be placed by a key that has used so much, on a server that has.
    ///
    /// # Errors
    /// Which limit it would go beyond.
    pub fn allows(&self, key: Spent, server: Spent) -> Result<(), Refusal> {
        let minutes = |spent: Spent| u32::try_from(spent.seconds_last_day / 60).unwrap_or(u32::MAX);
        if self.key.calls_per_minute > 0 && key.calls_last_minute >= self.key.calls_per_minute {
            return Err(Refusal::Rate(key.calls_last_minute));
        }
        if self.key.calls_per_day > 0 && key.calls_last_day >= self.key.calls_per_day {
            return Err(Refusal::Calls(key.calls_last_day));
        }
        if !self.has_minutes(self.key, key) {
            return Err(Refusal::Minutes(minutes(key)));
        }
        if self.server.calls_per_day > 0 && server.calls_last_day >= self.server.calls_per_day {
            return Err(Refusal::ServerCalls(server.calls_last_day));
        }
        if !self.has_minutes(self.server, server) {
            return Err(Refusal::ServerMinutes(minutes(server)));
        }
        Ok(())
    }

    /// Whether the longest call still fits.
    fn has_minutes(&self, allowance: Allowance, spent: Spent) -> bool {
        let most = u64::from(allowance.minutes_per_day) * 60;
        most == 0 || spent.seconds_last_day.saturating_add(self.longest_s.into()) <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(calls_last_minute: u32, calls_last_day: u32, seconds_last_day: u64) -> Spent {
        Spent { calls_last_minute, calls_last_day, seconds_last_day }
    }

    #[test]
    fn a_key_may_so_much_and_no_more() {
        let key = Allowance { calls_per_minute: 2, calls_per_day: 50, minutes_per_day: 1000 };
        let quota = Quota { key, longest_s: 60, ..Quota::default() };
        let nothing = Spent::default();
        for (used, said) in [
            (spent(1, 49, 999 * 60), Ok(())),
            (spent(2, 2, 0), Err(Refusal::Rate(2))),
            (spent(0, 50, 0), Err(Refusal::Calls(50))),
            // The 1,001st minute.
            (spent(0, 0, 1000 * 60), Err(Refusal::Minutes(1000))),
            // It might become that.
            (spent(0, 0, 999 * 60 + 1), Err(Refusal::Minutes(999))),
            (spent(0, 0, u64::MAX), Err(Refusal::Minutes(u32::MAX))),
        ] {
            assert_eq!(quota.allows(used, nothing), said, "{used:?}");
            let other = Quota { key: Allowance::default(), ..quota };
            assert_eq!(other.allows(used, nothing), Ok(()), "without a limit");
        }
    }

    #[test]
    fn all_keys_together_may_so_much_and_no_more() {
        let server = Allowance { calls_per_minute: 0, calls_per_day: 10, minutes_per_day: 100 };
        let quota = Quota { server, longest_s: 600, ..Quota::default() };
        let fresh = Spent::default();
        assert_eq!(quota.allows(fresh, spent(9, 9, 90 * 60)), Ok(()));
        assert_eq!(quota.allows(fresh, spent(0, 10, 0)), Err(Refusal::ServerCalls(10)));
        assert_eq!(quota.allows(fresh, spent(0, 0, 90 * 60 + 1)), Err(Refusal::ServerMinutes(90)));
        assert!(server.is_limited() && !Allowance::default().is_limited());
    }
}
