//! The configuration in words: what is in force and where it comes from, and the reference of all keys with
//! their defaults. Secrets are shown as being there, and no more.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use providers::tools::ToolOptions;
use providers::{Role, VendorOptions};
use serde_json::{Map, Value};

use super::agent::Agent;
use super::keys::{FREE, KEYS, Key, ROLE};
use super::schema::Config;
use super::{Loaded, builtin, file};

/// What is in force, as TOML with each value's origin.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let tree = tree(&loaded.config);
    let values = flat("", &tree);
    let mut out = String::new();
    for (named, section) in instances(&tree) {
        // Of a vendor's roles those that somebody set something about.
        let below = format!("{named}.");
        if section.ends_with(ROLE) && !loaded.origins.keys().any(|path| path.starts_with(&below)) {
            continue;
        }
        let keys = KEYS.iter().filter(|key| split(key.path).0 == section).map(|key| split(key.path).1);
        let keys = keys
            .map(|name| (if named.is_empty() { name.to_owned() } else { format!("{named}.{name}") }, name));
        write_section(&mut out, &named, keys, loaded, &values);
    }
    out
}

/// The sections that there are: with the names in place, and as `KEYS` has them. What belongs to one agent or one
/// vendor stays together.
fn instances(tree: &Value) -> Vec<(String, &'static str)> {
    let all: Vec<&'static str> = sections().collect();
    let mut found = Vec::new();
    let mut done = Vec::new();
    for section in &all {
        let Some((table, _)) = section.split_once(".*") else {
            found.push(((*section).to_owned(), *section));
            continue;
        };
        if done.contains(&table) {
            continue;
        }
        done.push(table);
        let under = format!("{table}.*");
        for name in names(tree, table) {
            for section in all.iter().filter(|section| section.starts_with(&under)) {
                let named = section.replacen('*', &name, 1);
                found.extend(complete(&named, tree).into_iter().map(|named| (named, *section)));
            }
        }
    }
    found
}

/// A section in whose name one more name, or each role, is to be put.
fn complete(named: &str, tree: &Value) -> Vec<String> {
    if let Some((table, rest)) = named.split_once(".*") {
        return names(tree, table).into_iter().map(|name| format!("{table}.{name}{rest}")).collect();
    }
    match named.strip_suffix(ROLE) {
        Some(vendor) => Role::ALL.map(|role| format!("{vendor}{}", role.as_str())).to_vec(),
        None => vec![named.to_owned()],
    }
}

/// The names in a table of tables.
fn names(tree: &Value, table: &str) -> Vec<String> {
    let found = table.split('.').try_fold(tree, |tree, key| tree.get(key));
    let tables =
        found.and_then(Value::as_object).into_iter().flatten().filter(|(_, value)| value.is_object());
    tables.map(|(name, _)| name.clone()).collect()
}

