//! What is watched of every carrier's stream: which rules the server broke, and how it greeted.

use std::collections::BTreeMap;

use audio::SampleRate;
use call::{Micros, Tick};

use crate::breach::{Breaches, Noted, Weight};
use crate::greeting::{self, Greeting};
use crate::phone::Finding;

/// More than this must not wait with the carrier.
const MOST_WAITING: Micros = Micros::from_ms(3_000);

/// The watch over one stream.
#[derive(Debug, Clone)]
pub(crate) struct Watch<B> {
    noted: BTreeMap<B, Noted<B>>,
    started: Option<Tick>,
    stopped: Option<Tick>,
    greeting: Greeting,
}

impl<B: Breaches> Watch<B> {
    pub(crate) const fn new(rate: SampleRate) -> Self {
        Self { noted: BTreeMap::new(), started: None, stopped: None, greeting: Greeting::new(rate) }
    }

    pub(crate) fn note(&mut self, at: Tick, breach: B, seen: impl FnOnce() -> String) {
        self.noted
            .entry(breach)
            .and_modify(|noted| noted.count = noted.count.saturating_add(1))
            .or_insert_with(|| Noted { breach, at, count: 1, seen: seen() });
    }

    /// Whether the start was sent.
    pub(crate) const fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// Whether the stop was sent.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Whether what comes at `at` comes after the stop.
    pub(crate) fn is_late(&self, at: Tick) -> bool {
        self.stopped.is_some_and(|stopped| at > stopped)
    }

    /// A mark came.
    pub(crate) fn mark(&mut self) {
        self.greeting.mark();
    }

    /// Audio came, `waiting` being what the carrier has of this stream before it. Gives how much waits with it, where
    /// that is too much.
    pub(crate) fn audio(&mut self, at: Tick, samples: &[i16], waiting: Micros) -> Option<Micros> {
        if let Some(pause) = self.greeting.audio(at, samples, waiting) {
            self.note(at, B::TWO_GREETINGS, || {
                let pause = pause.as_ms();
                format!("speech again {pause:.0} ms after the greeting, the caller having said nothing")
            });
        }
        let waits = Micros(waiting.0 + self.greeting.rate().micros(samples.len()));
        // One chunk alone is a matter of the chunk's size.
        (waits > MOST_WAITING && waiting.0 > 0).then_some(waits)
    }

    /// The rules broken so far, in the order of the list. `now` ends the watch for what did not come.
    pub(crate) fn noted(&self, now: Tick) -> Vec<Noted<B>> {
        let mut all = self.clone();
        let greeting = &self.greeting;
        if let Some(started) = self.started {
            let late = greeting.began.unwrap_or(now).since(started);
            if late > greeting::LATEST {
                let what = if greeting.began.is_some() { "first sound" } else { "no sound" };
                all.note(now, B::LATE_GREETING, || format!("{what} {:.0} ms after the start", late.as_ms()));
            }
        }
        if let Some(breach) = B::NO_GREETING_MARK.filter(|_| greeting.sounds && !greeting.marked) {
            all.note(now, breach, || "no mark after the first audio".to_owned());
        }
        if let Some(after) = greeting.repeated() {
            all.note(now, B::TWO_GREETINGS, || format!("the first words come again after {after} ms"));
        }
        all.noted.into_values().collect()
    }
}

/// A watch over a stream of any carrier.
pub(crate) trait Watching {
    /// The start was sent.
    fn started(&mut self, at: Tick);
    /// The stop was sent. What is on its way until `grace` later is no breach.
    fn stopped(&mut self, at: Tick, grace: Micros);
    /// The caller made a sound.
    fn caller_spoke(&mut self, at: Tick);
    /// When the server's first sound came.
    fn first_sound(&self) -> Option<Tick>;
    /// Whether a mark followed the greeting's audio.
    fn is_greeting_marked(&self) -> bool;
    /// Whether a rule is about whether, when and how often the server greets.
    fn is_about_greeting(&self, rule: &str) -> bool;
    /// What the server did against the protocol.
    fn findings(&self, now: Tick) -> Vec<Finding>;
}

impl<B: Breaches> Watching for Watch<B> {
    fn started(&mut self, at: Tick) {
        self.started.get_or_insert(at);
    }

    fn stopped(&mut self, at: Tick, grace: Micros) {
        self.stopped.get_or_insert(at + grace);
    }

    fn caller_spoke(&mut self, at: Tick) {
        self.greeting.caller_spoke(at);
    }

    fn first_sound(&self) -> Option<Tick> {
        self.greeting.began
    }

    fn is_greeting_marked(&self) -> bool {
        self.greeting.marked
    }

    fn is_about_greeting(&self, rule: &str) -> bool {
        B::ALL.iter().any(|breach| breach.id() == rule && breach.is_about_greeting())
    }

    fn findings(&self, now: Tick) -> Vec<Finding> {
        let noted = self.noted(now).into_iter();
        noted
            .map(|noted| Finding {
                rule: noted.breach.id(),
                what: noted.breach.title(),
                is_advice: noted.breach.weight() == Weight::Warning,
                at_ms: noted.at.0 / 1000,
                count: noted.count,
                seen: match noted.breach.number() {
                    Some(number) => format!("{} ({number})", noted.seen),
                    None => noted.seen,
                },
            })
            .collect()
    }
}

/// The beginning of a foreign text, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
