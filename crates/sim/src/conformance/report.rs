//! What a test found, for people and for machines.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::{Profile, Verdict};

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is kept.
    Pass,
    /// It is broken.
    Fail,
    /// It could not be tried.
    Skip,
}

impl Status {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

/// One rule's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleResult {
    /// The rule's id.
    pub id: &'static str,
    /// What it asks.
    pub title: &'static str,
    /// Who asks it.
    pub source: &'static str,
    /// What became of it.
    pub status: Status,
    /// What should have been seen.
    pub expected: &'static str,
    /// What was seen.
    pub seen: String,
}

impl RuleResult {
    /// The rule with what became of it.
    pub(super) fn of(
        id: &'static str,
        title: &'static str,
        source: &'static str,
        expected: &'static str,
        verdict: Verdict,
    ) -> Self {
        let (status, seen) = match verdict {
            Verdict::Pass(seen) => (Status::Pass, seen),
            Verdict::Fail(seen) => (Status::Fail, seen),
            Verdict::Skip(why) => (Status::Skip, why),
        };
        Self { id, title, source, status, expected, seen }
    }
}

/// The results of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The carrier that was played.
    pub carrier: &'static str,
    /// Host, port and path of the server.
    pub target: String,
    /// What it was taken for.
    pub profile: Profile,
    /// The rules in the order of their ids.
    pub results: Vec<RuleResult>,
    /// How long the test took.
    pub took: Duration,
}

impl Report {
    /// How many rules are kept.
    pub fn passed(&self) -> usize {
        self.count(Status::Pass)
    }

    /// How many rules are broken.
    pub fn failed(&self) -> usize {
        self.count(Status::Fail)
    }

    /// How many rules could not be tried.
    pub fn skipped(&self) -> usize {
        self.count(Status::Skip)
    }

    /// One line a rule, two more for a broken one, and the sum.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}, as {}\n", self.target, self.profile.as_str());
        for result in &self.results {
            let RuleResult { id, title, source, status, expected, seen } = result;
            let _ = write!(text, "{} {id} {title}", status.as_str());
            match status {
                Status::Pass if seen.is_empty() => text.push('\n'),
                Status::Pass | Status::Skip => {
                    let _ = writeln!(text, ": {seen}");
                }
                Status::Fail => {
                    let _ = writeln!(
                        text,
                        "\n       expected: {expected}\n       seen:     {seen}\n       source:   {source}"
                    );
                }
            }
        }
        let total = self.results.len();
        let _ = write!(text, "{} passed, {} failed, {total} total", self.passed(), self.failed());
        if self.skipped() > 0 {
            let _ = write!(text, ", {} skipped", self.skipped());
        }
        text.push('\n');
        text
    }

    /// One object with the sums and a list of the rules.
    pub fn to_json(&self) -> String {
        let rules: Vec<_> = self
            .results
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.id, "title": rule.title, "source": rule.source, "status": rule.status.as_str(),
                    "expected": rule.expected, "seen": rule.seen,
                })
            })
            .collect();
        let report = json!({
            "carrier": self.carrier, "target": self.target, "profile": self.profile.as_str(), "took_ms": self.took.as_millis() as u64,
            "passed": self.passed(), "failed": self.failed(), "skipped": self.skipped(),
            "total": self.results.len(), "rules": rules,
        });
        format!("{report:#}")
    }

    /// A JUnit XML file with one suite.
    pub fn to_junit(&self) -> String {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{} conformance ({})\" tests=\"{}\" \
             failures=\"{}\" skipped=\"{}\" time=\"{:.3}\" hostname=\"{}\">\n",
            self.carrier,
            self.profile.as_str(),
            self.results.len(),
            self.failed(),
            self.skipped(),
            self.took.as_secs_f64(),
            escaped(&self.target),
        );
        for result in &self.results {
            let name = escaped(&format!("{} {}", result.id, result.title));
            let _ = write!(xml, "  <testcase classname=\"{}\" name=\"{name}\"", self.carrier);
            let seen = escaped(&result.seen);
            let _ = match result.status {
                Status::Pass => writeln!(xml, "/>"),
                Status::Skip => writeln!(xml, "><skipped message=\"{seen}\"/></testcase>"),
                Status::Fail => writeln!(
                    xml,
                    "><failure message=\"{seen}\">expected: {}\nseen: {seen}\nsource: {}</failure></testcase>",
                    escaped(result.expected),
                    escaped(result.source),
                ),
            };
        }
        xml.push_str("</testsuite>\n");
        xml
    }

    fn count(&self, status: Status) -> usize {
        self.results.iter().filter(|result| result.status == status).count()
    }
}

/// Text for XML, without the characters that XML 1.0 can't hold at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{FFFE}' | '\u{FFFF}' => {}
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let result = |id, status, seen: &str| RuleResult {
            id,
            title: "a rule",
            source: "Exotel, \"X\"",
            status,
            expected: "this & that",
            seen: seen.to_owned(),
        };
        Report {
            carrier: "exotel",
            target: "h:80/ws".to_owned(),
            profile: Profile::Echo,
            results: vec![
                result("EXO-001", Status::Pass, "at once"),
                result("EXO-002", Status::Fail, "<bad>\u{1}"),
                result("EXO-003", Status::Skip, "no token"),
            ],
            took: Duration::from_millis(1500),
        }
    }

    #[test]
    fn the_text_ends_with_the_sum() {
        let text = report().to_text();
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed, 3 total, 1 skipped"));
        assert!(
            text.contains("PASS EXO-001 a rule: at once\n") && text.contains("expected: this & that\n"),
            "{text}"
        );
    }

    #[test]
    fn the_xml_is_escaped() {
        let xml = report().to_junit();
        assert!(xml.contains("<failure message=\"&lt;bad&gt;\">expected: this &amp; that\n"), "{xml}");
        assert!(xml.contains("tests=\"3\" failures=\"1\" skipped=\"1\" time=\"1.500\""), "{xml}");
    }

    #[test]
    fn the_json_holds_every_rule() {
        let json: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
        assert_eq!((json["failed"].as_u64(), json["rules"][1]["status"].as_str()), (Some(1), Some("FAIL")));
    }
}
