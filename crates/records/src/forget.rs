//! What is left of a record when a part of it is forgotten: after its time, or since somebody wants it erased.

use jiff::Timestamp;

use crate::{CallRecord, Change};

/// A part of what is kept of a call. Each has its own time, and each can go alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kept {
    /// The recording.
    Audio,
    /// What was said: the turns' words, results, and the call log.
    Transcript,
    /// All else: numbers, parameters, who served it. Id, times and state stay.
    Record,
}

impl Kept {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Transcript, Self::Record];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Transcript => "transcript",
            Self::Record => "record",
        }
    }
}

impl CallRecord {
    /// Takes a part out. Where the record itself goes, a tombstone stays: the id, the times, the state and its reason;
    /// nothing said of the call later changes it.
    pub fn forget(&mut self, what: Kept, now: Timestamp) -> Change {
        let before = self.clone();
        match what {
            Kept::Audio => {
                if self.recording.take().is_some() {
                    self.recording_erased_at = Some(now);
                }
            }
            Kept::Transcript => {
                for turn in &mut self.turns {
                    turn.text.clear();
                    turn.unheard.clear();
                }
                self.results.clear();
                self.transfer = None;
                // A vendor's summary of a conversation is the conversation in other words.
                self.agent_report = None;
            }
            Kept::Record if self.erased_at.is_none() => {
                let tombstone = Self {
                    direction: self.direction,
                    status: self.status,
                    status_from: self.status_from,
                    answered_at: self.answered_at,
                    ended_at: self.ended_at,
                    end_reason: self.end_reason,
                    end_from: self.end_from,
                    talk_ended: true,
                    erased_at: Some(now),
                    recording_erased_at: self.recording.as_ref().map(|_| now).or(self.recording_erased_at),
                    ..Self::new(
                        std::mem::take(&mut self.id),
                        std::mem::take(&mut self.carrier),
                        self.started_at,
                    )
                };
                *self = tombstone;
            }
            Kept::Record => {}
        }
        if *self == before { Change::Nothing } else { Change::Facts }
    }

    /// Whether there is anything left of a part, as far as the record tells.
    pub fn holds(&self, what: Kept) -> bool {
        match what {
            Kept::Audio => self.recording.is_some(),
            Kept::Transcript => {
                let said = |turn: &crate::TurnRecord| !turn.text.is_empty() || !turn.unheard.is_empty();
                self.turns.iter().any(said)
                    || !self.results.is_empty()
                    || self.transfer.is_some()
                    || self.agent_report.is_some()
            }
            Kept::Record => self.erased_at.is_none(),
        }
    }

    /// Whether the call was from or to this number, however either is written.
    pub fn is_with(&self, number: &str) -> bool {
        [&self.from, &self.to].into_iter().flatten().any(|known| same_number(known, number))
    }
}

/// Whether two numbers are the same however they are written: with a country code, a leading zero, or spaces. Those of
/// fewer than eight digits must be the same digit by digit.
pub fn same_number(one: &str, other: &str) -> bool {
    let (one, other) = (digits(one), digits(other));
    let (longer, shorter) = if one.len() >= other.len() { (one, other) } else { (other, one) };
    !shorter.is_empty() && (longer == shorter || shorter.len() >= 8 && longer.ends_with(&shorter))
}

/// The digits of a number without those that only say how to dial it.
fn digits(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CallEvent, CallStatus, EndReason, Fact, Speaker, TurnRecord, Witness};

    fn record() -> CallRecord {
        let at = "2026-11-21T12:00:00Z".parse().unwrap();
        CallRecord {
            from: Some("+919876543210".to_owned()),
            to: Some("08000000002".to_owned()),
            status: CallStatus::Completed,
            end_reason: Some(EndReason::CallerHungUp),
            recording: Some("recording.wav".to_owned()),
            turns: vec![TurnRecord {
                speaker: Speaker::Caller,
                at_ms: 100,
                text: "secret words".to_owned(),
                unheard: String::new(),
                evidence: None,
                latency: None,
                served_by: Default::default(),
            }],
            ..CallRecord::new("call_1", "exotel", at)
        }
    }

    #[test]
    fn each_part_goes_alone() {
        let now: Timestamp = "2026-12-21T12:00:00Z".parse().unwrap();
        for what in Kept::ALL {
            let mut record = record();
            assert!(record.holds(what));
            assert_eq!(record.forget(what, now), Change::Facts);
            assert!(!record.holds(what));
            assert_eq!(record.forget(what, now), Change::Nothing, "{what:?}");
            let text = format!("{record:?}");
            assert_eq!(text.contains("secret"), what == Kept::Audio, "{text}");
            assert_eq!(text.contains("9876"), what != Kept::Record, "{text}");
            assert_eq!((record.status, record.id.as_str()), (CallStatus::Completed, "call_1"));
        }
    }

    #[test]
    fn a_tombstone_takes_nothing_in() {
        let now = "2026-12-21T12:00:00Z".parse().unwrap();
        let (mut record, full) = (record(), record());
        record.forget(Kept::Record, now);
        let tombstone = record.clone();
        let fact = Fact::Talk { record: Box::new(full) };
        assert_eq!(record.apply(CallEvent { at: now, from: Witness::Socket, fact }), Change::Nothing);
        assert_eq!(record, tombstone);
    }

    #[test]
    fn a_number_is_known_however_it_is_written() {
        let record = record();
        for number in ["+919876543210", "9876543210", "09876543210", "+91 98765-43210", "8000000002"] {
            assert!(record.is_with(number), "{number}");
        }
        for number in ["", "+", "210", "8876543210", "43210"] {
            assert!(!record.is_with(number), "{number}");
        }
    }
}
