//! What an agent's list of vendors holds: a vendor's name and, behind a colon, what is wanted of it.

use std::fmt;

/// One entry of an agent's list: `deepgram`, `deepgram:nova-3`, `flite:slt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The vendor's name in the configuration, or that of a built-in one.
    pub vendor: String,
    /// The voice for text to speech, the model for the other roles.
    pub choice: Option<String>,
}

impl Entry {
    /// Understands `vendor` and `vendor:choice`. A choice may hold colons itself, as models of Ollama do
    /// (`ollama:llama3.2:3b`).
    pub fn parse(text: &str) -> Self {
        let (vendor, choice) = match text.split_once(':') {
            Some((vendor, choice)) => (vendor, Some(choice.trim()).filter(|choice| !choice.is_empty())),
            None => (text, None),
        };
        Self { vendor: vendor.trim().to_owned(), choice: choice.map(str::to_owned) }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.vendor)?;
        match &self.choice {
            Some(choice) => write!(f, ":{choice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn a_choice_may_hold_colons() {
        for (text, vendor, choice) in [
            ("deepgram", "deepgram", None),
            (" deepgram : nova-3 ", "deepgram", Some("nova-3")),
            ("ollama:llama3.2:3b", "ollama", Some("llama3.2:3b")),
            ("openai:", "openai", None),
        ] {
            let entry = Entry::parse(text);
            assert_eq!((entry.vendor.as_str(), entry.choice.as_deref()), (vendor, choice), "{text}");
        }
    }
}
