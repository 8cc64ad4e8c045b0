//! What listens to the caller: the recogniser, or the speech-to-speech agent in its place.

use audio::SampleRate;
use call::{Converse, Conversed, Fault, FaultClass, Heard, Input, Listen, SpeechId};
use providers::{CallFacts, ConverseSpec, Converser, ListenSpec, Recogniser, Refused};
use records::CallRecord;

use super::Vendors;
use crate::agent::Agent;

/// The recogniser's state.
pub(super) enum Ears {
    Unopened,
    Open(Box<dyn Recogniser>),
    /// It could not be opened; each stretch of speech is answered with this.
    Deaf(String),
}

/// The speech-to-speech agent's state.
pub(super) enum Partner {
    Unopened,
    Open(Box<dyn Converser>),
    /// It could not be opened; the call is told so when it first says something.
    Absent(String),
}

/// Nothing listens to this call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unheard {
    /// All places are taken; there may be one later.
    NoRoom(String),
    /// What should listen can't work here.
    Unavailable(String),
}

impl Unheard {
    /// What the core is told of it.
    pub(crate) fn told(self, agent: &Agent) -> Input {
        if agent.settings.converses() {
            return Input::Conversed(Conversed::Failed(self.fault()));
        }
        self.lost()
    }

    /// The same where it is the recogniser that is not there.
    pub(crate) fn lost(self) -> Input {
        Input::Heard { speech: SpeechId(0), what: Heard::Lost(self.fault()) }
    }

    fn fault(self) -> Fault {
        match self {
            Self::NoRoom(why) => Fault::new(FaultClass::Busy, why),
            Self::Unavailable(why) => Fault::local(why),
        }
    }
}

impl From<Refused> for Unheard {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy(why) => Self::NoRoom(why),
            Refused::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Vendors {
    /// Opens the recogniser. Opened already, it stays as it is.
    pub(super) fn open_ears(&mut self, agent: &Agent, rate: SampleRate) -> Result<(), Unheard> {
        if matches!(self.ears, Ears::Open(_)) {
            return Ok(());
        }
        let Some(vendor) = &agent.recogniser else {
            self.ears = Ears::Deaf("this agent has no recogniser".to_owned());
            return Ok(());
        };
        let spec = ListenSpec { rate, language: agent.language.clone(), phrases: agent.phrases.clone() };
        match vendor.open(&spec, self.answers()) {
            Ok(recogniser) => {
                self.ears = Ears::Open(recogniser);
                Ok(())
            }
            Err(refused) => {
                self.ears = Ears::Deaf(refused.to_string());
                Err(refused.into())
            }
        }
    }

    /// The speech-to-speech agent is not wanted any more.
    pub(super) fn dismiss_partner(&mut self) {
        self.partner = Partner::Absent("others have taken its place".to_owned());
    }

    /// Opens the speech-to-speech agent, which is told of the `call` where there is one already.
    pub(super) fn open_partner(
        &mut self,
        agent: &Agent,
        rate: SampleRate,
        call: Option<&CallRecord>,
    ) -> Result<(), Unheard> {
        if matches!(self.partner, Partner::Open(_)) {
            return Ok(());
        }
        let Some(vendor) = &agent.speech_to_speech else {
            self.partner = Partner::Absent("this agent has no speech-to-speech vendor".to_owned());
            return Ok(());
        };
        let call = call.map(facts).unwrap_or_default();
        let filled = agent.settings.filled(&call.custom);
        let settings = filled.as_ref().unwrap_or(&agent.settings);
        let spec = ConverseSpec {
            call,
            rate,
            language: agent.language.clone(),
            system: settings.prompt.clone(),
            greeting: settings.greeting.clone(),
            tools: agent.settings.tools.offered(),
        };
        match vendor.open(&spec, self.answers()) {
            Ok(partner) => {
                self.partner = Partner::Open(partner);
                Ok(())
            }
            Err(refused) => {
                self.partner = Partner::Absent(refused.to_string());
                Err(refused.into())
            }
        }
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
}

fn facts(record: &CallRecord) -> CallFacts {
    CallFacts {
        id: record.id.clone(),
        from: record.from.clone(),
        to: record.to.clone(),
        custom: record.custom.clone(),
    }
}
