//! The vendors by their names in the configuration, and the agents made of them.

use std::path::Path;
use std::sync::Arc;

use gateway::{Agent, Agents};
use providers::driver::Probe;
use providers::local::sphinx::{PhraseProblem, SphinxError};
use providers::local::{Script, SphinxRecogniser, SphinxSettings};
use providers::tools::ToolRunner;
use providers::{CachedVoice, Health, Misfit, Providers, Role, TextToSpeech, VoiceCache};

use crate::config::{self, Config};
use crate::failure::Failure;

/// The built-in recogniser's names.
const BUILTIN_EARS: [&str; 2] = ["builtin", "pocketsphinx"];
/// The built-in model's names.
const BUILTIN_MODELS: [&str; 2] = ["builtin", "scripted"];
/// How many bytes of audio are kept of sentences that are always the same: at 8 kHz some half an hour.
const VOICE_CACHE: usize = 32 << 20;

/// The vendors of this process, which share their threads, connections, and what is known about each.
pub(crate) struct Vendors {
    providers: Providers,
    cache: VoiceCache,
}

impl Vendors {
    /// Nothing is loaded until an agent or a command asks for it. The built-in recogniser serves so many calls at
    /// once; more are told that there is no room.
    pub(crate) fn new(recognisers: usize) -> Self {
        // This program even if its file was replaced since: the helper must speak the same language as we do.
        let mut recogniser = SphinxSettings::new("/proc/self/exe");
        recogniser.max_sessions = recognisers;
        let providers = Providers::new().with_recogniser(recogniser);
        Self { providers, cache: VoiceCache::new(VOICE_CACHE) }
    }

    /// Starts what an agent's first call would have to wait for, and says which of its phrases can't be listened
    /// for. Reads files; needs a runtime.
    pub(crate) fn make_ready(&self, agent: &Agent, wanted: &config::Agent) -> Vec<String> {
        self.of_builtin_ears(wanted, |ears| ears.make_ready(&agent.phrases))
    }

    /// Which phrases of an agent the built-in recogniser can't listen for, where the agent has it in its list.
    pub(crate) fn check_phrases(&self, agent: &Agent, wanted: &config::Agent) -> Vec<String> {
        self.of_builtin_ears(wanted, |ears| ears.check_phrases(&agent.phrases))
    }

    fn of_builtin_ears(
        &self,
        wanted: &config::Agent,
        ask: impl FnOnce(&SphinxRecogniser) -> Result<Arc<[PhraseProblem]>, SphinxError>,
    ) -> Vec<String> {
        let hears = wanted.roles().contains(&Role::SpeechToText)
            && wanted
                .entries(Role::SpeechToText)
                .iter()
                .any(|entry| BUILTIN_EARS.contains(&entry.vendor.as_str()));
        let ears = self.providers.builtin_recogniser().filter(|_| hears);
        ears.map(|ears| told(ask(ears))).unwrap_or_default()
    }

    /// A voice by its name.
    pub(crate) fn voice(&self, name: &str) -> Result<Arc<dyn TextToSpeech>, Failure> {
        self.providers.voice(name).map_err(|error| Failure::usage(error.to_string()))
    }

    /// What is missing for the built-in vendors to work, each with what to do about it.
    pub(crate) fn findings(&self) -> Vec<providers::Finding> {
        self.providers.doctor()
    }

    /// All agents of a configuration. An agent gets the vendors that its kind has a use for.
    pub(crate) fn agents(&self, config: &Config) -> Result<Agents, Failure> {
        self.providers.inject(config.faults.clone()).map_err(|misfit| Failure::config(misfit.to_string()))?;
        let mut agents = Agents::new();
        for (name, wanted) in &config.agents {
            let agent = self.agent(name, wanted, config)?;
            agents.insert(name.clone(), Arc::new(agent));
        }
        Ok(agents)
    }

    /// What is known of every link.
    pub(crate) fn health(&self) -> Arc<Health> {
        self.providers.health()
    }

