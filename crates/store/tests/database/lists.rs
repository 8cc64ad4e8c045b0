//! Lists of calls under every combination of filters, beside what looking at each call gives.

use records::{CallRecord, CallStatus, Direction, EndReason};
use store::{CallFilter, CallSummary};

use crate::make::{at, id, over};
use crate::place::Place;

crate::on_both!(every_combination_of_filters_gives_what_holds);

/// So many agents that calls are of more than a hundred sorts.
const AGENTS: usize = 60;
const CALLS: u8 = 240;

fn call(n: u8) -> CallRecord {
    let reasons = [EndReason::CallerHungUp, EndReason::IdleTimeout, EndReason::Busy, EndReason::DialRefused];
    let reason = reasons[usize::from(n) % reasons.len()];
    CallRecord {
        direction: if n.is_multiple_of(3) { Direction::Outbound } else { Direction::Inbound },
        carrier: if n.is_multiple_of(5) { "exotel" } else { "twilio" }.to_owned(),
        agent: format!("agent {}", usize::from(n) % AGENTS),
        from: Some(format!("+1555010000{}", n % 7)),
        to: Some(if n.is_multiple_of(10) { "+15550100003" } else { "+12025550123" }.to_owned()),
        status: reason.status(),
        end_reason: Some(reason),
        // Several begin at the same moment.
        ..over(id(i64::from(n / 3), n), &format!("CA{n}"))
    }
}

fn holds(filter: &CallFilter, call: &CallSummary) -> bool {
    let is = |wanted: &Option<String>, word: &str| wanted.as_ref().is_none_or(|wanted| wanted == word);
    (filter.statuses.is_empty() || filter.statuses.contains(&call.status))
        && filter.end_reason.is_none_or(|reason| call.end_reason == Some(reason))
        && filter.direction.is_none_or(|direction| call.direction == direction)
        && is(&filter.carrier, &call.carrier)
        && is(&filter.agent, &call.agent)
        && (filter.number.is_none() || filter.number == call.from || filter.number == call.to)
        && filter.from.is_none_or(|from| call.started_at >= from)
        && filter.until.is_none_or(|until| call.started_at < until)
}

/// One of some values by the digits of `n`, or none.
fn pick<T: Clone>(n: &mut usize, values: &[T]) -> Option<T> {
    let choice = *n % (values.len() + 1);
    *n /= values.len() + 1;
    values.get(choice).cloned()
}

async fn every_combination_of_filters_gives_what_holds(place: Place) {
    let database = place.open().await;
    let put_in = (0..CALLS).map(|n| {
        let database = database.clone();
        async move { database.take_in(&call(n), at(1000)).await.unwrap() }
    });
    futures_util::future::join_all(put_in).await;
    let all = database.calls(&CallFilter::default(), None, 1000).await.unwrap();
    assert_eq!(all.len(), usize::from(CALLS));
    let key = |call: &CallSummary| (call.started_at, call.id.clone());
    assert!(all.windows(2).all(|two| key(&two[0]) > key(&two[1])));
    let text = |text: &str| text.to_owned();
    let mut combination = 0;
    loop {
        let n = &mut { combination };
        let filter = CallFilter {
            direction: pick(n, &[Direction::Outbound]),
            carrier: pick(n, &[text("exotel")]),
            statuses: pick(n, &[vec![CallStatus::Busy], vec![CallStatus::Completed, CallStatus::Busy]])
                .unwrap_or_default(),
            end_reason: pick(n, &[EndReason::IdleTimeout]),
            agent: pick(n, &[text("agent 6"), text("agent")]),
            number: pick(n, &[text("+15550100003")]),
            from: pick(n, &[at(20)]),
            until: pick(n, &[at(60)]),
        };
        if *n > 0 {
            break;
        }
        let wanted: Vec<&CallSummary> = all.iter().filter(|call| holds(&filter, call)).collect();
        let found = database.calls(&filter, None, 1000).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{filter:?}");
        if let Some(middle) = wanted.get(wanted.len() / 2) {
            let after = database.calls(&filter, Some(middle.id.parse().unwrap()), 3).await.unwrap();
            let rest = &wanted[wanted.len() / 2 + 1..];
            assert_eq!(after.iter().collect::<Vec<_>>(), rest[..rest.len().min(3)], "{filter:?}");
        }
        combination += 1;
    }
    assert_eq!(combination, 2 * 2 * 3 * 2 * 3 * 2 * 2 * 2);
}
