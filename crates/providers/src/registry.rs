//! Vendors by the names that configuration gives them.

mod accounts;
mod build;
mod capabilities;
mod entry;
mod plan;
mod ways;

use std::sync::{Arc, OnceLock};

use audio::SampleRate;

use crate::chain::{self, AgentChain, EarChain, ModelChain, VoiceChain};
use crate::driver::{Net, NetOptions, Probe};
use crate::fake::{FakeModel, FakeRecogniser, FakeVoice, Manner};
use crate::local::flite::{self, FliteVoice, VoiceName, VoicePool};
use crate::local::{Script, ScriptedModel, SphinxRecogniser, SphinxSettings};
use crate::{
    FaultPlan, Health, LanguageModel, LinkId, SpeechToSpeech, SpeechToText, TextToSpeech, Transport,
};

pub use capabilities::{Capabilities, Role, Streams};
pub use entry::Entry;
pub use plan::{Misfit, RESERVED, VendorTable, check_entry, check_vendor};

use accounts::Accounts;
use build::{Built, Shell};
use plan::{Builtin, LinkPlan, Plan, plan};

/// What the stand-in recogniser hears: long enough for the stand-in model's answer to be worth interrupting.
const FAKE_WORDS: &str = "what are your opening hours today";

/// The rates of lines.
const LINE_RATES: [SampleRate; 4] =
    [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000, SampleRate::HZ_48000];

/// Whether something that a built-in vendor needs is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The vendor.
    pub name: String,
    /// What is wrong and what to do; None when it works.
    pub problem: Option<String>,
}

/// The vendors of this process, which share their threads.
#[derive(Default)]
pub struct Providers {
    voice_threads: Option<usize>,
    voices: OnceLock<Arc<VoicePool>>,
    sphinx: Option<SphinxRecogniser>,
    net: OnceLock<Arc<Net>>,
    accounts: Accounts,
    health: Arc<Health>,
}

impl Providers {
    /// Vendors with their defaults. Nothing is opened or started until it is asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this many threads for the built-in voice instead of one for each core.
    #[must_use]
    pub const fn with_voice_threads(mut self, threads: usize) -> Self {
        self.voice_threads = Some(threads);
        self
    }

    /// The same with the built-in recogniser run so. Without it there is none.
    #[must_use]
    pub fn with_recogniser(mut self, settings: SphinxSettings) -> Self {
        self.sphinx = Some(SphinxRecogniser::new(settings));
        self
    }

    /// Speech to text by the vendors of an agent's list, the first one that works.
    pub fn speech_to_text(
        &self,
        vendors: &VendorTable,
        entries: &[Entry],
    ) -> Result<Arc<dyn SpeechToText>, Misfit> {
        let builtin = |builtin| -> Option<Arc<dyn SpeechToText>> {
            match builtin {
                Builtin::Pocketsphinx => Some(Arc::new(self.sphinx.clone()?)),
                _ => Some(Arc::new(FakeRecogniser::new(vec![FAKE_WORDS.to_owned()], Manner::default()))),
            }
        };
        let links = self.links(plans(vendors, Role::SpeechToText, entries)?, builtin, build::ear)?;
        Ok(alone(&links).unwrap_or_else(|| Arc::new(EarChain::new(chained(links), self.health()))))
    }

    /// A language model by the vendors of an agent's list. The built-in one follows `script`.
    pub fn language_model(
        &self,
        vendors: &VendorTable,
        entries: &[Entry],
        script: &Arc<Script>,
    ) -> Result<Arc<dyn LanguageModel>, Misfit> {
        let builtin = |builtin| -> Option<Arc<dyn LanguageModel>> {
            match builtin {
                Builtin::Scripted => Some(Arc::new(ScriptedModel::new(Arc::clone(script)))),
                _ => Some(Arc::new(FakeModel::echo(Manner::default()))),
            }
        };
        let links = self.links(plans(vendors, Role::LanguageModel, entries)?, builtin, build::model)?;
        Ok(alone(&links).unwrap_or_else(|| Arc::new(ModelChain::new(chained(links), self.health()))))
    }

    /// Text to speech by the vendors of an agent's list.
    pub fn text_to_speech(
        &self,
        vendors: &VendorTable,
        entries: &[Entry],
    ) -> Result<Arc<dyn TextToSpeech>, Misfit> {
        let builtin = |builtin| -> Option<Arc<dyn TextToSpeech>> {
            match builtin {
                Builtin::Flite(voice) => {
                    let pool = self.voices.get_or_init(|| Arc::new(self.voice_pool()));
                    Some(Arc::new(FliteVoice::new(voice, Arc::clone(pool))))
                }
                _ => Some(Arc::new(FakeVoice::default())),
            }
        };
        let links = self.links(plans(vendors, Role::TextToSpeech, entries)?, builtin, build::voice)?;
        Ok(alone(&links).unwrap_or_else(|| Arc::new(VoiceChain::new(chained(links), self.health()))))
    }