fn write_section(
    out: &mut String,
    section: &str,
    keys: impl Iterator<Item = (String, &'static str)>,
    loaded: &Loaded,
    values: &BTreeMap<String, Value>,
) {
    if !section.is_empty() {
        let _ = writeln!(out, "\n[{section}]");
    }
    for (path, name) in keys {
        let value = values.get(&path).unwrap_or(&Value::Null);
        let own = format!("{path}.");
        let shared = path.strip_prefix("agents.").and_then(|rest| rest.split_once('.'));
        let shared = shared.map(|(_, rest)| format!("agent_defaults.{rest}"));
        // A table of the operator's own comes from where its first key does.
        let origin = loaded
            .origins
            .get(&path)
            .or_else(|| {
                loaded.origins.range(own.clone()..).find(|(key, _)| key.starts_with(&own)).map(|(_, o)| o)
            })
            .or_else(|| loaded.origins.get(&shared?));
        let origin = origin.map_or(String::new(), |origin| format!("  # from {origin}"));
        let line = if value.is_null() {
            format!("# {name} is not set")
        } else {
            format!("{name} = {}", toml(value))
        };
        let _ = writeln!(out, "{line}{origin}");
    }
}

/// What is in force, as JSON.
pub(crate) fn effective_json(loaded: &Loaded) -> Value {
    let mut json = tree(&loaded.config);
    if let Value::Object(root) = &mut json {
        root.remove("agent_defaults");
    }
    json
}

/// All keys with their defaults and what they are, commented out.
pub(crate) fn defaults() -> String {
    let values = default_values();
    let mut out = String::from(
        "# Every key with its default. Flags win over the environment, the environment over this file.\n\
         # In the environment a key is TRUNKLINE__SECTION__KEY, such as TRUNKLINE__SERVER__LISTEN.\n\
         # Agents are tables of their own: [agents.NAME]; [agent_defaults] holds for all of them.\n\
         # Built-in agents: ",
    );
    let _ = writeln!(out, "{}.", builtin::NAMES.join(", "));
    for section in sections() {
        if !section.is_empty() {
            let _ = writeln!(out, "\n# [{}]", section.replace('*', "NAME"));
        }
        for Key { path, about } in KEYS.iter().filter(|key| split(key.path).0 == section) {
            let value = values.get(*path).unwrap_or(&Value::Null);
            let value = if value.is_null() { "".to_owned() } else { format!(" {}", toml(value)) };
            let _ = writeln!(out, "# {about}\n# {} ={value}", split(path).1);
        }
    }
    out
}

/// The reference table of the documentation.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let values = default_values();
    let mut out = String::from("| Key | Default | What it is |\n|---|---|---|\n");
    for Key { path, about } in KEYS {
        let value = values.get(*path).filter(|value| !value.is_null()).map_or(String::new(), |value| {
            let text = toml(value);
            let short: String = text.chars().take(60).collect();
            if short.len() < text.len() { format!("`{short}…`") } else { format!("`{text}`") }
        });
        let _ = writeln!(out, "| `{}` | {value} | {about} |", path.replace('*', "NAME"));
    }
    out.push_str("\n| Environment name | Same as |\n|---|---|\n");
    for alias in super::aliases::ALIASES {
        let _ = writeln!(out, "| `{}` | `{}` |", alias.name, alias.path);
    }
    out.push_str("| `PORT` | the port of `server.listen` |\n");
    out
}

/// The sections in the order of the keys, each once.
fn sections() -> impl Iterator<Item = &'static str> {
    let mut seen: Vec<&'static str> = Vec::new();
    for key in KEYS {
        let (section, _) = split(key.path);
        if !seen.contains(&section) {
            seen.push(section);
        }
    }
    seen.into_iter()
}

fn split(path: &'static str) -> (&'static str, &'static str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

pub(super) fn default_values() -> BTreeMap<String, Value> {
    let mut values = flat("", &tree(&Config::default()));
    let tables = ["agent_defaults", "agents", "vendors"];
    values.retain(|path, _| !tables.contains(&path.split('.').next().unwrap_or(path)));
    let mut add = |named: &str, value: Value| {
        let under = flat(named, &value).into_iter();
        values.extend(under.map(|(path, value)| (file::schema_path(&path), value)));
    };
    add("agents.x", tree(&Agent::default()));
    add("agents.x.tools.x", tree(&ToolOptions::default()));
    add("vendors.x", tree(&VendorOptions::default()));
    values
}

fn tree(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("a configuration has only string keys")
}

/// Paths and values, without tables but for those of the operator's own.
fn flat(under: &str, tree: &Value) -> BTreeMap<String, Value> {
    fn walk(under: &str, map: &Map<String, Value>, to: &mut BTreeMap<String, Value>) {
        for (key, value) in map {
            let path = if under.is_empty() { key.clone() } else { format!("{under}.{key}") };
            match value {
                Value::Object(map) if !map.is_empty() && !is_free(&path) => walk(&path, map, to),
                other => {
                    to.insert(path, other.clone());
                }
            }
        }
    }
    let mut to = BTreeMap::new();
    if let Value::Object(map) = tree {
        walk(under, map, &mut to);
    }
    to
}

fn is_free(path: &str) -> bool {
    FREE.contains(&file::schema_path(path).as_str())
}

/// A value as TOML writes it. Single precision went through double: 0.8 comes back as 0.8, not 0.800000011920929.
fn toml(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let single = number.as_f64().unwrap_or_default() as f32;
            if single.fract() == 0.0 { format!("{single:.1}") } else { single.to_string() }
        }
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let set = map.iter().filter(|(_, value)| !value.is_null());
            let pairs = set.map(|(key, value)| format!("{} = {}", Value::from(key.as_str()), toml(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        // JSON's and TOML's basic strings have the same escapes.
        other => other.to_string(),
    }
}
