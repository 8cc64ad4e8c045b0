//! From phrases to what the decoder wants: a finite-state grammar and a dictionary of its words only.
//!
//! A grammar that knows only its phrases forces whatever is said onto one of them. So a loop over common words and
//! the bare phones of English competes with the phrases: what fits these clearly better than any phrase is taken as
//! not understood. The phones alone compete badly, since the decoder knows them best between others, as in words. A full dictionary would cost 25 MB and 180 ms for each call; its grammar's words cost next to
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::local::pattern::Pattern;

/// The phones of the American English model.
const PHONES: [&str; 39] = [
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY",
    "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y",
    "Z", "ZH",
];
/// Common words of English, which stand for all speech outside of the phrases.
const COMMON: &str = include_str!("common.txt");
/// What the words outside of the phrases begin with; no word of the dictionary does.
const OUTSIDE: char = '_';
/// The most states of a grammar; the shipped one has some two hundred.
const MAX_STATES: usize = 5_000;

/// How readily something is taken as not understood: probabilities, so less is more reluctant. The decoder raises
/// them to its language weight (6.5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rejection {
    /// Of leaving the phrases at all. Below 1e-7 the decoder drops this way at once and rejects nothing.
    pub branch: f32,
    /// Of each phone outside of them.
    pub phone: f32,
    /// Of each common word outside of them.
    pub word: f32,
}

/// What the decoder is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grammar {
    /// A grammar in Sphinx's FSG format.
    pub(super) fsg: String,
    /// A dictionary of its words and the words of one phone.
    pub(super) dictionary: String,
}

/// A phrase that the recogniser can't listen for, or not in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseProblem {
    /// The phrase as it was given.
    pub phrase: String,
    /// What is wrong with it.
    pub why: String,
    /// Whether some of it is still listened for.
    pub in_part: bool,
}

/// How each word is spoken: dictionary lines by word.
pub(super) struct Pronunciations<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Pronunciations<'a> {
    /// The lines of `dictionary` (word, then its phones; `word(2)` is another way) for `words`.
    pub(super) fn of(dictionary: &'a str, words: &BTreeSet<String>) -> Self {
        let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in dictionary.lines() {
            let Some((word, _)) = line.split_once(char::is_whitespace) else { continue };
            let base = word.split_once('(').map_or(word, |(base, _)| base);
            if words.contains(base) {
                found.entry(base).or_default().push(line);
            }
        }
        Self(found)
    }
}

/// The text of what the decoder heard: empty when any of it was not understood.
pub(super) fn understood(heard: &str) -> &str {
    let foreign = heard.split(' ').any(|word| word.starts_with(OUTSIDE));
    if foreign { "" } else { heard }
}

/// Reads `phrases`; those that can't be read are problems.
pub(super) fn read(phrases: &[String]) -> (Vec<(String, Pattern)>, Vec<PhraseProblem>) {
    let mut read = Vec::new();
    let mut problems = Vec::new();
    for phrase in phrases {
        let problem = |why: String| PhraseProblem { phrase: phrase.clone(), why, in_part: false };
        match Pattern::parse(phrase) {
            Ok(pattern) => match pattern.slots().first() {
                Some(slot) => problems.push(problem(format!("there is no list {{{slot}}} here"))),
                None => read.push((phrase.clone(), pattern)),
            },
            Err(error) => problems.push(problem(error.why)),
        }
    }
    (read, problems)
}

/// The grammar of `phrases`, less what `dictionary` has no words for, which is told. None when nothing is left.
pub(super) fn build(
    phrases: &[String],
    dictionary: &str,
    rejection: Rejection,
) -> (Option<Grammar>, Vec<PhraseProblem>) {
    let (read, mut problems) = read(phrases);
    let words: BTreeSet<String> =
        read.iter().flat_map(|(_, pattern)| pattern.words()).map(str::to_owned).collect();
    let spoken = Pronunciations::of(dictionary, &words);
    let mut known = Vec::new();
    for (phrase, pattern) in read {
        let missing: BTreeSet<&str> =
            pattern.words().into_iter().filter(|word| !spoken.0.contains_key(word)).collect();
        let rest = speakable(&pattern, &spoken);
        if !missing.is_empty() {
            let missing: Vec<&str> = missing.into_iter().collect();
            let why = format!("not in the dictionary: {}", missing.join(", "));
            problems.push(PhraseProblem { phrase, why, in_part: rest.is_some() });
        }
        known.extend(rest);
    }
    if known.is_empty() {
        return (None, problems);
    }
    let common = COMMON.split_whitespace().map(str::to_owned).collect();
    let common = Pronunciations::of(dictionary, &common);
    let Some(fsg) = fsg(&Pattern::Any(known), &common, rejection) else {
        let why = format!("the phrases make a grammar of more than {MAX_STATES} states; use fewer choices");
        problems.push(PhraseProblem { phrase: String::new(), why, in_part: false });
        return (None, problems);
    };
    let mut text = String::new();
    for line in spoken.0.values().flatten() {
        text.push_str(line);
        text.push('\n');
    }
    for line in common.0.values().flatten() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{OUTSIDE}{line}");
    }
    for phone in PHONES {
        let _ = writeln!(text, "{OUTSIDE}{phone} {phone}");
    }
    (Some(Grammar { fsg, dictionary: text }), problems)
}

