//! When a call that nobody hears of any more is closed. A call is never closed for its age: only for silence, and only
//! after its carrier was asked, where that can be done.

use jiff::{SignedDuration, Timestamp};

use crate::{CallEvent, CallRecord, CallStatus, Direction, EndReason, Fact, Witness};

/// After how long a call that may never have been dialled is closed where the carrier can't be asked.
const UNDIALLED_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// How old a call is before anyone wonders why the carrier has given it no id: a request to dial takes that long.
const DIALLING: SignedDuration = SignedDuration::from_secs(60);

/// What the sweep goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleRule {
    /// For how long a call shows no sign of life before it is looked at.
    pub after: SignedDuration,
}

/// What is to be done about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleStep {
    /// Nothing: it is over, or lives.
    Leave,
    /// The carrier is to be asked after it.
    AskCarrier,
    /// The carrier is to be asked whether it ever dialled it.
    FindAtCarrier,
    /// It is to be closed: there is nobody to ask.
    Close,
}

/// What came of asking the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierWord {
    /// It knows the call, in this state; `None` where its word is unknown.
    Status(Option<CallStatus>),
    /// It knows no such call.
    NoCall,
    /// It does not list such a call, which proves nothing yet.
    NotYet,
    /// It did not answer, or not to us.
    Silent,
}

/// What is to be done after asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAsking {
    /// The call goes on by the carrier's word, or it may be asked again later.
    Leave,
    /// The carrier knows how it ended; what it said is to be applied.
    Believe,
    /// It is to be closed with this reason.
    Close(EndReason),
}

impl StaleRule {
    /// What is to be done about a call, by what is known without asking anybody. `last_sign` is when it last showed
    /// life: audio, an event, its node's word. `can_ask`: the carrier can be asked after calls.
    pub fn step(
        &self,
        call: &CallRecord,
        last_sign: Option<Timestamp>,
        now: Timestamp,
        can_ask: bool,
    ) -> StaleStep {
        if call.status.is_final() {
            return StaleStep::Leave;
        }
        let is_unknown = call.carrier_call_id.is_empty() && call.direction == Direction::Outbound;
        if is_unknown && call.talked_at.is_none() {
            let age = now.duration_since(call.started_at);
            return match (age > DIALLING, can_ask) {
                (false, _) => StaleStep::Leave,
                (true, true) => StaleStep::FindAtCarrier,
                (true, false) if age > UNDIALLED_AFTER => StaleStep::Close,
                (true, false) => StaleStep::Leave,
            };
        }
        if self.silence(call, last_sign, now) <= self.after {
            return StaleStep::Leave;
        }
        if can_ask && !call.carrier_call_id.is_empty() { StaleStep::AskCarrier } else { StaleStep::Close }
    }

    /// What is to be done once the carrier was asked after the call, or whether it ever dialled it.
    pub fn after_asking(
        &self,
        call: &CallRecord,
        last_sign: Option<Timestamp>,
        now: Timestamp,
        word: CarrierWord,
    ) -> AfterAsking {
        let was_dialled = !call.carrier_call_id.is_empty();
        match word {
            CarrierWord::Status(Some(status)) if status.is_final() => AfterAsking::Believe,
            CarrierWord::Status(_) if was_dialled => AfterAsking::Leave,
            // It was found: now its id is known, and the next round asks after it.
            CarrierWord::Status(_) => AfterAsking::Believe,
            CarrierWord::NoCall if was_dialled => AfterAsking::Close(EndReason::Stale),
            CarrierWord::NoCall => AfterAsking::Close(EndReason::NeverDialled),
            CarrierWord::NotYet => AfterAsking::Leave,
            // A carrier that never answers must not keep a call open for ever.
            CarrierWord::Silent if self.silence(call, last_sign, now) > self.after * 2 => {
                AfterAsking::Close(EndReason::Stale)
            }
            CarrierWord::Silent => AfterAsking::Leave,
        }
    }

    /// For how long the call has shown no sign of life.
    pub fn silence(&self, call: &CallRecord, last_sign: Option<Timestamp>, now: Timestamp) -> SignedDuration {
        let signs = [Some(call.started_at), call.answered_at, call.talked_at, last_sign];
        let last = signs.into_iter().flatten().max().unwrap_or(call.started_at);
        now.duration_since(last).max(SignedDuration::ZERO)
    }
}

