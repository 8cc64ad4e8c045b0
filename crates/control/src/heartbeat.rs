//! The runtime's pulse: a task that sleeps and sees how late it wakes. When it stands still the process is of no
//! use, whatever its sockets say; how late it is shows an overload before callers hear it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// How often it beats.
const BEAT: Duration = Duration::from_millis(100);
/// A pulse this old is none.
const STILL: Duration = Duration::from_secs(3);

/// The runtime's pulse. Cloning gives another view of the same.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    began: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    /// Starts beating on the runtime of the caller. Ends when the last view is dropped. `on_beat` is called once
    /// a second, for what is to be measured now and then.
    pub fn start(on_beat: impl Fn() + Send + 'static) -> Self {
        let heartbeat = Self { began: Instant::now(), last_ms: Arc::default() };
        let (began, last) = (heartbeat.began, Arc::downgrade(&heartbeat.last_ms));
        let lag = metrics::histogram!("trunkline_loop_lag_seconds");
        metrics::describe_histogram!(
            "trunkline_loop_lag_seconds",
            metrics::Unit::Seconds,
            "How much later than asked a sleeping task wakes."
        );
        tokio::spawn(async move {
            for beat in 1u64.. {
                let due = Instant::now() + BEAT;
                tokio::time::sleep_until(due).await;
                let Some(last) = last.upgrade() else { return };
                lag.record(due.elapsed());
                last.store(millis(began.elapsed()), Relaxed);
                if beat.is_multiple_of(10) {
                    on_beat();
                }
            }
        });
        heartbeat
    }

    /// Whether it beat lately.
    pub fn is_beating(&self) -> bool {
        millis(self.began.elapsed()).saturating_sub(self.last_ms.load(Relaxed)) < millis(STILL)
    }

    /// Since when.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_beats_while_time_goes_on_and_not_when_its_task_is_held() {
        let heartbeat = Heartbeat::start(|| {});
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(heartbeat.is_beating());
        // Time passes and no task runs: the runtime is held.
        tokio::time::advance(Duration::from_secs(1)).await;
        heartbeat.last_ms.store(0, Relaxed);
        assert!(!heartbeat.is_beating());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(heartbeat.is_beating());
    }
}
