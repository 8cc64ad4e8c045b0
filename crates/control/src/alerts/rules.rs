//! What somebody should look at, by what was seen: pure, so that a table of cases can hold it. What is not known now,
//! since the database is away, is neither found nor taken for over.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

/// How much free space there must be: below the first it is low, above the second it is enough again.
const DISK_LOW: [u64; 2] = [1 << 30, (1 << 30) + (1 << 28)];
/// How many callbacks of one kind must be refused within the hour, and which share of all they must be.
const REFUSED: u64 = 5;
const REFUSED_SHARE: f64 = 0.1;
/// How many calls and callbacks may wait for the database. In health they wait a moment.
const BACKLOG: u64 = 100;
/// How many seconds the database may be away.
const AWAY_S: u64 = 30;
/// How many ids are named.
const NAMED: usize = 3;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AlertKind {
    /// Calls that were placed ended and their carrier told nothing of them.
    NoCallbacks,
    /// Many callbacks are refused.
    CallbacksRefused,
    /// The database does not answer.
    DatabaseAway,
    /// Calls and callbacks wait to be taken into the database, and do not get fewer.
    Backlog,
    /// The disk is nearly full, or does not take what is written.
    DiskLow,
    /// A vendor fails.
    VendorFailing,
    /// Work was given up.
    JobsGivenUp,
    /// Calls were closed of which nobody knew how they ended.
    StaleCalls,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// Something is wrong that calls get over.
    Warning,
    /// Calls or what is known of them suffer.
    Critical,
}

impl AlertKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 8] = [
        Self::NoCallbacks,
        Self::CallbacksRefused,
        Self::DatabaseAway,
        Self::Backlog,
        Self::DiskLow,
        Self::VendorFailing,
        Self::JobsGivenUp,
        Self::StaleCalls,
    ];

    /// The name in the API and in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoCallbacks => "no_callbacks",
            Self::CallbacksRefused => "callbacks_refused",
            Self::DatabaseAway => "database_away",
            Self::Backlog => "backlog",
            Self::DiskLow => "disk_low",
            Self::VendorFailing => "vendor_failing",
            Self::JobsGivenUp => "jobs_given_up",
            Self::StaleCalls => "stale_calls",
        }
    }

    /// How bad it is.
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::DatabaseAway | Self::DiskLow => Severity::Critical,
            _ => Severity::Warning,
        }
    }

    /// Whether every process on the same database sees the same of it, so that one of them tells for all.
    pub(crate) const fn is_shared(self) -> bool {
        match self {
            Self::NoCallbacks | Self::CallbacksRefused | Self::JobsGivenUp | Self::StaleCalls => true,
            Self::DatabaseAway | Self::Backlog | Self::DiskLow | Self::VendorFailing => false,
        }
    }

    /// In how many looks one after another it must be found before it is raised.
    pub(super) const fn patience(self) -> u32 {
        match self {
            Self::Backlog => 3,
            Self::VendorFailing => 2,
            _ => 1,
        }
    }
}

/// An alert's name: its kind, and what it is about where there may be several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) kind: AlertKind,
    pub(super) subject: String,
}

impl Name {
    pub(super) fn new(kind: AlertKind, subject: impl Into<String>) -> Self {
        Self { kind, subject: subject.into() }
    }

    /// As one text, for the table.
    pub(super) fn text(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.subject)
    }

    /// The name of such a text.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let (kind, subject) = text.split_once(':')?;
        let kind = AlertKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        Some(Self::new(kind, subject))
    }
}

