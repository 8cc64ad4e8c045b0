//! A script that was read and found to be whole: every name in it leads somewhere.

use std::collections::BTreeMap;

use super::file::{Does, File, Value};
use crate::local::pattern::{Lists, Pattern, PatternError};

/// A dialogue, ready to be followed.
#[derive(Debug)]
pub struct Script {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) slots: BTreeMap<String, Slot>,
    pub(super) intents: Vec<Intent>,
    pub(super) forms: BTreeMap<String, Form>,
    pub(super) fallback: Fallback,
    pub(super) yes: Vec<Pattern>,
    pub(super) no: Vec<Pattern>,
    pub(super) lists: Lists,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) ask: String,
    pub(super) values: Vec<Choice>,
}

#[derive(Debug)]
pub(super) struct Choice {
    pub(super) say: String,
    pub(super) heard: Vec<Pattern>,
}

#[derive(Debug)]
pub(super) struct Intent {
    pub(super) name: String,
    pub(super) when: Vec<Pattern>,
    pub(super) say: Vec<String>,
    pub(super) form: Option<String>,
    pub(super) does: Option<Does>,
}

#[derive(Debug)]
pub(super) struct Form {
    pub(super) slots: Vec<String>,
    pub(super) heard: Vec<Pattern>,
    pub(super) confirm: Option<String>,
    pub(super) done: String,
    pub(super) again: String,
}

#[derive(Debug)]
pub(super) struct Fallback {
    pub(super) say: Vec<String>,
    pub(super) give_up_after: u32,
    pub(super) give_up: String,
}

/// A script that can't be used; the operator has to change it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It is not TOML, or a key is unknown or missing. The text says where.
    #[error("the script can't be read: {0}")]
    Syntax(String),
    /// A pattern can't be read.
    #[error("in {place}: {error}")]
    Pattern {
        /// The table it is in.
        place: String,
        /// What is wrong.
        error: PatternError,
    },
    /// A name leads nowhere, or something is missing.
    #[error("in {place}: {why}")]
    Broken {
        /// The table it is in.
        place: String,
        /// What is wrong.
        why: String,
    },
}

