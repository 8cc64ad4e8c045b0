//! What a call has from its answer to its end when its agent speaks or listens.

use audio::SampleRate;

use crate::agent::Conversation;
use crate::ears::Ears;
use crate::playout::Playout;
use crate::{Message, Settings, SpeechId, Tick, TurnId, UtteranceId};

/// The parts of a conversation.
pub(crate) struct Talk {
    pub(crate) playout: Playout,
    /// Absent where the agent does not listen.
    pub(crate) ears: Option<Ears>,
    /// Present where one vendor listens, thinks and speaks.
    pub(crate) conversation: Option<Box<Conversation>>,
    /// What the caller is saying.
    pub(crate) caller: Option<CallerTurn>,
    /// What was said, oldest first.
    pub(crate) history: Vec<Message>,
    next_turn: u32,
    next_utterance: u32,
}

impl Talk {
    pub(crate) fn new(rate: SampleRate, settings: &Settings) -> Self {
        Self {
            playout: Playout::new(rate, &settings.playout),
            ears: settings.agent.listens().then(|| Ears::new(rate, settings)),
            conversation: settings.converses().then(Box::default),
            caller: None,
            history: Vec::new(),
            next_turn: 0,
            next_utterance: 0,
        }
    }

    pub(crate) fn new_turn(&mut self) -> TurnId {
        let turn = TurnId(self.next_turn);
        self.next_turn += 1;
        turn
    }

    pub(crate) fn new_utterance(&mut self) -> UtteranceId {
        let utterance = UtteranceId(self.next_utterance);
        self.next_utterance += 1;
        utterance
    }

    /// Adds to the history, which keeps its newest `most` messages.
    pub(crate) fn remember(&mut self, message: Message, most: usize) {
        self.history.push(message);
        let surplus = self.history.len().saturating_sub(most.max(1));
        self.history.drain(..surplus);
    }
}

/// What the caller is saying, from their first sound to the end of their turn.
#[derive(Debug)]
pub(crate) struct CallerTurn {
    pub(crate) began: Tick,
    pub(crate) last_voice: Tick,
    /// The final texts so far.
    pub(crate) texts: Vec<String>,
    /// The recogniser's latest guess at what is being said.
    pub(crate) partial: String,
    /// Stretches whose final text is awaited.
    pub(crate) awaited: Vec<Awaited>,
    /// Enough was said that held no known words.
    pub(crate) unclear: bool,
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
            texts: Vec::new(),
            partial: String::new(),
            awaited: Vec::new(),
            unclear: false,
        }
    }

    /// All final texts as one.
    pub(crate) fn text(&self) -> String {
        self.texts.join(" ")
    }
}
