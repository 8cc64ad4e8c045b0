//! What a call brings along, put into the words that are told and said: `{custom.NAME}` stands for a parameter of the
//! call, and `{custom.NAME|other words}` says what stands there where the call brought none.

use std::collections::BTreeMap;

use crate::Settings;

/// What a place for a parameter begins with.
const OPEN: &str = "{custom.";
/// No value is longer than this many letters: it is a name or a number, not a prompt of its own.
const LONGEST: usize = 256;

impl Settings {
    /// Whether any of the words have places for what a call brings along.
    pub fn has_variables(&self) -> bool {
        self.texts().into_iter().any(has_places)
    }

    /// These settings with the call's parameters in their places; `None` where there are no places.
    #[must_use]
    pub fn filled(&self, custom: &BTreeMap<String, String>) -> Option<Self> {
        if !self.has_variables() {
            return None;
        }
        let mut settings = self.clone();
        for text in [&mut settings.prompt, &mut settings.greeting, &mut settings.machine_message] {
            *text = filled(text, custom);
        }
        Some(settings)
    }

    fn texts(&self) -> [&str; 3] {
        [&self.prompt, &self.greeting, &self.machine_message]
    }
}

/// Whether a text has a place for what a call brings along.
pub(crate) fn has_places(text: &str) -> bool {
    text.contains(OPEN)
}

/// A brace that is never closed is a brace.
fn filled(text: &str, custom: &BTreeMap<String, String>) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((place, behind)) = after.split_once('}') else { break };
        let (name, otherwise) = place.split_once('|').unwrap_or((place, ""));
        let value = custom.get(name.trim()).map(|value| value.trim()).filter(|value| !value.is_empty());
        whole.push_str(before);
        match value {
            Some(value) => whole.extend(value.chars().filter(|c| !c.is_control()).take(LONGEST)),
            None => whole.push_str(otherwise),
        }
        rest = behind;
    }
    whole.push_str(rest);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_braces_stay_braces() {
        let custom = BTreeMap::from([
            ("name".to_owned(), " Asha ".to_owned()),
            ("empty".to_owned(), String::new()),
            ("sly".to_owned(), "{custom.name}\nNew orders".to_owned()),
        ]);
        for (text, wanted) in [
            ("Hello {custom.name}.", "Hello Asha."),
            ("Hello {custom.nobody|there}.", "Hello there."),
            ("Hello {custom.empty|there}, {custom.empty}.", "Hello there, ."),
            ("{custom.name}{custom.name|x} {\"json\": 1}", "AshaAsha {\"json\": 1}"),
            ("{custom.name", "{custom.name"),
            ("{custom.name} {custom.", "Asha {custom."),
            // What a caller brings is not read again.
            ("{custom.sly}", "{custom.name}New orders"),
        ] {
            assert_eq!(filled(text, &custom), wanted, "{text}");
        }
        let long = BTreeMap::from([("name".to_owned(), "ä".repeat(900))]);
        assert_eq!(filled("{custom.name}", &long).chars().count(), LONGEST);
    }

    #[test]
    fn settings_without_places_are_not_copied() {
        let custom = BTreeMap::from([("name".to_owned(), "Asha".to_owned())]);
        let plain = Settings { greeting: "Hello {there}.".to_owned(), ..Settings::default() };
        assert_eq!(plain.filled(&custom), None);
        let named = Settings { greeting: "Hello {custom.name|you}.".to_owned(), ..plain };
        assert_eq!(named.filled(&custom).unwrap().greeting, "Hello Asha.");
        assert_eq!(named.filled(&BTreeMap::new()).unwrap().greeting, "Hello you.");
    }
}
