//! How fast an account may dial. Twilio takes calls beyond its limit and keeps them in a queue of its own, so that
//! nobody knows any more when a phone rings; Exotel refuses them. Either way it is better to wait here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Hands out turns, one each interval. What was not used is not saved up.
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// So many a second; any number when it is 0 or none.
    pub(super) fn new(per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(per_second.recip()).unwrap_or_default();
        Self { interval, next: Mutex::new(None) }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// At once, when there is none before `by`; how long it would take.
    pub(super) async fn wait(&self, by: Instant) -> Result<(), Duration> {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.map_or(now, |next| next.max(now));
            if turn > by {
                return Err(turn - now);
            }
            *next = Some(turn + self.interval);
            turn
        };
        tokio::time::sleep_until(turn).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_one_each_interval() {
        let pace = Pace::new(2.0);
        let start = Instant::now();
        let by = start + Duration::from_millis(1100);
        for expected_ms in [0, 500, 1000] {
            pace.wait(by).await.unwrap();
            let late = start.elapsed() - Duration::from_millis(expected_ms);
            assert!(late < Duration::from_millis(5), "{expected_ms} ms, {late:?} late");
        }
        assert!(pace.wait(by).await.is_err(), "the next turn comes too late");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let by = Instant::now() + Duration::from_secs(1);
        for _ in 0..2 {
            pace.wait(by).await.unwrap();
        }
        let took = start.elapsed() - Duration::from_secs(6);
        assert!(took >= Duration::from_millis(499), "turns that were not used are not saved up: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_waits() {
        for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let pace = Pace::new(none);
            let start = Instant::now();
            for _ in 0..1000 {
                pace.wait(start).await.unwrap();
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
    }
}
