//! How often a job is begun, how long is waited in between, and how long one attempt may take.

use std::time::Duration;

/// How a kind of job is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long to wait after each fault.
    pub waits: Waits,
    /// How often a job is begun before it is given up.
    pub attempts: u32,
    /// How long one attempt may take. One that takes longer is ended and has failed.
    pub longest: Duration,
}

/// How long to wait after each fault. A tenth is added by chance, so that many that failed together do not come back
/// together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// So long at first, and twice as long after each further one.
    Doubling {
        /// The first.
        first: Duration,
        /// The longest.
        longest: Duration,
    },
    /// These, one after another; the last again and again.
    Each(&'static [Duration]),
}

impl Default for Policy {
    fn default() -> Self {
        let waits = Waits::Doubling { first: Duration::from_secs(2), longest: Duration::from_secs(3600) };
        Self { waits, attempts: 20, longest: Duration::from_secs(300) }
    }
}

impl Waits {
    /// How long to wait after this attempt, counted from 1.
    pub fn after(self, attempt: u32) -> Duration {
        let before = attempt.saturating_sub(1);
        match self {
            Self::Doubling { first, longest } => {
                let times = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
                first.saturating_mul(times).min(longest)
            }
            Self::Each(waits) => {
                let nth = usize::try_from(before).unwrap_or(usize::MAX);
                waits.get(nth).or(waits.last()).copied().unwrap_or_default()
            }
        }
    }
}

/// A wait with up to a tenth more, by `chance` of 0 to 255.
pub(super) fn spread(wait: Duration, chance: u8) -> Duration {
    wait.saturating_add(wait.mul_f64(f64::from(chance) / 2550.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits = Policy::default().waits;
        let waits: Vec<u64> = [1, 2, 3, 11, 12, 40, u32::MAX].map(|n| waits.after(n).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 2048, 3600, 3600, 3600]);
    }

    #[test]
    fn a_list_of_waits_ends_with_its_last() {
        const LIST: &[Duration] = &[Duration::from_secs(5), Duration::from_secs(300)];
        let waits: Vec<u64> = [1, 2, 3, u32::MAX].map(|n| Waits::Each(LIST).after(n).as_secs()).into();
        assert_eq!(waits, [5, 300, 300, 300]);
        assert_eq!(Waits::Each(&[]).after(1), Duration::ZERO);
    }

    #[test]
    fn chance_only_adds_and_no_more_than_a_tenth() {
        let wait = Duration::from_secs(100);
        assert_eq!(spread(wait, 0), wait);
        assert!(spread(wait, 1) > wait);
        assert_eq!(spread(wait, u8::MAX), Duration::from_secs(110));
    }
}
