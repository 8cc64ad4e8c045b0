//! From what an agent's list names to the ways that lead there, or why there is none. Opens nothing, so that a
//! configuration can be checked by it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use super::capabilities::{Role, Way};
use super::entry::Entry;
use super::ways::WAYS;
use crate::local::flite::VoiceName;
use crate::{Api, DialectOptions, LinkId, RoleOptions, Transport, TransportChoice, VendorOptions};

/// The vendors of a configuration by their names.
pub type VendorTable = BTreeMap<String, VendorOptions>;

/// Names that no vendor of a configuration may have: those of the built-in ones.
pub const RESERVED: [&str; 5] = ["builtin", "flite", "pocketsphinx", "scripted", "fake"];

/// Why an entry leads nowhere. The configuration has to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// No vendor of this name is configured or built in.
    #[error("there is no vendor \"{name}\" for {}; there are: {}", role.as_str(), known.join(", "))]
    NoSuchVendor {
        /// The name.
        name: String,
        /// The role that it was named for.
        role: Role,
        /// Names that would do.
        known: Vec<String>,
    },
    /// Its API does not have the role.
    #[error("vendor \"{vendor}\" has no {}; it has {}", role.as_str(), there.join(", "))]
    NoSuchRole {
        /// The vendor's name.
        vendor: String,
        /// The role.
        role: Role,
        /// The roles that it has.
        there: Vec<&'static str>,
    },
    /// Its API can't be reached in that way in this role.
    #[error(
        "vendors.{vendor}.{}.transport is \"{}\", but that API has only {} there", role.as_str(), wanted.as_str(),
        there.as_str()
    )]
    NoSuchTransport {
        /// The vendor's name.
        vendor: String,
        /// The role.
        role: Role,
        /// The way that was chosen.
        wanted: Transport,
        /// The way that there is.
        there: Transport,
    },
    /// A key is needed.
    #[error("vendor \"{vendor}\" has no key; set {how}")]
    NoKey {
        /// The vendor's name.
        vendor: String,
        /// Where it can be set.
        how: String,
    },
    /// Something about the vendor itself is wrong.
    #[error("vendors.{vendor}.{key}: {why}")]
    Vendor {
        /// The vendor's name.
        vendor: String,
        /// The key in its table.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A built-in vendor has no such voice or model.
    #[error("there is no \"{name}\"; there are: {}", known.join(", "))]
    NoSuchChoice {
        /// What was named.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No vendor can be reached from here at all.
    #[error("the network can't be used: {0}")]
    Net(String),
    /// The list is empty.
    #[error("no vendor is named; an assistant needs one")]
    Empty,
}

/// A vendor that is part of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    Flite(VoiceName),
    Pocketsphinx,
    Scripted,
    Fake,
}

/// What an entry leads to.
#[derive(Debug)]
pub(crate) enum Plan {
    Builtin {
        link: LinkId,
        which: Builtin,
    },
    /// Ways in the order in which they are to be tried, at least one.
    Links(Vec<LinkPlan>),
}

/// One way to one vendor, with all that its dialect is made of.
#[derive(Debug)]
pub(crate) struct LinkPlan {
    pub(crate) link: LinkId,
    pub(crate) way: &'static Way,
    pub(crate) options: DialectOptions,
    /// Google: the service account's file.
    pub(crate) credentials: Option<PathBuf>,
}

/// Whether this entry leads somewhere.
pub fn check_entry(vendors: &VendorTable, role: Role, entry: &Entry) -> Result<(), Misfit> {
    plan(vendors, role, entry).map(|_| ())
}

/// What is wrong with a vendor, whoever uses it: the key in its table, and what.
pub fn check_vendor(name: &str, vendor: &VendorOptions) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    if RESERVED.contains(&name) {
        problems.push(("api", format!("\"{name}\" is the name of a built-in vendor; take another")));
    } else if api(name, vendor).is_none() {
        let known = Api::ALL.map(Api::as_str).join(", ");
        problems.push((
            "api",
            format!("it is missing, and \"{name}\" is not the name of one; there are: {known}"),
        ));
    }
    if let Some(text) = &vendor.base_url
        && let Err(why) = base(text)
    {
        problems.push(("base_url", why));
    }
    problems
}

