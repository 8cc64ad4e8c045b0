//! Progress with a minimum: bytes that drip are no progress. Pure but for the type of its moments.

use std::time::Duration;

use tokio::time::Instant;

use super::Patience;

/// Watches one answer.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    due: Instant,
    /// What has come since `due` was moved.
    since: usize,
}

impl Pace {
    /// An answer that was asked for at `now`.
    pub(super) fn asked(now: Instant, patience: Patience) -> Self {
        Self { between: patience.between, due: now + patience.first, since: 0 }
    }

    /// When it is too slow.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// `amount` came; it is progress once `enough` came.
    pub(super) fn came(&mut self, now: Instant, amount: usize, enough: usize) {
        self.since += amount;
        if self.since >= enough {
            self.since = 0;
            self.due = now + self.between;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_no_progress() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let patience = Patience { first: Duration::from_secs(2), between: Duration::from_secs(1) };
        let mut pace = Pace::asked(start, patience);
        assert_eq!(pace.due(), at(2_000));
        for second in 1..10 {
            pace.came(at(second * 100), 1, 800);
        }
        assert_eq!(pace.due(), at(2_000));
        pace.came(at(1_500), 791, 800);
        assert_eq!(pace.due(), at(2_500));
        pace.came(at(1_600), 10, 800);
        assert_eq!(pace.due(), at(2_500), "it counts from the last progress");
    }
}
