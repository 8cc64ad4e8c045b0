//! The vendors of one call: what was asked of them, and their inbox. Each is opened when the call first needs
//! it, so that a call that needs none costs none.

mod errands;

use audio::SampleRate;
use call::{
    Converse, Conversed, Fault, Heard, Input, Listen, Prompt, Say, Thought, ToolId, TurnId, UtteranceId,
    Voiced,
};
use providers::{
    Answers, ConverseSpec, Converser, ListenSpec, Recogniser, Refused, Running, Speaker, VoiceSpec,
};
use records::CallRecord;
use tokio::sync::mpsc;

use self::errands::Errands;
use crate::agent::Agent;
use crate::metrics::Metrics;

/// How many answers may wait for the call. It reads them at once, so this bounds a burst.
const INBOX: usize = 64;

/// The recogniser's state.
enum Ears {
    Unopened,
    Open(Box<dyn Recogniser>),
    /// It could not be opened; each stretch of speech is answered with this.
    Deaf(String),
}

/// The speech-to-speech agent's state.
enum Partner {
    Unopened,
    Open(Box<dyn Converser>),
    /// It could not be opened; the call is told so when it first says something.
    Absent(String),
}

/// What is under way at the vendors of one call. Dropping it withdraws all of it.
pub(crate) struct Vendors {
    inbox: Option<(mpsc::Sender<Input>, mpsc::Receiver<Input>)>,
    ears: Ears,
    partner: Partner,
    thinking: Option<(TurnId, Running)>,
    speaking: Vec<(UtteranceId, Running)>,
    /// The voice, once it has been asked for.
    mouth: Option<Box<dyn Speaker>>,
    errands: Errands,
}

/// No recogniser has room for this call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom(pub(crate) String);

impl Vendors {
    pub(crate) const fn new() -> Self {
        Self {
            inbox: None,
            ears: Ears::Unopened,
            partner: Partner::Unopened,
            thinking: None,
            speaking: Vec::new(),
            mouth: None,
            errands: Errands::new(),
        }
    }

    /// The next answer of any vendor; waits for ever when none was asked. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Input {
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
        self.inbox.as_mut()?.1.try_recv().ok()
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

    /// Opens the recogniser, when the stream's rate is known and before a word is spoken.
    ///
    /// `Err` when all places are taken. The call is then ended with `no_capacity` instead of being answered by an
    /// agent that hears nothing: closing the socket lets the carrier's flow go on to its next step, which is the
    /// operator's to choose (a person, a message). A recogniser that can't work at all leaves the call as it is:
    /// greeting and key presses still serve the caller.
    pub(crate) fn open_ears(&mut self, agent: &Agent, rate: SampleRate) -> Result<(), NoRoom> {
        if agent.settings.converses() {
            return self.open_partner(agent, rate);
        }
        if !agent.settings.agent.listens() || !matches!(self.ears, Ears::Unopened) {
            return Ok(());
        }
        let Some(vendor) = &agent.recogniser else {
            self.ears = Ears::Deaf("this agent has no recogniser".to_owned());
            return Ok(());
        };
        let spec = ListenSpec { rate, language: agent.language.clone(), phrases: agent.phrases.clone() };
        match vendor.open(&spec, self.answers()) {
            Ok(recogniser) => self.ears = Ears::Open(recogniser),
            Err(Refused::Busy(why)) => return Err(NoRoom(why)),
            Err(Refused::Unavailable(why)) => {
                tracing::error!(
                    vendor = vendor.name(),
                    why,
                    "the recogniser can't work; the call goes on deaf"
                );
                self.ears = Ears::Deaf(why);
            }
        }
        Ok(())
    }

    fn open_partner(&mut self, agent: &Agent, rate: SampleRate) -> Result<(), NoRoom> {
        if !matches!(self.partner, Partner::Unopened) {
            return Ok(());
        }
        let Some(vendor) = &agent.speech_to_speech else {
            self.partner = Partner::Absent("this agent has no speech-to-speech vendor".to_owned());
            return Ok(());
        };
        let spec = ConverseSpec {
            rate,
            language: agent.language.clone(),
            system: agent.settings.prompt.clone(),
            tools: agent.settings.tools.offered(),
        };
        match vendor.open(&spec, self.answers()) {
            Ok(partner) => self.partner = Partner::Open(partner),
            Err(Refused::Busy(why)) => return Err(NoRoom(why)),
            Err(Refused::Unavailable(why)) => self.partner = Partner::Absent(why),
        }
        Ok(())
    }

    /// Hands the speech-to-speech agent a frame or a sign. Gives the answer that it can't give itself. `overruns`
    /// counts frames that were lost to a full queue.
    pub(crate) fn converse(&mut self, what: Converse, overruns: &mut u64) -> Option<Input> {
        let is_audio = matches!(what, Converse::Audio(_));
        let why = match &mut self.partner {
            Partner::Open(partner) => {
                if partner.take(what).is_ok() {
                    return None;
                }
                if is_audio {
                    *overruns += 1;
                    return None;
                }
                "its queue is full".to_owned()
            }
            Partner::Absent(why) => why.clone(),
            Partner::Unopened => "the stream has not started".to_owned(),
        };
        Some(Input::Conversed(Conversed::Failed(Fault::local(why))))
    }

    /// Hands the recogniser a frame or a sign. Gives the answer that it can't give itself. `overruns` counts
    /// frames that were lost to a full queue.
    pub(crate) fn listen(&mut self, what: Listen, overruns: &mut u64) -> Option<Input> {
        let finished = match &what {
            Listen::Finish(speech) => Some(*speech),
            Listen::Audio(_) | Listen::Began(_) => None,
        };
        let failure = match &mut self.ears {
            Ears::Open(recogniser) => {
                if recogniser.listen(what).is_ok() {
                    return None;
                }
                *overruns += 1;
                "its queue is full".to_owned()
            }
            Ears::Deaf(why) => why.clone(),
            Ears::Unopened => "the stream has not started".to_owned(),
        };
        finished.map(|speech| Input::Heard { speech, what: Heard::Failed(Fault::local(failure)) })
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

    /// Asks the voice. Gives the answer at once when there is none to ask.
    pub(crate) fn voice(
        &mut self,
        agent: &Agent,
        utterance: UtteranceId,
        say: Say,
        rate: SampleRate,
    ) -> Option<Input> {
        let text = match say {
            Say::Text(text) => text,
            Say::Recorded(_) => {
                let what = Voiced::Failed(Fault::local("there is no such recording"));
                return Some(Input::Voiced { utterance, what });
            }
        };
        let Some(voice) = &agent.voice else {
            let what = Voiced::Failed(Fault::local("this agent has no voice"));
            return Some(Input::Voiced { utterance, what });
        };
        let running = match &mut self.mouth {
            Some(mouth) => mouth.speak(utterance, text),
            none => {
                let spec = VoiceSpec { rate, language: agent.language.clone() };
                let (sender, _) = self.inbox.get_or_insert_with(|| mpsc::channel(INBOX));
                none.insert(voice.open(&spec, Answers::new(sender.clone()))).speak(utterance, text)
            }
        };
        self.speaking.push((utterance, running));
        None
    }

    /// Withdraws an utterance.
    pub(crate) fn stop_voice(&mut self, utterance: UtteranceId) {
        self.speaking.retain(|(asked, _)| *asked != utterance);
    }

    fn answers(&mut self) -> Answers {
        let (sender, _) = self.inbox.get_or_insert_with(|| mpsc::channel(INBOX));
        Answers::new(sender.clone())
    }
}