/// `pattern` without what can't be spoken; None when nothing is left.
fn speakable(pattern: &Pattern, spoken: &Pronunciations<'_>) -> Option<Pattern> {
    match pattern {
        Pattern::Word(word) => spoken.0.contains_key(word.as_str()).then(|| pattern.clone()),
        Pattern::Slot(_) => None,
        Pattern::All(nodes) => {
            let mut kept = Vec::new();
            for node in nodes {
                match (node, speakable(node, spoken)) {
                    (_, Some(node)) => kept.push(node),
                    (Pattern::Maybe(_), None) => {}
                    (_, None) => return None,
                }
            }
            Some(Pattern::All(kept))
        }
        Pattern::Any(nodes) => {
            let kept: Vec<Pattern> = nodes.iter().filter_map(|node| speakable(node, spoken)).collect();
            (!kept.is_empty()).then_some(Pattern::Any(kept))
        }
        Pattern::Maybe(node) => speakable(node, spoken).map(|node| Pattern::Maybe(Box::new(node))),
    }
}

/// The words of a pattern as places, and which may follow which (Glushkov's construction): an automaton without
/// empty steps.
#[derive(Default)]
struct Places<'a> {
    words: Vec<&'a str>,
    follow: Vec<BTreeSet<usize>>,
}

/// What a part of a pattern can begin and end with.
struct Ends {
    empty: bool,
    first: BTreeSet<usize>,
    last: BTreeSet<usize>,
}

impl<'a> Places<'a> {
    fn add(&mut self, pattern: &'a Pattern) -> Ends {
        match pattern {
            Pattern::Word(word) => {
                self.words.push(word);
                self.follow.push(BTreeSet::new());
                let place = BTreeSet::from([self.words.len() - 1]);
                Ends { empty: false, first: place.clone(), last: place }
            }
            // Lists were written out or left out before.
            Pattern::Slot(_) => Ends { empty: false, first: BTreeSet::new(), last: BTreeSet::new() },
            Pattern::All(nodes) => {
                let mut all = Ends { empty: true, first: BTreeSet::new(), last: BTreeSet::new() };
                for node in nodes {
                    let next = self.add(node);
                    for place in &all.last {
                        self.follow[*place].extend(&next.first);
                    }
                    if all.empty {
                        all.first.extend(&next.first);
                    }
                    if !next.empty {
                        all.last.clear();
                    }
                    all.last.extend(&next.last);
                    all.empty &= next.empty;
                }
                all
            }
            Pattern::Any(nodes) => {
                let mut any = Ends { empty: false, first: BTreeSet::new(), last: BTreeSet::new() };
                for node in nodes {
                    let next = self.add(node);
                    any.first.extend(next.first);
                    any.last.extend(next.last);
                    any.empty |= next.empty;
                }
                any
            }
            Pattern::Maybe(node) => Ends { empty: true, ..self.add(node) },
        }
    }
}

/// A deterministic automaton of `pattern` in FSG format, with the loop of other speech beside it. Common beginnings are
/// one way, so the decoder follows each only once. None when it has too many states.
fn fsg(pattern: &Pattern, common: &Pronunciations<'_>, rejection: Rejection) -> Option<String> {
    const START: usize = 0;
    const FINAL: usize = 1;
    const LOOP: usize = 2;
    let mut places = Places::default();
    let ends = places.add(pattern);
    let mut states: BTreeMap<BTreeSet<usize>, usize> = BTreeMap::new();
    let mut open = vec![(START, ends.first.clone())];
    let mut arcs = String::new();
    while let Some((from, nexts)) = open.pop() {
        let mut by_word: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for place in nexts {
            by_word.entry(places.words[place]).or_default().insert(place);
        }
        for (word, reached) in by_word {
            if reached.iter().any(|place| ends.last.contains(place)) {
                arc(&mut arcs, (from, FINAL), 1.0, word);
            }
            let after: BTreeSet<usize> =
                reached.iter().flat_map(|place| &places.follow[*place]).copied().collect();
            if after.is_empty() {
                continue;
            }
            let new = LOOP + 1 + states.len();
            let to = *states.entry(reached).or_insert_with(|| {
                open.push((new, after));
                new
            });
            arc(&mut arcs, (from, to), 1.0, word);
        }
        if states.len() > MAX_STATES {
            return None;
        }
    }
    let phones = PHONES.iter().map(|phone| (*phone, rejection.phone));
    for (word, weight) in phones.chain(common.0.keys().map(|word| (*word, rejection.word))) {
        let word = format!("{OUTSIDE}{word}");
        for to in [LOOP, FINAL] {
            arc(&mut arcs, (START, to), rejection.branch * weight, &word);
            arc(&mut arcs, (LOOP, to), weight, &word);
        }
    }
    let count = LOOP + 1 + states.len();
    Some(format!(
        "FSG_BEGIN call\nNUM_STATES {count}\nSTART_STATE {START}\nFINAL_STATE {FINAL}\n{arcs}FSG_END\n"
    ))
}

