//! How many requests may be made beyond those that calls ask for, so that a vendor in trouble is not buried by
//! everybody's second attempt. Pure: the time comes in.

use call::{Micros, Tick};

/// What each request adds. With what time adds, extra requests stay under 10 %.
const EACH: f64 = 0.09;
/// What is there at the start, and what time brings back, so that a lone call may ask again.
const FLOOR: f64 = 1.0;
/// How long it takes time to bring one back.
const ONE_IN: Micros = Micros::from_ms(60_000);
/// No more is saved: a quiet day must not pay for a storm.
const MOST: f64 = 20.0;

/// The budget of a whole process.
#[derive(Debug, Clone)]
pub struct Budget {
    saved: f64,
    at: Tick,
}

impl Default for Budget {
    fn default() -> Self {
        Self { saved: FLOOR, at: Tick(0) }
    }
}

impl Budget {
    /// A call has asked something.
    pub fn asked(&mut self) {
        self.saved = (self.saved + EACH).min(MOST);
    }

    /// Takes an extra request out, if there is one.
    pub fn take(&mut self, now: Tick) -> bool {
        let length = now.since(self.at).0 as f64;
        self.at = self.at.max(now);
        if self.saved < FLOOR {
            self.saved = (self.saved + length / ONE_IN.0 as f64).min(FLOOR);
        }
        let is_there = self.saved >= 1.0;
        if is_there {
            self.saved -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lone_call_may_ask_again_and_time_gives_it_back() {
        let mut budget = Budget::default();
        budget.asked();
        assert!(budget.take(Tick(0)));
        assert!(!budget.take(Tick(0)));
        assert!(budget.take(Tick(61_000_000)));
    }

    proptest! {
        #[test]
        fn extra_requests_stay_within_a_tenth(requests in 100usize..3_000, wishes in 1usize..5) {
            let mut budget = Budget::default();
            let mut extra = 0;
            for at in 0..requests {
                budget.asked();
                extra += (0..wishes).filter(|_| budget.take(Tick(at as u64 * 1_000))).count();
            }
            prop_assert!(extra * 10 <= requests, "{extra} of {requests}");
            prop_assert!(extra * 12 >= requests, "it is not closed either: {extra} of {requests}");
        }
    }
}
