//! A circuit breaker: a link that fails again and again is left alone for a while that grows, then tried by one
//! call at a time. Pure: the time comes in.

use call::{FaultClass, Micros, Tick};
use serde::Serialize;

/// So many failures in a row open it.
const IN_A_ROW: u32 = 3;
/// How long it is open the first time; twice as long each time after that.
const FIRST_PAUSE: Micros = Micros::from_ms(5_000);
/// The same where the key, the credit or the configuration is wrong: nobody mends that in seconds.
const FIRST_PAUSE_HOPELESS: Micros = Micros::from_ms(60_000);
/// No pause is longer, whatever a vendor asks for.
const LONGEST_PAUSE: Micros = Micros::from_ms(600_000);
/// A trial that nothing was heard of for so long is taken to be lost.
const LONGEST_TRIAL: Micros = Micros::from_ms(60_000);

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// One call, which tries.
    HalfOpen,
    /// Nothing.
    Open,
}

impl BreakerState {
    /// The value in metrics: 0, 1 and 2 in the order above.
    pub const fn as_number(self) -> u8 {
        self as u8
    }
}

/// The breaker of one link.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// How often it was opened since it was last closed for good.
    opened: u32,
    /// Why it was opened last.
    why: Option<FaultClass>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// `asked`: the vendor itself asked to be left alone until then.
    Open {
        until: Tick,
        asked: bool,
    },
    Trying {
        since: Tick,
    },
}