    /// One vendor in the place of all three.
    pub fn speech_to_speech(
        &self,
        vendors: &VendorTable,
        entries: &[Entry],
    ) -> Result<Arc<dyn SpeechToSpeech>, Misfit> {
        let links = self.links(plans(vendors, Role::SpeechToSpeech, entries)?, |_| None, build::agent)?;
        Ok(Arc::new(AgentChain::new(chained(links), self.health())))
    }

    /// How each way to each of these entries, and to each vendor of the configuration in each of its roles, is
    /// asked whether it is there. Every link once; an entry's own choice of model or voice goes first.
    pub fn probes(&self, vendors: &VendorTable, used: &[(Role, Entry)]) -> Vec<Arc<dyn Probe>> {
        let configured = vendors
            .keys()
            .flat_map(|name| Role::ALL.map(|role| (role, Entry { vendor: name.clone(), choice: None })));
        let mut probes: Vec<Arc<dyn Probe>> = Vec::new();
        for (role, entry) in used.iter().cloned().chain(configured) {
            // What can't be used has been told with the configuration; an unused role of a vendor is no fault.
            let Ok(plans) = plans(vendors, role, &[entry]) else { continue };
            let found = match role {
                Role::SpeechToText => self.links(plans, |_| None, build::ear).map(probes_of),
                Role::LanguageModel => self.links(plans, |_| None, build::model).map(probes_of),
                Role::TextToSpeech => self.links(plans, |_| None, build::voice).map(probes_of),
                Role::SpeechToSpeech => self.links(plans, |_| None, build::agent).map(probes_of),
            };
            for probe in found.into_iter().flatten() {
                if probes.iter().all(|known| known.link() != probe.link()) {
                    probes.push(probe);
                }
            }
        }
        probes
    }

    /// What is known of every link of the process.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// From now on these faults are injected into links. For development only: the configuration's check refuses
    /// them in production.
    pub fn inject(&self, faults: FaultPlan) -> Result<(), Misfit> {
        if faults.links.is_empty() && self.net.get().is_none() {
            return Ok(());
        }
        self.net()?.inject(faults);
        Ok(())
    }

    /// The links of these plans, in order; at least one.
    fn links<T: ?Sized>(
        &self,
        plans: Vec<Plan>,
        builtin: impl Fn(Builtin) -> Option<Arc<T>>,
        build: impl Fn(LinkPlan, &Shell<'_>) -> Result<Built<T>, Misfit>,
    ) -> Result<Vec<Built<T>>, Misfit> {
        let mut all = Vec::new();
        for plan in plans {
            match plan {
                Plan::Builtin { link, which } => {
                    let built = |vendor| Built { link, vendor, api: None, deadline: None, probe: None };
                    all.extend(builtin(which).map(built));
                }
                Plan::Links(links) => {
                    for link in links {
                        let shell = self.shell(&link)?;
                        all.push(build(link, &shell)?);
                    }
                }
            }
        }
        if all.is_empty() { Err(Misfit::Empty) } else { Ok(all) }
    }

    fn shell(&self, plan: &LinkPlan) -> Result<Shell<'_>, Misfit> {
        let net = self.net()?;
        let vendor = &plan.link.vendor;
        let tokens = plan.credentials.as_ref().map(|file| self.accounts.tokens(vendor, file, net));
        let tokens = tokens.transpose().map_err(|why| Misfit::Vendor {
            vendor: vendor.to_string(),
            key: "credentials_file",
            why,
        })?;
        Ok(Shell { net, tokens })
    }

    /// The network, set up when the first vendor needs it.
    fn net(&self) -> Result<&Arc<Net>, Misfit> {
        if self.net.get().is_none() {
            let net = Net::new(&NetOptions::default()).map_err(|error| Misfit::Net(error.to_string()))?;
            // Another thread may have been quicker; then its network counts.
            let _ = self.net.set(Arc::new(net));
        }
        self.net.get().ok_or_else(|| Misfit::Net("it is not there".to_owned()))
    }

