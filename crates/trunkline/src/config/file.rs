//! The configuration file as text: syntax, unknown keys and wrong types, each with its line and column, all of
//! them and not only the first.

use std::collections::BTreeMap;
use std::ops::Range;

use providers::Role;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{FREE, KEYS, ROLE};
use super::problem::{Problem, Problems, suggestion};
use super::schema::Config;

/// Where each key of a file stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    name: String,
    by_path: BTreeMap<String, (usize, usize)>,
}

impl Places {
    /// `trunkline.toml:3:1` of this key, or of the nearest table above it.
    pub(super) fn of(&self, path: &str) -> Option<String> {
        let mut path = path;
        loop {
            if let Some((line, column)) = self.by_path.get(path) {
                return Some(format!("{}:{line}:{column}", self.name));
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// Checks a file's text. Gives where its keys stand.
pub(super) fn check(name: &str, text: &str) -> Result<Places, Problems> {
    let at = |span: Option<Range<usize>>| {
        let (line, column) = position(text, span.map_or(0, |span| span.start));
        format!("{name}:{line}:{column}")
    };
    let table =
        DeTable::parse(text).map_err(|error| Problem::new(at(error.span()), first_line(error.message())))?;
    let mut walk = Walk { name, text, places: BTreeMap::new(), problems: Vec::new() };
    walk.table(table.get_ref(), "");
    if !walk.problems.is_empty() {
        return Err(Problems(walk.problems));
    }
    let places = walk.places;
    toml::from_str::<Config>(text).map_err(|error| Problem::new(at(error.span()), plain(error.message())))?;
    Ok(Places { name: name.to_owned(), by_path: places })
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

/// The parser's message without what could be a secret: `invalid type: integer `12345`, expected a string`.
fn plain(message: &str) -> String {
    let message = first_line(message);
    match (message.strip_prefix("invalid type: "), message.split_once(", expected ")) {
        (Some(rest), Some((_, expected))) => {
            let found = rest.split([' ', ',']).next().unwrap_or("value");
            let expected = match expected {
                "usize" | "u64" | "u32" | "u16" => "a whole number",
                "f32" | "f64" => "a number",
                other => other,
            };
            let quotes = if expected.contains("string") { "; put it in quotes" } else { "" };
            format!("this is of type {found}, but {expected} is expected{quotes}")
        }
        _ => message.to_owned(),
    }
}

/// Line and column, from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

struct Walk<'a> {
    name: &'a str,
    text: &'a str,
    places: BTreeMap<String, (usize, usize)>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, under: &str) {
        for (key, value) in table {
            let path = if under.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{under}.{}", key.get_ref())
            };
            self.entry(key, value, &path);
        }
    }

    fn entry(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>, path: &str) {
        let (line, column) = position(self.text, key.span().start);
        self.places.insert(path.to_owned(), (line, column));
        if let Some(what) = unknown(path) {
            self.problems.push(Problem::new(format!("{}:{line}:{column}", self.name), what));
        } else if let DeValue::Table(table) = value.get_ref() {
            self.table(table, path);
        }
    }
}

/// What to say about this key when it is not one of ours.
pub(super) fn unknown(path: &str) -> Option<String> {
    let schema = schema_path(path);
    let below = format!("{schema}.");
    if KEYS.iter().any(|key| key.path == schema || key.path.starts_with(&below)) {
        return None;
    }
    let (under, word) = schema.rsplit_once('.').map_or(("", schema.as_str()), |(under, word)| (under, word));
    let prefix = if under.is_empty() { String::new() } else { format!("{under}.") };
    let mut siblings: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| key.path.strip_prefix(&prefix))
        .flat_map(|rest| match rest.split('.').next() {
            Some(ROLE) => Role::ALL.map(Role::as_str).to_vec(),
            first => first.into_iter().collect(),
        })
        .collect();
    if under.is_empty() {
        siblings.push("agent_defaults");
    }
    siblings.dedup();
    let here = if under.is_empty() {
        String::new()
    } else {
        let shown = path.rsplit_once('.').map_or("", |(under, _)| under);
        format!(" in [{shown}]")
    };
    Some(format!("there is no key \"{word}\"{here}{}", suggestion(word, siblings)))
}

/// The path under which a key stands in `KEYS`: names that the operator gives become `*`, a role becomes `ROLE`,
/// and what lies in a table of the operator's own stands for that table.
pub(super) fn schema_path(path: &str) -> String {
    let mut schema = String::new();
    for segment in path.split('.') {
        if FREE.contains(&schema.as_str()) {
            break;
        }
        let segment = match schema.as_str() {
            "" if segment == "agent_defaults" => "agents.*",
            "agents" | "vendors" => "*",
            "agents.*.tools" if !["builtin", "max_steps"].contains(&segment) => "*",
            "vendors.*" if Role::ALL.iter().any(|role| role.as_str() == segment) => ROLE,
            _ => segment,
        };
        if !schema.is_empty() {
            schema.push('.');
        }
        schema.push_str(segment);
    }
    schema
}
