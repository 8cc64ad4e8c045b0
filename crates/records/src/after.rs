//! What a call leaves to be done once it is over, by its record alone: whoever keeps the record asks for it in the same
//! breath, so that however a call ended the work is there once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::{CallRecord, CallStatus};

/// What there is to do after calls, and for whose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AfterRules {
    /// The vendors whose conversations can be fetched, by the name in the fact that tells a conversation's id.
    pub conversations_of: BTreeSet<String>,
    /// How long a conversation's own word is waited for before it is fetched.
    pub conversation_wait: SignedDuration,
    /// The carriers that can be asked after a call, and how long after its end they know all of it.
    pub details_of: BTreeMap<String, SignedDuration>,
}

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrandKind {
    /// Fetching what a vendor's agent found out about the call.
    FetchConversation,
    /// Asking the carrier for what it knows late: length, price, recordings.
    FetchDetails,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errand {
    /// What kind.
    pub kind: ErrandKind,
    /// What it is about, beside the call: a conversation's id. May be empty.
    pub subject: String,
    /// How long after the call's end it is to be done.
    pub wait: SignedDuration,
}

/// What stands between a vendor's name and the number of its conversation in the name of a fact:
/// `elevenlabs_conversation_id`, `elevenlabs_conversation_id_2`.
const CONVERSATION: &str = "_conversation_id";

impl ErrandKind {
    /// The name of the job.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FetchConversation => "fetch_conversation",
            Self::FetchDetails => "fetch_details",
        }
    }
}

/// What is to be done after this call; nothing while it runs, or once it was erased.
pub fn after_end(call: &CallRecord, rules: &AfterRules) -> Vec<Errand> {
    if !call.status.is_final() || call.erased_at.is_some() {
        return Vec::new();
    }
    let conversations = call.results.iter().filter_map(|(name, id)| {
        let (vendor, nth) = name.split_once(CONVERSATION)?;
        let is_number = nth.is_empty() || nth.strip_prefix('_').is_some_and(|nth| nth.parse::<u32>().is_ok());
        (is_number && !id.is_empty() && rules.conversations_of.contains(vendor)).then(|| Errand {
            kind: ErrandKind::FetchConversation,
            subject: id.clone(),
            wait: rules.conversation_wait,
        })
    });
    let was_talked = call.answered_at.is_some() || call.status == CallStatus::Completed;
    let is_known = call.duration_s.is_some() && call.price.is_some();
    let can_be_asked = was_talked && !is_known && !call.carrier_call_id.is_empty();
    let details = rules.details_of.get(&call.carrier).filter(|_| can_be_asked);
    let details =
        details.map(|wait| Errand { kind: ErrandKind::FetchDetails, subject: String::new(), wait: *wait });
    conversations.chain(details).collect()
}