/// The sweep's word that a call is over.
pub fn closed(at: Timestamp, reason: EndReason, detail: String) -> CallEvent {
    let fact = Fact::Status { status: CallStatus::Failed, reason: Some(reason), detail };
    CallEvent { at, from: Witness::Sweep, fact }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: StaleRule = StaleRule { after: SignedDuration::from_mins(30) };

    fn at(minutes: i64) -> Timestamp {
        "2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    fn call(status: CallStatus, carrier_call_id: &str) -> CallRecord {
        CallRecord {
            status,
            carrier_call_id: carrier_call_id.to_owned(),
            direction: Direction::Outbound,
            ..CallRecord::new("call_1", "twilio", at(0))
        }
    }

    #[test]
    fn only_silence_makes_a_call_stale() {
        let live = call(CallStatus::InProgress, "CA1");
        for (last_sign, now, can_ask, step) in [
            (Some(at(31)), at(31), true, StaleStep::Leave),
            (Some(at(600)), at(625), true, StaleStep::Leave),
            (None, at(30), true, StaleStep::Leave),
            (None, at(31), true, StaleStep::AskCarrier),
            (None, at(31), false, StaleStep::Close),
            (Some(at(600)), at(631), true, StaleStep::AskCarrier),
            // A clock that went back is no silence.
            (Some(at(90)), at(31), true, StaleStep::Leave),
        ] {
            assert_eq!(RULE.step(&live, last_sign, now, can_ask), step, "{last_sign:?} {now}");
        }
        for status in CallStatus::ALL.into_iter().filter(|status| status.is_final()) {
            assert_eq!(RULE.step(&call(status, "CA1"), None, at(9999), true), StaleStep::Leave);
        }
        let inbound = CallRecord { direction: Direction::Inbound, ..call(CallStatus::InProgress, "") };
        assert_eq!(RULE.step(&inbound, None, at(31), true), StaleStep::Close);
    }

    #[test]
    fn a_call_that_may_not_have_been_dialled_is_looked_for() {
        let dialling = call(CallStatus::Queued, "");
        assert_eq!(RULE.step(&dialling, None, at(1), true), StaleStep::Leave);
        assert_eq!(RULE.step(&dialling, None, at(2), true), StaleStep::FindAtCarrier);
        assert_eq!(RULE.step(&dialling, None, at(2), false), StaleStep::Leave);
        assert_eq!(RULE.step(&dialling, None, at(11), false), StaleStep::Close);
        let after = |now, word| RULE.after_asking(&dialling, None, now, word);
        assert_eq!(after(at(11), CarrierWord::NotYet), AfterAsking::Leave);
        assert_eq!(after(at(11), CarrierWord::NoCall), AfterAsking::Close(EndReason::NeverDialled));
        assert_eq!(after(at(11), CarrierWord::Silent), AfterAsking::Leave);
        assert_eq!(after(at(11), CarrierWord::Status(Some(CallStatus::Ringing))), AfterAsking::Believe);
        // Its socket has opened, so it was dialled.
        let talks = CallRecord { talked_at: Some(at(1)), ..dialling };
        assert_eq!(RULE.step(&talks, None, at(11), true), StaleStep::Leave);
    }

    #[test]
    fn the_carrier_is_believed() {
        let call = call(CallStatus::InProgress, "CA1");
        let after = |now, word| RULE.after_asking(&call, None, now, word);
        let status = |status| CarrierWord::Status(Some(status));
        assert_eq!(after(at(900), status(CallStatus::InProgress)), AfterAsking::Leave);
        assert_eq!(after(at(900), CarrierWord::Status(None)), AfterAsking::Leave);
        assert_eq!(after(at(31), status(CallStatus::Completed)), AfterAsking::Believe);
        assert_eq!(after(at(31), CarrierWord::NoCall), AfterAsking::Close(EndReason::Stale));
        assert_eq!(after(at(31), CarrierWord::Silent), AfterAsking::Leave);
        assert_eq!(after(at(61), CarrierWord::Silent), AfterAsking::Close(EndReason::Stale));
    }

    #[test]
    fn closing_says_failed_once() {
        let mut record = call(CallStatus::InProgress, "CA1");
        let word = closed(at(40), EndReason::Stale, "no sign of life for 40 minutes".to_owned());
        assert_eq!(record.apply(word.clone()), crate::Change::Ended { from: CallStatus::InProgress });
        assert_eq!((record.status, record.end_reason), (CallStatus::Failed, Some(EndReason::Stale)));
        assert_eq!(record.apply(word), crate::Change::Nothing);
    }
}
