//! The vendors of one call: what was asked of them, and their inbox. Each is opened when the call first needs
//! it, so that a call that needs none costs none.

mod errands;
mod listening;

use std::collections::VecDeque;

use audio::SampleRate;
use call::{Conversed, Fault, Heard, Input, Prompt, Say, Thought, ToolId, TurnId, UtteranceId, Voiced};
use providers::recorded::Recording;
use providers::{Answers, Note, Notes, Running, Speaker, VoiceSpec};
use records::CallRecord;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::errands::Errands;
use self::listening::{Ears, Partner};

pub(crate) use self::listening::Unheard;

use crate::agent::Agent;
use crate::metrics::Metrics;

/// How many answers may wait for the call. It reads them at once, so this bounds a burst.
const INBOX: usize = 64;

/// What is under way at the vendors of one call. Dropping it withdraws all of it.
pub(crate) struct Vendors {
    inbox: Option<(mpsc::Sender<Input>, mpsc::Receiver<Input>)>,
    /// Answers that came before there was a call to read them.
    early: VecDeque<Input>,
    ears: Ears,
    partner: Partner,
    thinking: Option<(TurnId, Running)>,
    speaking: Vec<(UtteranceId, Running)>,
    /// The voice, once it has been asked for.
    mouth: Option<Box<dyn Speaker>>,
    errands: Errands,
    notes: Notes,
}

impl Vendors {
    pub(crate) fn new() -> Self {
        Self {
            inbox: None,
            early: VecDeque::new(),
            ears: Ears::Unopened,
            partner: Partner::Unopened,
            thinking: None,
            speaking: Vec::new(),
            mouth: None,
            errands: Errands::new(),
            notes: Notes::default(),
        }
    }

    /// Opens what listens and what speaks, when the stream's rate is known and before a word is spoken.
    ///
    /// `Err` when nothing listens. The call goes on: the core apologises to the caller and does what its settings
    /// say; greeting and key presses still serve them.
    pub(crate) fn open(
        &mut self,
        agent: &Agent,
        rate: SampleRate,
        call: Option<&CallRecord>,
    ) -> Result<(), Unheard> {
        if !agent.settings.agent.listens() {
            return Ok(());
        }
        if agent.settings.converses() && !agent.settings.asks_first() {
            return self.open_partner(agent, rate, call);
        }
        self.open_three(agent, rate)
    }

    /// Opens recogniser, model and voice in the place of a speech-to-speech agent that is gone.
    pub(crate) fn replace_partner(&mut self, agent: &Agent, rate: SampleRate) -> Result<(), Unheard> {
        self.dismiss_partner();
        self.open_three(agent, rate)
    }

    /// Opens the speech-to-speech agent in the place of those who told or asked the caller before it.
    pub(crate) fn converse_now(
        &mut self,
        agent: &Agent,
        rate: SampleRate,
        call: &CallRecord,
    ) -> Result<(), Unheard> {
        (self.ears, self.mouth) = (Ears::Unopened, None);
        self.open_partner(agent, rate, Some(call))
    }

    fn open_three(&mut self, agent: &Agent, rate: SampleRate) -> Result<(), Unheard> {
        let heard = self.open_ears(agent, rate);
        self.open_mouth(agent, rate);
        agent.model.iter().for_each(|model| model.warm());
        agent.voice.iter().for_each(|voice| voice.warm());
        heard
    }

    /// What vendors noted for the call's record since the last time.
    pub(crate) fn notes(&self) -> Vec<(Instant, Note)> {
        self.notes.take()
    }

    /// Whether nothing was opened or asked yet.
    pub(crate) const fn are_unopened(&self) -> bool {
        self.inbox.is_none() && matches!(self.ears, Ears::Unopened)
    }

    /// Keeps what came while nobody was there to read it. `false` when it says that a vendor is gone.
    pub(crate) fn keep_early(&mut self) -> bool {
        while let Some((_, answers)) = &mut self.inbox
            && let Ok(answer) = answers.try_recv()
        {
            let lost = matches!(answer, Input::Heard { what: Heard::Lost(_), .. });
            if lost || matches!(answer, Input::Conversed(Conversed::Failed(_))) {
                return false;
            }
            self.early.push_back(answer);
        }
        true
    }