/// What the database told; only while it answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Ids of calls that ended in the last hour without a callback, by carrier.
    pub(super) silent: BTreeMap<String, Vec<String>>,
    /// Callbacks of the last hour: carrier and kind, how many came, how many of them were refused.
    pub(super) callbacks: Vec<(String, u64, u64)>,
    /// Jobs given up in the last day, by kind.
    pub(super) given_up: BTreeMap<String, u64>,
    /// Ids of calls that the sweep closed in the last hour.
    pub(super) stale: Vec<String>,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// What the database told; `None` while it is away.
    pub(super) told: Option<Told>,
    /// For how many seconds the database has been away.
    pub(super) away_s: u64,
    /// How many calls and callbacks wait to be taken into it.
    pub(super) backlog: u64,
    /// Free space, in bytes; `None` before it was looked at.
    pub(super) disk_free: Option<u64>,
    /// Whether records can't be written.
    pub(super) unwritable: bool,
    /// Links to vendors that do not work, with why.
    pub(super) failing: BTreeMap<String, String>,
}

/// What is wrong, and what can't be known.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Each with words for people: without phone numbers and secrets.
    pub(super) found: BTreeMap<Name, String>,
    /// Of these nothing can be said now.
    pub(super) unknown: BTreeSet<AlertKind>,
}

/// Judges what was seen. `raised` are the alerts that are raised: what is on the edge stays as it is.
pub(super) fn judge(seen: &Seen, raised: &BTreeSet<Name>) -> Findings {
    let mut findings = Findings::default();
    let found = &mut findings.found;
    if seen.away_s >= AWAY_S {
        let detail = format!(
            "The database has not answered for {} s. Calls go on; their records wait on the disk.",
            seen.away_s
        );
        found.insert(Name::new(AlertKind::DatabaseAway, ""), detail);
    }
    if seen.backlog >= BACKLOG {
        let detail = format!("{} calls and callbacks wait to be taken into the database.", seen.backlog);
        found.insert(Name::new(AlertKind::Backlog, ""), detail);
    }
    let disk = Name::new(AlertKind::DiskLow, "");
    let least = DISK_LOW[usize::from(raised.contains(&disk))];
    let free = seen.disk_free.unwrap_or(u64::MAX);
    if seen.unwritable || free < least {
        let what = if seen.unwritable { "Records can't be written" } else { "The disk is nearly full" };
        found.insert(disk, format!("{what}; {} MiB are free where calls are kept.", free >> 20));
    }
    for (link, why) in &seen.failing {
        found.insert(Name::new(AlertKind::VendorFailing, link), why.clone());
    }
    match &seen.told {
        Some(told) => told.judge(found),
        None => {
            findings.unknown = AlertKind::ALL.into_iter().filter(|kind| kind.is_shared()).collect();
        }
    }
    findings
}