    /// From now on the links of this configuration are probed while no call uses them.
    pub(crate) fn watch(&self, config: &Config) {
        for probe in self.probes(config) {
            self.providers.health().watch(probe);
        }
    }

    /// How each way to each vendor is asked whether it is there.
    pub(crate) fn probes(&self, config: &Config) -> Vec<Arc<dyn Probe>> {
        let of = |agent: &config::Agent| {
            let roles = agent.roles().iter();
            roles
                .flat_map(|role| agent.entries(*role).into_iter().map(|entry| (*role, entry)))
                .collect::<Vec<_>>()
        };
        let used: Vec<_> = config.agents.values().flat_map(of).collect();
        self.providers.probes(&config.vendors, &used)
    }

    fn agent(&self, name: &str, wanted: &config::Agent, config: &Config) -> Result<Agent, Failure> {
        let fault = |key: &str, why: String| Failure::config(format!("agents.{name}.{key}: {why}"));
        let mut settings = wanted.call_settings();
        let own = wanted.tools.own.iter().map(|(name, tool)| (name.as_str(), tool));
        let tools = ToolRunner::new(own).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::config(format!("agents.{name}: {}", lines.join("; ")))
        })?;
        settings.tools.declared = tools.declared().into();
        if !config.recording.enabled {
            // Nobody is asked for what will not be done, and the call log holds no sound either.
            settings.recording = call::Recording { consent: call::Consent::Off, ..Default::default() };
        }
        let answers = settings.recording.phrases();
        let mut agent = Agent::new(name, settings);
        agent.tools = (!wanted.tools.own.is_empty()).then(|| Arc::new(tools));
        agent.language.clone_from(&wanted.language);
        agent.phrases.clone_from(&wanted.phrases);
        agent.phrases.extend(answers);
        agent.transfers = wanted.transfer.for_carriers();
        agent.record = config.recording.enabled;
        agent.call_log = true;
        let script = script(wanted.script.as_deref()).map_err(|why| fault("script", why))?;
        let script = Arc::new(script);
        let vendors = &config.vendors;
        for role in wanted.roles() {
            let entries = wanted.entries(*role);
            let fault = |misfit: Misfit| fault(role.as_str(), misfit.to_string());
            match role {
                Role::SpeechToText => {
                    agent.recogniser = Some(self.providers.speech_to_text(vendors, &entries).map_err(fault)?);
                }
                Role::TextToSpeech => {
                    let voice = self.providers.text_to_speech(vendors, &entries).map_err(fault)?;
                    agent.voice = Some(Arc::new(self.cached(voice, wanted, config)));
                }
                Role::LanguageModel => {
                    if entries.iter().any(|entry| BUILTIN_MODELS.contains(&entry.vendor.as_str())) {
                        agent.phrases.extend(script.phrases());
                    }
                    agent.model =
                        Some(self.providers.language_model(vendors, &entries, &script).map_err(fault)?);
                }
                Role::SpeechToSpeech => {
                    let vendor = self.providers.speech_to_speech(vendors, &entries).map_err(fault)?;
                    agent.speech_to_speech = Some(vendor);
                }
            }
        }
        Ok(agent)
    }

    /// A voice that makes the sentences which are always the same only once.
    fn cached(&self, voice: Arc<dyn TextToSpeech>, wanted: &config::Agent, config: &Config) -> CachedVoice {
        // All that makes it sound as it does: the list, and what is set about its vendors.
        let set = wanted.entries(Role::TextToSpeech).into_iter().map(|entry| {
            let vendor = config.vendors.get(&entry.vendor);
            let role = vendor.map(|vendor| (&vendor.api, &vendor.base_url, &vendor.text_to_speech));
            format!("{entry} {role:?}")
        });
        let fixed = wanted.call_settings().fixed_sentences();
        CachedVoice::new(voice, &set.collect::<Vec<_>>().join("; "), fixed, self.cache.clone())
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
