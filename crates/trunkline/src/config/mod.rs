//! Configuration: flags over environment over file over defaults. Nothing is guessed: an unknown key, a wrong
//! type or a reference that leads nowhere is an error that says where it stands and what was probably meant.

mod acting;
mod agent;
mod alerts;
mod aliases;
pub(crate) mod builtin;
mod check;
mod file;
mod keep;
mod keys;
mod layers;
mod problem;
mod schema;
mod secrets;
mod show;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ::config::{Value, ValueKind};
use providers::Api;

pub(crate) use acting::{Listens, Region};
pub(crate) use agent::Agent;
pub(crate) use problem::{Problem, Problems, suggestion};
pub(crate) use schema::{Config, LogFormat};
pub(crate) use show::{defaults, effective, effective_json};

use layers::Tree;

/// The file that is read when none is named and it exists.
pub(crate) const DEFAULT_FILE: &str = "trunkline.toml";

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The file named by `--config`; it must exist.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Flags: the key, the flag's name, the text.
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// This process's environment and a file, if one is named.
    pub(crate) fn of_process(file: Option<&Path>) -> Self {
        // A value that is not Unicode can't be one of ours.
        let environment = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        Self { file: file.map(Path::to_owned), environment, flags: Vec::new() }
    }

    /// Sets a key by a flag, if the flag was given.
    pub(crate) fn flag(
        mut self,
        key: &'static str,
        flag: &'static str,
        value: Option<impl ToString>,
    ) -> Self {
        self.flags.extend(value.map(|value| (key, flag, value.to_string())));
        self
    }
}

/// A configuration that can be run, and where each part of it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) origins: BTreeMap<String, String>,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
}

/// Loads and checks everything.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let file = match &sources.file {
        Some(file) => Some(file.clone()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
    };
    let (mut tree, places) = match &file {
        Some(file) => {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .map_err(|error| Problem::new(name.clone(), format!("it can't be read: {error}")))?;
            let places = file::check(&name, &text)?;
            (layers::from_file(&name, &text)?, places)
        }
        None => (Tree::new(), file::Places::default()),
    };
    layers::merge(&mut tree, layers::from_environment(&sources.environment)?);
    for (key, flag, text) in &sources.flags {
        layers::set(&mut tree, key, Value::new(Some(&(*flag).to_owned()), ValueKind::String(text.clone())));
    }
    let mut origins = BTreeMap::new();
    layers::origins(&tree, "", &mut origins);
    complete_agents(&mut tree)?;
    let mut config: Config = Value::new(None, ValueKind::Table(tree))
        .try_deserialize()
        .map_err(|error| layers::fault(&error, &origins))?;

    config.take_older_names();
    let place = |path: &str| origin_of(path, &origins, &places);
    let mut problems = secrets::read(
        &mut config,
        sources.environment.get("CREDENTIALS_DIRECTORY").map(String::as_str),
        place,
    );
    imply_hosted_agent(&mut config);
    apply_port(&mut config, layers::port(&sources.environment)?, &mut origins);
    let place = |path: &str| origin_of(path, &origins, &places);
    problems.extend(check::check(&config, place));
    if problems.is_empty() { Ok(Loaded { config, origins, file }) } else { Err(Problems(problems)) }
}

/// Where a key was set: in the file with its line, or by a variable or a flag. For an agent's key that it does
/// not set itself, where `agent_defaults` does.
fn origin_of(path: &str, origins: &BTreeMap<String, String>, places: &file::Places) -> String {
    let shared = path
        .strip_prefix("agents.")
        .and_then(|rest| rest.split_once('.'))
        .map(|(_, rest)| format!("agent_defaults.{rest}"));
    let set = [Some(path.to_owned()), shared].into_iter().flatten().find(|path| origins.contains_key(path));
    match set {
        Some(path) => {
            let origin = &origins[&path];
            let is_elsewhere = origin.starts_with("the environment") || origin.starts_with("--");
            if is_elsewhere { origin.clone() } else { places.of(&path).unwrap_or_else(|| origin.clone()) }
        }
        None => places.of(path).unwrap_or_else(|| "the configuration".to_owned()),
    }
}

/// Gives every agent all that it does not set itself: of the built-in agent of its name, then of
/// `agent_defaults`.
fn complete_agents(tree: &mut Tree) -> Result<(), Problems> {
    let shared = layers::take_table(tree, "agent_defaults");
    let mut own = layers::take_table(tree, "agents");
    let names: BTreeSet<String> = own.keys().cloned().chain(builtin::NAMES.map(str::to_owned)).collect();
    let mut agents = Tree::new();
    for name in names {
        let text = builtin::text(&name).unwrap_or_default();
        let mut agent = layers::from_file("built in", text)?;
        layers::merge(&mut agent, shared.clone());
        layers::merge(&mut agent, layers::take_table(&mut own, &name));
        agents.insert(name, Value::new(None, ValueKind::Table(agent)));
    }
    tree.insert("agents".to_owned(), Value::new(None, ValueKind::Table(agents)));
    tree.insert("agent_defaults".to_owned(), Value::new(None, ValueKind::Table(shared)));
    Ok(())
}

/// The id of an agent at ElevenLabs that is set for all is that of every vendor there that names none.
fn imply_hosted_agent(config: &mut Config) {
    let Some(id) = config.keys.elevenlabs_agent.clone().filter(|id| !id.is_empty()) else { return };
    let usual = Api::Elevenlabs.as_str();
    config.vendors.entry(usual.to_owned()).or_default();
    for (name, vendor) in &mut config.vendors {
        if vendor.api == Some(Api::Elevenlabs) || (vendor.api.is_none() && name == usual) {
            vendor.speech_to_speech.model.get_or_insert_with(|| id.clone());
        }
    }
}

/// `PORT` is what a platform says it will connect to. It gives way to a `listen` that was set, and opens all
/// interfaces only where strangers are kept out.
fn apply_port(config: &mut Config, port: Option<u16>, origins: &mut BTreeMap<String, String>) {
    if let Some(port) = port.filter(|_| !origins.contains_key("server.listen")) {
        let ip = if config.server.has_authentication() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        config.server.listen = SocketAddr::new(IpAddr::V4(ip), port);
        origins.insert("server.listen".to_owned(), "the environment variable PORT".to_owned());
    }
}

#[cfg(test)]
mod tests;
