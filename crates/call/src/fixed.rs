//! The sentences that are the same in every call, cut as a call cuts them, so that they can be spoken once and
//! kept.

use crate::Settings;
use crate::sentence::Sentences;
use crate::variables::has_places;

impl Settings {
    /// What a voice is asked for word for word in call after call: what it says of recording, greeting, idle prompt, filler, apology,
    /// goodbye.
    pub fn fixed_sentences(&self) -> Vec<String> {
        let mut all = Vec::new();
        let consent = self.consent_words();
        let known = [&self.greeting, &self.idle.prompt, &self.filler.text, &self.apology, &self.idle.goodbye];
        for text in std::iter::once(consent).chain(known.map(String::as_str)) {
            let mut sentences = Sentences::default();
            sentences.push(text, |sentence| all.push(sentence));
            sentences.finish(|sentence| all.push(sentence));
        }
        // Those that a call brings words for are not the same in every call.
        all.retain(|sentence| !has_places(sentence));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_cut_into_sentences() {
        let mut settings = Settings { greeting: "Hello. Dr. Rao's desk!".to_owned(), ..Settings::default() };
        settings.apology = String::new();
        settings.filler.text = String::new();
        settings.idle.prompt = "Are you there?".to_owned();
        assert_eq!(settings.fixed_sentences(), ["Hello.", "Dr. Rao's desk!", "Are you there?", "Goodbye."]);
    }
}
