//! Which crate may see which (ARCHITECTURE.md, "Crates and arrows"), and what must not get into a pure one.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::{report, root};

/// A crate and those of ours that it may depend on. What is not here is forbidden, a new crate too.
const ARROWS: &[(&str, &[&str])] = &[
    ("audio", &[]),
    ("records", &[]),
    ("call", &["audio", "records"]),
    ("carriers", &["audio", "call", "records"]),
    ("providers", &["audio", "call"]),
    ("store", &["audio", "records"]),
    ("gateway", &["audio", "call", "carriers", "providers", "records", "store"]),
    ("control", &["carriers", "providers", "records", "store"]),
    ("sim", &["audio", "call", "carriers", "records"]),
    (
        "trunkline",
        &["audio", "call", "carriers", "control", "gateway", "providers", "records", "sim", "store"],
    ),
];

/// What tests may see beyond that.
const TEST_ARROWS: &[(&str, &[&str])] =
    &[("gateway", &["sim"]), ("control", &["audio", "sim"]), ("providers", &["sim", "records"])];

/// Crates in which everything is decided by arguments alone.
const PURE: &[&str] = &["audio", "call", "records", "carriers"];

/// What brings a clock, chance, a socket or a runtime, directly or through others.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "getrandom",
    "hyper",
    "libloading",
    "mio",
    "rand",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-tungstenite",
    "tungstenite",
];

fn metadata() -> Metadata {
    // Without it cargo would want the packages of every other system too, which no build here has fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned(), "--filter-platform".to_owned(), platform])
        .exec()
        .expect("cargo metadata runs where cargo test ran")
}

fn allowed(table: &[(&'static str, &'static [&'static str])], name: &str) -> Option<&'static [&'static str]> {
    table.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, sees)| *sees)
}

#[test]
fn arrows_between_our_crates_point_down() {
    let metadata = metadata();
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some(sees) = allowed(ARROWS, name) else {
            problems.push(format!(
                "crates/{name}/Cargo.toml:1: a new crate; give it a line in ARROWS in {} and in ARCHITECTURE.md",
                file!()
            ));
            continue;
        };
        let in_tests = allowed(TEST_ARROWS, name).unwrap_or_default();
        for dependency in
            package.dependencies.iter().filter(|dependency| ours.contains(dependency.name.as_str()))
        {
            let target = dependency.name.as_str();
            let for_tests = dependency.kind == DependencyKind::Development && in_tests.contains(&target);
            if !sees.contains(&target) && !for_tests {
                problems.push(format!(
                    "crates/{name}/Cargo.toml:{}: {name} must not see {target}; move what it needs down to a crate \
                     that both may see, or pass it in as a value",
                    line_of(name, target)
                ));
            }
        }
    }
    report("arrows between crates", &problems);
}

#[test]
fn every_arrow_of_the_table_has_its_crate() {
    let metadata = metadata();
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let gone: Vec<String> = ARROWS
        .iter()
        .chain(TEST_ARROWS)
        .filter(|(name, _)| !ours.contains(name))
        .map(|(name, _)| format!("{}: there is no crate {name} any more; take its line out", file!()))
        .collect();
    report("table of arrows", &gone);
}

#[test]
fn no_clock_socket_or_chance_gets_into_a_pure_crate() {
    let metadata = metadata();
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let graph = needed_by(&metadata);
    let mut problems = Vec::new();
    for pure in PURE {
        let start = metadata
            .workspace_packages()
            .into_iter()
            .find(|package| package.name.as_str() == *pure)
            .map(|package| &package.id)
            .expect("the table of arrows is checked by another test");
        // Breadth first, remembering the way, so that the message can show it.
        let mut ways: BTreeMap<&PackageId, Vec<&str>> = BTreeMap::from([(start, vec![*pure])]);
        let mut next = vec![start];
        while let Some(id) = next.pop() {
            for needed in graph.get(id).into_iter().flatten() {
                if ways.contains_key(needed) {
                    continue;
                }
                let mut way = ways[id].clone();
                way.push(names[needed]);
                if IMPURE.contains(&names[needed]) {
                    problems.push(format!(
                        "crates/{pure}/Cargo.toml:1: {} ({pure} is pure; drop the dependency or the feature that \
                         pulls it in)",
                        way.join(" -> ")
                    ));
                }
                ways.insert(needed, way);
                next.push(needed);
            }
        }
    }
    report("dependencies of the pure crates", &problems);
}

/// What each package is built with, tests left out.
fn needed_by(metadata: &Metadata) -> BTreeMap<&PackageId, Vec<&PackageId>> {
    let resolve = metadata.resolve.as_ref().expect("cargo metadata was asked for dependencies");
    resolve
        .nodes
        .iter()
        .map(|node| {
            let needed = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
                .map(|dep| &dep.pkg)
                .collect();
            (&node.id, needed)
        })
        .collect()
}

#[test]
fn each_pure_crate_repeats_the_root_and_bans_what_is_impure() {
    let read = |path: &str| -> toml::Table {
        let text = std::fs::read_to_string(root().join(path))
            .unwrap_or_else(|error| panic!("{path}:1: a pure crate needs this file: {error}"));
        text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let settings = read("clippy.toml");
    let mut problems = Vec::new();
    for pure in PURE {
        let path = format!("crates/{pure}/clippy.toml");
        let own = read(&path);
        for (key, value) in &settings {
            if own.get(key) != Some(value) {
                problems.push(format!(
                    "{path}:1: \"{key} = {value}\" of the root's clippy.toml is missing or differs; this file \
                     replaces the root's, so repeat it"
                ));
            }
        }
        let banned: BTreeSet<String> = ["disallowed-methods", "disallowed-types"]
            .iter()
            .filter_map(|key| own.get(*key)?.as_array())
            .flatten()
            .filter_map(|ban| ban.get("path")?.as_str().map(str::to_owned))
            .collect();
        for must in [
            "std::time::Instant::now",
            "std::time::SystemTime::now",
            "std::thread::spawn",
            "std::fs::File",
            "std::net::TcpStream",
            "std::collections::HashMap",
            "std::collections::HashSet",
        ] {
            if !banned.contains(must) {
                problems.push(format!(
                    "{path}:1: {must} is not banned; copy the line from crates/call/clippy.toml"
                ));
            }
        }
    }
    report("clippy.toml of the pure crates", &problems);
}

/// The line of a crate's manifest that names a dependency.
fn line_of(name: &str, dependency: &str) -> usize {
    let manifest =
        std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap_or_default();
    manifest.lines().position(|line| line.starts_with(dependency)).map_or(1, |index| index + 1)
}