impl Script {
    /// Reads a script from TOML.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let file: File = toml::from_str(text).map_err(|error| ScriptError::Syntax(error.to_string()))?;
        let slots = file
            .slots
            .into_iter()
            .map(|(name, slot)| {
                let place = format!("slots.{name}");
                let values = slot.values.into_iter().map(|value| choice(&place, value));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                Ok((name, Slot { ask: slot.ask, values }))
            })
            .collect::<Result<BTreeMap<_, _>, ScriptError>>()?;
        let intents = file
            .intents
            .into_iter()
            .map(|intent| {
                let when = patterns(&format!("intent {}", intent.name), &intent.when)?;
                let (name, say, form, does) = (intent.name, intent.say, intent.form, intent.does);
                Ok(Intent { name, when, say, form, does })
            })
            .collect::<Result<Vec<_>, ScriptError>>()?;
        let forms = file
            .forms
            .into_iter()
            .map(|(name, form)| {
                let heard = patterns(&format!("forms.{name}"), &form.heard)?;
                let (slots, confirm, done, again) = (form.slots, form.confirm, form.done, form.again);
                Ok((name, Form { slots, heard, confirm, done, again }))
            })
            .collect::<Result<BTreeMap<_, _>, ScriptError>>()?;
        let (say, give_up_after, give_up) =
            (file.fallback.say, file.fallback.give_up_after, file.fallback.give_up);
        let lists = slots
            .iter()
            .map(|(name, slot)| {
                (name.clone(), slot.values.iter().flat_map(|value| value.heard.clone()).collect())
            })
            .collect();
        let script = Self {
            variables: file.variables,
            slots,
            intents,
            forms,
            fallback: Fallback { say, give_up_after, give_up },
            yes: patterns("yes", &file.yes)?,
            no: patterns("no", &file.no)?,
            lists,
        };
        script.check()?;
        Ok(script)
    }

    /// The reception desk that ships with the program.
    pub fn reception() -> Self {
        Self::parse(super::RECEPTION).expect("the built-in script is read by a test")
    }

    /// What callers are expected to say, as patterns without lists: the recogniser's phrases.
    pub fn phrases(&self) -> Vec<String> {
        let mut all: Vec<&Pattern> = self.intents.iter().flat_map(|intent| &intent.when).collect();
        if !self.forms.is_empty() {
            all.extend(self.forms.values().flat_map(|form| &form.heard));
            all.extend(
                self.slots.values().flat_map(|slot| slot.values.iter()).flat_map(|value| &value.heard),
            );
            all.extend(self.yes.iter().chain(&self.no));
        }
        let mut phrases: Vec<String> = Vec::new();
        for pattern in all {
            let phrase = pattern.with_lists(&self.lists).to_string();
            if !phrases.contains(&phrase) {
                phrases.push(phrase);
            }
        }
        phrases
    }

    /// Every name leads somewhere, and there is something to say in every case.
    fn check(&self) -> Result<(), ScriptError> {
        if self.fallback.say.is_empty() {
            return Err(broken("fallback", "`say` is empty; say what the caller hears when nothing fits"));
        }
        if self.fallback.give_up_after > 0 && self.fallback.give_up.is_empty() {
            return Err(broken("fallback", "`give_up_after` is set, so `give_up` needs words"));
        }
        for (name, form) in &self.forms {
            let place = format!("forms.{name}");
            if form.slots.is_empty() {
                return Err(broken(&place, "`slots` is empty; there is nothing to ask for"));
            }
            if let Some(slot) = form.slots.iter().find(|slot| !self.slots.contains_key(*slot)) {
                return Err(broken(&place, &format!("there is no [slots.{slot}]")));
            }
            self.check_patterns(&place, &form.heard)?;
            for text in form.confirm.iter().chain([&form.done, &form.again]) {
                self.check_text(&place, text)?;
            }
        }
        for (name, slot) in &self.slots {
            let place = format!("slots.{name}");
            if self.variables.contains_key(name) {
                return Err(broken(&place, "a variable has the same name"));
            }
            if slot.values.is_empty() {
                return Err(broken(&place, "`values` is empty"));
            }
            if slot.values.iter().flat_map(|value| &value.heard).any(|heard| !heard.slots().is_empty()) {
                return Err(broken(&place, "a value can't hold another list"));
            }
            self.check_text(&place, &slot.ask)?;
        }
        for intent in &self.intents {
            self.check_intent(intent)?;
        }
        self.fallback
            .say
            .iter()
            .chain([&self.fallback.give_up])
            .try_for_each(|text| self.check_text("fallback", text))
    }

    fn check_intent(&self, intent: &Intent) -> Result<(), ScriptError> {
        let place = format!("intent {}", intent.name);
        if intent.when.is_empty() {
            return Err(broken(&place, "`when` is empty; nobody could ask for it"));
        }
        if let Some(form) = intent.form.as_ref().filter(|form| !self.forms.contains_key(*form)) {
            return Err(broken(&place, &format!("there is no [forms.{form}]")));
        }
        if intent.form.is_some() && intent.does.is_some() {
            return Err(broken(&place, "it has both `form` and `does`; take one"));
        }
        if intent.say.is_empty() && intent.form.is_none() && intent.does != Some(Does::Repeat) {
            return Err(broken(&place, "it has nothing to `say` and no `form`"));
        }
        self.check_patterns(&place, &intent.when)?;
        intent.say.iter().try_for_each(|text| self.check_text(&place, text))
    }

    fn check_patterns(&self, place: &str, patterns: &[Pattern]) -> Result<(), ScriptError> {
        let mut used = patterns.iter().flat_map(Pattern::slots);
        match used.find(|slot| !self.slots.contains_key(*slot)) {
            Some(slot) => Err(broken(place, &format!("{{{slot}}} is used, but there is no [slots.{slot}]"))),
            None => Ok(()),
        }
    }

    fn check_text(&self, place: &str, text: &str) -> Result<(), ScriptError> {
        let known = |name: &str| self.variables.contains_key(name) || self.slots.contains_key(name);
        match names_in(text).find(|name| !known(name)) {
            Some(name) => Err(broken(place, &format!("{{{name}}} is neither a variable nor a slot"))),
            None => Ok(()),
        }
    }
}

/// The names in braces of an answer.
pub(super) fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn choice(place: &str, value: Value) -> Result<Choice, ScriptError> {
    match value {
        Value::Plain(say) => Ok(Choice { heard: patterns(place, std::slice::from_ref(&say))?, say }),
        Value::Named(named) => Ok(Choice { heard: patterns(place, &named.heard)?, say: named.say }),
    }
}

fn patterns(place: &str, texts: &[String]) -> Result<Vec<Pattern>, ScriptError> {
    let parse = |text: &String| {
        Pattern::parse(text).map_err(|error| ScriptError::Pattern { place: place.to_owned(), error })
    };
    texts.iter().map(parse).collect()
}

fn broken(place: &str, why: &str) -> ScriptError {
    ScriptError::Broken { place: place.to_owned(), why: why.to_owned() }
}
