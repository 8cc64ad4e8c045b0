//! What a rule is, for every carrier: its words, and where its answer is found.

use super::Profile;
use super::scenario::Fact;
use crate::breach::Breaches;

pub(super) const BOTH: &[Profile] = &[Profile::Echo, Profile::Agent];
pub(super) const ECHO: &[Profile] = &[Profile::Echo];
pub(super) const AGENT: &[Profile] = &[Profile::Agent];

/// One rule, of a carrier with these scenarios and these breaches.
#[derive(Debug, Clone)]
pub(super) struct Law<S, B> {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) source: &'static str,
    pub(super) expected: &'static str,
    pub(super) profiles: &'static [Profile],
    pub(super) check: Check<S, B>,
}

/// Where a rule's answer is found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Check<S, B> {
    /// A scenario says.
    Fact(S, Fact),
    /// The messages of the server in ordinary calls say.
    Breach(B),
}

/// A rule whose answer a scenario gives: id, title, source, what is expected, for whom, which scenario, which fact.
pub(super) type Row<S> =
    (&'static str, &'static str, &'static str, &'static str, &'static [Profile], S, Fact);

impl<S: Copy, B: Breaches> Law<S, B> {
    /// A carrier's rules, in the order of their ids: those that scenarios answer, then those about messages.
    pub(super) fn all(rows: &[Row<S>]) -> Vec<Self> {
        let breaches = B::ALL.iter().map(|breach| Self {
            id: breach.id(),
            title: breach.title(),
            source: breach.source(),
            expected: breach.title(),
            profiles: if breach.is_about_greeting() { AGENT } else { BOTH },
            check: Check::Breach(*breach),
        });
        rows.iter().map(Self::of_fact).chain(breaches).collect()
    }

    fn of_fact(row: &Row<S>) -> Self {
        let (id, title, source, expected, profiles, scenario, fact) = *row;
        Self { id, title, source, expected, profiles, check: Check::Fact(scenario, fact) }
    }

    pub(super) fn applies_to(&self, profile: Profile) -> bool {
        self.profiles.contains(&profile)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    pub(in super::super) fn are_told_apart_and_in_order<S, B>(rules: &[Law<S, B>]) {
        let ids: Vec<_> = rules.iter().map(|rule| rule.id).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert!(rules.iter().all(|rule| !rule.source.is_empty() && !rule.expected.is_empty()));
    }
}
