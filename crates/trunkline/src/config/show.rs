//! The configuration in words: what is in force and where it comes from, and the reference of all keys with
//! their defaults. Secrets are shown as being there, and no more.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::keys::{AGENT, KEYS, Key};
use super::schema::{Agent, Config};
use super::{Loaded, builtin};

/// What is in force, as TOML with each value's origin.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let values = flat(&tree(&loaded.config));
    let mut out = String::new();
    for section in sections() {
        if section.starts_with("agents.*") {
            continue;
        }
        let keys = KEYS.iter().filter(|key| split(key.path).0 == section);
        write_section(
            &mut out,
            section,
            keys.map(|key| (key.path.to_owned(), split(key.path).1)),
            loaded,
            &values,
        );
    }
    for name in loaded.config.agents.keys() {
        for section in sections().filter(|section| section.starts_with("agents.*")) {
            let keys = KEYS.iter().filter(|key| split(key.path).0 == section);
            let named = section.replacen('*', name, 1);
            let keys = keys.map(|key| (key.path.replacen('*', name, 1), split(key.path).1));
            write_section(&mut out, &named, keys, loaded, &values);
        }
    }
    out
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
        let shared = path.split_once('.').and_then(|(_, rest)| rest.split_once('.'));
        let shared = shared.map(|(_, rest)| format!("agent_defaults.{rest}"));
        let origin = [Some(&path), shared.as_ref().filter(|_| path.starts_with("agents."))]
            .into_iter()
            .flatten()
            .find_map(|path| loaded.origins.get(path));
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
            let _ = writeln!(out, "\n# [{}]", section.replacen("agents.*", "agents.NAME", 1));
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
        let _ = writeln!(out, "| `{}` | {value} | {about} |", path.replacen("agents.*", "agents.NAME", 1));
    }
    out.push_str("\n| Environment name | Same as |\n|---|---|\n");
    for alias in super::keys::ALIASES {
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
    let mut values = flat(&tree(&Config::default()));
    values.retain(|path, _| !path.starts_with("agent_defaults") && path != "agents");
    let agent = flat(&tree(&Agent::default()));
    values.extend(agent.into_iter().map(|(path, value)| (format!("{AGENT}{path}"), value)));
    values
}

fn tree(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("a configuration has only string keys")
}

/// Paths and values, without tables.
fn flat(tree: &Value) -> BTreeMap<String, Value> {
    fn walk(under: &str, map: &Map<String, Value>, to: &mut BTreeMap<String, Value>) {
        for (key, value) in map {
            let path = if under.is_empty() { key.clone() } else { format!("{under}.{key}") };
            match value {
                Value::Object(map) if !map.is_empty() => walk(&path, map, to),
                other => {
                    to.insert(path, other.clone());
                }
            }
        }
    }
    let mut to = BTreeMap::new();
    if let Value::Object(map) = tree {
        walk("", map, &mut to);
    }
    to
}

/// A value as TOML writes it. Single precision went through double: 0.8 comes back as 0.8, not 0.800000011920929.
fn toml(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let single = number.as_f64().unwrap_or_default() as f32;
            if single.fract() == 0.0 { format!("{single:.1}") } else { single.to_string() }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        // JSON's and TOML's basic strings have the same escapes.
        other => other.to_string(),
    }
}
