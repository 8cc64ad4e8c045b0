//! Following a script. Pure: the conversation so far in, the answer out.

use std::collections::BTreeMap;

use call::{Message, Prompt};

use super::file::Does;
use super::script::{Form, Intent, Script};
use crate::local::pattern::{Pattern, words_of};

/// How much of the conversation is replayed, in messages of the caller.
const MAX_TURNS: usize = 100;
/// How much of one message is looked at, in characters.
const MAX_CHARS: usize = 500;

/// What a script can do besides talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Hang up when the answer has been heard.
    EndCall,
}

/// What the agent says, and does when it has said it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The words.
    pub text: String,
    /// What follows them.
    pub action: Option<Action>,
}

/// Where the conversation stands.
#[derive(Default)]
struct Talk<'s> {
    form: Option<Open<'s>>,
    /// What was filled in, by slot; it outlives the form so that later answers can name it.
    filled: BTreeMap<&'s str, &'s str>,
    /// How often each intent was answered.
    given: BTreeMap<&'s str, usize>,
    /// How many messages in a row were not understood.
    misses: u32,
    last: Answer,
}

/// A form that is being filled.
struct Open<'s> {
    name: &'s str,
    form: &'s Form,
}

impl Script {
    /// The answer to the last message of `prompt`. The same for the same messages; its instructions are not
    /// looked at. Without a message of the caller's there is nothing to answer, so nothing is understood.
    pub fn answer(&self, prompt: &Prompt) -> Answer {
        let said: Vec<&str> = prompt
            .messages
            .iter()
            .filter_map(|message| match message {
                Message::Caller(text) => Some(text.as_str()),
                Message::Agent { .. } | Message::Tool { .. } => None,
            })
            .collect();
        let mut talk = Talk::default();
        for text in &said[said.len().saturating_sub(MAX_TURNS)..] {
            talk.last = self.step(&mut talk, text);
        }
        if said.is_empty() { self.step(&mut talk, "") } else { talk.last }
    }

    fn step<'s>(&'s self, talk: &mut Talk<'s>, text: &str) -> Answer {
        let end = text.char_indices().nth(MAX_CHARS).map_or(text.len(), |(end, _)| end);
        let words = words_of(&text[..end]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let intent = self.intent(&words);
        let answer = match talk.form.as_ref().map(|open| open.form) {
            Some(form) => self.in_form(talk, form, intent, &words),
            None => intent.map(|(intent, _)| self.follow(talk, intent, &words)),
        };
        match answer {
            Some(answer) => {
                talk.misses = 0;
                answer
            }
            None => self.not_understood(talk),
        }
    }

    /// An answer inside a form, or None when the caller was not understood.
    fn in_form<'s>(
        &'s self,
        talk: &mut Talk<'s>,
        form: &'s Form,
        intent: Option<(&'s Intent, u32)>,
        words: &[&str],
    ) -> Option<Answer> {
        let confirming = self.missing(talk, form).is_none();
        let values = self.values(form, words);
        let best_value = values.iter().map(|(_, _, score)| *score).max().unwrap_or(0);
        if let Some((intent, score)) = intent
            && score > best_value
            && intent.form.as_deref() != talk.form.as_ref().map(|open| open.name)
            && !(confirming && self.best(&self.yes, words).max(self.best(&self.no, words)) >= Some(score))
        {
            let mut answer = self.follow(talk, intent, words);
            let is_aside = intent.does.is_none() && intent.form.is_none();
            if is_aside && let Some(question) = self.question(talk) {
                answer.text = format!("{} {question}", answer.text);
            }
            return Some(answer);
        }
        if !values.is_empty() {
            talk.filled.extend(values.iter().map(|(slot, say, _)| (*slot, *say)));
            return Some(self.go_on(talk, form));
        }
        if confirming {
            let (yes, no) = (self.best(&self.yes, words), self.best(&self.no, words));
            if no.is_some() && no >= yes {
                for slot in &form.slots {
                    talk.filled.remove(slot.as_str());
                }
                let question = self.question(talk).unwrap_or_default();
                let text = format!("{} {question}", self.fill(talk, &form.again));
                return Some(Answer { text: text.trim().to_owned(), action: None });
            }
            if yes.is_some() {
                talk.form = None;
                return Some(Answer { text: self.fill(talk, &form.done), action: None });
            }
        }
        let own = intent.is_some();
        own.then(|| self.go_on(talk, form))
    }

