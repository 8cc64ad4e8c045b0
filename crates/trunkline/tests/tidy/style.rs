//! How source files look: what they open with, how long things are, words that must not be in them.

use crate::report;
use crate::source::{File, files};

const LINES: usize = 400;
/// No exception goes above this.
const LINES_EVER: usize = 700;
const FIELDS: usize = 12;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[
    ("crates/call/src/event.rs", "one closed list: what a call tells"),
    ("crates/trunkline/src/config/keys.rs", "one table: a line a key"),
    ("fuzz/src/call_core.rs", "one list: the ways of putting bytes into a call"),
];

/// Structs that may have more fields, and why.
const WIDE_STRUCTS: &[(&str, &str, &str)] = &[
    (
        "crates/call/src/settings.rs",
        "Settings",
        "an agent's settings are one flat table in the configuration file",
    ),
    ("crates/call/src/settings.rs", "Limits", "one flat table in the configuration file"),
    ("crates/call/src/settings/turns.rs", "Turn", "one flat table in the configuration file"),
    ("crates/records/src/record.rs", "CallRecord", "a record is one flat JSON object, and its readers' API"),
    ("crates/trunkline/src/config/schema.rs", "Config", "the tables of the configuration file"),
    ("crates/trunkline/src/config/schema.rs", "Server", "one flat table in the configuration file"),
    ("crates/trunkline/src/config/agent.rs", "Agent", "an agent is one flat table in the configuration file"),
];

/// Numbers that examples and tests may show. None is anyone's: they repeat or count up.
const SAMPLE_NUMBERS: &[&str] = &[
    "+919876543210",
    "+919800000001",
    "+918000000002",
    "+12025550123",
    // Those of the signatures that Twilio's own libraries test against.
    "+14158675309",
    "+18005551212",
];

/// What shows that a number is nobody's: it repeats, counts up or down, or lies in a range that is kept for stories (North
/// America's 555-01xx, London's 7946 0xxx).
const MADE_UP: &[&str] = &["00000", "99999", "1234", "0123", "98765432", "55501", "2079460"];

/// Text that does not belong, in two halves so that this file holds none of it, and what to do instead.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("TO", "DO", "do it, or leave it out"),
    ("FIX", "ME", "do it, or leave it out"),
    ("to", "do!(", "write the code"),
    ("unimple", "mented!(", "write the code"),
    ("/wo", "rk/", "a path of one machine; use one that every machine has"),
    ("../sha", "red", "a file outside the project; say what it says"),
    ("iss", "ue 2", "say the thing itself"),
];

const TEXT: &[&str] = &[".rs", ".toml", ".md", ".sh", "Makefile", ".yml", ".service", "Containerfile"];

#[test]
fn every_source_file_says_why_it_exists() {
    let problems: Vec<String> = files(&[".rs"])
        .iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{}:1: open the file with a `//!` line that says why it exists", file.path))
        .collect();
    report("file heads", &problems);
}

#[test]
fn files_are_short() {
    let mut problems = Vec::new();
    let sources = files(&[".rs"]);
    for file in &sources {
        let lines = if file.is_test() { 0 } else { file.lines_without_tests() };
        let excepted = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        let all = file.text.lines().count();
        if lines > LINES_EVER || file.is_test() && all > LINES_EVER {
            problems.push(format!(
                "{}:{LINES_EVER}: {} lines; split it by what changes together",
                file.path, all
            ));
        } else if lines > LINES && !excepted {
            problems.push(format!(
                "{}:{LINES}: {lines} lines without its tests, more than {LINES}; split it, or add it to LONG_FILES in {} \
                 with a reason",
                file.path,
                file!()
            ));
        } else if lines <= LINES && excepted {
            problems.push(format!(
                "{}:1: short enough now; take it out of LONG_FILES in {}",
                file.path,
                file!()
            ));
        }
    }
    for (path, _) in LONG_FILES.iter().filter(|(path, _)| !sources.iter().any(|file| file.path == *path)) {
        problems.push(format!("{path}: gone; take it out of LONG_FILES in {}", file!()));
    }
    report("file sizes", &problems);
}

