//! The parameters of a list of calls, read so that every fault among them is named at once, and a misspelled filter is
//! never taken for no filter.

use std::collections::BTreeSet;

use jiff::Timestamp;
use records::{CallStatus, Direction, EndReason};
use store::{CallFilter, CallId};
use utoipa::IntoParams;

use super::cursor;
use crate::problem::{Code, Mistake, Problem};

/// How many calls a page has when nothing is said.
const PAGE: u32 = 50;
/// How many it has at most.
const MAX_PAGE: u32 = 200;
/// The longest name or number that is looked for, in characters.
const MAX_TEXT: usize = 128;

/// Which calls, and which page of them. All that is given must hold.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallQuery {
    /// How many calls the page has.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: u32,
    /// `next_cursor` of the page before this one. Calls that begin meanwhile neither shift nor double a line.
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    cursor: Option<CallId>,
    /// In one of these states, separated by commas.
    #[param(value_type = Option<Vec<CallStatus>>, style = Form, explode = false)]
    status: Vec<CallStatus>,
    /// Ended so.
    #[param(inline)]
    end_reason: Option<EndReason>,
    /// Who called whom.
    #[param(inline)]
    direction: Option<Direction>,
    /// Over this carrier: `exotel`, `twilio`.
    #[param(min_length = 1, max_length = 128)]
    carrier: Option<String>,
    /// With this agent.
    #[param(min_length = 1, max_length = 128)]
    agent: Option<String>,
    /// From or to this number, as it is in the record. In a URL `+` is written as `%2B`; a plain one is understood.
    #[param(min_length = 1, max_length = 128)]
    number: Option<String>,
    /// Begun at or after this.
    from: Option<Timestamp>,
    /// Begun before this.
    until: Option<Timestamp>,
}

impl CallQuery {
    /// Reads them from a URL's query.
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let mut read = Reading { seen: BTreeSet::new(), mistakes: Vec::new() };
        let mut wanted = Self {
            limit: PAGE,
            cursor: None,
            status: Vec::new(),
            end_reason: None,
            direction: None,
            carrier: None,
            agent: None,
            number: None,
            from: None,
            until: None,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if read.is_first(&name) {
                wanted.take(&mut read, &name, &value);
            }
        }
        if let (Some(from), Some(until)) = (wanted.from, wanted.until)
            && from >= until
        {
            read.mistakes.push(Mistake::of("until", "`until` is not after `from`."));
        }
        if read.mistakes.is_empty() {
            Ok(wanted)
        } else {
            Err(Problem::of_mistakes(Code::InvalidParameters, read.mistakes))
        }
    }

    /// How many calls the page has.
    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }

    /// After which call it begins.
    pub(crate) const fn after(&self) -> Option<CallId> {
        self.cursor
    }

    /// Which calls.
    pub(crate) fn filter(self) -> CallFilter {
        CallFilter {
            statuses: self.status,
            end_reason: self.end_reason,
            direction: self.direction,
            carrier: self.carrier,
            agent: self.agent,
            number: self.number,
            from: self.from,
            until: self.until,
        }
    }

    fn take(&mut self, read: &mut Reading, name: &str, value: &str) {
        match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
                self.limit = read.or(name, limit, "is a number from 1 to 200").unwrap_or(PAGE);
            }
            "cursor" => {
                self.cursor = read.or(name, cursor::read(value), "is no `next_cursor` of a page");
            }
            "status" => {
                let all: Option<Vec<_>> = value.split(',').map(CallStatus::of_name).collect();
                self.status =
                    read.or(name, all, &one_of(CallStatus::ALL.map(CallStatus::as_str))).unwrap_or_default();
            }
            "end_reason" => {
                let found = EndReason::ALL.into_iter().find(|reason| reason.as_str() == value);
                self.end_reason = read.or(name, found, "is none of the reasons in docs/end-reasons.md");
            }
            "direction" => {
                let all = [Direction::Inbound, Direction::Outbound];
                let found = all.into_iter().find(|direction| direction.as_str() == value);
                self.direction = read.or(name, found, &one_of(all.map(Direction::as_str)));
            }
            "carrier" => self.carrier = read.text(name, value),
            "agent" => self.agent = read.text(name, value),
            // A `+` that was not encoded arrives as a space.
            "number" => {
                let number =
                    value.strip_prefix(' ').map_or_else(|| value.to_owned(), |rest| format!("+{rest}"));
                self.number = read.text(name, &number);
            }
            "from" => self.from = read.time(name, value),
            "until" => self.until = read.time(name, value),
            _ => read.mistakes.push(Mistake::of(name, format!("There is no parameter `{}`.", shown(name)))),
        }
    }
}

