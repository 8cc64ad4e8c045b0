//! The parameters that all of Deepgram's recognisers share: model, language, and words to expect.

use super::account::Account;
use super::{EAR_MODEL, is_flux};
use crate::ListenSpec;

/// The vendor takes 100 key terms of 500 tokens in all, and stops transcribing where there are more. How it counts
/// tokens is not said, so this stays below by a rough count that errs upwards.
const MOST_TERMS: usize = 100;
const MOST_TOKENS: usize = 400;

/// What only the WebSocket of the classic recogniser knows.
const STREAMING_ONLY: &[&str] = &[
    "encoding",
    "sample_rate",
    "channels",
    "interim_results",
    "endpointing",
    "utterance_end_ms",
    "vad_events",
    "no_delay",
];

/// What only the recogniser that takes turns knows.
const FLUX_ONLY: &[&str] = &["eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "language_hint"];

/// What only the recogniser over HTTP knows.
const RECORDED_ONLY: &[&str] = &[
    "detect_language",
    "utterances",
    "utt_split",
    "paragraphs",
    "summarize",
    "topics",
    "custom_topic",
    "custom_topic_mode",
    "intents",
    "custom_intent",
    "custom_intent_mode",
    "sentiment",
    "measurements",
];

/// Languages that have models for regions. Other regions of them, and regions of all other languages, are refused.
const REGIONS: &[&str] = &[
    "da-DK", "de-CH", "en-AU", "en-GB", "en-IN", "en-NZ", "en-US", "es-419", "fr-CA", "gu-IN", "ko-KR",
    "nl-BE", "pa-IN", "pt-BR", "pt-PT", "sv-SE", "th-TH", "zh-CN", "zh-HK", "zh-TW",
];

impl Account {
    /// The same account for the classic streaming recogniser.
    pub(super) fn for_streaming(self) -> Self {
        self.without(FLUX_ONLY).without(RECORDED_ONLY)
    }

    /// The same account for the recogniser that takes turns, which has no language and formats by itself.
    pub(super) fn for_flux(self) -> Self {
        let shared = ["encoding", "sample_rate"];
        let streaming: Vec<&str> =
            STREAMING_ONLY.iter().copied().filter(|name| !shared.contains(name)).collect();
        self.without(&streaming).without(RECORDED_ONLY).without(&["language", "punctuate", "smart_format"])
    }

    /// The same account for the recogniser over HTTP. The models that take turns can't do this; the default does.
    pub(super) fn for_recorded(self) -> Self {
        let own_model: &[&str] = if is_flux(&self) { &["model"] } else { &[] };
        let mut account = self.without(own_model).without(STREAMING_ONLY).without(FLUX_ONLY);
        if !own_model.is_empty() {
            account.choose_model(EAR_MODEL);
        }
        account
    }

    /// Model, language and key terms of the classic recognisers.
    pub(super) fn recognition(&self, spec: &ListenSpec) -> Vec<(&'static str, String)> {
        let model = self.model().unwrap_or_else(|| EAR_MODEL.to_owned());
        let language = self.options().role.language.clone().unwrap_or_else(|| language(&spec.language));
        // Older models know another parameter, with weights, which phrases do not have.
        let terms = if model.starts_with("nova-3") { key_terms(&spec.phrases) } else { Vec::new() };
        let mut query = vec![("model", model), ("language", language)];
        query.extend(terms.into_iter().map(|term| ("keyterm", term.to_owned())));
        query
    }
}

/// As many of the phrases as the vendor takes, in order.
pub(super) fn key_terms(phrases: &[String]) -> Vec<&str> {
    let mut tokens = 0;
    let phrases = phrases.iter().map(|phrase| phrase.trim()).filter(|phrase| !phrase.is_empty());
    let fits = |phrase: &&str| {
        tokens += phrase.split_whitespace().map(tokens_of).sum::<usize>();
        tokens <= MOST_TOKENS
    };
    phrases.take(MOST_TERMS).take_while(fits).collect()
}

/// A token is four letters of English or so; of other scripts it may be as little as a byte.
fn tokens_of(word: &str) -> usize {
    if word.is_ascii() { word.len().div_ceil(3) } else { word.len() }
}

/// The vendor's name of a language.
fn language(tag: &str) -> String {
    let known = REGIONS.iter().find(|region| region.eq_ignore_ascii_case(tag));
    let primary = || tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase();
    known.map_or_else(primary, |region| (*region).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_named_as_the_vendor_names_them() {
        let names = ["en-IN", "en-in", "en-ZA", "hi-IN", "hi", "pt-BR", "multi", "mr_IN"].map(language);
        assert_eq!(names, ["en-IN", "en-IN", "en", "hi", "hi", "pt-BR", "multi", "mr"]);
    }

    #[test]
    fn key_terms_stay_below_what_the_vendor_takes() {
        let many: Vec<String> = (0..300).map(|number| format!("word{number}")).collect();
        assert!((80..=MOST_TERMS).contains(&key_terms(&many).len()), "{}", key_terms(&many).len());
        let hindi = vec!["नमस्ते दुनिया कैसे हैं".to_owned(); 50];
        let kept = key_terms(&hindi);
        assert!((1..=8).contains(&kept.len()), "{}", kept.len());
        assert_eq!(key_terms(&[" ".to_owned(), "a table".to_owned()]), ["a table"]);
    }
}
