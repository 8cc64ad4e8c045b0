//! Follows what a server says first, before the caller said anything: when it begins, whether it comes again.

use audio::SampleRate;
use call::{Micros, Tick};

/// The greeting begins within this.
pub(crate) const LATEST: Micros = Micros::from_ms(2_000);
/// Silence of the server for this long ends what it was saying.
const PAUSE: Micros = Micros::from_ms(1_000);
/// Speech this soon after the greeting, the caller having said nothing, is a second greeting and no idle prompt.
const SECOND: Micros = Micros::from_ms(4_000);
/// The start of a greeting by which a repetition of it is known, in milliseconds.
const PRINT_MS: usize = 800;
/// The quietest sample that counts as sound: line noise is below.
const SOUND: u16 = 200;
/// How much audio of the greeting is kept for comparison, in seconds.
const KEPT_S: usize = 30;

/// What is known of the greeting.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    rate: SampleRate,
    /// The caller has spoken or pressed a key: what the server says from now on may be an answer.
    caller_spoke: Option<Tick>,
    /// When its first sound was sent.
    pub(crate) began: Option<Tick>,
    /// When what was said so far will have been played.
    until: Option<Tick>,
    /// Whether it is over: a pause followed.
    over: bool,
    samples: Vec<i16>,
    /// Whether a mark followed it.
    pub(crate) marked: bool,
    /// Whether there was any sound.
    pub(crate) sounds: bool,
}

impl Greeting {
    pub(crate) const fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            caller_spoke: None,
            began: None,
            until: None,
            over: false,
            samples: Vec::new(),
            marked: false,
            sounds: false,
        }
    }

    pub(crate) const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The caller made a sound.
    pub(crate) fn caller_spoke(&mut self, at: Tick) {
        self.caller_spoke.get_or_insert(at);
    }

    /// A mark came.
    pub(crate) fn mark(&mut self) {
        self.marked |= self.sounds;
    }

    /// Follows the audio of the server for as long as the caller says nothing, `waiting` being what the carrier has
    /// before it. Gives after which pause speech came again, where it is a second greeting.
    pub(crate) fn audio(&mut self, at: Tick, samples: &[i16], waiting: Micros) -> Option<Micros> {
        let sounds = samples.iter().any(|sample| sample.unsigned_abs() >= SOUND);
        if self.caller_spoke.is_some_and(|spoke| spoke < at) || (self.began.is_none() && !sounds) {
            return None;
        }
        self.began.get_or_insert(at);
        let mut second = None;
        if sounds {
            let pause = self.until.map(|until| at.since(until));
            second = pause.filter(|pause| *pause > PAUSE && *pause < SECOND && !self.over);
            self.over |= second.is_some();
            self.sounds = true;
            self.until = Some(at + waiting + Micros(self.rate.micros(samples.len())));
        }
        let room = (KEPT_S * self.rate.hz() as usize).saturating_sub(self.samples.len());
        self.samples.extend(samples.iter().take(room));
        second
    }

    /// After how many milliseconds the greeting's first words come a second time, sample by sample.
    pub(crate) fn repeated(&self) -> Option<u64> {
        let first = self.samples.iter().position(|sample| sample.unsigned_abs() >= SOUND)?;
        let all = &self.samples[first..];
        let print = all.get(..self.rate.samples(PRINT_MS as u64 * 1000))?;
        let mut found =
            (print.len() / 8..all.len() - print.len() + 1).filter(|from| all[*from..].starts_with(print));
        let lag = found.next()?;
        // A tone repeats itself all the time: that is no second greeting.
        (lag >= print.len()).then(|| self.rate.micros(lag) / 1000)
    }
}