fn one_of<const N: usize>(names: [&str; N]) -> String {
    format!("is one of {}", names.join(", "))
}

/// A name that somebody sent, short enough for an answer.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(40).collect()
}

/// What was read so far, and what is wrong with it.
struct Reading {
    seen: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

impl Reading {
    fn is_first(&mut self, name: &str) -> bool {
        let is_first = self.seen.insert(name.to_owned());
        if !is_first {
            self.mistakes.push(Mistake::of(name, format!("`{}` is given twice.", shown(name))));
        }
        is_first
    }

    fn or<T>(&mut self, name: &str, value: Option<T>, otherwise: &str) -> Option<T> {
        if value.is_none() {
            self.mistakes.push(Mistake::of(name, format!("`{name}` {otherwise}.")));
        }
        value
    }

    fn text(&mut self, name: &str, value: &str) -> Option<String> {
        let length = value.chars().count();
        let good = (1..=MAX_TEXT).contains(&length) && !value.chars().any(char::is_control);
        self.or(
            name,
            good.then(|| value.to_owned()),
            "is 1 to 128 characters, none of them a control character",
        )
    }

    fn time(&mut self, name: &str, value: &str) -> Option<Timestamp> {
        // A `+` of an offset that was not encoded arrives as a space; no other space is part of a time.
        self.or(name, value.replace(' ', "+").parse().ok(), "is a time like 2026-11-21T09:30:00Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(query: &str) -> Vec<String> {
        let problem = serde_json::to_value(CallQuery::parse(query).unwrap_err()).unwrap();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["parameter"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_given_is_read() {
        let query = "limit=200&status=completed,no_answer&end_reason=busy&direction=outbound&carrier=twilio&agent=a%20b\
                     &number=+4930123&from=2026-11-21T10:00:00+05:30&until=2026-11-21T10:00:00Z";
        let wanted = CallQuery::parse(query).unwrap();
        assert_eq!((wanted.limit(), wanted.after()), (200, None));
        let filter = wanted.filter();
        assert_eq!(filter.statuses, [CallStatus::Completed, CallStatus::NoAnswer]);
        assert_eq!((filter.end_reason, filter.direction), (Some(EndReason::Busy), Some(Direction::Outbound)));
        assert_eq!((filter.carrier.as_deref(), filter.agent.as_deref()), (Some("twilio"), Some("a b")));
        assert_eq!(filter.number.as_deref(), Some("+4930123"));
        assert_eq!(filter.from, Some("2026-11-21T04:30:00Z".parse().unwrap()));
        let none = CallQuery::parse("").unwrap();
        assert_eq!(none.limit(), PAGE);
    }

    #[test]
    fn every_fault_is_named() {
        let query = "limit=0&cursor=x&status=completed,gone&end_reason=x&direction=up&carrier=&agent=%00&from=now\
                     &until=1&stauts=failed&limit=3";
        let names =
            ["limit", "cursor", "status", "end_reason", "direction", "carrier", "agent", "from", "until"];
        assert_eq!(faults(query), names.into_iter().chain(["stauts", "limit"]).collect::<Vec<_>>());
        assert_eq!(faults("from=2026-11-21T10:00:00Z&until=2026-11-21T10:00:00Z"), ["until"]);
        for limit in ["201", "-1", "1.5", "", "99999999999999999999"] {
            assert_eq!(faults(&format!("limit={limit}")), ["limit"], "{limit}");
        }
        assert_eq!(faults(&format!("number={}", "1".repeat(129))), ["number"]);
    }
}
