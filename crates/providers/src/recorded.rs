//! The recordings that are built in: what a caller hears when no vendor can speak. They need no account, no
//! network and no library.

use std::sync::OnceLock;

use audio::{Pcm, SampleRate};
use call::Recorded;

/// A language that there are recordings in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English, which stands in for every language that there are none in.
    English,
    /// Hindi.
    Hindi,
}

/// One recording.
#[derive(Debug)]
pub struct Recording {
    /// Its words.
    pub text: &'static str,
    /// Its rate.
    pub rate: SampleRate,
    /// Its samples.
    pub pcm: Pcm,
}

/// A file, its words, and what is made of it when it is first needed.
struct Kept {
    text: &'static str,
    wav: &'static [u8],
    read: OnceLock<Recording>,
}

/// The recordings of both languages, each in the order of [`position`].
static KEPT: [[Kept; 4]; 2] = [
    [
        Kept::new("Hello. Please go ahead.", include_bytes!("../recorded/en-greeting.wav")),
        Kept::new("One moment, please.", include_bytes!("../recorded/en-filler.wav")),
        Kept::new("I am sorry, there is a technical problem.", include_bytes!("../recorded/en-apology.wav")),
        Kept::new("Goodbye.", include_bytes!("../recorded/en-goodbye.wav")),
    ],
    [
        Kept::new("नमस्ते। कृपया बोलिए।", include_bytes!("../recorded/hi-greeting.wav")),
        Kept::new("कृपया एक क्षण रुकिए।", include_bytes!("../recorded/hi-filler.wav")),
        Kept::new("क्षमा करें, तकनीकी समस्या आ गई है।", include_bytes!("../recorded/hi-apology.wav")),
        Kept::new("धन्यवाद। नमस्ते।", include_bytes!("../recorded/hi-goodbye.wav")),
    ],
];

impl Language {
    /// The language of a BCP 47 tag such as `hi-IN`.
    pub fn of(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("hi") { Self::Hindi } else { Self::English }
    }
}

impl Recording {
    /// The recording of `what` in the language of a BCP 47 tag.
    pub fn of(what: Recorded, language: &str) -> &'static Self {
        let language = match Language::of(language) {
            Language::English => 0,
            Language::Hindi => 1,
        };
        KEPT[language][position(what)].recording()
    }
}

impl Kept {
    const fn new(text: &'static str, wav: &'static [u8]) -> Self {
        Self { text, wav, read: OnceLock::new() }
    }

    fn recording(&self) -> &Recording {
        self.read.get_or_init(|| {
            let wav = audio::wav::read(self.wav).expect("the tests read each of these files");
            Recording { text: self.text, rate: wav.rate, pcm: wav.to_mono().into() }
        })
    }
}

const fn position(what: Recorded) -> usize {
    match what {
        Recorded::Greeting => 0,
        Recorded::Filler => 1,
        Recorded::Apology => 2,
        Recorded::Goodbye => 3,
    }
}

#[cfg(test)]
mod tests {
    use audio::level_db;

    use super::*;

    const ALL: [Recorded; 4] = [Recorded::Greeting, Recorded::Filler, Recorded::Apology, Recorded::Goodbye];

    #[test]
    fn each_is_speech_of_the_length_of_its_words_as_loud_as_speech_and_begins_at_once() {
        for language in ["en-IN", "hi-IN"] {
            for what in ALL {
                let Recording { text, rate, pcm } = Recording::of(what, language);
                let ms = rate.micros(pcm.len()) / 1_000;
                let characters = text.chars().count() as u64;
                assert!((30 * characters..150 * characters).contains(&ms), "{text}: {ms} ms");
                let level = level_db(pcm);
                assert!((-22.0..-18.0).contains(&level), "{text}: {level} dB");
                let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
                assert!(peak < 30_000, "{text}: a peak of {peak} is nearly cut off");
                let edge = rate.samples(150_000);
                let edges = [&pcm[..edge], &pcm[pcm.len() - edge..]].map(level_db);
                assert!(edges[0] > -45.0 && edges[1] > -55.0, "{text}: silence at an end, {edges:?} dB");
            }
        }
    }

    #[test]
    fn the_language_is_the_agents_and_english_where_there_is_none() {
        assert_eq!(Recording::of(Recorded::Goodbye, "hi").text, "धन्यवाद। नमस्ते।");
        for language in ["en-GB", "ta-IN", "", "hindi-ish"] {
            assert_eq!(Recording::of(Recorded::Goodbye, language).text, "Goodbye.", "{language:?}");
        }
    }
}