    /// The answer to an intent.
    fn follow<'s>(&'s self, talk: &mut Talk<'s>, intent: &'s Intent, words: &[&str]) -> Answer {
        if intent.does == Some(Does::Repeat) {
            if talk.last.text.is_empty() {
                return Answer { text: self.fill(talk, &self.fallback.say[0]), action: None };
            }
            return Answer { text: talk.last.text.clone(), action: None };
        }
        let given = talk.given.entry(&intent.name).or_default();
        let say = intent.say.get(*given).or(intent.say.last()).map_or("", String::as_str);
        *given += 1;
        let text = self.fill(talk, say);
        match (intent.does, &intent.form) {
            (Some(Does::EndCall), _) => Answer { text, action: Some(Action::EndCall) },
            (Some(Does::Cancel), _) => {
                talk.form = None;
                Answer { text, action: None }
            }
            (_, Some(name)) => {
                let form = &self.forms[name];
                for slot in &form.slots {
                    talk.filled.remove(slot.as_str());
                }
                talk.filled.extend(self.values(form, words).iter().map(|(slot, say, _)| (*slot, *say)));
                talk.form = Some(Open { name, form });
                let next = self.go_on(talk, form);
                Answer { text: format!("{text} {}", next.text).trim().to_owned(), action: next.action }
            }
            _ => Answer { text, action: None },
        }
    }

    /// The next question of the open form, or its end.
    fn go_on<'s>(&'s self, talk: &mut Talk<'s>, form: &'s Form) -> Answer {
        let text = self.question(talk).unwrap_or_else(|| {
            talk.form = None;
            self.fill(talk, &form.done)
        });
        Answer { text, action: None }
    }

    /// What the open form asks next; None when it has nothing to ask.
    fn question(&self, talk: &Talk<'_>) -> Option<String> {
        let form = talk.form.as_ref()?.form;
        let ask = match self.missing(talk, form) {
            Some(slot) => &self.slots[slot].ask,
            None => form.confirm.as_ref()?,
        };
        Some(self.fill(talk, ask))
    }

    fn missing<'s>(&self, talk: &Talk<'s>, form: &'s Form) -> Option<&'s str> {
        form.slots.iter().map(String::as_str).find(|slot| !talk.filled.contains_key(slot))
    }

    fn not_understood(&self, talk: &mut Talk<'_>) -> Answer {
        talk.misses += 1;
        let Some(fallback) = self.fallback.say.get(talk.misses as usize - 1).or(self.fallback.say.last())
        else {
            return Answer::default();
        };
        if self.fallback.give_up_after > 0 && talk.misses >= self.fallback.give_up_after {
            return Answer { text: self.fill(talk, &self.fallback.give_up), action: Some(Action::EndCall) };
        }
        let question = self.question(talk).map_or_else(String::new, |question| format!(" {question}"));
        Answer { text: format!("{}{question}", self.fill(talk, fallback)), action: None }
    }

    /// The intent that fits best, the first of those that fit alike.
    fn intent(&self, words: &[&str]) -> Option<(&Intent, u32)> {
        let mut best: Option<(&Intent, u32)> = None;
        for intent in &self.intents {
            if let Some(score) = self.best(&intent.when, words)
                && best.is_none_or(|(_, other)| score > other)
            {
                best = Some((intent, score));
            }
        }
        best
    }

    /// The values of a form's slots that are in `words`: slot, how it is said, how well it fits.
    fn values<'s>(&'s self, form: &'s Form, words: &[&str]) -> Vec<(&'s str, &'s str, u32)> {
        let mut found = Vec::new();
        for name in &form.slots {
            let mut best: Option<(&str, u32)> = None;
            for value in &self.slots[name].values {
                if let Some(score) = self.best(&value.heard, words)
                    && best.is_none_or(|(_, other)| score > other)
                {
                    best = Some((&value.say, score));
                }
            }
            found.extend(best.map(|(say, score)| (name.as_str(), say, score)));
        }
        found
    }

    fn best(&self, patterns: &[Pattern], words: &[&str]) -> Option<u32> {
        patterns.iter().filter_map(|pattern| pattern.score(words, &self.lists)).max()
    }

    /// `text` with the names in braces replaced. A slot that is not filled is left out.
    fn fill(&self, talk: &Talk<'_>, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            filled.push_str(before);
            let value =
                talk.filled.get(name).copied().or_else(|| self.variables.get(name).map(String::as_str));
            filled.push_str(value.unwrap_or_default());
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}