impl Told {
    fn judge(&self, found: &mut BTreeMap<Name, String>) {
        for (carrier, calls) in self.silent.iter().filter(|(_, calls)| !calls.is_empty()) {
            let detail = format!(
                "{} in the last hour of which {carrier} told nothing: {}. Is server.public_url what the carrier can \
                 reach, and does a proxy let its requests through? `trunkline doctor` looks.",
                counted(calls.len(), "call ended", "calls ended"),
                named(calls)
            );
            found.insert(Name::new(AlertKind::NoCallbacks, carrier), detail);
        }
        for (kind, received, refused) in &self.callbacks {
            let share = *refused as f64 / (*received).max(1) as f64;
            if *refused >= REFUSED && share >= REFUSED_SHARE {
                let detail = format!(
                    "{refused} of {received} callbacks were refused in the last hour: no or a wrong signature, or \
                     nothing that could be read."
                );
                found.insert(Name::new(AlertKind::CallbacksRefused, kind), detail);
            }
        }
        for (kind, count) in self.given_up.iter().filter(|(_, count)| **count > 0) {
            let detail = format!(
                "{} given up in the last day; GET /api/v1/jobs says why, and POST /api/v1/jobs/<id>/retry has one \
                 tried again.",
                counted(usize::try_from(*count).unwrap_or(usize::MAX), "job was", "jobs were")
            );
            found.insert(Name::new(AlertKind::JobsGivenUp, kind), detail);
        }
        if !self.stale.is_empty() {
            let detail = format!(
                "{} closed in the last hour without anyone knowing how: {}. Servers died, or callbacks do not come.",
                counted(self.stale.len(), "call was", "calls were"),
                named(&self.stale)
            );
            found.insert(Name::new(AlertKind::StaleCalls, ""), detail);
        }
    }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn named(ids: &[String]) -> String {
    let more = if ids.len() > NAMED { ", ..." } else { "" };
    format!("{}{more}", ids.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(seen: &Seen, raised: &[(AlertKind, &str)]) -> Vec<String> {
        let raised = raised.iter().map(|(kind, subject)| Name::new(*kind, *subject)).collect();
        judge(seen, &raised).found.keys().map(Name::text).collect()
    }

    fn well() -> Seen {
        Seen { told: Some(Told::default()), disk_free: Some(1 << 40), ..Seen::default() }
    }

    #[test]
    fn in_health_nothing_is_found() {
        assert_eq!(names(&well(), &[]), [""; 0]);
        assert!(judge(&well(), &BTreeSet::new()).unknown.is_empty());
    }

    #[test]
    fn each_rule_finds_its_own() {
        let told = |told: Told| Seen { told: Some(told), ..well() };
        let ids = |count: usize| (0..count).map(|n| format!("call_{n}")).collect::<Vec<_>>();
        let refused = |refused, received| {
            told(Told { callbacks: vec![("twilio/status".into(), received, refused)], ..Told::default() })
        };
        for (seen, wanted) in [
            (Seen { away_s: 29, ..well() }, ""),
            (Seen { away_s: 30, ..well() }, "database_away:"),
            (Seen { backlog: 99, ..well() }, ""),
            (Seen { backlog: 100, ..well() }, "backlog:"),
            (Seen { disk_free: Some((1 << 30) - 1), ..well() }, "disk_low:"),
            (Seen { disk_free: Some(1 << 30), ..well() }, ""),
            (Seen { disk_free: None, ..well() }, ""),
            (Seen { unwritable: true, ..well() }, "disk_low:"),
            (
                Seen { failing: [("a speech_to_text (http)".into(), "it is down".into())].into(), ..well() },
                "vendor_failing:a speech_to_text (http)",
            ),
            (
                told(Told { silent: [("twilio".into(), ids(1))].into(), ..Told::default() }),
                "no_callbacks:twilio",
            ),
            (refused(4, 4), ""),
            (refused(5, 51), ""),
            (refused(5, 50), "callbacks_refused:twilio/status"),
            (
                told(Told { given_up: [("notify".into(), 2)].into(), ..Told::default() }),
                "jobs_given_up:notify",
            ),
            (told(Told { stale: ids(4), ..Told::default() }), "stale_calls:"),
        ] {
            assert_eq!(names(&seen, &[]).join(" "), wanted, "{seen:?}");
        }
    }

    #[test]
    fn a_disk_on_the_edge_does_not_flap() {
        let seen = |free| Seen { disk_free: Some(free), ..well() };
        let raised = [(AlertKind::DiskLow, "")];
        assert_eq!(names(&seen((1 << 30) + 1), &raised), ["disk_low:"]);
        assert_eq!(names(&seen((1 << 30) + (1 << 28)), &raised), [""; 0]);
    }

    #[test]
    fn what_a_database_that_is_away_does_not_tell_is_not_known() {
        let findings = judge(&Seen { told: None, away_s: 60, ..well() }, &BTreeSet::new());
        assert!(findings.unknown.contains(&AlertKind::StaleCalls));
        assert!(!findings.unknown.contains(&AlertKind::DiskLow));
        assert_eq!(findings.found.len(), 1);
    }

    #[test]
    fn names_go_into_the_table_and_come_back() {
        for kind in AlertKind::ALL {
            let name = Name::new(kind, "a speech_to_text (http): x");
            assert_eq!(Name::of_text(&name.text()), Some(name));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(Name::of_text("of tomorrow:x"), None);
    }
}
