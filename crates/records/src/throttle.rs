//! How often somebody may do something: a token bucket for each of them, of which there are never more than there is
//! room for. Time comes in as microseconds since whenever the owner began to count.
//!
//! A bucket is one number, the moment at which it would be full again (the generic cell rate algorithm), so that nothing
//! has to be refilled and a bucket that is full need not be kept.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// How many buckets are kept.
const ROOM: usize = 10_000;

/// Buckets of one size, one for each `K`.
#[derive(Debug)]
pub struct Throttle<K> {
    /// How many may be taken at once from a full bucket.
    burst: u32,
    /// After how long there is one more, in microseconds.
    every_us: u64,
    /// When each bucket that is not full will be.
    full_at: BTreeMap<K, u64>,
    room: usize,
}

/// What a bucket holds after one was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// How many more may be taken now.
    pub now: u32,
    /// After how many microseconds it is full again.
    pub full_after_us: u64,
}

impl<K: Ord> Throttle<K> {
    /// Buckets that hold `burst` and gain one every so many microseconds, neither of them zero.
    pub fn new(burst: u32, every_us: u64) -> Self {
        Self { burst: burst.max(1), every_us: every_us.max(1), full_at: BTreeMap::new(), room: ROOM }
    }

    /// How many a full bucket holds, and after how many microseconds an empty one is full.
    pub fn policy(&self) -> (u32, u64) {
        (self.burst, self.every_us.saturating_mul(self.burst.into()))
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none: after how many microseconds there will be. Where there is no room for one more bucket, somebody new
    /// finds theirs empty.
    pub fn take(&mut self, who: K, now_us: u64) -> Result<Left, u64> {
        let (burst, capacity) = self.policy();
        let full_at = self.full_at.get(&who).copied().unwrap_or(0).max(now_us);
        let missing = full_at - now_us;
        if missing.saturating_add(self.every_us) > capacity {
            return Err(missing.saturating_add(self.every_us) - capacity);
        }
        if self.full_at.len() >= self.room && !self.full_at.contains_key(&who) {
            self.full_at.retain(|_, full_at| *full_at > now_us);
            if self.full_at.len() >= self.room {
                return Err(self.every_us);
            }
        }
        let missing = missing + self.every_us;
        self.full_at.insert(who, now_us.saturating_add(missing));
        let taken = u32::try_from(missing.div_ceil(self.every_us)).unwrap_or(u32::MAX);
        Ok(Left { now: burst.saturating_sub(taken), full_after_us: missing })
    }

    /// Whether a bucket is empty; for how many microseconds it will be.
    pub fn empty_for(&self, who: &K, now_us: u64) -> Option<u64> {
        let (_, capacity) = self.policy();
        let missing = self.full_at.get(who)?.saturating_sub(now_us).saturating_add(self.every_us);
        missing.checked_sub(capacity).filter(|wait| *wait > 0)
    }
}

/// Whom an address counts for: in IPv6 one holder has a whole /64.
pub fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn so_many_at_once_and_then_one_at_a_time() {
        let mut throttle = Throttle::new(3, SECOND);
        assert_eq!(throttle.policy(), (3, 3 * SECOND));
        let left: Vec<_> = (0..3).map(|_| throttle.take("a", 0).unwrap().now).collect();
        assert_eq!(left, [2, 1, 0]);
        assert_eq!(throttle.take("a", 0), Err(SECOND));
        assert_eq!(throttle.empty_for(&"a", SECOND / 4), Some(SECOND * 3 / 4));
        assert_eq!(throttle.take("a", SECOND - 1), Err(1));
        // Being refused costs nothing.
        assert_eq!(throttle.take("a", SECOND), Ok(Left { now: 0, full_after_us: 3 * SECOND }));
        assert_eq!(throttle.empty_for(&"a", 2 * SECOND), None);
        // Others have buckets of their own, and a long rest fills one, not more.
        assert_eq!(throttle.take("b", SECOND).unwrap().now, 2);
        assert_eq!(throttle.take("a", 1_000 * SECOND).unwrap().now, 2);
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing_away() {
        let mut throttle = Throttle::new(1, SECOND);
        throttle.take("a", 10 * SECOND).unwrap();
        assert_eq!(throttle.take("a", 10 * SECOND), Err(SECOND));
        assert_eq!(throttle.take("a", 5 * SECOND), Err(6 * SECOND));
    }

    #[test]
    fn there_are_never_more_buckets_than_there_is_room_for() {
        let mut throttle = Throttle { room: 100, ..Throttle::new(2, SECOND) };
        for who in 0..100 {
            assert!(throttle.take(who, 0).is_ok());
        }
        assert_eq!(throttle.take(100, 0), Err(SECOND), "strangers are too many");
        assert_eq!(throttle.take(5, 0).unwrap().now, 0, "who has a bucket keeps it");
        assert!(throttle.take(100, SECOND).is_ok(), "full buckets make room");
        assert!(throttle.full_at.len() <= 100);
    }

    #[test]
    fn an_address_counts_for_its_holder() {
        let holder = |text: &str| holder(text.parse().unwrap()).to_string();
        assert_eq!(holder("192.0.2.7"), "192.0.2.7");
        assert_eq!(holder("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(holder("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
