//! What a check found: how it is, what is wrong, and what to do, for people and as JSON.

use serde::Serialize;

use crate::terminal::{bold, dim, green, say, yellow};

/// How a thing is, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is well.
    Ok,
    /// It was not looked at; `problem` says why.
    LeftOut,
    /// Calls go well for now; somebody should look.
    Warn,
    /// Calls do not go well.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The check, as docs/doctor.md names it.
    pub(super) check: &'static str,
    pub(super) state: State,
    /// What was looked at and where, with what was measured.
    pub(super) name: String,
    /// What is wrong, or why it was left out; absent when it is well.
    pub(super) problem: Option<String>,
    /// A line to be copied into a shell or a file; absent where there is none that fits everyone.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, name: impl Into<String>) -> Self {
        Self { check, state: State::Ok, name: name.into(), problem: None, fix: None }
    }

    pub(super) fn warn(check: &'static str, name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { state: State::Warn, problem: Some(problem.into()), ..Self::ok(check, name) }
    }

    pub(super) fn fail(check: &'static str, name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { state: State::Fail, problem: Some(problem.into()), ..Self::ok(check, name) }
    }

    pub(super) fn left_out(check: &'static str, name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { state: State::LeftOut, problem: Some(why.into()), ..Self::ok(check, name) }
    }

    /// With what to do.
    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Well, or a failure with this problem.
    pub(super) fn of(check: &'static str, name: impl Into<String>, problem: Option<String>) -> Self {
        match problem {
            None => Self::ok(check, name),
            Some(problem) => Self::fail(check, name, problem),
        }
    }

    /// Shows it to people.
    pub(super) fn show(&self) {
        let Self { state, name, problem, fix, .. } = self;
        let told = problem.as_deref().map_or_else(|| name.clone(), |problem| format!("{name}: {problem}"));
        say(&match state {
            State::Ok => format!("{} {told}", green("ok  ")),
            State::Warn => format!("{} {told}", yellow("WARN")),
            State::Fail => format!("{} {told}", bold("FAIL")),
            State::LeftOut => dim(&format!("-    {told}")),
        });
        for line in fix.iter().flat_map(|fix| fix.lines()) {
            say(&format!("       {line}"));
        }
    }
}

/// The worst of them.
pub(super) fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
}