fn arc(arcs: &mut String, (from, to): (usize, usize), probability: f32, word: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(arcs, "TRANSITION {from} {to} {probability:e} {word}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const DICTIONARY: &str = "a AH\na(2) EY\nbook B UH K\nnow N AW\ntable T EY B AH L\nyes Y EH S\n";
    const REJECTION: Rejection = Rejection { branch: 0.5, phone: 0.25, word: 0.125 };

    fn build_of(phrases: &[&str]) -> (Option<Grammar>, Vec<PhraseProblem>) {
        let phrases: Vec<String> = phrases.iter().map(|&phrase| phrase.to_owned()).collect();
        build(&phrases, DICTIONARY, REJECTION)
    }

    #[test]
    fn phrases_share_their_beginnings_and_end_in_one_state() {
        let (grammar, problems) = build_of(&["book a table [now]", "book a book", "yes"]);
        assert_eq!(problems, []);
        let grammar = grammar.unwrap();
        let arcs: Vec<&str> = grammar
            .fsg
            .lines()
            .filter(|line| line.starts_with("TRANSITION") && !line.contains(" _"))
            .collect();
        assert_eq!(
            arcs,
            [
                "TRANSITION 0 3 1e0 book",
                "TRANSITION 0 1 1e0 yes",
                "TRANSITION 3 4 1e0 a",
                "TRANSITION 4 1 1e0 book",
                "TRANSITION 4 1 1e0 table",
                "TRANSITION 4 5 1e0 table",
                "TRANSITION 5 1 1e0 now",
            ],
        );
        assert!(grammar.fsg.contains("NUM_STATES 6\n"));
        assert!(grammar.fsg.contains("TRANSITION 0 2 1.25e-1 _AA\n"));
        assert!(grammar.fsg.contains("TRANSITION 2 1 2.5e-1 _ZH\n"));
        assert!(grammar.dictionary.starts_with("a AH\na(2) EY\nbook B UH K\n"));
        assert!(grammar.dictionary.ends_with("_ZH ZH\n"));
        assert!(
            grammar.fsg.contains("TRANSITION 2 2 1.25e-1 _book\n"),
            "a common word outside of the phrases"
        );
        assert!(grammar.dictionary.contains("\n_book B UH K\n"));
    }

    #[test]
    fn what_the_dictionary_lacks_is_left_out_and_told() {
        let (grammar, problems) =
            build_of(&["book (a|the) table", "zyx", "yes", "(book", "book {day}", "yes [zyx] now"]);
        let told: Vec<(&str, bool)> =
            problems.iter().map(|problem| (problem.phrase.as_str(), problem.in_part)).collect();
        let wanted = [
            ("(book", false),
            ("book {day}", false),
            ("book (a|the) table", true),
            ("zyx", false),
            ("yes [zyx] now", true),
        ];
        assert_eq!(told, wanted);
        assert_eq!(problems[2].why, "not in the dictionary: the");
        let fsg = grammar.unwrap().fsg;
        assert!(!fsg.contains("zyx") && !fsg.contains("the"));
        assert_eq!(build_of(&["zyx"]).0, None);
        assert_eq!(build_of(&[]).0, None);
    }

    #[test]
    fn a_grammar_that_explodes_is_refused() {
        let choice = "(a|book|now|table|yes)";
        let phrase = format!("{choice} [{choice}] ").repeat(20);
        let (_, problems) = build_of(&[&phrase]);
        assert_eq!(problems, []);
        let phrases: Vec<String> = (0..3_000)
            .map(|n: usize| {
                let words = ["a", "book", "now", "table", "yes"];
                (0..8).map(|place| words[n / 5_usize.pow(place) % 5]).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let (grammar, problems) = build(&phrases, DICTIONARY, REJECTION);
        assert_eq!(grammar, None);
        assert!(problems[0].why.contains("more than 5000 states"), "{problems:?}");
    }

    #[test]
    fn a_phone_among_the_words_means_not_understood() {
        assert_eq!(understood("book a table"), "book a table");
        assert_eq!(understood("_AA _B"), "");
        assert_eq!(understood("book _AA"), "");
        assert_eq!(understood(""), "");
    }
}
