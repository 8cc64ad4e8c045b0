//! The small language in which scripts and recognisers are told what callers say.
//!
//! A pattern is a line of words. `(a|b c)` is one of several, `[a]` may be left out (and may hold `|` too), and
//! `{day}` stands for any value of the list of that name:
//! `[i want to|can i] book (an appointment|a slot) [for|on] {day} [at {time}]`.

use std::collections::BTreeMap;
use std::fmt;

/// The longest pattern, in bytes.
const MAX_LEN: usize = 2_000;
/// How deep brackets may nest.
const MAX_DEPTH: usize = 12;
/// How many words that the pattern does not know may stand between two that it does.
const GAP: usize = 2;
/// What a word that matches is worth; a skipped word costs 1.
const WORD: u32 = 10;

/// A parsed pattern. Displayed, it is a pattern again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This word, in lower case.
    Word(String),
    /// Any value of the list of this name.
    Slot(String),
    /// All of these, in order.
    All(Vec<Pattern>),
    /// One of these.
    Any(Vec<Pattern>),
    /// This or nothing.
    Maybe(Box<Pattern>),
}

/// A pattern that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern \"{pattern}\": {why}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

/// Lists by name: each pattern is one value.
pub(crate) type Lists = BTreeMap<String, Vec<Pattern>>;

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let fail = |why: String| PatternError { pattern: text.to_owned(), why };
        if text.len() > MAX_LEN {
            return Err(PatternError {
                pattern: text.chars().take(40).chain("...".chars()).collect(),
                why: format!("it is longer than {MAX_LEN} bytes"),
            });
        }
        let mut reader = Reader { tokens: tokens(text), at: 0 };
        let pattern = reader.choice(0).map_err(fail)?;
        match reader.peek() {
            Some(token) => Err(fail(format!("`{token}` closes nothing"))),
            None if pattern.may_be_empty() => {
                Err(fail("nothing in it has to be said; leave one word outside of `[ ]`".to_owned()))
            }
            None => Ok(pattern),
        }
    }

    /// The names of the lists that it uses.
    pub fn slots(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.visit(&mut |node| {
            if let Self::Slot(name) = node {
                found.push(name.as_str());
            }
        });
        found
    }

    /// Its words, without those of its lists.
    pub fn words(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.visit(&mut |node| {
            if let Self::Word(word) = node {
                found.push(word.as_str());
            }
        });
        found
    }

    /// The same with each list written out in place of its name. A list that is not there stays a name.
    pub(crate) fn with_lists(&self, lists: &Lists) -> Self {
        let all = |nodes: &[Self]| nodes.iter().map(|node| node.with_lists(lists)).collect();
        match self {
            Self::Word(_) => self.clone(),
            Self::Slot(name) => {
                lists.get(name).map_or_else(|| self.clone(), |values| Self::Any(values.clone()))
            }
            Self::All(nodes) => Self::All(all(nodes)),
            Self::Any(nodes) => Self::Any(all(nodes)),
            Self::Maybe(node) => Self::Maybe(Box::new(node.with_lists(lists))),
        }
    }

    /// How well it fits somewhere in `words`, which may have other words before, after and between. None when a
    /// word is missing. The more words fit, the higher.
    pub(crate) fn score(&self, words: &[&str], lists: &Lists) -> Option<u32> {
        let anywhere = vec![Some(0); words.len() + 1];
        let ends = self.step(&anywhere, words, lists);
        ends.into_iter().flatten().max().filter(|score| *score > 0)
    }

    /// From the best score at each place between the words before this pattern to that after it.
    fn step(&self, from: &[Option<u32>], words: &[&str], lists: &Lists) -> Vec<Option<u32>> {
        match self {
            Self::Word(wanted) => {
                let mut to = vec![None; from.len()];
                for (place, score) in from.iter().enumerate() {
                    let Some(score) = score else { continue };
                    for skipped in 0..=GAP {
                        if words.get(place + skipped).is_some_and(|word| word == wanted) {
                            // What nothing precedes skips nothing: it may start anywhere.
                            let cost = if *score == 0 { 0 } else { skipped as u32 };
                            let end = &mut to[place + skipped + 1];
                            *end = (*end).max(Some((score + WORD).saturating_sub(cost)));
                        }
                    }
                }
                to
            }
            Self::Slot(name) => match lists.get(name) {
                Some(values) => best(values.iter().map(|value| value.step(from, words, lists)), from.len()),
                None => vec![None; from.len()],
            },
            Self::All(nodes) => nodes.iter().fold(from.to_vec(), |from, node| node.step(&from, words, lists)),
            Self::Any(nodes) => best(nodes.iter().map(|node| node.step(from, words, lists)), from.len()),
            Self::Maybe(node) => best([from.to_vec(), node.step(from, words, lists)], from.len()),
        }
    }

    fn may_be_empty(&self) -> bool {
        match self {
            Self::Word(_) | Self::Slot(_) => false,
            Self::All(nodes) => nodes.iter().all(Self::may_be_empty),
            Self::Any(nodes) => nodes.iter().any(Self::may_be_empty),
            Self::Maybe(_) => true,
        }
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        match self {
            Self::Word(_) | Self::Slot(_) => {}
            Self::All(nodes) | Self::Any(nodes) => {
                for node in nodes {
                    node.visit(see);
                }
            }
            Self::Maybe(node) => node.visit(see),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, nodes: &[Self], between: &str| {
            nodes.iter().enumerate().try_for_each(|(index, node)| {
                f.write_str(if index == 0 { "" } else { between })?;
                node.fmt(f)
            })
        };
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Slot(name) => write!(f, "{{{name}}}"),
            Self::All(nodes) => list(f, nodes, " "),
            Self::Any(nodes) => {
                f.write_str("(")?;
                list(f, nodes, "|")?;
                f.write_str(")")
            }
            Self::Maybe(node) => write!(f, "[{node}]"),
        }
    }
}

