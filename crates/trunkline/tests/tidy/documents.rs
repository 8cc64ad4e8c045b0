//! The documents say what the program does: crates, commands, flags, end reasons, metrics and links are held against
//! the code.

use std::collections::BTreeSet;
use std::process::Command;

use records::EndReason;

use crate::source::{File, files};
use crate::{report, root};

fn document(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}:1: {error}; write it"))
}

#[test]
fn architecture_names_every_crate() {
    let text = document("ARCHITECTURE.md");
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(root().join("crates")).expect("the workspace has crates") {
        let name = entry.expect("a folder that opens can be read").file_name().to_string_lossy().into_owned();
        if !text.contains(&format!("`{name}`")) {
            problems.push(format!("ARCHITECTURE.md:1: crate `{name}` is not named; say what it is for"));
        }
    }
    report("crates in ARCHITECTURE.md", &problems);
}

#[test]
fn every_end_reason_is_explained() {
    let path = "docs/end-reasons.md";
    let text = document(path);
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let known: BTreeSet<&str> = EndReason::ALL.iter().map(|reason| reason.as_str()).collect();
    let mut problems: Vec<String> = known
        .difference(&rows)
        .map(|name| format!("{path}:1: no row for `{name}`; say what it means and what to do"))
        .collect();
    problems.extend(
        rows.difference(&known)
            .map(|name| format!("{path}:1: there is no end reason `{name}`; take its row out")),
    );
    report("end reasons", &problems);
}

#[test]
fn every_metric_is_explained() {
    let path = "docs/metrics.md";
    let documented = metric_names(&document(path));
    let mut used = BTreeSet::new();
    for file in files(&[".rs"]).iter().filter(|file| !file.is_test()) {
        let folders = ["crates/gateway/src/", "crates/control/src/", "crates/providers/src/"];
        if folders.iter().any(|folder| file.path.starts_with(folder)) {
            used.extend(metric_names(&file.text));
        }
    }
    let mut problems: Vec<String> = used
        .difference(&documented)
        .map(|name| format!("{path}:1: no row for {name}; say what it counts and when to worry"))
        .collect();
    problems.extend(
        documented.difference(&used).map(|name| format!("{path}:1: nothing sets {name}; take its row out")),
    );
    report("metrics", &problems);
}

/// Names of metrics; a histogram's series under the name of the histogram.
fn metric_names(text: &str) -> BTreeSet<String> {
    text.match_indices("trunkline_")
        .map(|(at, _)| {
            text[at..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
                .collect::<String>()
        })
        .map(|name| match ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)) {
            Some(histogram) => histogram.to_owned(),
            None => name,
        })
        .filter(|name| name.len() > "trunkline_".len())
        .collect()
}

/// A defence without its test is a hope: each test that the page names is there.
#[test]
fn every_test_that_the_security_page_names_exists() {
    let path = "docs/security.md";
    let tests: Vec<File> = files(&[".rs"]);
    let mut problems = Vec::new();
    let mut named = 0;
    for (number, line) in document(path).lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let proof = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for name in proof.split('`').skip(1).step_by(2) {
            named += 1;
            let is_test = format!("fn {name}(");
            if !tests.iter().any(|file| file.text.contains(&is_test)) {
                problems.push(format!("{path}:{}: there is no test `{name}`", number + 1));
            }
        }
    }
    assert!(named > 40, "{path}:1: only {named} tests are named");
    report("tests in the security page", &problems);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut problems = Vec::new();
    for file in files(&[".md"]) {
        let folder = root().join(&file.path).parent().expect("a file lies in a folder").to_path_buf();
        for (number, line) in file.lines() {
            for (at, _) in line.match_indices("](") {
                let target = line[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
                if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                    problems.push(format!("{}:{number}: {target} is not there", file.path));
                }
            }
        }
    }
    report("links", &problems);
}

#[test]
fn documents_that_the_code_names_are_there() {
    let mut problems = Vec::new();
    for file in files(&[".rs", ".toml", ".sh", ".service", "Containerfile", "Makefile"]) {
        for (number, line) in file.lines() {
            for (at, _) in line.match_indices("docs/") {
                let name: String = line[at..]
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.'))
                    .collect();
                let Some((page, _)) = name.split_once(".md") else { continue };
                if !root().join(format!("{page}.md")).exists() {
                    problems.push(format!(
                        "{}:{number}: {page}.md is not there; write it or name another",
                        file.path
                    ));
                }
            }
        }
    }
    report("documents named in the code", &problems);
}

#[test]
fn every_command_in_the_documents_exists() {
    let mut problems = Vec::new();
    for file in files(&[".md"]) {
        for (number, words) in commands(&file) {
            if let Some(problem) = problem_with(&words) {
                problems.push(format!("{}:{number}: `{}`: {problem}", file.path, words.join(" ")));
            }
        }
    }
    report("commands in the documents", &problems);
}

/// The lines of fenced code that run `trunkline`, as words.
fn commands(file: &File) -> Vec<(usize, Vec<String>)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let line = line.trim().trim_start_matches("$ ");
        if fenced && (line == "trunkline" || line.starts_with("trunkline ")) {
            let line = line.split(" #").next().unwrap_or(line);
            found.push((number, line.split_whitespace().map(str::to_owned).collect()));
        }
    }
    found
}

/// What is wrong with a command line, by the program's own help.
fn problem_with(words: &[String]) -> Option<String> {
    let path: Vec<&str> = words[1..]
        .iter()
        .map(String::as_str)
        .take_while(|word| {
            word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-')
        })
        .collect();
    // What follows a command may be an argument in plain letters: go as deep as the help goes.
    let depth = (1..=path.len()).rev().find(|depth| help(&path[..*depth]).is_some());
    let Some(depth) = depth else {
        return (!path.is_empty()).then(|| format!("there is no command \"{}\"", path[0]));
    };
    let help = help(&path[..depth]).unwrap_or_default();
    words[1..]
        .iter()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split('=').next().unwrap_or(word))
        .find(|flag| {
            !help.split(|c: char| c.is_whitespace() || ",<[=.".contains(c)).any(|word| word == *flag)
        })
        .map(|flag| format!("the command has no {flag}"))
}

/// The help of a command; nothing when there is no such command.
fn help(path: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(path)
        .arg("--help")
        .output()
        .expect("cargo has built the program");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