impl Breaker {
    /// Whether a request may be made now. A `true` while it was open is the one trial: its outcome must be told.
    pub fn try_now(&mut self, now: Tick) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until, .. } if now >= until => {
                self.state = State::Trying { since: now };
                true
            }
            State::Trying { since } if now.since(since) >= LONGEST_TRIAL => {
                self.state = State::Trying { since: now };
                true
            }
            State::Open { .. } | State::Trying { .. } => false,
        }
    }

    /// Whether a request may be made where there is nobody else to ask. It is no trial; it may go wrong, but not
    /// where it must: the vendor asked to be left alone, or the key is wrong.
    pub fn try_for_want_of_others(&self) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { asked, .. } => !asked && self.why.is_none_or(FaultClass::can_retry),
            State::Trying { .. } => self.why.is_none_or(FaultClass::can_retry),
        }
    }

    /// A request succeeded.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A request failed.
    pub fn failed(&mut self, now: Tick, class: FaultClass, retry_after: Option<Micros>) {
        if matches!(class, FaultClass::Local | FaultClass::Idle | FaultClass::Lifetime) {
            // Nothing is wrong with the vendor.
            self.withdrawn(now);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let is_hopeless = matches!(class, FaultClass::Auth | FaultClass::Quota | FaultClass::Config);
        let is_trial = matches!(self.state, State::Trying { .. });
        if is_hopeless || is_trial || retry_after.is_some() || self.failures >= IN_A_ROW {
            self.open(now, class, retry_after);
        }
    }

    fn open(&mut self, now: Tick, class: FaultClass, retry_after: Option<Micros>) {
        // What fails while it is open already was under way before, and says nothing new.
        let is_open = matches!(self.state, State::Open { until, .. } if now < until);
        if !is_open {
            self.opened = self.opened.saturating_add(1);
        }
        let is_hopeless = !class.can_retry();
        let first = if is_hopeless { FIRST_PAUSE_HOPELESS } else { FIRST_PAUSE };
        let grown = first.0.saturating_mul(1 << (self.opened.max(1) - 1).min(16));
        let pause = grown.max(retry_after.map_or(0, |length| length.0)).min(LONGEST_PAUSE.0);
        let mut until = now + Micros(pause);
        let mut asked = retry_after.is_some();
        if let State::Open { until: before, asked: asked_before } = self.state {
            until = until.max(before);
            asked |= asked_before;
        }
        self.state = State::Open { until, asked };
        self.why = Some(class);
    }

    /// A request was withdrawn before its outcome was known: where it was the trial, another may be made at once.
    pub fn withdrawn(&mut self, now: Tick) {
        if matches!(self.state, State::Trying { .. }) {
            self.state = State::Open { until: now, asked: false };
        }
    }

    /// The vendor answered a probe: a call may try it now.
    pub fn answered_a_probe(&mut self, now: Tick) {
        if let State::Open { until, .. } = &mut self.state {
            *until = now.min(*until);
        }
    }

    /// What it lets through at this time.
    pub fn state(&self, now: Tick) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until, .. } if now < until => BreakerState::Open,
            State::Open { .. } | State::Trying { .. } => BreakerState::HalfOpen,
        }
    }

    /// Failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// How long it stays open.
    pub fn opens_in(&self, now: Tick) -> Option<Micros> {
        match self.state {
            State::Open { until, .. } if now < until => Some(until.since(now)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(ms * 1000)
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_one_call_tries_it() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker.failed(at(0), FaultClass::Busy, None);
        }
        breaker.succeeded();
        for _ in 0..2 {
            assert!(breaker.try_now(at(10)));
            breaker.failed(at(10), FaultClass::Network, None);
        }
        assert_eq!(breaker.state(at(10)), BreakerState::Closed);
        breaker.failed(at(20), FaultClass::Slow, None);
        assert_eq!(breaker.state(at(20)), BreakerState::Open);
        assert!(!breaker.try_now(at(5_019)));
        assert!(breaker.try_now(at(5_020)));
        assert_eq!(breaker.state(at(5_020)), BreakerState::HalfOpen);
        assert!(!breaker.try_now(at(5_021)), "one trial at a time");
        breaker.failed(at(5_030), FaultClass::Busy, None);
        assert!(!breaker.try_now(at(15_029)), "twice as long");
        assert!(breaker.try_now(at(15_030)));
        breaker.succeeded();
        assert!(breaker.try_now(at(15_031)) && breaker.try_now(at(15_031)));
    }

    #[test]
    fn each_class_is_answered_in_its_way() {
        for (class, state) in [
            (FaultClass::Auth, BreakerState::Open),
            (FaultClass::Quota, BreakerState::Open),
            (FaultClass::Config, BreakerState::Open),
            (FaultClass::Rate, BreakerState::Closed),
            (FaultClass::Busy, BreakerState::Closed),
            (FaultClass::Network, BreakerState::Closed),
            (FaultClass::Slow, BreakerState::Closed),
            (FaultClass::Garbage, BreakerState::Closed),
            (FaultClass::Idle, BreakerState::Closed),
            (FaultClass::Lifetime, BreakerState::Closed),
            (FaultClass::Local, BreakerState::Closed),
        ] {
            let mut breaker = Breaker::default();
            breaker.failed(at(0), class, None);
            assert_eq!(breaker.state(at(0)), state, "{class:?}");
            assert_eq!(breaker.try_for_want_of_others(), state == BreakerState::Closed, "{class:?}");
        }
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker.failed(at(0), FaultClass::Lifetime, None);
        }
        assert_eq!(breaker.state(at(0)), BreakerState::Closed);
    }

    #[test]
    fn a_vendor_that_asks_to_be_left_alone_is() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), FaultClass::Rate, Some(Micros::from_ms(20_000)));
        assert!(!breaker.try_now(at(19_999)));
        assert!(!breaker.try_for_want_of_others());
        assert_eq!(breaker.opens_in(at(0)), Some(Micros::from_ms(20_000)));
        assert!(breaker.try_now(at(20_000)));
    }

    #[test]
    fn a_trial_that_is_withdrawn_or_lost_makes_room_for_another() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), FaultClass::Auth, None);
        assert!(breaker.try_now(at(60_000)));
        breaker.withdrawn(at(60_001));
        assert!(breaker.try_now(at(60_001)));
        assert!(!breaker.try_now(at(60_002)));
        assert!(breaker.try_now(at(120_001)));
    }

    #[test]
    fn an_answered_probe_lets_a_call_try() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), FaultClass::Quota, None);
        breaker.answered_a_probe(at(1));
        assert_eq!(breaker.state(at(1)), BreakerState::HalfOpen);
        assert!(breaker.try_now(at(1)));
        assert!(!breaker.try_now(at(1)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Wait(u64),
        Try,
        Succeed,
        Fail(FaultClass),
        Withdraw,
    }

    proptest! {
        #[test]
        fn while_it_is_not_closed_at_most_one_call_is_let_through_at_a_time(
            steps in prop::collection::vec(prop_oneof![
                (0u64..20_000).prop_map(Step::Wait),
                Just(Step::Try),
                Just(Step::Succeed),
                prop::sample::select(FaultClass::ALL.to_vec()).prop_map(Step::Fail),
                Just(Step::Withdraw),
            ], 0..80),
        ) {
            let mut breaker = Breaker::default();
            let mut now = at(0);
            let mut trial: Option<Tick> = None;
            for step in steps {
                match step {
                    Step::Wait(ms) => now = now + Micros::from_ms(ms),
                    Step::Try => {
                        let was = breaker.state(now);
                        if breaker.try_now(now) && was != BreakerState::Closed {
                            let before = trial.replace(now);
                            prop_assert!(before.is_none_or(|before| now.since(before) >= LONGEST_TRIAL));
                        }
                        prop_assert!(was != BreakerState::Open || breaker.state(now) == BreakerState::Open);
                    }
                    Step::Succeed => {
                        breaker.succeeded();
                        trial = None;
                        prop_assert_eq!(breaker.state(now), BreakerState::Closed);
                    }
                    Step::Fail(class) => {
                        breaker.failed(now, class, None);
                        trial = None;
                    }
                    Step::Withdraw => {
                        breaker.withdrawn(now);
                        trial = None;
                    }
                }
                prop_assert!(breaker.opens_in(now).is_none_or(|length| length <= LONGEST_PAUSE));
            }
        }
    }
}