/// Every way of the vendors of a configuration, used or not, with the vendor's name.
pub(crate) fn all_ways(vendors: &VendorTable) -> impl Iterator<Item = (&str, &'static Way)> {
    vendors.iter().flat_map(|(name, vendor)| {
        let api = api(name, vendor);
        WAYS.iter().filter(move |way| Some(way.api) == api).map(move |way| (name.as_str(), way))
    })
}

/// What this entry leads to.
pub(crate) fn plan(vendors: &VendorTable, role: Role, entry: &Entry) -> Result<Plan, Misfit> {
    if RESERVED.contains(&entry.vendor.as_str()) {
        let link = LinkId::new(&entry.vendor, role, Transport::Local);
        return Ok(Plan::Builtin { link, which: builtin(role, entry)? });
    }
    let implied = VendorOptions::default();
    let vendor = vendors.get(&entry.vendor).unwrap_or(&implied);
    let Some(api) = api(&entry.vendor, vendor) else {
        // One that is configured without an API is told so at its table.
        let known = known(vendors, role);
        return Err(Misfit::NoSuchVendor { name: short(&entry.vendor), role, known });
    };
    let ways: Vec<&'static Way> = WAYS.iter().filter(|way| way.api == api && way.role == role).collect();
    let Some(first) = ways.first() else {
        let mut there: Vec<&str> =
            WAYS.iter().filter(|way| way.api == api).map(|way| way.role.as_str()).collect();
        there.dedup();
        return Err(Misfit::NoSuchRole { vendor: entry.vendor.clone(), role, there });
    };
    let mut options = of_role(vendor, role).clone();
    let wanted = match options.transport {
        TransportChoice::Auto => None,
        TransportChoice::Websocket => Some(Transport::Websocket),
        TransportChoice::Http => Some(Transport::Http),
    };
    let chosen: Vec<&'static Way> =
        ways.iter().copied().filter(|way| wanted.is_none_or(|wanted| wanted == way.transport)).collect();
    if let (Some(wanted), true) = (wanted, chosen.is_empty()) {
        let there = first.transport;
        return Err(Misfit::NoSuchTransport { vendor: entry.vendor.clone(), role, wanted, there });
    }
    if needs_key(api, role, vendor) {
        return Err(Misfit::NoKey {
            vendor: entry.vendor.clone(),
            how: how_to_set_a_key(&entry.vendor, api, role),
        });
    }
    if let Some(choice) = &entry.choice {
        let place = if role == Role::TextToSpeech { &mut options.voice } else { &mut options.model };
        *place = Some(choice.clone());
    }
    if (api, role) == (Api::Elevenlabs, Role::SpeechToSpeech) && options.model.is_none() {
        return Err(Misfit::Vendor {
            vendor: entry.vendor.clone(),
            key: "speech_to_speech.model",
            why: format!(
                "which agent is not said; write \"{}:AGENT_ID\", or set it here, in keys.elevenlabs_agent or as \
                 ELEVENLABS_AGENT_ID in the environment",
                entry.vendor
            ),
        });
    }
    // An account of the Cloud APIs goes before a key, which is Gemini's then.
    let has_account = has_account(api, role, vendor);
    let link = |way: &'static Way| {
        let text = vendor.base_url.as_deref().unwrap_or(way.base_url);
        let base = base(text).map_err(|why| Misfit::Vendor {
            vendor: entry.vendor.clone(),
            key: "base_url",
            why,
        })?;
        Ok(LinkPlan {
            link: LinkId::new(&entry.vendor, role, way.transport),
            way,
            options: DialectOptions {
                base,
                key: vendor.key.clone().filter(|_| !has_account),
                headers: vendor.headers.clone(),
                role: options.clone(),
            },
            credentials: vendor.credentials_file.clone().filter(|_| has_account),
        })
    };
    chosen.into_iter().map(link).collect::<Result<_, _>>().map(Plan::Links)
}

/// The API that a vendor speaks.
fn api(name: &str, vendor: &VendorOptions) -> Option<Api> {
    vendor.api.or_else(|| Api::ALL.into_iter().find(|api| api.as_str() == name))
}

const fn of_role(vendor: &VendorOptions, role: Role) -> &RoleOptions {
    match role {
        Role::SpeechToText => &vendor.speech_to_text,
        Role::LanguageModel => &vendor.language_model,
        Role::TextToSpeech => &vendor.text_to_speech,
        Role::SpeechToSpeech => &vendor.speech_to_speech,
    }
}