#[test]
fn structs_are_narrow() {
    let mut problems = Vec::new();
    let mut used = vec![false; WIDE_STRUCTS.len()];
    for file in files(&[".rs"]) {
        for (line, name, fields) in structs(&file) {
            let exception =
                WIDE_STRUCTS.iter().position(|(path, wide, _)| *path == file.path && *wide == name);
            match exception {
                Some(index) => used[index] = fields > FIELDS,
                None if fields > FIELDS => problems.push(format!(
                    "{}:{line}: struct {name} has {fields} fields, more than {FIELDS}; group those that change \
                     together, or add it to WIDE_STRUCTS in {} with a reason",
                    file.path,
                    file!()
                )),
                None => {}
            }
        }
    }
    for ((path, name, _), _) in WIDE_STRUCTS.iter().zip(&used).filter(|(_, used)| !**used) {
        problems.push(format!(
            "{path}: {name} is gone or narrow now; take it out of WIDE_STRUCTS in {}",
            file!()
        ));
    }
    report("struct sizes", &problems);
}

/// Each struct's line, name and number of named fields, by the layout that rustfmt gives.
fn structs(file: &File) -> Vec<(usize, String, usize)> {
    let mut found: Vec<(usize, String, usize)> = Vec::new();
    let mut open: Option<usize> = None;
    for (number, line) in file.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(outer) = open {
            if indent == outer && text.starts_with('}') {
                open = None;
            } else if indent == outer + 4 && is_field(text) {
                found.last_mut().expect("an open struct was pushed").2 += 1;
            }
        } else if let Some(name) = opened_struct(text) {
            found.push((number, name, 0));
            open = Some(indent);
        }
    }
    found
}

fn opened_struct(line: &str) -> Option<String> {
    let line = without_visibility(line).strip_prefix("struct ")?;
    let name = line.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    line.ends_with('{').then(|| name.to_owned())
}

fn is_field(line: &str) -> bool {
    without_visibility(line)
        .split_once(": ")
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

fn without_visibility(line: &str) -> &str {
    match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or(line, |(_, rest)| rest),
        Some(rest) => rest.strip_prefix(' ').unwrap_or(line),
        None => line,
    }
}

#[test]
fn nothing_is_left_for_later_and_nothing_points_outside() {
    let mut problems = Vec::new();
    for file in files(TEXT) {
        for (number, line) in file.lines() {
            for (first, second, advice) in FORBIDDEN {
                let word = format!("{first}{second}");
                if line.contains(&word) {
                    problems.push(format!("{}:{number}: \"{word}\": {advice}", file.path));
                }
            }
        }
    }
    report("words that do not belong", &problems);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut problems = Vec::new();
    for file in files(&[".rs"]) {
        for (number, line) in file.lines() {
            let text = line.trim_start();
            // A module of helpers that several test programs share can't expect: in some of them all of it is used.
            let shared = file.is_test() && text.starts_with("#![allow(") && text.contains("reason = ");
            if !shared && (text.starts_with("#[allow(") || text.starts_with("#![allow(")) {
                problems.push(format!(
                    "{}:{number}: write #[expect(the lint, reason = \"...\")], which says so when it is not needed any \
                     more",
                    file.path
                ));
            }
        }
    }
    report("allowed lints", &problems);
}

#[test]
fn no_real_phone_number_is_shown() {
    let mut problems = Vec::new();
    for file in files(TEXT) {
        for (number, line) in file.lines() {
            for (at, _) in line.match_indices('+') {
                let digits = line[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
                let shown = &line[at..=at + digits];
                let is_sample =
                    SAMPLE_NUMBERS.contains(&shown) || MADE_UP.iter().any(|part| shown.contains(part));
                if (10..=15).contains(&digits) && !is_sample {
                    problems.push(format!(
                        "{}:{number}: {shown} looks like somebody's number; use one of {SAMPLE_NUMBERS:?}",
                        file.path
                    ));
                }
            }
        }
    }
    report("phone numbers", &problems);
}
