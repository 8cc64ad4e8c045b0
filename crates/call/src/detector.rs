//! When the caller's turn is over: how much silence is wanted after what was said.

use crate::settings::ms;
use crate::{EndOfTurnWhy, Micros, Turn, TurnEnd, words};

/// After so many pauses it is known how this caller pauses.
const PAUSES_KNOWN: u32 = 2;
/// How much of the average so far stays when a pause is added.
const PAUSE_MEMORY: u64 = 9;
/// How much longer than the caller's usual pause it must be quiet, as a fraction.
const PATIENCE: (u64, u64) = (5, 4);

/// The recogniser's sign that the caller may have finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It found them quiet for as long as its endpointing wants.
    Pause,
    /// Its turn model is sure.
    TurnOver,
}

/// How this caller pauses in the middle of what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pauses {
    /// How many pauses there were.
    pub seen: u32,
    /// Their moving average: nine parts of what it was to one part of the newest.
    pub average: Micros,
}

impl Pauses {
    pub(crate) fn note(&mut self, pause: Micros) {
        self.average = if self.seen == 0 {
            pause
        } else {
            Micros((self.average.0 * PAUSE_MEMORY + pause.0) / (PAUSE_MEMORY + 1))
        };
        self.seen = self.seen.saturating_add(1);
    }
}

/// What is known when the end of a turn is decided.
#[derive(Debug, Clone, Copy)]
pub struct SoFar<'a> {
    /// The caller's words.
    pub text: &'a str,
    /// The recogniser's sign, where it gave one after the last of them.
    pub sign: Option<Sign>,
    /// How this caller pauses.
    pub pauses: Pauses,
}

/// Tells how long it must be quiet before the caller's turn is taken as over.
pub trait EndDetector: Send + Sync {
    /// The silence wanted since the caller's last sound, and why.
    fn wanted(&self, so_far: &SoFar<'_>, settings: &Turn) -> (Micros, EndOfTurnWhy);
}

/// Believes the recogniser's sign, and waits longer where the words look unfinished.
#[derive(Debug, Clone, Copy)]
pub struct SilenceDetector;

impl EndDetector for SilenceDetector {
    fn wanted(&self, so_far: &SoFar<'_>, settings: &Turn) -> (Micros, EndOfTurnWhy) {
        let unfinished = words::looks_unfinished(so_far.text);
        match so_far.sign.filter(|_| settings.end != TurnEnd::Own) {
            Some(Sign::TurnOver) => (Micros::default(), EndOfTurnWhy::VendorTurn),
            Some(Sign::Pause) if !unfinished => (Micros::default(), EndOfTurnWhy::VendorPause),
            None if settings.end == TurnEnd::Vendor => {
                (ms(settings.vendor_silence_ms), EndOfTurnWhy::Silence)
            }
            _ if unfinished => (ms(settings.unfinished_silence_ms), EndOfTurnWhy::Unfinished),
            _ => (ms(settings.end_silence_ms), EndOfTurnWhy::Silence),
        }
    }
}

/// The same, and waits for as long as this caller's own pauses want.
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveDetector;

impl EndDetector for AdaptiveDetector {
    fn wanted(&self, so_far: &SoFar<'_>, settings: &Turn) -> (Micros, EndOfTurnWhy) {
        let (wanted, why) = SilenceDetector.wanted(so_far, settings);
        let by_silence = why == EndOfTurnWhy::Silence && settings.end != TurnEnd::Vendor;
        if !by_silence || so_far.pauses.seen < PAUSES_KNOWN {
            return (wanted, why);
        }
        let least = match settings.adaptive_min_ms {
            0 => wanted,
            least => ms(least),
        };
        let most = ms(settings.adaptive_max_ms).max(least);
        let patient = Micros(so_far.pauses.average.0 * PATIENCE.0 / PATIENCE.1).clamp(least, most);
        if patient == wanted { (wanted, why) } else { (patient, EndOfTurnWhy::Adaptive) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(detector: &dyn EndDetector, text: &str, sign: Option<Sign>, pauses: &[u64]) -> u64 {
        let mut seen = Pauses::default();
        pauses.iter().for_each(|pause| seen.note(ms(*pause)));
        let so_far = SoFar { text, sign, pauses: seen };
        detector.wanted(&so_far, &Turn::default()).0.0 / 1000
    }

    #[test]
    fn a_caller_who_pauses_is_given_time() {
        assert_eq!(wanted(&AdaptiveDetector, "a table", None, &[]), 600);
        assert_eq!(wanted(&AdaptiveDetector, "a table", None, &[900]), 600, "one pause says nothing");
        assert_eq!(wanted(&AdaptiveDetector, "a table", None, &[800, 800]), 1000);
        assert_eq!(wanted(&AdaptiveDetector, "a table", None, &[5_000, 5_000]), 1500, "there is a most");
        assert_eq!(wanted(&AdaptiveDetector, "a table", None, &[200, 200]), 600, "there is a least");
        assert_eq!(wanted(&SilenceDetector, "a table", None, &[800, 800]), 600);
    }

    #[test]
    fn a_sign_is_believed_where_the_words_look_finished() {
        for detector in [&SilenceDetector as &dyn EndDetector, &AdaptiveDetector] {
            assert_eq!(wanted(detector, "a table", Some(Sign::Pause), &[800, 800]), 0);
            assert_eq!(wanted(detector, "a table for", Some(Sign::Pause), &[]), 1500);
            assert_eq!(wanted(detector, "a table for", Some(Sign::TurnOver), &[]), 0);
        }
    }
}
