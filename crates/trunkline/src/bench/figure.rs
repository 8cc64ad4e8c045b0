//! A measured figure beside its target.

use serde::Serialize;

use crate::terminal::{bold, dim, green, say};

/// Whether a figure meets its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Pass,
    Miss,
    /// It has no target; it is for reading.
    Info,
    /// It could not be measured.
    Unknown,
}

/// Which way a figure is to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    None,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// The number; absent when it could not be measured.
    pub(crate) value: Option<f64>,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The target in words; empty when there is none.
    pub(crate) target: String,
    pub(crate) verdict: Verdict,
    /// What else there is to know.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
    /// The command that shows it.
    pub(crate) command: &'static str,
}

impl Figure {
    /// A figure and its target, with the words for it.
    pub(crate) fn new(
        what: impl Into<String>,
        value: Option<f64>,
        unit: &'static str,
        target: Target,
    ) -> Self {
        let value = value.filter(|value| value.is_finite());
        let verdict = match (value, target) {
            (None, _) => Verdict::Unknown,
            (_, Target::None) => Verdict::Info,
            (Some(value), Target::AtMost(most)) if value <= most => Verdict::Pass,
            (Some(value), Target::AtLeast(least)) if value >= least => Verdict::Pass,
            _ => Verdict::Miss,
        };
        let words = match target {
            Target::AtMost(most) => format!("at most {most} {unit}"),
            Target::AtLeast(least) => format!("at least {least} {unit}"),
            Target::None => String::new(),
        };
        Self { what: what.into(), value, unit, target: words, verdict, note: String::new(), command: "" }
    }

    /// A figure without a target.
    pub(crate) fn info(what: impl Into<String>, value: Option<f64>, unit: &'static str) -> Self {
        Self::new(what, value, unit, Target::None)
    }

    /// With something more to know.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// One line for people.
    pub(crate) fn show(&self) {
        let value =
            self.value.map_or("not measured".to_owned(), |value| format!("{} {}", rounded(value), self.unit));
        let verdict = match self.verdict {
            Verdict::Pass => green("PASS"),
            Verdict::Miss => bold("MISS"),
            Verdict::Info => dim("info"),
            Verdict::Unknown => bold("????"),
        };
        let target = if self.target.is_empty() { String::new() } else { format!("  ({})", self.target) };
        let note = if self.note.is_empty() { String::new() } else { dim(&format!("  {}", self.note)) };
        say(&format!("{verdict}  {:<58} {value:>14}{target}{note}", self.what));
    }
}

/// The middle one of some values; of an even number, the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    // A round that measured nothing counts for nothing.
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some(f64::midpoint(values[half - 1], values[half])),
    }
}

/// Three digits, as far as there are any.
fn rounded(value: f64) -> String {
    match value.abs() {
        small if small < 1.0 => format!("{value:.3}"),
        small if small < 100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_passes_on_its_side_of_the_target() {
        let verdict = |value, target| Figure::new("x", value, "ms", target).verdict;
        assert_eq!(verdict(Some(1.3), Target::AtMost(1.3)), Verdict::Pass);
        assert_eq!(verdict(Some(1.31), Target::AtMost(1.3)), Verdict::Miss);
        assert_eq!(verdict(Some(599.0), Target::AtLeast(600.0)), Verdict::Miss);
        assert_eq!(verdict(Some(1.0), Target::None), Verdict::Info);
        assert_eq!(verdict(Some(f64::NAN), Target::AtMost(1.0)), Verdict::Unknown);
        assert_eq!(Figure::new("x", None, "ms", Target::AtMost(5.0)).target, "at most 5 ms");
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
