//! Times that were measured, and their quantiles.

use std::time::Duration;

/// Times in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Notes one. What is longer than 71 minutes counts as that.
    pub fn push(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes those of another over.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest time that at least `share` (0 to 1) of all lie at or below, in milliseconds; `None` when
    /// nothing was measured.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let mut times = self.0.clone();
        let rank = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last);
        let (_, time, _) = times.select_nth_unstable(rank);
        Some(f64::from(*time) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let mut times = Latencies::default();
        assert_eq!(times.quantile_ms(0.5), None);
        (1..=100).rev().for_each(|ms| times.push(Duration::from_millis(ms)));
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|share| times.quantile_ms(share).unwrap()),
            [1.0, 50.0, 99.0, 100.0]
        );
    }
}