/// The words of what somebody said, as patterns know them: lower case, no punctuation.
pub(crate) fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '/'))
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).replace('\u{2019}', "'").to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

fn best(all: impl IntoIterator<Item = Vec<Option<u32>>>, len: usize) -> Vec<Option<u32>> {
    let mut best = vec![None; len];
    for scores in all {
        for (best, score) in best.iter_mut().zip(scores) {
            *best = (*best).max(score);
        }
    }
    best
}

/// Brackets and bars each for itself, and the words between.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        let is_sign = matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '|');
        if !is_sign && !c.is_whitespace() {
            word.extend(c.to_lowercase());
            continue;
        }
        let cut = word.trim_matches(|c| matches!(c, '.' | ',' | '?' | '!' | ';' | ':' | '"'));
        if !cut.is_empty() {
            found.push(cut.to_owned());
        }
        word.clear();
        if is_sign {
            found.push(c.to_string());
        }
    }
    found
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn choice(&mut self, depth: usize) -> Result<Pattern, String> {
        if depth > MAX_DEPTH {
            return Err(format!("brackets are nested deeper than {MAX_DEPTH}"));
        }
        let mut ways = vec![self.sequence(depth)?];
        while self.peek() == Some("|") {
            self.at += 1;
            ways.push(self.sequence(depth)?);
        }
        if ways.len() == 1
            && let Some(only) = ways.pop()
        {
            return Ok(only);
        }
        Ok(Pattern::Any(ways))
    }

    fn sequence(&mut self, depth: usize) -> Result<Pattern, String> {
        let mut nodes = Vec::new();
        while let Some(token) = self.peek() {
            if matches!(token, ")" | "]" | "}" | "|") {
                break;
            }
            let token = self.next().unwrap_or_default();
            nodes.push(match token.as_str() {
                "(" => {
                    let inner = self.choice(depth + 1)?;
                    self.close("(", ")")?;
                    inner
                }
                "[" => {
                    let inner = self.choice(depth + 1)?;
                    self.close("[", "]")?;
                    Pattern::Maybe(Box::new(inner))
                }
                "{" => {
                    let name = self.next().unwrap_or_default();
                    self.close("{", "}")?;
                    Pattern::Slot(name)
                }
                word => Pattern::Word(word.to_owned()),
            });
        }
        match nodes.len() {
            0 => Err("there are no words between two signs, or none at all".to_owned()),
            1 => Ok(nodes.remove(0)),
            _ => Ok(Pattern::All(nodes)),
        }
    }

    fn close(&mut self, open: &str, close: &str) -> Result<(), String> {
        match self.next() {
            Some(token) if token == close => Ok(()),
            Some(token) => Err(format!("`{open}` is followed by `{token}` where `{close}` is wanted")),
            None => Err(format!("`{open}` is never closed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_written_as_it_was_read() {
        for text in
            ["yes", "what are your hours", "[i want to|can i] book (a slot|a visit) on {day} [at {time}]"]
        {
            let shown = Pattern::parse(text).unwrap().to_string();
            assert_eq!(Pattern::parse(&shown).unwrap(), Pattern::parse(text).unwrap(), "{shown}");
        }
        assert_eq!(Pattern::parse("What's up?").unwrap().words(), ["what's", "up"]);
    }

    #[test]
    fn what_can_t_be_read_is_named() {
        for (text, why) in [
            ("", "there are no words"),
            ("a (b", "`(` is never closed"),
            ("a ] b", "`]` closes nothing"),
            ("(a|)", "there are no words"),
            ("[a] [b]", "nothing in it has to be said"),
            ("{day", "`{` is never closed"),
            (&"(".repeat(40), "nested deeper"),
            (&"a ".repeat(2_000), "longer than"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.why.contains(why), "{text:.20}: {error}");
        }
    }

    #[test]
    fn more_words_in_place_fit_better() {
        let lists = BTreeMap::from([(
            "day".to_owned(),
            vec![Pattern::parse("monday").unwrap(), Pattern::parse("next [week] monday").unwrap()],
        )]);
        let score = |pattern: &str, said: &str| {
            let words = words_of(said);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            Pattern::parse(pattern).unwrap().score(&words, &lists)
        };
        assert_eq!(score("opening hours", "So what are your opening hours?"), Some(20));
        assert_eq!(score("opening hours", "opening and closing hours"), Some(18));
        assert_eq!(score("opening hours", "opening one two three hours"), None);
        assert_eq!(score("opening hours", "hours opening"), None);
        assert_eq!(score("[your] hours", "hours"), Some(10));
        assert_eq!(score("[your] hours", "your hours"), Some(20));
        assert_eq!(score("book {day}", "book next monday please"), Some(30));
        assert_eq!(score("book {day}", "book tuesday"), None);
        assert_eq!(score("book {month}", "book tuesday"), None, "an unknown list has no values");
        assert_eq!(score("a", ""), None);
    }
}
