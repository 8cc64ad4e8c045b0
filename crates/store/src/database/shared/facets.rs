//! The words by which lists filter, together in one column: `facets`. A few hundred different ones stand for any number
//! of calls, so they are looked through first, and calls only where there are some.

use records::{CallRecord, CallStatus, Direction, EndReason};

use super::{Connection, Result};
use crate::database::values::CallFilter;

/// What lies in the column for a call. The agent comes last: its name is the operator's and may hold a blank.
pub(super) fn of(record: &CallRecord) -> String {
    let reason = record.end_reason.map_or("", EndReason::as_str);
    let (direction, status) = (record.direction.as_str(), record.status.as_str());
    format!("{direction} {} {status} {reason} {}", record.carrier, record.agent)
}

/// All that there are for which the filter holds; `None` when every one does.
pub(super) async fn wanted(connection: &mut Connection, filter: &CallFilter) -> Result<Option<Vec<String>>> {
    let wanted = Wanted::of(filter);
    if wanted.is_everything() {
        return Ok(None);
    }
    // From each to the next one: one look into the index each, however many calls lie between them.
    let mut all: Vec<String> = sqlx::query_scalar(
        "WITH RECURSIVE known (facets) AS (
             SELECT MIN(facets) FROM calls
             UNION ALL
             SELECT (SELECT MIN(facets) FROM calls WHERE facets > known.facets) FROM known
             WHERE known.facets IS NOT NULL
         )
         SELECT facets FROM known WHERE facets IS NOT NULL",
    )
    .fetch_all(connection)
    .await?;
    all.retain(|facets| wanted.holds_for(facets));
    Ok(Some(all))
}

struct Wanted<'a> {
    direction: Option<&'static str>,
    carrier: Option<&'a str>,
    statuses: Vec<&'static str>,
    reason: Option<&'static str>,
    agent: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(filter: &'a CallFilter) -> Self {
        Self {
            direction: filter.direction.map(Direction::as_str),
            carrier: filter.carrier.as_deref(),
            statuses: filter.statuses.iter().copied().map(CallStatus::as_str).collect(),
            reason: filter.end_reason.map(EndReason::as_str),
            agent: filter.agent.as_deref(),
        }
    }

    fn is_everything(&self) -> bool {
        let words = [self.direction, self.carrier, self.reason, self.agent];
        words.iter().all(Option::is_none) && self.statuses.is_empty()
    }

    fn holds_for(&self, facets: &str) -> bool {
        let mut words = facets.splitn(5, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (direction, carrier, status, reason, agent) = (next(), next(), next(), next(), next());
        let is = |wanted: Option<&str>, word| wanted.is_none_or(|wanted| wanted == word);
        is(self.direction, direction)
            && is(self.carrier, carrier)
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && is(self.reason, reason)
            && is(self.agent, agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_wanted_when_all_its_words_are() {
        let call = CallRecord {
            direction: Direction::Outbound,
            agent: "night desk".to_owned(),
            ..CallRecord::new("c".to_owned(), "twilio", jiff::Timestamp::UNIX_EPOCH)
        };
        let facets = of(&call);
        let every = CallFilter::default;
        let holds = |filter: CallFilter| Wanted::of(&filter).holds_for(&facets);
        assert!(Wanted::of(&every()).is_everything() && holds(every()));
        assert!(holds(CallFilter { agent: Some("night desk".to_owned()), ..every() }));
        assert!(!holds(CallFilter { agent: Some("night".to_owned()), ..every() }));
        assert!(holds(CallFilter { statuses: vec![call.status, CallStatus::Busy], ..every() }));
        assert!(!holds(CallFilter { statuses: vec![CallStatus::Busy], ..every() }));
        assert!(!holds(CallFilter { end_reason: Some(EndReason::Busy), ..every() }));
        assert!(!holds(CallFilter { direction: Some(Direction::Inbound), ..every() }));
        assert!(!holds(CallFilter { carrier: Some("exotel".to_owned()), ..every() }));
    }
}
