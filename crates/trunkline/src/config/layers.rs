//! Flags over environment over file over built-in agents over defaults, as trees of values. Strings stay what
//! they are: a token of `007` and a number of `+91...` must come out as they went in, so nothing is parsed until
//! its type is known.

use std::collections::BTreeMap;

use config::{FileFormat, Format as _, Map, Value, ValueKind};

use super::aliases::{ALIASES, PORT};
use super::file;
use super::keys::LISTS;
use super::problem::{Problem, Problems, suggestion};

/// A tree of values, each with its origin.
pub(super) type Tree = Map<String, Value>;

/// The prefix of the environment names that are made of keys.
const PREFIX: &str = "TRUNKLINE__";

/// A file's values. The text has been checked.
pub(super) fn from_file(name: &str, text: &str) -> Result<Tree, Problems> {
    FileFormat::Toml
        .parse(Some(&name.to_owned()), text)
        .map_err(|error| Problem::new(name, error.to_string()).into())
}

/// The environment's values: the older names, then those made of keys.
pub(super) fn from_environment(environment: &BTreeMap<String, String>) -> Result<Tree, Problems> {
    let mut tree = Tree::new();
    for alias in ALIASES {
        if let Some(text) = environment.get(alias.name).filter(|text| !text.is_empty()) {
            set(&mut tree, alias.path, variable(alias.name, kind(alias.path, text)));
        }
    }
    let mut problems = Vec::new();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let path = rest.to_lowercase().replace("__", ".");
        match file::unknown(&path) {
            None => set(&mut tree, &path, variable(name, kind(&path, text))),
            Some(what) => problems.push(Problem::new(place(name), what)),
        }
    }
    if problems.is_empty() { Ok(tree) } else { Err(Problems(problems)) }
}

/// What a variable's text is: a list for the keys that hold one, else itself.
fn kind(path: &str, text: &str) -> ValueKind {
    if !LISTS.contains(&file::schema_path(path).as_str()) {
        return ValueKind::String(text.to_owned());
    }
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    ValueKind::Array(words.map(|word| Value::new(None, ValueKind::String(word.to_owned()))).collect())
}

fn place(name: &str) -> String {
    format!("the environment variable {name}")
}

fn variable(name: &str, kind: ValueKind) -> Value {
    Value::new(Some(&place(name)), kind)
}

/// The port of `PORT`, if it is set.
pub(super) fn port(environment: &BTreeMap<String, String>) -> Result<Option<u16>, Problems> {
    let Some(text) = environment.get(PORT).filter(|text| !text.is_empty()) else { return Ok(None) };
    let bad = |_| Problem::new(place(PORT), format!("\"{text}\" is not a port; use 1 to 65535"));
    Ok(Some(text.parse().map_err(bad)?))
}

/// Sets one value by its path.
pub(super) fn set(tree: &mut Tree, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let below = tree
                .entry(first.to_owned())
                .or_insert_with(|| Value::new(None, ValueKind::Table(Tree::new())));
            if !matches!(below.kind, ValueKind::Table(_)) {
                below.kind = ValueKind::Table(Tree::new());
            }
            if let ValueKind::Table(table) = &mut below.kind {
                set(table, rest, value);
            }
        }
    }
}

/// Lays `over` on `base`, table by table.
pub(super) fn merge(base: &mut Tree, over: Tree) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (
                Some(Value { kind: ValueKind::Table(below), .. }),
                Value { kind: ValueKind::Table(above), .. },
            ) => {
                merge(below, above);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Takes the table of this name out, empty when there is none.
pub(super) fn take_table(tree: &mut Tree, name: &str) -> Tree {
    match tree.remove(name).map(|value| value.kind) {
        Some(ValueKind::Table(table)) => table,
        _ => Tree::new(),
    }
}

/// Every value's path and origin.
pub(super) fn origins(tree: &Tree, under: &str, to: &mut BTreeMap<String, String>) {
    for (key, value) in tree {
        let path = if under.is_empty() { key.clone() } else { format!("{under}.{key}") };
        match (&value.kind, value.origin()) {
            (ValueKind::Table(table), _) => origins(table, &path, to),
            (_, Some(origin)) => {
                to.insert(path, origin.to_owned());
            }
            (_, None) => {}
        }
    }
}

/// What `config` could not make a value of, in our words and without the value, which may be a secret.
pub(super) fn fault(error: &config::ConfigError, origins: &BTreeMap<String, String>) -> Problem {
    use config::ConfigError as E;
    match error {
        E::At { error, origin, key } => {
            let inner = fault(error, origins);
            let key = key.clone().unwrap_or_default();
            let place = origin.clone().or_else(|| origins.get(&key).cloned()).unwrap_or(inner.place);
            Problem::new(place, if key.is_empty() { inner.what } else { format!("{key}: {}", inner.what) })
        }
        E::Type { origin, expected, key, .. } => {
            let key = key.clone().unwrap_or_default();
            let place = origin.clone().or_else(|| origins.get(&key).cloned());
            let prefix = if key.is_empty() { String::new() } else { format!("{key}: ") };
            Problem::new(
                place.unwrap_or_else(|| "the configuration".to_owned()),
                format!("{prefix}{expected} is expected"),
            )
        }
        other => Problem::new("the configuration", other.to_string()),
    }
}

/// Says that a name is not among those known.
pub(super) fn no_such(what: &str, name: &str, known: &[&str]) -> String {
    format!("there is no {what} \"{name}\"{}", suggestion(name, known.iter().copied()))
}
