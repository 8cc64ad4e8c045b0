//! Which alerts are raised, and since when: each has a beginning and an end, and one that comes and goes from look to
//! look is one alert and not many.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::rules::{AlertKind, Findings, Name};

/// In how many looks one after another an alert must be gone before it is cleared.
const GONE: u32 = 3;

/// One alert's state.
#[derive(Debug)]
struct Track {
    detail: String,
    /// When it was first found.
    since: Timestamp,
    /// In how many looks it has been found.
    found: u32,
    /// In how many looks since then it has not.
    gone: u32,
    is_raised: bool,
}

/// An alert that is raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) name: Name,
    pub(super) detail: String,
    pub(super) since: Timestamp,
}

/// An alert that begins or ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Raised(Raised),
    Cleared(Raised),
}

/// The alerts of one process.
#[derive(Debug, Default)]
pub(super) struct Board(BTreeMap<Name, Track>);

impl Board {
    /// Takes over an alert that was raised before this process began.
    pub(super) fn take_over(&mut self, name: Name, since: Timestamp) {
        let detail = "It was raised before this server began.".to_owned();
        let known = Track { detail, since, found: 1, gone: 0, is_raised: true };
        self.0.entry(name).or_insert(known).is_raised = true;
    }

    /// The names of those that are raised.
    pub(super) fn raised(&self) -> BTreeSet<Name> {
        self.0.iter().filter(|(_, track)| track.is_raised).map(|(name, _)| name.clone()).collect()
    }

    /// Those that are raised, by name.
    pub(super) fn active(&self) -> Vec<Raised> {
        let raised = self.0.iter().filter(|(_, track)| track.is_raised);
        raised.map(|(name, track)| track.as_raised(name)).collect()
    }

    /// Takes one look's findings in. Gives what begins and ends by it.
    pub(super) fn look(&mut self, now: Timestamp, findings: Findings) -> Vec<Turn> {
        let mut turns = Vec::new();
        let Findings { mut found, unknown } = findings;
        self.0.retain(|name, track| match found.remove(name) {
            Some(detail) => {
                track.detail = detail;
                track.found += 1;
                track.gone = 0;
                turns.extend(track.rise(name));
                true
            }
            None if unknown.contains(&name.kind) => true,
            None => {
                track.gone += 1;
                let is_over = !track.is_raised || track.gone >= GONE;
                if is_over && track.is_raised {
                    turns.push(Turn::Cleared(track.as_raised(name)));
                }
                !is_over
            }
        });
        for (name, detail) in found {
            let mut track = Track { detail, since: now, found: 1, gone: 0, is_raised: false };
            turns.extend(track.rise(&name));
            self.0.insert(name, track);
        }
        turns
    }

    /// How many of a kind are raised.
    pub(super) fn count(&self, kind: AlertKind) -> usize {
        self.0.iter().filter(|(name, track)| name.kind == kind && track.is_raised).count()
    }
}

impl Track {
    fn rise(&mut self, name: &Name) -> Option<Turn> {
        let rises = !self.is_raised && self.found >= name.kind.patience();
        self.is_raised |= rises;
        rises.then(|| Turn::Raised(self.as_raised(name)))
    }

    fn as_raised(&self, name: &Name) -> Raised {
        Raised { name: name.clone(), detail: self.detail.clone(), since: self.since }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        "2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    fn found(kinds: &[AlertKind]) -> Findings {
        let found = kinds.iter().map(|kind| (Name::new(*kind, ""), "words".to_owned())).collect();
        Findings { found, unknown: BTreeSet::new() }
    }

    /// What each look turns, as `+` and `-` with the kind.
    fn turns(looks: &[&[AlertKind]]) -> Vec<String> {
        let mut board = Board::default();
        let tell = |turn: &Turn| match turn {
            Turn::Raised(alert) => format!("+{}", alert.name.kind.as_str()),
            Turn::Cleared(alert) => format!("-{}", alert.name.kind.as_str()),
        };
        let look = |(minute, kinds): (usize, &&[AlertKind])| {
            let turns = board.look(at(minute as i64), found(kinds));
            turns.iter().map(tell).collect::<Vec<_>>().join(" ")
        };
        looks.iter().enumerate().map(look).collect()
    }

    #[test]
    fn an_alert_begins_once_and_ends_once() {
        const HERE: &[AlertKind] = &[AlertKind::StaleCalls];
        assert_eq!(
            turns(&[HERE, HERE, &[], HERE, &[], &[], HERE, &[], &[], &[], &[], HERE]),
            ["+stale_calls", "", "", "", "", "", "", "", "", "-stale_calls", "", "+stale_calls"]
        );
    }

    #[test]
    fn some_are_waited_for() {
        const HERE: &[AlertKind] = &[AlertKind::VendorFailing];
        assert_eq!(turns(&[HERE, &[], HERE, HERE, HERE]), ["", "", "", "+vendor_failing", ""]);
    }

    #[test]
    fn it_began_when_it_was_first_found_and_what_is_unknown_stays() {
        let mut board = Board::default();
        board.look(at(0), found(&[AlertKind::VendorFailing, AlertKind::StaleCalls]));
        board.look(at(1), found(&[AlertKind::VendorFailing, AlertKind::StaleCalls]));
        assert!(board.active().iter().all(|alert| alert.since == at(0)));
        for minute in 2..9 {
            let unknown = [AlertKind::StaleCalls].into();
            board.look(at(minute), Findings { unknown, ..Findings::default() });
        }
        assert_eq!(board.raised(), [Name::new(AlertKind::StaleCalls, "")].into());
        assert_eq!((board.count(AlertKind::StaleCalls), board.count(AlertKind::VendorFailing)), (1, 0));
    }

    #[test]
    fn what_was_raised_before_is_cleared_too() {
        let mut board = Board::default();
        board.take_over(Name::new(AlertKind::StaleCalls, ""), at(-60));
        assert_eq!(board.active()[0].since, at(-60));
        let turns: Vec<Turn> = (0..3).flat_map(|minute| board.look(at(minute), found(&[]))).collect();
        assert!(matches!(&turns[..], [Turn::Cleared(alert)] if alert.since == at(-60)), "{turns:?}");
    }
}
