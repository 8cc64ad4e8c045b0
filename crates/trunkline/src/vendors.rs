//! The vendors by their names in the configuration, and the agents made of them.

use std::path::Path;
use std::sync::Arc;

use gateway::{Agent, Agents};
use providers::local::sphinx::{PhraseProblem, SphinxError};
use providers::local::{Script, SphinxSettings};
use providers::{Providers, SpeechToText as _, TextToSpeech};

use crate::config::{self, Config};
use crate::failure::Failure;

/// The vendors of this process, which share their threads.
pub(crate) struct Vendors(Providers);

impl Vendors {
    /// Nothing is loaded until an agent or a command asks for it. The built-in recogniser serves so many calls at
    /// once; more are told that there is no room.
    pub(crate) fn new(recognisers: usize) -> Self {
        // This program even if its file was replaced since: the helper must speak the same language as we do.
        let mut recogniser = SphinxSettings::new("/proc/self/exe");
        recogniser.max_sessions = recognisers;
        Self(Providers::new().with_recogniser(recogniser))
    }

    /// Starts what an agent's first call would have to wait for, and says which of its phrases can't be listened
    /// for. Reads files; needs a runtime.
    pub(crate) fn make_ready(&self, agent: &Agent) -> Vec<String> {
        match (self.0.builtin_recogniser(), &agent.recogniser) {
            (Some(builtin), Some(recogniser)) if recogniser.name() == builtin.name() => {
                told(builtin.make_ready(&agent.phrases))
            }
            _ => Vec::new(),
        }
    }

    /// Which phrases of an agent the built-in recogniser can't listen for.
    pub(crate) fn check_phrases(&self, agent: &Agent) -> Vec<String> {
        self.0
            .builtin_recogniser()
            .map(|builtin| told(builtin.check_phrases(&agent.phrases)))
            .unwrap_or_default()
    }

    /// A voice by its name.
    pub(crate) fn voice(&self, name: &str) -> Result<Arc<dyn TextToSpeech>, Failure> {
        self.0.voice(name).map_err(|error| Failure::usage(error.to_string()))
    }

    /// What is missing for the built-in vendors to work, each with what to do about it.
    pub(crate) fn findings(&self) -> Vec<providers::Finding> {
        self.0.doctor()
    }

    /// All agents of a configuration. An agent gets the vendors that its kind has a use for.
    pub(crate) fn agents(&self, config: &Config) -> Result<Agents, Failure> {
        let mut agents = Agents::new();
        for (name, wanted) in &config.agents {
            let agent = self.agent(name, wanted, config.recording.enabled)?;
            agents.insert(name.clone(), Arc::new(agent));
        }
        Ok(agents)
    }

    fn agent(&self, name: &str, wanted: &config::Agent, record: bool) -> Result<Agent, Failure> {
        let fault = |key: &str, why: String| Failure::config(format!("agents.{name}.{key}: {why}"));
        let mut agent = Agent::new(name, wanted.call_settings());
        agent.language.clone_from(&wanted.language);
        agent.phrases.clone_from(&wanted.phrases);
        agent.record = record;
        agent.call_log = true;
        if !wanted.kind.listens() {
            return Ok(agent);
        }
        let voice = self.0.voice(&wanted.voice).map_err(|error| fault("voice", error.to_string()))?;
        let recogniser =
            self.0.recogniser(&wanted.recogniser).map_err(|error| fault("recogniser", error.to_string()))?;
        agent.voice = Some(voice);
        agent.recogniser = Some(recogniser);
        if wanted.kind == call::AgentKind::Assistant {
            let script = Arc::new(script(wanted.script.as_deref()).map_err(|why| fault("script", why))?);
            agent.phrases.extend(script.phrases());
            let model =
                self.0.model(&wanted.model, &script).map_err(|error| fault("model", error.to_string()))?;
            agent.model = Some(model);
        }
        Ok(agent)
    }
}

fn told(problems: Result<Arc<[PhraseProblem]>, SphinxError>) -> Vec<String> {
    match problems {
        Err(error) => vec![error.to_string()],
        Ok(problems) => {
            let line = |problem: &PhraseProblem| format!("\"{}\": {}", problem.phrase, problem.why);
            problems.iter().map(line).collect()
        }
    }
}

/// The dialogue of a file, or the built-in reception desk.
pub(crate) fn script(file: Option<&Path>) -> Result<Script, String> {
    let Some(file) = file else { return Ok(Script::reception()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the file {} can't be read: {error}", file.display()))?;
    Script::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_the_configuration_takes_is_a_vendors() {
        let (Vendors(vendors), script) = (Vendors::new(1), Arc::new(Script::reception()));
        for name in config::VOICES {
            assert!(vendors.voice(name).is_ok(), "{name}");
        }
        for name in config::RECOGNISERS {
            assert!(vendors.recogniser(name).is_ok(), "{name}");
        }
        for name in config::MODELS {
            assert!(vendors.model(name, &script).is_ok(), "{name}");
        }
    }
}
