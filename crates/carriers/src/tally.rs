//! What is counted along a stream: lost messages, the real speed of the audio, floods of key presses.

use audio::SampleRate;

/// How long audio is watched before its speed is judged.
const WATCH_MS: i64 = 2_000;
/// How many such times in a row it must run wrong: one pause on the carrier's side is not a wrong rate.
const SURE: u8 = 2;
/// More keys than this within a second of the stream are a fault or an attack, not a finger.
const KEYS_PER_SECOND: u32 = 20;

/// What a sequence number says about those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Next,
    Gap,
    Repeat,
}

/// Counts along one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    last_sequence: Option<i64>,
    watch: Option<Watch>,
    suspicion: u8,
    judged: bool,
    samples: u64,
    keys: u32,
    keys_second: u64,
}

/// A run of audio frames without a gap.
#[derive(Debug, Clone, Copy)]
struct Watch {
    from_ms: i64,
    to_ms: i64,
    samples: u64,
}

impl Tally {
    /// Takes a message's number.
    pub(crate) fn sequence(&mut self, number: i64) -> Order {
        let order = match self.last_sequence {
            Some(last) if number <= last => Order::Repeat,
            Some(last) if number.saturating_sub(last) > 1 => Order::Gap,
            _ => Order::Next,
        };
        if order != Order::Next {
            // Time that was lost must not look like audio that runs fast.
            self.watch = None;
        }
        self.last_sequence = Some(number);
        order
    }

    /// Takes a frame of audio. True, at most once a stream, when its speed can't be that of `rate`: the
    /// samples between the first frame's timestamp and the last's are over a third too many or too few.
    pub(crate) fn audio(&mut self, rate: SampleRate, samples: usize, timestamp_ms: Option<i64>) -> bool {
        self.samples += samples as u64;
        let Some(now) = timestamp_ms.filter(|_| !self.judged) else { return false };
        let watch = match &mut self.watch {
            Some(watch) if now > watch.to_ms && now.saturating_sub(watch.to_ms) < WATCH_MS => watch,
            watch => {
                *watch = Some(Watch { from_ms: now, to_ms: now, samples: 0 });
                return false;
            }
        };
        watch.to_ms = now;
        watch.samples += samples as u64;
        let length_ms = watch.to_ms.saturating_sub(watch.from_ms);
        if length_ms < WATCH_MS {
            return false;
        }
        let wanted = length_ms as f64 * f64::from(rate.hz()) / 1000.0;
        let ratio = watch.samples as f64 / wanted;
        self.watch = None;
        self.suspicion = if (0.67..=1.33).contains(&ratio) { 0 } else { self.suspicion + 1 };
        self.judged = self.suspicion == SURE;
        self.judged
    }

    /// Takes a key press. False when there were too many within the same second of audio, so that no clock is
    /// needed: a real stream sends audio all the time.
    pub(crate) fn key(&mut self, rate: SampleRate) -> bool {
        let second = self.samples / u64::from(rate.hz());
        if second != self.keys_second {
            self.keys_second = second;
            self.keys = 0;
        }
        self.keys = self.keys.saturating_add(1);
        self.keys <= KEYS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_repeats_are_told_apart() {
        let mut tally = Tally::default();
        let orders: Vec<_> = [7, 8, 10, 10, 3, 4, i64::MIN].map(|number| tally.sequence(number)).to_vec();
        use Order::{Gap, Next, Repeat};
        assert_eq!(orders, [Next, Next, Gap, Repeat, Repeat, Next, Repeat]);
        assert_eq!(tally.sequence(i64::MAX), Gap);
    }

    #[test]
    fn audio_at_twice_the_rate_is_noticed_once() {
        let mut tally = Tally::default();
        let found: Vec<_> =
            (0..500).filter(|i| tally.audio(SampleRate::HZ_8000, 320, Some(i * 20))).collect();
        assert_eq!(found, [201]);
    }

    #[test]
    fn audio_at_the_rate_is_right_in_any_framing_and_with_pauses() {
        let mut tally = Tally::default();
        assert!(!(0..500).any(|i| tally.audio(SampleRate::HZ_8000, 160, Some(i * 20))));
        let mut tally = Tally::default();
        assert!(!(0..500).any(|i| tally.audio(SampleRate::HZ_24000, 2400, Some(100 + i * 100))));
        let mut tally = Tally::default();
        assert!(!(0..500).any(|i| tally.audio(SampleRate::HZ_8000, 160, Some(i * 5_000))));
    }

    #[test]
    fn lost_messages_do_not_look_like_a_wrong_rate() {
        let mut tally = Tally::default();
        for i in 0..1000 {
            if tally.sequence(i * 2) == Order::Gap || i == 0 {
                assert!(!tally.audio(SampleRate::HZ_8000, 160, Some(i * 40)));
            }
        }
    }

    #[test]
    fn keys_are_capped_by_the_second() {
        let mut tally = Tally::default();
        let taken = (0..100).filter(|_| tally.key(SampleRate::HZ_8000)).count();
        assert_eq!(taken, 20);
        tally.audio(SampleRate::HZ_8000, 8000, None);
        assert!(tally.key(SampleRate::HZ_8000));
    }
}