    /// A built-in voice: `builtin`, `flite`, `flite:slt` and the like, `fake`.
    pub fn voice(&self, name: &str) -> Result<Arc<dyn TextToSpeech>, Misfit> {
        self.text_to_speech(&VendorTable::new(), &[Entry::parse(name)])
    }

    /// A built-in model: `builtin` or `scripted` (following `script`), `fake` (says back what it hears).
    pub fn model(&self, name: &str, script: &Arc<Script>) -> Result<Arc<dyn LanguageModel>, Misfit> {
        self.language_model(&VendorTable::new(), &[Entry::parse(name)], script)
    }

    /// A built-in recogniser: `builtin` or `pocketsphinx`, `fake` (always hears `FAKE_WORDS`).
    pub fn recogniser(&self, name: &str) -> Result<Arc<dyn SpeechToText>, Misfit> {
        self.speech_to_text(&VendorTable::new(), &[Entry::parse(name)])
    }

    /// The built-in recogniser itself, for its phrases to be checked and its helpers to be started.
    pub const fn builtin_recogniser(&self) -> Option<&SphinxRecogniser> {
        self.sphinx.as_ref()
    }

    /// What each vendor can do: the built-in ones, then those of a configuration.
    pub fn capabilities(vendors: &VendorTable) -> Vec<Capabilities> {
        let of = |name: &str, role, rates: &[SampleRate], streams, about| Capabilities {
            name: name.to_owned(),
            role,
            transport: Transport::Local,
            rates: rates.to_vec(),
            encodings: if rates.is_empty() { Vec::new() } else { vec!["linear16"] },
            streams,
            word_times: false,
            needs_network: false,
            about,
        };
        let mut all = VoiceName::ALL
            .map(|voice| {
                let name = format!("flite:{voice}");
                of(&name, Role::TextToSpeech, &[voice.rate()], Streams::Yes, "English, built in")
            })
            .to_vec();
        all.extend([
            of("scripted", Role::LanguageModel, &[], Streams::Yes, "follows a script, built in"),
            of("pocketsphinx", Role::SpeechToText, &LINE_RATES, Streams::Yes, "English phrases, built in"),
            of("fake", Role::TextToSpeech, &[SampleRate::HZ_8000], Streams::Yes, "a tone, for tests"),
            of("fake", Role::LanguageModel, &[], Streams::No, "says back what it hears, for tests"),
            of("fake", Role::SpeechToText, &LINE_RATES, Streams::No, "always hears the same, for tests"),
        ]);
        all.extend(plan::all_ways(vendors).map(|(name, way)| way.capabilities(name)));
        all
    }

    /// Whether what the built-in vendors need is installed, and what to do if not. Opens it, for some 50 ms.
    pub fn doctor(&self) -> Vec<Finding> {
        let voices = VoiceName::ALL.map(|voice| Finding {
            name: format!("flite:{voice}"),
            problem: flite::check(voice).err().map(|error| error.to_string()),
        });
        let recogniser = self.sphinx.iter().map(|sphinx| Finding {
            name: "pocketsphinx".to_owned(),
            problem: sphinx.check().err().map(|error| error.to_string()),
        });
        voices.into_iter().chain(recogniser).collect()
    }

    fn voice_pool(&self) -> VoicePool {
        self.voice_threads.map_or_else(VoicePool::default, VoicePool::new)
    }
}

fn plans(vendors: &VendorTable, role: Role, entries: &[Entry]) -> Result<Vec<Plan>, Misfit> {
    entries.iter().map(|entry| plan(vendors, role, entry)).collect()
}

/// The only link, where it is part of this program: nothing can take its place, and it needs no breaker.
fn alone<T: ?Sized>(links: &[Built<T>]) -> Option<Arc<T>> {
    match links {
        [only] if only.link.transport == Transport::Local => Some(Arc::clone(&only.vendor)),
        _ => None,
    }
}

/// The links with their deadlines: the operator's, or the usual ones.
fn chained<T: ?Sized>(links: Vec<Built<T>>) -> Vec<chain::Link<T>> {
    let last = links.len() - 1;
    let link = |(at, built): (usize, Built<T>)| {
        let LinkId { role, transport, .. } = built.link;
        let usual = || chain::deadline(role, built.api, transport, at < last);
        chain::Link { deadline: built.deadline.unwrap_or_else(usual), role: built.vendor, id: built.link }
    };
    links.into_iter().enumerate().map(link).collect()
}

fn probes_of<T: ?Sized>(links: Vec<Built<T>>) -> Vec<Arc<dyn Probe>> {
    links.into_iter().filter_map(|link| link.probe).collect()
}
