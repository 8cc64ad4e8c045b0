//! Entries that lead somewhere, and what is said of those that do not.

use super::*;

fn vendors(text: &str) -> VendorTable {
    toml::from_str(text).unwrap()
}

fn links(vendors: &VendorTable, role: Role, entry: &str) -> Vec<LinkPlan> {
    match plan(vendors, role, &Entry::parse(entry)) {
        Ok(Plan::Links(links)) => links,
        other => panic!("{entry}: {other:?}"),
    }
}

fn misfit(vendors: &VendorTable, role: Role, entry: &str) -> String {
    check_entry(vendors, role, &Entry::parse(entry)).unwrap_err().to_string()
}

#[test]
fn the_websocket_goes_before_http_and_either_can_be_chosen() {
    let transports = |transport: &str| -> Vec<Transport> {
        let table = format!("[deepgram]\nkey = 'k'\nspeech_to_text.transport = '{transport}'");
        let links = links(&vendors(&table), Role::SpeechToText, "deepgram");
        links.iter().map(|plan| plan.link.transport).collect()
    };
    assert_eq!(transports("auto"), [Transport::Websocket, Transport::Http]);
    assert_eq!(transports("websocket"), [Transport::Websocket]);
    assert_eq!(transports("http"), [Transport::Http]);
}

#[test]
fn what_an_agent_chooses_is_the_voice_or_the_model() {
    let vendors = vendors(
        "[elevenlabs]\nkey = 'k'\ntext_to_speech = { voice = 'theirs', model = 'flash' }\n\
         [local]\napi = 'openai'\nbase_url = 'http://127.0.0.1:11434/v1'",
    );
    let voice = &links(&vendors, Role::TextToSpeech, "elevenlabs:ours")[0];
    assert_eq!(voice.options.role.voice.as_deref(), Some("ours"));
    assert_eq!(voice.options.role.model.as_deref(), Some("flash"));
    let model = &links(&vendors, Role::LanguageModel, "local:llama3.2:3b")[0];
    assert_eq!(model.options.role.model.as_deref(), Some("llama3.2:3b"));
    assert_eq!(model.link.vendor.as_ref(), "local");
    assert_eq!(model.options.base.as_str(), "http://127.0.0.1:11434/v1");
}

#[test]
fn what_leads_nowhere_says_what_would() {
    let vendors = vendors(
        "[deepgram]\nkey = 'k'\n[claude]\napi = 'anthropic'\nkey = 'k'\n[odd]\nkey = 'k'\n\
         [openai]\nkey = 'k'\nlanguage_model.transport = 'websocket'\n\
         [far]\napi = 'openai'\nbase_url = 'ftp://x/'",
    );
    for (role, entry, wanted) in [
        (
            Role::SpeechToText,
            "depgram",
            "there is no vendor \"depgram\" for speech_to_text; there are: deepgram, ",
        ),
        (Role::SpeechToText, "odd", "there is no vendor \"odd\""),
        (
            Role::LanguageModel,
            "deepgram",
            "vendor \"deepgram\" has no language_model; it has speech_to_text, text_to_speech",
        ),
        (Role::TextToSpeech, "claude", "vendor \"claude\" has no text_to_speech; it has language_model"),
        (Role::TextToSpeech, "flite:zoe", "there is no \"flite:zoe\"; there are: builtin, flite:slt, "),
        (Role::SpeechToText, "scripted", "there is no \"scripted\"; there are: builtin, fake"),
        (
            Role::LanguageModel,
            "openai",
            "vendors.openai.language_model.transport is \"websocket\", but that API has only http there",
        ),
        (Role::LanguageModel, "far", "vendors.far.base_url: it begins with ftp://"),
        (
            Role::TextToSpeech,
            "elevenlabs",
            "vendor \"elevenlabs\" has no key; set vendors.elevenlabs.key or vendors.elevenlabs.key_file, or \
             ELEVENLABS_API_KEY in the environment",
        ),
    ] {
        let found = misfit(&vendors, role, entry);
        assert!(found.starts_with(wanted), "{entry}\n found: {found}\nwanted: {wanted}");
    }
    let odd = check_vendor("odd", &vendors["odd"]);
    assert_eq!(odd[0].0, "api");
    assert!(odd[0].1.contains("deepgram, openai, google, elevenlabs, anthropic"), "{odd:?}");
    assert!(check_vendor("builtin", &vendors["claude"])[0].1.contains("built-in"));
    assert!(check_vendor("deepgram", &vendors["deepgram"]).is_empty());
}

#[test]
fn a_server_of_ones_own_needs_no_key() {
    let vendors = vendors(
        "[vllm]\napi = 'openai'\nbase_url = 'https://gpu.example.com/v1'\n\
         [deepgram]\nbase_url = 'http://10.0.0.5:8080'\n\
         [google]\ncredentials_file = '/etc/google.json'",
    );
    for (role, entry) in [
        (Role::LanguageModel, "vllm"),
        (Role::SpeechToText, "deepgram"),
        (Role::TextToSpeech, "google"),
        (Role::SpeechToText, "google"),
    ] {
        assert_eq!(check_entry(&vendors, role, &Entry::parse(entry)), Ok(()), "{entry}");
    }
    assert!(misfit(&vendors, Role::LanguageModel, "google").contains("GEMINI_API_KEY"));
}

#[test]
fn a_key_does_not_come_back_in_what_is_printed() {
    let vendors = vendors("[deepgram]\nkey = 'canary'\nheaders = { 'X-Secret' = 'canary' }");
    let plan = links(&vendors, Role::SpeechToText, "deepgram");
    let shown = format!("{plan:?} {vendors:?} {}", serde_json::to_string(&vendors).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("X-Secret"), "{shown}");
}

#[test]
fn every_way_has_an_address_that_can_be_used() {
    for way in WAYS {
        assert!(base(way.base_url).is_ok(), "{way:?}");
        assert_eq!(way.rates.is_empty(), way.role == Role::LanguageModel, "{way:?}");
        assert_eq!(way.encodings.is_empty(), way.rates.is_empty(), "{way:?}");
    }
}