    /// The next answer of any vendor; waits for ever when none was asked. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Input {
        if let Some(answer) = self.early.pop_front() {
            return answer;
        }
        match &mut self.inbox {
            // The sender is kept beside the receiver, so there is always a next answer to wait for.
            Some((_, answers)) => match answers.recv().await {
                Some(answer) => answer,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// An answer that is there already.
    pub(crate) fn ready(&mut self) -> Option<Input> {
        self.early.pop_front().or_else(|| self.inbox.as_mut()?.1.try_recv().ok())
    }

    /// Notes what an answer ends, before the core gets it.
    pub(crate) fn note(&mut self, agent: &Agent, answer: &Input, metrics: &Metrics) {
        match answer {
            Input::Thought { turn, what } => {
                let failed = matches!(what, Thought::Failed(_));
                if (failed || *what == Thought::Done)
                    && self.thinking.take_if(|(asked, _)| asked == turn).is_some()
                {
                    metrics.provider(agent.model.as_ref().map(|vendor| vendor.name()), "model", failed);
                }
            }
            Input::Voiced { utterance, what } => {
                let failed = matches!(what, Voiced::Failed(_));
                if failed || *what == Voiced::Done {
                    let before = self.speaking.len();
                    self.speaking.retain(|(asked, _)| asked != utterance);
                    if self.speaking.len() < before {
                        metrics.provider(agent.voice.as_ref().map(|vendor| vendor.name()), "voice", failed);
                    }
                }
            }
            Input::Conversed(what @ (Conversed::Done(_) | Conversed::Failed(_))) => {
                let failed = matches!(what, Conversed::Failed(_));
                metrics.provider(
                    agent.speech_to_speech.as_ref().map(|vendor| vendor.name()),
                    "agent",
                    failed,
                );
            }
            Input::Heard { what: Heard::Final(_), .. } => {
                metrics.provider(agent.recogniser.as_ref().map(|vendor| vendor.name()), "recogniser", false);
            }
            Input::Heard { what: Heard::Failed(_), .. } => {
                metrics.provider(agent.recogniser.as_ref().map(|vendor| vendor.name()), "recogniser", true);
            }
            Input::Tool { tool, .. } => self.errands.over(*tool),
            _ => {}
        }
    }

    /// Asks the model. Gives the answer at once when there is none to ask.
    pub(crate) fn think(&mut self, agent: &Agent, turn: TurnId, prompt: Prompt) -> Option<Input> {
        let Some(model) = &agent.model else {
            let what = Thought::Failed(Fault::local("this agent has no model"));
            return Some(Input::Thought { turn, what });
        };
        let running = model.ask(turn, prompt, self.answers());
        self.thinking = Some((turn, running));
        None
    }

    /// Has a question answered another way, where there is one.
    pub(crate) fn hurry(&self, turn: TurnId) {
        if let Some((_, running)) = self.thinking.as_ref().filter(|(asked, _)| *asked == turn) {
            running.hurry();
        }
    }

    /// Runs a tool for the model. Gives the answer at once when there is none to run.
    pub(crate) fn run_tool(
        &mut self,
        of: (&Agent, &CallRecord),
        tool: ToolId,
        wanted: (&str, String),
    ) -> Option<Input> {
        let answers = self.answers();
        self.errands.run(of, tool, wanted, answers)
    }

    /// Withdraws a tool's run.
    pub(crate) fn stop_tool(&mut self, tool: ToolId) {
        self.errands.over(tool);
    }

    /// Withdraws a question.
    pub(crate) fn stop_thinking(&mut self, turn: TurnId) {
        self.thinking.take_if(|(asked, _)| *asked == turn);
    }

    /// Asks the voice. Gives the answers that need none: a recording, or that there is no voice.
    pub(crate) fn voice(&mut self, agent: &Agent, utterance: UtteranceId, say: Say) -> Vec<Input> {
        let text = match say {
            Say::Text(text) => text,
            Say::Recorded(what) => {
                let Recording { rate, pcm, .. } = Recording::of(what, &agent.language);
                let audio = Voiced::Audio { rate: *rate, pcm: pcm.clone() };
                return [audio, Voiced::Done].map(|what| Input::Voiced { utterance, what }).into();
            }
        };
        let Some(mouth) = &mut self.mouth else {
            let what = Voiced::Failed(Fault::local("this agent has no voice"));
            return vec![Input::Voiced { utterance, what }];
        };
        self.speaking.push((utterance, mouth.speak(utterance, text)));
        Vec::new()
    }

    /// Opens the voice, at the rate that the call would like.
    fn open_mouth(&mut self, agent: &Agent, rate: SampleRate) {
        if let (None, Some(voice)) = (&self.mouth, &agent.voice) {
            let spec = VoiceSpec { rate, language: agent.language.clone() };
            self.mouth = Some(voice.open(&spec, self.answers()));
        }
    }

    /// Withdraws an utterance.
    pub(crate) fn stop_voice(&mut self, utterance: UtteranceId) {
        self.speaking.retain(|(asked, _)| *asked != utterance);
    }

    fn answers(&mut self) -> Answers {
        let (sender, _) = self.inbox.get_or_insert_with(|| mpsc::channel(INBOX));
        Answers::new(sender.clone()).with_notes(self.notes.clone())
    }
}
