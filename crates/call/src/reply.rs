//! One reply of the agent: from the question to the model, over its words and their audio, to the last word
//! heard. Greeting, idle prompt and goodbye are replies whose words are known from the start.

use std::collections::VecDeque;

use records::{EndReason, TurnLatency};

use crate::sentence::Sentences;
use crate::{Micros, Tick, TurnId, UtteranceId};

/// What a reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Greeting,
    Answer,
    /// Are you still there? The caller had said nothing since this moment.
    IdlePrompt {
        since: Tick,
    },
    Goodbye,
}

/// A reply under way.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Set for an answer to the caller.
    pub(crate) turn: Option<TurnId>,
    pub(crate) purpose: Purpose,
    pub(crate) sentences: Sentences,
    /// The model still writes.
    pub(crate) writing: bool,
    /// How many bytes it has written.
    pub(crate) written: usize,
    /// Sentences that the voice was not asked for yet.
    pub(crate) waiting: VecDeque<String>,
    /// Utterances that the voice was asked for and has not finished.
    pub(crate) asked: VecDeque<UtteranceId>,
    /// The call ends, for this reason, when the reply was heard.
    pub(crate) then_end: Option<EndReason>,
    /// When to stop waiting for the model.
    pub(crate) model_due: Option<Tick>,
    /// When to stop waiting for the voice.
    pub(crate) voice_due: Option<Tick>,
    pub(crate) clock: ReplyClock,
}

impl Reply {
    /// A reply whose words are `text`.
    pub(crate) fn of(purpose: Purpose, text: &str, then_end: Option<EndReason>) -> Self {
        let mut reply = Self { then_end, ..Self::empty(None, purpose) };
        let waiting = &mut reply.waiting;
        reply.sentences.push(text, |sentence| waiting.push_back(sentence));
        reply.sentences.finish(|sentence| waiting.push_back(sentence));
        reply
    }

    /// An answer that the model is being asked for.
    pub(crate) fn asked(turn: TurnId, clock: ReplyClock, model_due: Tick) -> Self {
        let empty = Self::empty(Some(turn), Purpose::Answer);
        Self { writing: true, model_due: Some(model_due), clock, ..empty }
    }

    /// An answer that comes as audio from a speech-to-speech agent.
    pub(crate) fn answered(turn: TurnId, clock: ReplyClock) -> Self {
        Self { clock, ..Self::empty(Some(turn), Purpose::Answer) }
    }

    fn empty(turn: Option<TurnId>, purpose: Purpose) -> Self {
        Self {
            turn,
            purpose,
            sentences: Sentences::default(),
            writing: false,
            written: 0,
            waiting: VecDeque::new(),
            asked: VecDeque::new(),
            then_end: None,
            model_due: None,
            voice_due: None,
            clock: ReplyClock::default(),
        }
    }

    /// The words that no voice was asked for.
    pub(crate) fn unasked(&self) -> String {
        self.waiting.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// When each step of an answer happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReplyClock {
    pub(crate) speech_ended: Tick,
    /// When the silence was long enough.
    pub(crate) endpoint: Tick,
    pub(crate) asked: Tick,
    pub(crate) first_word: Option<Tick>,
    pub(crate) first_sentence: Option<Tick>,
    pub(crate) first_audio: Option<Tick>,
    pub(crate) reported: bool,
}

impl ReplyClock {
    /// The parts, once the first audio was sent at `sent`.
    pub(crate) fn parts(&self, sent: Tick) -> TurnLatency {
        let first_word = self.first_word.unwrap_or(self.asked);
        let first_sentence = self.first_sentence.unwrap_or(first_word);
        let first_audio = self.first_audio.unwrap_or(sent);
        let between = |from: Tick, to: Tick| -> u64 {
            let Micros(length) = to.since(from);
            length
        };
        TurnLatency {
            endpoint_us: between(self.speech_ended, self.endpoint),
            transcript_us: between(self.endpoint, self.asked),
            model_us: between(self.asked, first_word),
            tool_us: 0,
            queue_us: 0,
            carrier_us: None,
            filler_us: None,
            sentence_us: between(first_word, first_sentence),
            voice_us: between(first_sentence, first_audio),
            send_us: between(first_audio, sent),
            total_us: between(self.speech_ended, sent),
        }
    }
}
