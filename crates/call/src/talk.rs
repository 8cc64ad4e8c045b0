//! What a call has from its answer to its end when its agent speaks or listens.

use std::sync::Arc;

use audio::SampleRate;
use records::AnsweredBy;

use crate::agent::Conversation;
use crate::detector::{Pauses, Sign};
use crate::ears::Ears;
use crate::guess::Guess;
use crate::keys::Keys;
use crate::late::Late;
use crate::playout::Playout;
use crate::said::Said;
use crate::{
    AgentKind, Message, Micros, Prompt, Settings, SpeechId, Tick, Tool, ToolId, TurnId, UtteranceId, machine,
};

/// Sound this soon after a stretch's text came is still the one that the text is of.
const SETTLED_GRACE: Micros = Micros::from_ms(100);

/// The parts of a conversation.
pub(crate) struct Talk {
    pub(crate) playout: Playout,
    /// Absent where the agent does not listen.
    pub(crate) ears: Option<Ears>,
    /// Present where one vendor listens, thinks and speaks.
    pub(crate) conversation: Option<Box<Conversation>>,
    /// What the caller is saying.
    pub(crate) caller: Option<CallerTurn>,
    pub(crate) past: Past,
    /// An answer that the model was asked for before the turn was surely over.
    pub(crate) guess: Option<Box<Guess>>,
    /// What was said, oldest first.
    pub(crate) history: Vec<Message>,
    /// All that the model may ask for.
    tools: Arc<[Tool]>,
    /// A row of keys that is not complete.
    pub(crate) keys: Option<Keys>,
    pub(crate) late: Late,
    /// The recogniser is gone.
    pub(crate) deaf: bool,
    next: Next,
}

/// What the turns so far leave to the next.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// What the caller said in the turn before this one, and up to which stretch.
    pub(crate) answered: Option<(SpeechId, Said)>,
    /// How this caller pauses.
    pub(crate) pauses: Pauses,
    /// How many turns in a row vendors have failed in.
    pub(crate) failed_turns: u32,
    /// Who picked up, where the carrier told.
    pub(crate) picked_up: Option<AnsweredBy>,
}

/// The next ids.
#[derive(Debug, Default)]
struct Next {
    turn: u32,
    utterance: u32,
    tool: u32,
}

impl Talk {
    pub(crate) fn new(rate: SampleRate, settings: &Settings) -> Self {
        Self {
            playout: Playout::new(rate, &settings.playout),
            // Whoever can't be understood is not listened to, and then only keys answer.
            ears: (settings.agent.listens() && (!settings.asks_first() || settings.understands_consent()))
                .then(|| Ears::new(rate, settings)),
            conversation: (settings.converses() && !settings.asks_first()).then(Box::default),
            caller: None,
            past: Past::default(),
            guess: None,
            history: Vec::new(),
            tools: if settings.agent == AgentKind::Assistant {
                settings.tools.offered()
            } else {
                Arc::default()
            },
            keys: None,
            late: Late::default(),
            deaf: false,
            next: Next::default(),
        }
    }

    pub(crate) fn new_turn(&mut self) -> TurnId {
        let turn = TurnId(self.next.turn);
        self.next.turn += 1;
        turn
    }

    pub(crate) fn new_utterance(&mut self) -> UtteranceId {
        let utterance = UtteranceId(self.next.utterance);
        self.next.utterance += 1;
        utterance
    }

    pub(crate) fn new_tool(&mut self) -> ToolId {
        let tool = ToolId(self.next.tool);
        self.next.tool += 1;
        tool
    }

    /// Adds to the history, which keeps its newest `most` messages.
    pub(crate) fn remember(&mut self, message: Message, most: usize) {
        self.remember_all(vec![message], most);
    }

    /// Adds several. What is left of a turn never begins with a tool's result whose call is gone.
    pub(crate) fn remember_all(&mut self, messages: Vec<Message>, most: usize) {
        self.history.extend(messages);
        let surplus = self.history.len().saturating_sub(most.max(1));
        let orphans =
            self.history[surplus..].iter().take_while(|message| matches!(message, Message::Tool { .. }));
        let surplus = if surplus == 0 { 0 } else { surplus + orphans.count() };
        self.history.drain(..surplus);
    }

    /// Takes the caller's last words out of the history, if they are its end.
    pub(crate) fn forget_question(&mut self) -> Option<String> {
        match self.history.pop_if(|last| matches!(last, Message::Caller(_))) {
            Some(Message::Caller(text)) => Some(text),
            _ => None,
        }
    }

    /// What the model is asked: the conversation so far, and what is not part of it yet.
    pub(crate) fn prompt(&self, settings: &Settings, more: &[Message]) -> Prompt {
        let messages = self.history.iter().chain(more).cloned().collect();
        let mut system = settings.prompt.clone();
        if let Some(told) = machine::told(self.past.picked_up) {
            system = if system.is_empty() { told.to_owned() } else { format!("{system}\n\n{told}") };
        }
        Prompt { system, messages, tools: self.tools.clone() }
    }

    /// Makes room for an answer. A filler that is being heard is heard to its end.
    pub(crate) fn begin_answer(&mut self) {
        self.playout.begin_answer();
        self.late.sent = self.playout.filled();
    }
}

/// What the caller is saying, from their first sound to the end of their turn.
#[derive(Debug)]
pub(crate) struct CallerTurn {
    pub(crate) began: Tick,
    pub(crate) last_voice: Tick,
    /// The final texts so far.
    pub(crate) said: Said,
    /// The recogniser's latest guess at what is being said.
    pub(crate) partial: String,
    /// Stretches whose final text is awaited.
    pub(crate) awaited: Vec<Awaited>,
    /// The newest stretch of this turn.
    pub(crate) newest: SpeechId,
    /// Enough was said that held no known words.
    pub(crate) unclear: bool,
    /// The recogniser failed on some of it.
    pub(crate) failed: bool,
    /// The recogniser's sign that they have finished, and when it came.
    pub(crate) sign: Option<(Sign, Tick)>,
    /// The newest stretch whose text came before it was asked for, and when.
    pub(crate) settled: Option<(SpeechId, Tick)>,
    /// They pressed keys, which end the turn at once.
    pub(crate) pressed: bool,
    /// How many times the model was asked too early in this turn.
    pub(crate) guesses: u8,
}

/// A stretch whose final text is awaited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Awaited {
    pub(crate) speech: SpeechId,
    pub(crate) length_ms: u64,
    pub(crate) due: Tick,
}

impl CallerTurn {
    pub(crate) fn new(began: Tick) -> Self {
        Self {
            began,
            last_voice: began,
            said: Said::default(),
            partial: String::new(),
            awaited: Vec::new(),
            newest: SpeechId(0),
            unclear: false,
            failed: false,
            sign: None,
            settled: None,
            pressed: false,
            guesses: 0,
        }
    }

    /// Whether the text of this stretch, whose last sound was then, is here already.
    pub(crate) fn has_settled(&self, speech: SpeechId, last_voice: Tick) -> bool {
        self.settled.is_some_and(|(settled, when)| settled == speech && last_voice <= when + SETTLED_GRACE)
    }

    /// Takes a stretch off those whose text is awaited.
    pub(crate) fn take_awaited(&mut self, speech: SpeechId) -> Option<Awaited> {
        let index = self.awaited.iter().position(|awaited| awaited.speech == speech)?;
        Some(self.awaited.remove(index))
    }

    /// All that is known of their words, guesses too.
    pub(crate) fn words_so_far(&self) -> String {
        let mut text = self.said.text();
        if !self.partial.is_empty() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&self.partial);
        }
        text
    }
}