/// What a change of a call's record makes due that was not due before.
pub fn newly_due(before: &CallRecord, after: &CallRecord, rules: &AfterRules) -> Vec<Errand> {
    let known = after_end(before, rules);
    let mut due = after_end(after, rules);
    due.retain(|errand| !known.contains(errand));
    due
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{CallEvent, EndReason, Fact, Price, Witness};

    fn at(seconds: i64) -> Timestamp {
        "2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    fn rules() -> AfterRules {
        AfterRules {
            conversations_of: ["elevenlabs".to_owned()].into(),
            conversation_wait: SignedDuration::from_mins(5),
            details_of: [("exotel".to_owned(), SignedDuration::from_secs(150))].into(),
        }
    }

    fn over(carrier: &str) -> CallRecord {
        let results = [("elevenlabs_conversation_id", "conv_1"), ("elevenlabs_conversation_id_2", "conv_2")];
        CallRecord {
            carrier_call_id: "c1".to_owned(),
            ended_at: Some(at(60)),
            end_reason: Some(EndReason::CallerHungUp),
            results: results.map(|(name, id)| (name.to_owned(), id.to_owned())).into(),
            ..CallRecord::new("call_1", carrier, at(0))
        }
    }

    fn talked(record: CallRecord) -> CallEvent {
        CallEvent { at: at(61), from: Witness::Socket, fact: Fact::Talk { record: Box::new(record) } }
    }

    fn carrier(fact: Fact) -> CallEvent {
        CallEvent { at: at(62), from: Witness::Carrier, fact }
    }

    fn completed() -> CallEvent {
        carrier(Fact::Status { status: CallStatus::Completed, reason: None, detail: String::new() })
    }

    fn names(errands: &[Errand]) -> Vec<(&str, &str, i64)> {
        errands.iter().map(|errand| (errand.kind.as_str(), &*errand.subject, errand.wait.as_secs())).collect()
    }

    /// Applies words one after another and gathers what each makes due.
    fn left(words: &[CallEvent]) -> Vec<Errand> {
        let mut call = CallRecord::new("call_1", "exotel", at(0));
        let mut all = Vec::new();
        for word in words {
            let before = call.clone();
            call.apply(word.clone());
            all.extend(newly_due(&before, &call, &rules()));
        }
        all.sort();
        all
    }

    #[test]
    fn each_way_to_end_leaves_the_same_once() {
        let wanted = [
            ("fetch_conversation", "conv_1", 300),
            ("fetch_conversation", "conv_2", 300),
            ("fetch_details", "", 150),
        ];
        let words = [talked(over("exotel")), completed(), carrier(Fact::CarrierCall { id: "c1".to_owned() })];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let told: Vec<CallEvent> = order.iter().chain(&order).map(|n| words[*n].clone()).collect();
            assert_eq!(names(&left(&told)), wanted, "{order:?}");
        }
    }

    #[test]
    fn nothing_is_left_that_nobody_can_do_or_needs() {
        let mut call = CallRecord::new("call_1", "twilio", at(0));
        call.apply(talked(over("twilio")));
        let conversations = after_end(&call, &rules());
        assert!(conversations.iter().all(|errand| errand.kind == ErrandKind::FetchConversation));
        assert_eq!(after_end(&call, &AfterRules::default()), []);
        let mut running = over("exotel");
        (running.ended_at, running.end_reason) = (None, None);
        let mut call = CallRecord::new("call_1", "exotel", at(0));
        call.apply(talked(running));
        assert_eq!(after_end(&call, &rules()), []);
        call.apply(completed());
        assert_eq!(after_end(&call, &rules()).len(), 3);
        let price = Price { at: at(1), amount: "1".to_owned(), currency: String::new() };
        let known = [carrier(Fact::Duration { seconds: 60 }), carrier(Fact::Price { price })];
        for word in known {
            call.apply(word);
        }
        assert_eq!(after_end(&call, &rules()).len(), 2);
        call.erased_at = Some(at(99));
        assert_eq!(after_end(&call, &rules()), []);
    }

    #[test]
    fn a_call_that_nobody_answered_costs_nothing_to_ask_after() {
        let mut call =
            CallRecord { carrier_call_id: "c1".to_owned(), ..CallRecord::new("c", "exotel", at(0)) };
        let busy = Fact::Status { status: CallStatus::Busy, reason: None, detail: String::new() };
        call.apply(carrier(busy));
        assert_eq!(after_end(&call, &rules()), []);
    }

    #[test]
    fn only_what_is_named_like_a_conversation_is_one() {
        let mut call = over("none");
        call.status = CallStatus::Completed;
        for (name, id) in [
            ("other_conversation_id", "x"),
            ("elevenlabs_conversation_id_x", "x"),
            ("elevenlabs_conversation_id_", "x"),
            ("elevenlabs_conversation_id_3", ""),
            ("elevenlabs_conversation_idea", "x"),
        ] {
            call.results.insert(name.to_owned(), id.to_owned());
        }
        assert_eq!(after_end(&call, &rules()).len(), 2);
    }
}
