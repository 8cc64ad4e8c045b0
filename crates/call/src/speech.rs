//! Words made ready for the voice: markdown, emoji and signs that can't be said are taken out, addresses and, by
//! setting, numbers are put into words. What comes out is what is spoken, what counts as heard, and what the model
//! is shown of its own words later.

mod marks;
mod numbers;
mod words;

use crate::{Numbers, Speech, Urls};

use words::Language;

/// Makes the sentences of one answer ready for the voice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cleaner {
    clean: bool,
    numbers: bool,
    urls: Urls,
    language: Language,
    /// The sentence stands in a block of code, which nobody reads out.
    in_code: bool,
}

impl Cleaner {
    pub(crate) fn new(settings: &Speech, language: &str) -> Self {
        Self {
            clean: settings.clean,
            numbers: settings.numbers == Numbers::Words,
            urls: settings.urls,
            language: Language::of(language),
            in_code: false,
        }
    }

    /// One sentence or line, ready for the voice; empty when nothing of it can be said.
    pub(crate) fn clean(&mut self, sentence: &str) -> String {
        let text = self.said(sentence);
        if text.chars().any(char::is_alphanumeric) { text } else { String::new() }
    }

    fn said(&mut self, sentence: &str) -> String {
        let mut text = sentence.to_owned();
        if self.clean {
            if marks::is_fence(&text) {
                self.in_code = !self.in_code;
                return String::new();
            }
            if self.in_code {
                return String::new();
            }
            text = marks::without_block(&text);
            text = marks::without_spans(&text);
            text = self.addresses(&text);
            text = marks::without_signs(&text, self.language);
        }
        if self.numbers && self.language != Language::Other {
            text = numbers::in_words(&text, self.language);
        }
        if self.clean { tidy(&text) } else { text }
    }

    /// Addresses of web pages and of mail, as a person says them.
    fn addresses(&self, text: &str) -> String {
        let words = text.split(' ').map(|word| {
            let bare = word.trim_start_matches(['(', '<', '"', '\'']);
            let bare = bare.trim_end_matches(['.', ',', '!', '?', ';', ':', ')', '>', '"', '\'', '।']);
            let is_page = ["http://", "https://", "www."].iter().any(|start| bare.starts_with(start));
            let is_mail =
                bare.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
            match (is_page, self.urls) {
                (true, Urls::Dropped) => word.replacen(bare, "", 1),
                (true, Urls::Spoken) => word.replacen(bare, &self.spelled(page(bare)), 1),
                _ if is_mail => word.replacen(bare, &self.spelled(bare), 1),
                _ => word.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn spelled(&self, address: &str) -> String {
        let mut spoken = String::new();
        for letter in address.chars() {
            match self.language.address_sign(letter) {
                Some(word) => {
                    spoken.push(' ');
                    spoken.push_str(word);
                    spoken.push(' ');
                }
                None => spoken.push(letter),
            }
        }
        spoken
    }
}

/// What a person says of a page's address: no scheme, no query.
fn page(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = address.split(['?', '#']).next().unwrap_or(address);
    address.strip_prefix("www.").unwrap_or(address).trim_end_matches('/')
}

/// Single spaces, none before a stop.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let is_stop = word.chars().all(|letter| ",.;:!?।".contains(letter));
        if is_stop && (tidied.is_empty() || tidied.ends_with([',', '.', ';', ':', '!', '?', '।'])) {
            continue;
        }
        if !tidied.is_empty() && !is_stop {
            tidied.push(' ');
        }
        tidied.push_str(word);
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaner(language: &str, numbers: Numbers, urls: Urls) -> Cleaner {
        Cleaner::new(&Speech { numbers, urls, ..Speech::default() }, language)
    }

    fn cleaned(text: &str) -> String {
        cleaner("en-IN", Numbers::AsWritten, Urls::Spoken).clean(text)
    }

    #[test]
    fn markdown_is_not_read_out() {
        for (text, wanted) in [
            ("## Our hours", "Our hours"),
            ("**We** are *open* and __here__.", "We are open and here."),
            ("- First, the `table`", "First, the table"),
            ("* Second", "Second"),
            ("1. Third", "1. Third"),
            ("> quoted", "quoted"),
            ("See [our page](https://example.com/a?b=c).", "See our page."),
            ("![A map](map.png) here", "A map here"),
            ("| Day | Hours |", "Day, Hours"),
            ("|---|:---:|", ""),
            ("---", ""),
            ("It is 2 * 3 and snake_case.", "It is 2 3 and snake case."),
            ("We open at nine.", "We open at nine."),
        ] {
            assert_eq!(cleaned(text), wanted, "{text}");
        }
    }

    #[test]
    fn code_is_left_out() {
        let mut cleaner = cleaner("en", Numbers::AsWritten, Urls::Spoken);
        let lines = ["Do this:", "```rust", "let a = 1;", "```", "That is all."];
        let spoken: Vec<String> = lines.iter().map(|line| cleaner.clean(line)).collect();
        assert_eq!(spoken, ["Do this:", "", "", "", "That is all."]);
    }

    #[test]
    fn emoji_and_signs_are_left_out_and_letters_stay() {
        assert_eq!(cleaned("Great 🎉👍🏽! See you ❤️"), "Great! See you");
        assert_eq!(cleaned("Tea & cake → yes"), "Tea and cake, yes");
        assert_eq!(cleaned("क्‍या आप ठीक हैं? 🙏"), "क्‍या आप ठीक हैं?");
        assert_eq!(cleaner("hi-IN", Numbers::AsWritten, Urls::Spoken).clean("चाय & पानी"), "चाय और पानी");
    }

    #[test]
    fn addresses_are_said_or_left_out() {
        assert_eq!(cleaned("Go to https://www.example.com/help?x=1."), "Go to example dot com slash help.");
        assert_eq!(
            cleaned("Write to a.b@example.com, please"),
            "Write to a dot b at example dot com, please"
        );
        let mut dropping = cleaner("en", Numbers::AsWritten, Urls::Dropped);
        assert_eq!(dropping.clean("Go to https://example.com now."), "Go to now.");
        let mut hindi = cleaner("hi-IN", Numbers::AsWritten, Urls::Spoken);
        assert_eq!(hindi.clean("www.example.com देखिए"), "example डॉट com देखिए");
    }

    #[test]
    fn numbers_are_said_by_the_setting() {
        let mut words = cleaner("en-IN", Numbers::Words, Urls::Spoken);
        assert_eq!(
            words.clean("It costs **₹1,250.50**."),
            "It costs one thousand two hundred fifty rupees and fifty paise."
        );
        assert_eq!(cleaned("It costs ₹1,250."), "It costs ₹1,250.");
        let mut tamil = cleaner("ta-IN", Numbers::Words, Urls::Spoken);
        assert_eq!(tamil.clean("₹1,250"), "₹1,250", "an unknown language is left alone");
    }
}
