//! One reply of the agent: from the question to the model, over its words and their audio, to the last word
//! heard. Greeting, idle prompt and goodbye are replies whose words are known from the start.

use std::collections::VecDeque;

use records::{EndReason, TurnLatency};

use crate::run::Steps;
use crate::sentence::Sentences;
use crate::speech::Cleaner;
use crate::{Micros, Settings, Tick, TurnId, UtteranceId};

/// Where the first clause of an answer is cut when answers are late and no setting says so.
const HURRIED_CLAUSE: usize = 16;

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
    /// This call is recorded; may it be? Nothing interrupts it.
    Consent,
}

/// A part of a reply, in the order in which it is to be heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Words for the voice, and the step of the turn that they belong to.
    Words { text: String, step: usize },
    /// Keys to be pressed on the line.
    Tones(String),
}

/// The model's side of a reply.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// It still writes.
    pub(crate) writing: bool,
    /// How many bytes it has written.
    pub(crate) written: usize,
    /// When it was asked last.
    pub(crate) asked: Tick,
    /// When it finished its last answer.
    pub(crate) done: Tick,
    /// It has given something since it was asked last.
    pub(crate) began: bool,
    /// The next vendor was asked for since then.
    pub(crate) hurried: bool,
    /// When to stop waiting for it.
    pub(crate) due: Option<Tick>,
}

/// A reply under way.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Set for an answer to the caller.
    pub(crate) turn: Option<TurnId>,
    pub(crate) purpose: Purpose,
    pub(crate) sentences: Sentences,
    pub(crate) cleaner: Cleaner,
    pub(crate) model: Model,
    /// Parts that the voice was not asked for yet.
    pub(crate) waiting: VecDeque<Part>,
    /// Utterances that the voice was asked for and has not finished.
    pub(crate) asked: VecDeque<UtteranceId>,
    /// The call ends, for this reason, when the reply was heard.
    pub(crate) then_end: Option<EndReason>,
    /// When to stop waiting for the voice.
    pub(crate) voice_due: Option<Tick>,
    /// The model's answers in this turn and the tools that they asked for.
    pub(crate) steps: Steps,
    pub(crate) failed: Failed,
    pub(crate) clock: ReplyClock,
}

/// What failed of a reply.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    /// The caller hears an apology in the place of an answer.
    pub(crate) apologised: bool,
    /// The recording that stands in for the voice.
    pub(crate) recorded: Option<UtteranceId>,
}

impl Model {
    /// It is asked, and waited for until `due`.
    pub(crate) fn ask(&mut self, at: Tick, due: Tick) {
        (self.writing, self.began, self.hurried) = (true, false, false);
        (self.asked, self.due) = (at, Some(due));
    }
}

impl Reply {
    /// A reply whose words are `text`.
    pub(crate) fn of(purpose: Purpose, text: &str, then_end: Option<EndReason>) -> Self {
        let mut reply = Self { then_end, ..Self::empty(None, purpose) };
        let waiting = &mut reply.waiting;
        let mut each = |text| waiting.push_back(Part::Words { text, step: 0 });
        reply.sentences.push(text, &mut each);
        reply.sentences.finish(&mut each);
        reply
    }

    /// An answer that the model is being asked for. A hurried one begins at its first clause.
    pub(crate) fn asked(turn: TurnId, clock: ReplyClock, settings: &Settings, hurried: bool) -> Self {
        let clause = match settings.speech.first_clause_chars {
            0 if hurried => HURRIED_CLAUSE,
            chars => chars,
        };
        let empty = Self::empty(Some(turn), Purpose::Answer);
        let cleaner = Cleaner::new(&settings.speech, &settings.language);
        Self { sentences: Sentences::with_first_clause(clause), cleaner, clock, ..empty }
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
            cleaner: Cleaner::default(),
            model: Model::default(),
            waiting: VecDeque::new(),
            asked: VecDeque::new(),
            then_end: None,
            voice_due: None,
            steps: Steps::default(),
            failed: Failed::default(),
            clock: ReplyClock::default(),
        }
    }

    /// More of the model's words. What they complete waits for the voice, made ready for it.
    pub(crate) fn write(&mut self, text: &str) {
        let Self { sentences, cleaner, waiting, steps, .. } = self;
        sentences.push(text, |sentence| wait(&sentence, cleaner, steps, waiting));
    }

    /// The model's words so far are all that come before something else.
    pub(crate) fn flush(&mut self) {
        let Self { sentences, cleaner, waiting, steps, .. } = self;
        sentences.finish(|sentence| wait(&sentence, cleaner, steps, waiting));
    }

    /// The words that no voice was asked for.
    pub(crate) fn unasked(&self) -> String {
        let words = self.waiting.iter().filter_map(|part| match part {
            Part::Words { text, .. } => Some(text.as_str()),
            Part::Tones(_) => None,
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether tools run that are waited for.
    pub(crate) fn runs_tools(&self) -> bool {
        self.steps.runs_tools()
    }

    /// Whether a tool runs that must not be cut.
    pub(crate) fn is_held(&self) -> bool {
        self.steps.is_held()
    }
}

fn wait(sentence: &str, cleaner: &mut Cleaner, steps: &mut Steps, waiting: &mut VecDeque<Part>) {
    let text = cleaner.clean(sentence);
    if !text.is_empty() {
        steps.says(&text);
        waiting.push_back(Part::Words { text, step: steps.index() });
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
    pub(crate) voice_asked: Option<Tick>,
    pub(crate) first_audio: Option<Tick>,
    /// What tools took before the first word.
    pub(crate) tools: Micros,
    /// When the filler's first audio was sent.
    pub(crate) filler: Option<Tick>,
    pub(crate) reported: bool,
    pub(crate) carrier_known: bool,
}

impl ReplyClock {
    /// The parts, once the first audio was sent at `sent`.
    pub(crate) fn parts(&self, sent: Tick) -> TurnLatency {
        let first_word = self.first_word.unwrap_or(self.asked);
        let first_sentence = self.first_sentence.unwrap_or(first_word);
        let voice_asked = self.voice_asked.unwrap_or(first_sentence);
        let first_audio = self.first_audio.unwrap_or(sent);
        let between = |from: Tick, to: Tick| -> u64 {
            let Micros(length) = to.since(from);
            length
        };
        let (model, tools) = (between(self.asked, first_word), self.tools.0);
        TurnLatency {
            endpoint_us: between(self.speech_ended, self.endpoint),
            transcript_us: between(self.endpoint, self.asked),
            model_us: model.saturating_sub(tools),
            tool_us: tools.min(model),
            sentence_us: between(first_word, first_sentence),
            queue_us: between(first_sentence, voice_asked),
            voice_us: between(voice_asked, first_audio),
            send_us: between(first_audio, sent),
            total_us: between(self.speech_ended, sent),
            carrier_us: None,
            filler_us: self.filler.map(|filler| between(self.speech_ended, filler)),
        }
    }
}
