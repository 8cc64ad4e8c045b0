//! Asking the model before the caller's turn is surely over. Only text comes of it: no tool runs, nothing is
//! spoken and nothing is remembered before the turn ends with the same words. Else the answer is thrown away.

use crate::ears::Ears;
use crate::phase::Phase;
use crate::settings::ms;
use crate::talk::Talk;
use crate::{AgentKind, Call, Event, Message, Output, Speculate, Thought, Tick, TurnId, words};

/// So many guesses a turn: each costs a request.
const MOST_GUESSES: u8 = 3;
/// No more of an answer is kept before it is known to be wanted.
const MOST_THOUGHTS: usize = 4_000;

/// An answer to words that may not be all.
#[derive(Debug)]
pub(crate) struct Guess {
    pub(crate) turn: TurnId,
    /// The words, in lower case and without punctuation.
    words: String,
    pub(crate) asked: Tick,
    /// What the model gave so far.
    pub(crate) thoughts: Vec<Thought>,
}

impl Call {
    /// The recogniser finds it likely that the caller has finished.
    pub(crate) fn likely(&mut self, at: Tick, text: &str, out: &mut Vec<Output>) {
        if self.settings.turn.speculate != Speculate::Likely {
            return;
        }
        let Some(caller) = self.talk.as_ref().and_then(|talk| talk.caller.as_ref()) else { return };
        let mut said = caller.said.clone();
        said.add_turn(caller.newest, text);
        self.speculate(at, &said.text(), out);
    }

    /// Asks the model, if it was not asked for these words already.
    pub(crate) fn speculate(&mut self, at: Tick, text: &str, out: &mut Vec<Output>) {
        let words = words::normalised(text);
        let settings = self.settings.clone();
        let listens = matches!(self.phase, Phase::Listening(_))
            && settings.agent == AgentKind::Assistant
            && !self.asks_consent();
        let Some(talk) = self.talk.as_mut().filter(|_| listens) else { return };
        if words.is_empty() || talk.guess.as_ref().is_some_and(|guess| guess.words == words) {
            return;
        }
        let Some(caller) = talk.caller.as_mut().filter(|caller| caller.guesses < MOST_GUESSES) else {
            return;
        };
        caller.guesses += 1;
        self.drop_guess(out);
        let Some(talk) = &mut self.talk else { return };
        let turn = talk.new_turn();
        let prompt = talk.prompt(&settings, &[Message::Caller(text.to_owned())]);
        out.push(Output::Think { turn, prompt });
        talk.guess = Some(Box::new(Guess { turn, words, asked: at, thoughts: Vec::new() }));
    }

    /// The guess was wrong, or is not wanted any more.
    pub(crate) fn drop_guess(&mut self, out: &mut Vec<Output>) {
        let Some(guess) = self.talk.as_mut().and_then(|talk| talk.guess.take()) else { return };
        out.push(Output::StopThinking(guess.turn));
        out.push(Output::Event(Event::Speculated { turn: guess.turn, kept: false }));
    }

    /// The caller's words are other ones by now.
    pub(crate) fn check_guess(&mut self, out: &mut Vec<Output>) {
        let Some(talk) = &self.talk else { return };
        let Some(guess) = &talk.guess else { return };
        let now = talk.caller.as_ref().map(|caller| words::normalised(&caller.words_so_far()));
        if now.is_none_or(|now| now != guess.words) {
            self.drop_guess(out);
        }
    }

    /// The guess for these words, if there is one; another one is thrown away.
    pub(crate) fn take_guess(&mut self, text: &str, out: &mut Vec<Output>) -> Option<Box<Guess>> {
        let talk = self.talk.as_mut()?;
        if talk.guess.as_ref()?.words == words::normalised(text) {
            return talk.guess.take();
        }
        self.drop_guess(out);
        None
    }

    /// What the model gave for a guess is kept. Returns whether it was for one.
    pub(crate) fn guess_thought(&mut self, turn: TurnId, what: &Thought, out: &mut Vec<Output>) -> bool {
        let Some(guess) = self.talk.as_mut().and_then(|talk| talk.guess.as_mut()) else { return false };
        if guess.turn != turn {
            return false;
        }
        // It is asked again when the turn is over.
        if matches!(what, Thought::Failed(_)) || guess.thoughts.len() >= MOST_THOUGHTS {
            self.drop_guess(out);
        } else {
            guess.thoughts.push(what.clone());
        }
        true
    }

    /// When to ask ahead, since the caller is quiet.
    pub(crate) fn speculate_due(&self, talk: &Talk) -> Option<Tick> {
        let turn = &self.settings.turn;
        let listens =
            matches!(self.phase, Phase::Listening(_)) && self.settings.agent == AgentKind::Assistant;
        if turn.speculate != Speculate::Pause || !listens {
            return None;
        }
        let caller = talk.caller.as_ref().filter(|caller| caller.guesses < MOST_GUESSES)?;
        let words = words::normalised(&caller.words_so_far());
        if words.is_empty() || talk.guess.as_ref().is_some_and(|guess| guess.words == words) {
            return None;
        }
        let stretch = talk.ears.as_ref().and_then(Ears::stretch);
        let last_voice = stretch.map_or(caller.last_voice, |stretch| stretch.last_voice);
        Some(last_voice + ms(turn.speculate_after_ms))
    }

    /// It has been quiet for long enough to ask ahead.
    pub(crate) fn speculate_timer(&mut self, at: Tick, out: &mut Vec<Output>) {
        let Some(caller) = self.talk.as_ref().and_then(|talk| talk.caller.as_ref()) else { return };
        let text = caller.words_so_far();
        self.speculate(at, &text, out);
    }
}
