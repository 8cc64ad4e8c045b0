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
    /// For how long a process tells nothing of itself before it counts as dead.
    pub node_after: SignedDuration,
}

/// Where a call lives, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// On this process, or on another one that lives.
    Alive,
    /// On none that is known of: it rings, or its process has left nothing behind.
    Unknown,
    /// It lived on a process that has died.
    Dead,
}

/// When a call last showed life, and where it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Audio, an event, a word of its carrier; `None` where there is nothing but the record.
    pub last: Option<Timestamp>,
    /// Where it lives.
    pub home: Home,
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
    /// What is to be done about a call, by what is known without asking anybody. `can_ask`: the carrier can be asked
    /// after calls.
    pub fn step(&self, call: &CallRecord, signs: Signs, now: Timestamp, can_ask: bool) -> StaleStep {
        if call.status.is_final() || signs.home == Home::Alive {
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
        let can_ask = can_ask && !call.carrier_call_id.is_empty();
        // The process that would have heard of it tells nothing any more. It may be cut off from the tables only, so where
        // nobody can be asked that proves nothing.
        let is_orphan = signs.home == Home::Dead && can_ask;
        if !is_orphan && self.silence(call, signs.last, now) <= self.after {
            return StaleStep::Leave;
        }
        if can_ask { StaleStep::AskCarrier } else { StaleStep::Close }
    }

    /// What is to be done once the carrier was asked after the call, or whether it ever dialled it.
    pub fn after_asking(
        &self,
        call: &CallRecord,
        signs: Signs,
        now: Timestamp,
        word: CarrierWord,
    ) -> AfterAsking {
        let was_dialled = !call.carrier_call_id.is_empty();
        match word {
            CarrierWord::Status(Some(status)) if status.is_final() => AfterAsking::Believe,
            CarrierWord::Status(_) if was_dialled => AfterAsking::Leave,
            // It was found: now its id is known, and the next round asks after it.
            CarrierWord::Status(_) => AfterAsking::Believe,
            // What the carrier has just made it may not show yet.
            CarrierWord::NoCall if was_dialled && now.duration_since(call.started_at) <= DIALLING => {
                AfterAsking::Leave
            }
            CarrierWord::NoCall if was_dialled => AfterAsking::Close(signs.home.reason()),
            CarrierWord::NoCall => AfterAsking::Close(EndReason::NeverDialled),
            CarrierWord::NotYet => AfterAsking::Leave,
            // A carrier that never answers must not keep a call open for ever.
            CarrierWord::Silent if self.silence(call, signs.last, now) > self.after * 2 => {
                AfterAsking::Close(signs.home.reason())
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

    /// Whether a process lives that has told nothing of itself for so long. `judge_for` is for how long whoever judges
    /// has told without a gap: after an outage of the database everybody has been silent, and nobody is dead for it.
    pub fn node_lives(&self, silent_for: SignedDuration, judge_for: SignedDuration) -> bool {
        silent_for <= self.node_after || judge_for <= self.node_after
    }
}

impl Home {
    /// Why a call is closed that nobody knows to live.
    pub const fn reason(self) -> EndReason {
        match self {
            Self::Dead => EndReason::ServerDied,
            Self::Alive | Self::Unknown => EndReason::Stale,
        }
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

    const RULE: StaleRule =
        StaleRule { after: SignedDuration::from_mins(30), node_after: SignedDuration::from_mins(1) };
    const NO_SIGN: Signs = Signs { last: None, home: Home::Unknown };

    fn last(at: Option<Timestamp>) -> Signs {
        Signs { last: at, home: Home::Unknown }
    }

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
            assert_eq!(RULE.step(&live, last(last_sign), now, can_ask), step, "{last_sign:?} {now}");
        }
        for status in CallStatus::ALL.into_iter().filter(|status| status.is_final()) {
            assert_eq!(RULE.step(&call(status, "CA1"), NO_SIGN, at(9999), true), StaleStep::Leave);
        }
        let inbound = CallRecord { direction: Direction::Inbound, ..call(CallStatus::InProgress, "") };
        assert_eq!(RULE.step(&inbound, NO_SIGN, at(31), true), StaleStep::Close);
    }

    #[test]
    fn where_a_call_lives_counts_before_its_silence() {
        let signs = |home| Signs { last: None, home };
        let silent = call(CallStatus::InProgress, "CA1");
        let dialling = call(CallStatus::Queued, "");
        for call in [&silent, &dialling] {
            assert_eq!(RULE.step(call, signs(Home::Alive), at(9999), true), StaleStep::Leave);
        }
        assert_eq!(RULE.step(&silent, signs(Home::Dead), at(2), true), StaleStep::AskCarrier);
        assert_eq!(RULE.step(&silent, signs(Home::Dead), at(2), false), StaleStep::Leave);
        assert_eq!(RULE.step(&silent, signs(Home::Dead), at(31), false), StaleStep::Close);
        assert_eq!(RULE.step(&silent, signs(Home::Unknown), at(2), true), StaleStep::Leave);
        let after = |home, word| RULE.after_asking(&silent, signs(home), at(2), word);
        assert_eq!(after(Home::Dead, CarrierWord::NoCall), AfterAsking::Close(EndReason::ServerDied));
        assert_eq!(
            after(Home::Dead, CarrierWord::Status(Some(CallStatus::InProgress))),
            AfterAsking::Leave,
            "the carrier may give it to another process"
        );
        assert_eq!(after(Home::Dead, CarrierWord::Silent), AfterAsking::Leave);
        let secs = SignedDuration::from_secs;
        assert!(RULE.node_lives(secs(60), secs(600)));
        assert!(!RULE.node_lives(secs(61), secs(600)));
        assert!(RULE.node_lives(secs(6000), secs(60)), "whoever was silent too judges nobody");
    }

    #[test]
    fn a_call_that_may_not_have_been_dialled_is_looked_for() {
        let dialling = call(CallStatus::Queued, "");
        assert_eq!(RULE.step(&dialling, NO_SIGN, at(1), true), StaleStep::Leave);
        assert_eq!(RULE.step(&dialling, NO_SIGN, at(2), true), StaleStep::FindAtCarrier);
        assert_eq!(RULE.step(&dialling, NO_SIGN, at(2), false), StaleStep::Leave);
        assert_eq!(RULE.step(&dialling, NO_SIGN, at(11), false), StaleStep::Close);
        let after = |now, word| RULE.after_asking(&dialling, NO_SIGN, now, word);
        assert_eq!(after(at(11), CarrierWord::NotYet), AfterAsking::Leave);
        assert_eq!(after(at(11), CarrierWord::NoCall), AfterAsking::Close(EndReason::NeverDialled));
        assert_eq!(after(at(11), CarrierWord::Silent), AfterAsking::Leave);
        assert_eq!(after(at(11), CarrierWord::Status(Some(CallStatus::Ringing))), AfterAsking::Believe);
        // Its socket has opened, so it was dialled.
        let talks = CallRecord { talked_at: Some(at(1)), ..dialling };
        assert_eq!(RULE.step(&talks, NO_SIGN, at(11), true), StaleStep::Leave);
    }

    #[test]
    fn the_carrier_is_believed() {
        let call = call(CallStatus::InProgress, "CA1");
        let after = |now, word| RULE.after_asking(&call, NO_SIGN, now, word);
        let status = |status| CarrierWord::Status(Some(status));
        assert_eq!(after(at(900), status(CallStatus::InProgress)), AfterAsking::Leave);
        assert_eq!(after(at(900), CarrierWord::Status(None)), AfterAsking::Leave);
        assert_eq!(after(at(31), status(CallStatus::Completed)), AfterAsking::Believe);
        assert_eq!(after(at(31), CarrierWord::NoCall), AfterAsking::Close(EndReason::Stale));
        assert_eq!(after(at(1), CarrierWord::NoCall), AfterAsking::Leave, "it was made just now");
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
