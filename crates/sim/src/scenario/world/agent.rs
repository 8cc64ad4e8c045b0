//! The scripted speech-to-speech agent in a scenario's world: it hears the caller by level, and its audio comes
//! faster than it plays.

use audio::{Pcm, SampleRate, level_db, tone};
use call::{Converse, Conversed, Fault, Input, ItemId, Micros, Tick, Usage};

use super::super::Spoken;
use super::{Coming, HUM_DB, HUM_HZ, World};

/// What is louder than this is somebody speaking.
const SPEECH_DB: f32 = -45.0;
/// The length of one piece of its audio.
const PIECE_MS: u64 = 200;
const RATE: SampleRate = SampleRate::HZ_24000;

/// What the agent is doing.
#[derive(Debug, Default)]
pub(super) struct Agent {
    /// When the caller's speech under way began and was heard last.
    speech: Option<(Tick, Tick)>,
    /// Answers that were begun; one that is not the last is not wanted any more.
    answers: u32,
    items: u32,
    /// Tools that were asked for and have no result.
    tools: u32,
}

impl World {
    /// What comes of an answer, unless that is not wanted any more.
    pub(super) fn agent_comes(&mut self, at: Tick, answer: u32, what: Conversed) {
        if answer == self.agent.answers {
            self.input(at, Input::Conversed(what));
        }
    }

    /// The agent says what it never says, and fails when it is to.
    pub(super) fn agent_begins(&mut self, at: Tick) {
        if self.scene.agent.never_done {
            self.comes(at, Coming::Input(Input::Conversed(Conversed::NeverDone)));
        }
        if let Some(at) = self.scene.agent.fails_at_ms {
            let failed = Conversed::Failed(Fault::local("it is gone"));
            self.comes(Tick(at * 1000), Coming::Input(Input::Conversed(failed)));
        }
    }

    pub(super) fn converse(&mut self, at: Tick, what: &Converse) {
        match what {
            Converse::Audio(pcm) => self.agent_hears(at, pcm),
            Converse::Say(words) => self.agent_answers(at, &Spoken::of(words)),
            Converse::Told(_) => self.next_answer(at),
            // It stops where it is, whether it hears the caller or not.
            Converse::Cut { .. } => self.agent.answers += 1,
            Converse::ToolResult { .. } => {
                self.agent.tools = self.agent.tools.saturating_sub(1);
                if self.agent.tools == 0 {
                    self.next_answer(at);
                }
            }
            Converse::Finished => {}
        }
    }

    fn agent_hears(&mut self, at: Tick, pcm: &Pcm) {
        let endpointing = Micros::from_ms(self.scene.agent.endpointing_ms);
        let is_loud = level_db(pcm) > SPEECH_DB;
        match &mut self.agent.speech {
            Some((_, last)) if is_loud => *last = at,
            None if is_loud => {
                self.agent.speech = Some((at, at));
                if let Some(after) = self.scene.agent.notices_ms {
                    // What it was saying is not wanted any more.
                    self.agent.answers += 1;
                    let word = match self.scene.agent.never_done {
                        true => Conversed::Interrupted,
                        false => Conversed::SpeechStarted,
                    };
                    self.comes(at + Micros::from_ms(after), Coming::Input(Input::Conversed(word)));
                }
            }
            Some((began, last)) if at.since(*last) >= endpointing => {
                let began = *began;
                self.agent.speech = None;
                self.agent_turn(at, began);
            }
            _ => {}
        }
    }

    /// The caller has finished what they began then.
    fn agent_turn(&mut self, at: Tick, began: Tick) {
        if self.scene.agent.notices_ms.is_some() {
            self.comes(at, Coming::Input(Input::Conversed(Conversed::SpeechStopped)));
        }
        if let Some(after) = self.scene.agent.transcript_ms {
            self.stretch = began;
            let text = self.words_until(at);
            let said = Input::Conversed(Conversed::CallerSaid(text));
            self.comes(at + Micros::from_ms(after), Coming::Input(said));
        }
        self.next_answer(at);
    }

    fn next_answer(&mut self, at: Tick) {
        let answer = self.scene.agent.replies.pop_front();
        self.agent_answers(at, &answer.unwrap_or_else(|| Spoken::of("I have nothing to say.")));
    }

    fn agent_answers(&mut self, at: Tick, spoken: &Spoken) {
        self.agent.answers += 1;
        if spoken.hangs {
            return;
        }
        let mut at = at + Micros::from_ms(self.scene.agent.first_audio_ms);
        for line in spoken.text.lines() {
            let item = ItemId(self.agent.items);
            self.agent.items += 1;
            for word in line.split_inclusive(' ') {
                self.agent_gives(at, Conversed::Text { item, text: word.to_owned() });
            }
            let length_ms = line.chars().count() as u64 * self.scene.agent.letter_ms;
            let sound = tone(RATE, HUM_HZ, length_ms as u32, HUM_DB);
            let pieces: Vec<Pcm> = sound.chunks(RATE.samples(PIECE_MS * 1000)).map(Pcm::from).collect();
            let sent = if spoken.stops { pieces.len() / 2 } else { pieces.len() };
            for pcm in pieces.into_iter().take(sent) {
                self.agent_gives(at, Conversed::Audio { item, rate: RATE, pcm });
                at = at + Micros::from_ms(PIECE_MS / self.scene.agent.faster.max(1));
            }
            if spoken.stops {
                return;
            }
            if !self.scene.agent.never_done {
                self.agent_gives(at, Conversed::ItemDone(item));
            }
        }
        if let Some(tool) = &spoken.tool {
            self.agent.tools += 1;
            self.agent_gives(at, Conversed::Tool(tool.clone()));
        }
        if !self.scene.agent.never_done {
            self.agent_gives(at, Conversed::Done(Usage::default()));
        }
    }

    fn agent_gives(&mut self, at: Tick, what: Conversed) {
        let answer = self.agent.answers;
        self.comes(at, Coming::Agent(answer, what));
    }
}