/// The base URL of a configuration, as one.
fn base(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("it is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "it begins with {}://; write https:// (or http:// for a server nearby)",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user or a password; give them in headers".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment; give parameters in the role's query".to_owned());
    }
    Ok(url)
}

/// Whether a key is missing. Servers of one's own often have none: those that speak OpenAI's API elsewhere, and
/// all that are reached without TLS.
fn needs_key(api: Api, role: Role, vendor: &VendorOptions) -> bool {
    // A public agent of ElevenLabs' is open to everybody.
    if (api, role) == (Api::Elevenlabs, Role::SpeechToSpeech) {
        return false;
    }
    let is_own = vendor.base_url.as_ref().is_some_and(|url| api == Api::Openai || url.starts_with("http://"));
    vendor.key.is_none() && !is_own && !has_account(api, role, vendor)
}

/// Whether a service account stands in for a key.
fn has_account(api: Api, role: Role, vendor: &VendorOptions) -> bool {
    api == Api::Google && role != Role::LanguageModel && vendor.credentials_file.is_some()
}

fn how_to_set_a_key(name: &str, api: Api, role: Role) -> String {
    let mut ways = vec![format!("vendors.{name}.key or vendors.{name}.key_file")];
    if name == api.as_str() {
        ways.extend(match (api, role) {
            (Api::Deepgram, _) => Some("DEEPGRAM_API_KEY in the environment".to_owned()),
            (Api::Openai, _) => Some("OPENAI_API_KEY in the environment".to_owned()),
            (Api::Elevenlabs, _) => Some("ELEVENLABS_API_KEY in the environment".to_owned()),
            (Api::Anthropic, _) => Some("ANTHROPIC_API_KEY in the environment".to_owned()),
            (Api::Google, Role::LanguageModel) => Some("GEMINI_API_KEY in the environment".to_owned()),
            (Api::Google, _) => None,
        });
    }
    if api == Api::Google && role != Role::LanguageModel {
        ways.push(format!("vendors.{name}.credentials_file (GOOGLE_APPLICATION_CREDENTIALS)"));
    }
    ways.join(", or ")
}

/// Names that would do in this role: those that are configured, built in, or only lack a key.
fn known(vendors: &VendorTable, role: Role) -> Vec<String> {
    let configured = vendors.iter().filter(|(name, vendor)| {
        let api = api(name, vendor);
        WAYS.iter().any(|way| Some(way.api) == api && way.role == role)
    });
    let mut names: Vec<String> = configured.map(|(name, _)| name.clone()).collect();
    for way in WAYS.iter().filter(|way| way.role == role) {
        if !names.iter().any(|name| name == way.api.as_str()) {
            names.push(way.api.as_str().to_owned());
        }
    }
    names.extend(builtins(role));
    names
}

/// The names of what is built in for a role.
fn builtins(role: Role) -> Vec<String> {
    match role {
        Role::SpeechToText => ["builtin", "fake"].map(str::to_owned).to_vec(),
        Role::LanguageModel => ["builtin", "scripted", "fake"].map(str::to_owned).to_vec(),
        Role::TextToSpeech => {
            let flite = VoiceName::ALL.map(|voice| format!("flite:{voice}"));
            ["builtin".to_owned()].into_iter().chain(flite).chain(["fake".to_owned()]).collect()
        }
        Role::SpeechToSpeech => Vec::new(),
    }
}

fn builtin(role: Role, entry: &Entry) -> Result<Builtin, Misfit> {
    let found = match (role, entry.vendor.as_str(), entry.choice.as_deref()) {
        (Role::TextToSpeech, "builtin" | "flite", None) => Some(Builtin::Flite(VoiceName::default())),
        (Role::TextToSpeech, "flite", Some(voice)) => voice.parse().ok().map(Builtin::Flite),
        (Role::SpeechToText, "builtin" | "pocketsphinx", None) => Some(Builtin::Pocketsphinx),
        (Role::LanguageModel, "builtin" | "scripted", None) => Some(Builtin::Scripted),
        (Role::SpeechToText | Role::LanguageModel | Role::TextToSpeech, "fake", None) => Some(Builtin::Fake),
        _ => None,
    };
    found.ok_or_else(|| Misfit::NoSuchChoice { name: short(&entry.to_string()), known: builtins(role) })
}

/// A name as an error may repeat it.
fn short(name: &str) -> String {
    name.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
