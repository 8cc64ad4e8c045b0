//! The configuration's promises: places, suggestions, precedence, strings left alone, secrets kept.

use control::Door;
use secrecy::ExposeSecret as _;

use super::*;

fn sources(environment: &[(&str, &str)]) -> Sources {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Sources { environment, ..Sources::default() }
}

/// Loads a file of this text under this environment.
fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    std::fs::write(&file, text).unwrap();
    let sources = Sources { file: Some(file), ..sources(environment) };
    load(&sources)
        .map_err(|problems| problems.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn faults_are_placed_and_explained() {
    for (text, fault) in [
        (
            "[server]\ntokn = 'x'\n",
            "t.toml:2:1: there is no key \"tokn\" in [server]; did you mean \"token\"?",
        ),
        ("[sever]\n", "t.toml:1:2: there is no key \"sever\"; did you mean \"server\"?"),
        (
            "[server]\nmax_calls = 'many'",
            "t.toml:2:13: this is of type string, but a whole number is expected",
        ),
        (
            "[server]\n  token = 12345",
            "t.toml:2:11: this is of type integer, but a string is expected; put it in quotes",
        ),
        ("[server\n", "t.toml:1:8: "),
        (
            "[agents.assistant]\ntext_to_speech = 'flite:slk'",
            "t.toml:2:1: agents.assistant.text_to_speech: there is no \"flite:slk\"; did you mean \"flite:slt\"?",
        ),
        (
            "[agents.desk.turn]\nend_silense_ms = 3",
            "t.toml:2:1: there is no key \"end_silense_ms\" in [agents.desk.turn]; did you mean \"end_silence_ms\"?",
        ),
        (
            "default_agent = 'asistant'",
            "t.toml:1:1: default_agent: there is no agent \"asistant\"; did you mean \"assistant\"?",
        ),
        (
            "[agents.desk.playout]\nchunk_bytes = 100",
            "t.toml:1:9: agents.desk: playout.chunk_bytes is 100; it must be a multiple of 320 from 320 to 99840",
        ),
        ("[server.tls]\ncert = '/dev/null'", "t.toml:2:1: server.tls.cert: server.tls.key is missing"),
        ("[agents.desk]\nkind = 'robot'", "t.toml:2:8: unknown variant `robot`"),
    ] {
        let found = load_text(text, &[]).unwrap_err();
        assert!(found.starts_with(fault), "{text}\n found: {found}\nwanted: {fault}");
    }
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let found = load_text("foo = 1\n[server]\nbar = 2\n", &[]).unwrap_err();
    assert_eq!(found.lines().count(), 2, "{found}");
}

#[test]
fn a_token_of_digits_and_a_number_with_a_plus_survive() {
    for (token, from) in [("007", "+919876543210"), ("1e5", "true"), ("12345678901234567890123", "0x10")] {
        let environment = [("EXOTEL_WS_TOKEN", token), ("TRUNKLINE__KEYS__EXOTEL_ACCOUNT", from)];
        let loaded = load(&sources(&environment)).unwrap();
        assert_eq!(loaded.config.server.token.unwrap().expose_secret(), token);
        assert_eq!(loaded.config.exotel.account_sid.as_deref(), Some(from));
    }
    let loaded = load(&sources(&[("TRUNKLINE__SERVER__MAX_CALLS", "250")])).unwrap();
    assert_eq!(loaded.config.server.max_calls, 250);
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "[server]\nws_path = '/file'\nmax_calls = 1\ndrain_timeout_ms = 2";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.toml");
    std::fs::write(&path, file).unwrap();
    let environment = [
        ("WS_PATH", "/alias"),
        ("TRUNKLINE__SERVER__MAX_CALLS", "3"),
        ("TRUNKLINE__SERVER__DRAIN_TIMEOUT_MS", "4"),
    ];
    let sources = Sources { file: Some(path), ..sources(&environment) };
    let sources = sources.flag("server.max_calls", "--max-calls", Some(9));
    let server = load(&sources).unwrap().config.server;
    assert_eq!((server.ws_path.as_str(), server.max_calls, server.drain_timeout_ms), ("/alias", 9, 4));
    assert_eq!(server.worker_threads, 0);
}

#[test]
fn older_names_work_and_the_new_ones_win_over_them() {
    let loaded = load(&sources(&[
        ("RENDER_EXTERNAL_URL", "https://render.example.com"),
        ("WEBHOOK_BASE_URL", "https://voice.example.com"),
        ("GREETING_TEXT", "Namaste"),
        ("TTS_PROVIDER", "flite:awb"),
        ("OPENAI_API_KEY", "sk-1"),
        ("WS_PATH", "/old"),
        ("TRUNKLINE__SERVER__WS_PATH", "/new"),
    ]))
    .unwrap();
    assert_eq!(loaded.config.server.public_url.as_deref(), Some("https://voice.example.com"));
    assert_eq!(loaded.config.agents["assistant"].greeting, "Namaste");
    assert_eq!(loaded.config.agents["assistant"].text_to_speech, ["flite:awb"]);
    assert_eq!(loaded.config.vendors["openai"].key.as_ref().unwrap().expose_secret(), "sk-1");
    assert_eq!(loaded.config.server.ws_path, "/new");
}

#[test]
fn the_older_names_of_the_twilio_account_are_its_own() {
    let older = "[keys]\ntwilio_account = \"AC1\"\ntwilio_token = \"t1\"";
    let twilio = |environment: &[(&str, &str)]| {
        let twilio = load_text(older, environment).unwrap().config.twilio;
        (twilio.account_sid, twilio.auth_token.map(|token| token.expose_secret().to_owned()))
    };
    let pair = |sid: &str, token: &str| (Some(sid.to_owned()), Some(token.to_owned()));
    assert_eq!(twilio(&[]), pair("AC1", "t1"));
    assert_eq!(twilio(&[("TWILIO_AUTH_TOKEN", "t2")]), pair("AC1", "t2"));
    let environment = [("TWILIO_ACCOUNT_SID", "AC2"), ("TRUNKLINE__TWILIO__AUTH_TOKEN", "t3")];
    assert_eq!(twilio(&environment), pair("AC2", "t3"));
    let proxies = load_text("", &[("TRUNKLINE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1/128")]).unwrap();
    assert_eq!(proxies.config.server.trusted_proxies.len(), 2);
    assert!(load_text("[server]\ntrusted_proxies = [\"10.0.0.0/99\"]", &[]).is_err());
}

#[test]
fn the_port_opens_all_interfaces_only_with_authentication() {
    let listen =
        |environment: &[(&str, &str)]| load(&sources(environment)).unwrap().config.server.listen.to_string();
    assert_eq!(listen(&[("PORT", "9000")]), "127.0.0.1:9000");
    assert_eq!(listen(&[("PORT", "9000"), ("EXOTEL_WS_TOKEN", "secret")]), "0.0.0.0:9000");
    let both = [("PORT", "9000"), ("TRUNKLINE__SERVER__LISTEN", "127.0.0.1:1")];
    assert_eq!(listen(&both), "127.0.0.1:1");
    let error = load(&sources(&[("PORT", "http")])).unwrap_err().to_string();
    assert_eq!(error, "the environment variable PORT: \"http\" is not a port; use 1 to 65535");
}

#[test]
fn a_fault_in_the_environment_names_the_variable() {
    for (name, value, fault) in [
        (
            "TRUNKLINE__SERVER__TOKN",
            "x",
            "the environment variable TRUNKLINE__SERVER__TOKN: there is no key \"tokn\" in [server]; did you mean \"token\"?",
        ),
        ("TRUNKLINE__SERVER__MAX_CALLS", "many", "the environment variable TRUNKLINE__SERVER__MAX_CALLS: "),
        (
            "TTS_PROVIDER",
            "openai",
            "the environment variable TTS_PROVIDER: agents.assistant.text_to_speech: vendor \"openai\" has no key; set \
             vendors.openai.key or vendors.openai.key_file, or OPENAI_API_KEY in the environment",
        ),
    ] {
        let found = load(&sources(&[(name, value)])).unwrap_err().to_string();
        assert!(found.contains(fault), "{found}");
    }
}

#[test]
fn an_agent_takes_what_it_does_not_set_from_the_built_in_one_and_the_defaults() {
    let text = "[agent_defaults]\ntext_to_speech = 'flite:rms'\n[agent_defaults.turn]\nstop_ms = 300\n\
                [agents.assistant.turn]\nend_silence_ms = 700\n[agents.desk]\nkind = 'greeting'\n\
                text_to_speech = ['flite:awb']\n\
                phrases = ['hello', 'goodbye']";
    let agents = load_text(text, &[]).unwrap().config.agents;
    let assistant = &agents["assistant"];
    assert_eq!(
        (assistant.text_to_speech[0].as_str(), assistant.turn.stop_ms, assistant.turn.end_silence_ms),
        ("flite:rms", 300, 700)
    );
    assert!(assistant.greeting.contains("Sunrise Dental"));
    assert_eq!(agents["desk"].text_to_speech, ["flite:awb"]);
    assert_eq!(agents["desk"].kind, call::AgentKind::Greeting);
    let names: Vec<&str> = agents.keys().map(String::as_str).collect();
    assert_eq!(names, ["assistant", "beep", "desk", "echo", "greeting", "silent"]);
}

#[test]
fn lists_come_from_the_environment_with_commas() {
    let loaded = load(&sources(&[("TRUNKLINE__AGENT_DEFAULTS__PHRASES", "yes please, no thanks")])).unwrap();
    assert_eq!(loaded.config.agents["assistant"].phrases, ["yes please", "no thanks"]);
}

#[test]
fn vendors_are_set_in_the_file_and_by_the_environment() {
    let text = "[vendors.deepgram]\nbase_url = 'https://api.eu.deepgram.com'\n\
                [vendors.deepgram.speech_to_text]\nquery = { keyterm = ['Sunrise Dental', 'OPD'], tag = 7 }\n\
                [vendors.local]\napi = 'openai'\nbase_url = 'http://127.0.0.1:11434/v1'\n\
                language_model.body = { maxOutputTokens = 200, temperature = 0.4, stop = [] }\n\
                [agents.assistant]\nspeech_to_text = 'deepgram'\nlanguage_model = ['local:llama3.2:3b', 'scripted']";
    let environment = [
        ("DEEPGRAM_API_KEY", "canary"),
        ("TRUNKLINE__VENDORS__DEEPGRAM__SPEECH_TO_TEXT__MODEL", "nova-3"),
        ("TRUNKLINE__VENDORS__DEEPGRAM__SPEECH_TO_TEXT__DEADLINE_MS", "1500"),
        ("TRUNKLINE__VENDORS__LOCAL__BASE_URL", "http://127.0.0.1:8000/v1"),
        ("TTS_PROVIDER", "deepgram:aura-2-thalia-en, builtin"),
    ];
    let loaded = load_text(text, &environment).unwrap();
    let Config { vendors, agents, .. } = &loaded.config;
    let ears = &vendors["deepgram"].speech_to_text;
    assert_eq!((ears.model.as_deref(), ears.deadline_ms), (Some("nova-3"), Some(1_500)));
    assert_eq!(ears.query["keyterm"].texts(), ["Sunrise Dental", "OPD"]);
    assert_eq!(ears.query["tag"].texts(), ["7"]);
    let local = &vendors["local"];
    assert_eq!(local.base_url.as_deref(), Some("http://127.0.0.1:8000/v1"));
    let body = serde_json::Value::from(local.language_model.body.clone());
    assert_eq!(body, serde_json::json!({"maxOutputTokens": 200, "temperature": 0.4, "stop": []}));
    assert_eq!(agents["assistant"].text_to_speech, ["deepgram:aura-2-thalia-en", "builtin"]);
    assert_eq!(agents["assistant"].language_model, ["local:llama3.2:3b", "scripted"]);

    let shown = effective(&loaded);
    assert!(shown.contains(
        "[vendors.deepgram]\n# api is not set\nbase_url = \"https://api.eu.deepgram.com\"  # from "
    ));
    assert!(
        shown.contains("key = \"[redacted]\"  # from the environment variable DEEPGRAM_API_KEY"),
        "{shown}"
    );
    assert!(
        shown.contains("query = { \"keyterm\" = [\"Sunrise Dental\", \"OPD\"], \"tag\" = 7 }"),
        "{shown}"
    );
    assert!(!shown.contains("canary") && !shown.contains("[vendors.deepgram.language_model]"), "{shown}");
    let again = load_text(&shown, &[]).unwrap().config;
    assert_eq!(again.vendors["local"].language_model, loaded.config.vendors["local"].language_model);
    assert_eq!(again.vendors["deepgram"].speech_to_text, loaded.config.vendors["deepgram"].speech_to_text);
}

#[test]
fn what_is_wrong_with_vendors_is_placed_and_explained() {
    for (text, fault) in [
        (
            "[vendors.deepgram]\nbase_ulr = 'x'",
            "t.toml:2:1: there is no key \"base_ulr\" in [vendors.deepgram]; did you mean \"base_url\"?",
        ),
        (
            "[vendors.deepgram.speech_to_txt]\nmodel = 'x'",
            "t.toml:1:19: there is no key \"speech_to_txt\" in [vendors.deepgram]; did you mean \"speech_to_text\"?",
        ),
        ("[vendors.deepgram.speech_to_text]\ntransport = 'grpc'", "t.toml:2:13: unknown variant `grpc`"),
        (
            "[vendors.deepgram]\nbase_url = 'api.deepgram.com'",
            "t.toml:2:1: vendors.deepgram.base_url: it is no URL",
        ),
        ("[vendors.mine]\nkey = 'k'", "t.toml:1:10: vendors.mine.api: it is missing, and \"mine\" is not"),
        (
            "[vendors.google]\ncredentials_file = '/nowhere'",
            "t.toml:2:1: vendors.google.credentials_file: the file /nowhere can't be read",
        ),
        (
            "[agents.desk]\nspeech_to_text = ['builtin', 'depgram']",
            "t.toml:2:1: agents.desk.speech_to_text: there is no vendor \"depgram\" for speech_to_text; did you mean \
             \"deepgram\"?",
        ),
        (
            "[agents.desk]\nlanguage_model = 'deepgram'",
            "t.toml:2:1: agents.desk.language_model: vendor \"deepgram\" has no language_model; it has speech_to_text, \
             text_to_speech",
        ),
        ("[agents.desk]\ntext_to_speech = []", "t.toml:2:1: agents.desk.text_to_speech: no vendor is named"),
        (
            "[agents.desk]\ntext_to_speech = 7",
            "t.toml:2:18: this is of type integer, but a string or a list of strings is expected",
        ),
        ("environment = 'staging'", "t.toml:1:15: unknown variant `staging`"),
    ] {
        let found = load_text(text, &[]).unwrap_err();
        assert!(found.starts_with(fault), "{text}\n found: {found}\nwanted: {fault}");
    }
}

#[test]
fn tools_and_faults_are_tables_of_their_own() {
    let text = "environment = 'development'\n\
                [[faults.links]]\nvendor = 'openai'\nfault = 'status'\nstatus = 503\nprobability = 0.5\n\
                [agents.desk.tools]\nbuiltin = 'end_call'\nmax_steps = 3\n\
                [agents.desk.tools.lookup]\ndescription = 'Looks an order up.'\nurl = 'https://api.example.com/o/{id}'\n\
                method = 'get'\nheaders = { Authorization = 'Bearer canary' }\nallow = ['10.0.0.0/8']\n\
                parameters = '{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}},\"required\":[\"id\"]}'";
    let environment = [
        ("TRUNKLINE__AGENTS__DESK__TOOLS__LOOKUP__TIMEOUT_MS", "700"),
        ("TRUNKLINE__AGENTS__DESK__TOOLS__MAX_STEPS", "2"),
    ];
    let loaded = load_text(text, &environment).unwrap();
    let tools = &loaded.config.agents["desk"].tools;
    assert_eq!((tools.builtin.as_slice(), tools.max_steps), (["end_call".to_owned()].as_slice(), 2));
    let lookup = &tools.own["lookup"];
    assert_eq!((lookup.timeout_ms, lookup.max_bytes, lookup.allow.len()), (700, 16_384, 1));
    assert_eq!(lookup.parameters["required"], serde_json::json!(["id"]));
    assert_eq!(loaded.config.faults.links[0].status, 503);
    let shown = effective(&loaded);
    assert!(shown.contains("[agents.desk.tools.lookup]") && !shown.contains("canary"), "{shown}");
    let again = load_text(&shown, &[]).unwrap().config;
    assert_eq!(again.agents["desk"].tools.own["lookup"].parameters, lookup.parameters);
    assert_eq!(again.faults, loaded.config.faults);

    for (text, fault) in [
        (
            "[[faults.links]]\nfault = 'hang'",
            "t.toml:1:10: faults.links: faults are not injected in production; set environment = \"development\"",
        ),
        (
            "environment = 'development'\n[[faults.links]]\nfault = 'explode'",
            "t.toml:3:9: unknown variant `explode`",
        ),
        (
            "[agents.desk.tools.lookup]\nurl = 'https://x.example'\ntimeout = 3",
            "t.toml:3:1: there is no key \"timeout\" in [agents.desk.tools.lookup]; did you mean \"timeout_ms\"?",
        ),
        ("[agents.desk.tools.lookup]\nurl = 'here'", "t.toml:2:1: agents.desk.tools.lookup.url: "),
        (
            "[agents.desk.tools.end_call]\nurl = 'https://x.example'",
            "t.toml:1:20: agents.desk.tools.end_call.name: ",
        ),
    ] {
        let found = load_text(text, &[]).unwrap_err();
        assert!(found.starts_with(fault), "{text}\n found: {found}\nwanted: {fault}");
    }
}

#[test]
fn a_vendors_key_comes_from_a_file_or_a_credential() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("deepgram_key", "canary-1\n"), ("local_key", "canary-2"), ("google_credentials", "{}")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let credentials = folder.path().display().to_string();
    let environment = [("CREDENTIALS_DIRECTORY", credentials.as_str()), ("TTS_PROVIDER", "deepgram,google")];
    let text = "[vendors.local]\napi = 'openai'\nbase_url = 'http://127.0.0.1:1/v1'";
    let vendors = load_text(text, &environment).unwrap().config.vendors;
    let key = |name: &str| vendors[name].key.as_ref().map(|key| key.expose_secret().to_owned());
    assert_eq!(key("deepgram").as_deref(), Some("canary-1"));
    assert_eq!(key("local").as_deref(), Some("canary-2"));
    assert_eq!(vendors["google"].credentials_file, Some(folder.path().join("google_credentials")));

    let file = format!("[vendors.deepgram]\nkey_file = '{credentials}/deepgram_key'\n");
    let vendors = load_text(&file, &[]).unwrap().config.vendors;
    assert_eq!(vendors["deepgram"].key.as_ref().unwrap().expose_secret(), "canary-1");
    let both = load_text(&file, &[("DEEPGRAM_API_KEY", "x")]).unwrap_err();
    assert!(both.contains("vendors.deepgram.key and vendors.deepgram.key_file are both set"), "{both}");
}

#[test]
fn secrets_come_from_files_and_credentials_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "canary-1\n").unwrap();
    let credentials = folder.path().display().to_string();
    let loaded = load(&sources(&[
        ("CREDENTIALS_DIRECTORY", &credentials),
        ("TRUNKLINE__SERVER__BASIC__PASSWORD", "canary-2"),
        ("OPENAI_API_KEY", "canary-3"),
    ]))
    .unwrap();
    assert_eq!(loaded.config.server.token.as_ref().unwrap().expose_secret(), "canary-1");
    let shown = [effective(&loaded), effective_json(&loaded).to_string(), format!("{loaded:?}"), defaults()];
    for text in shown {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(effective(&loaded).contains("token = \"[redacted]\""));

    let file = folder.path().join("token").display().to_string();
    let both = load(&sources(&[("EXOTEL_WS_TOKEN", "x"), ("TRUNKLINE__SERVER__TOKEN_FILE", &file)]));
    assert!(both.unwrap_err().to_string().contains("both set"));
    let missing = load(&sources(&[("TRUNKLINE__SERVER__TOKEN_FILE", "/nowhere")])).unwrap_err().to_string();
    assert!(
        missing.starts_with("the environment variable TRUNKLINE__SERVER__TOKEN_FILE: the file /nowhere"),
        "{missing}"
    );
}

#[test]
fn what_is_wrong_with_placing_calls_is_placed_and_explained() {
    for (text, fault) in [
        ("[outbound]\ncountries = ['IN', 'XX']", "t.toml:2:13: \"XX\" is no country; use two letters"),
        (
            "[outbound]\nblocked_prefixes = ['1900']",
            "t.toml:2:1: outbound.blocked_prefixes: \"1900\" is no beginning of a number",
        ),
        (
            "[outbound]\ncarrier = 'twillio'",
            "t.toml:2:1: outbound.carrier: there is no carrier \"twillio\"; did you mean \"twilio\"?",
        ),
        ("[outbound]\nring_ms = 5", "t.toml:2:1: outbound.ring_ms: 5 is not from 1000 to 600000"),
        ("[sweep]\nafter_ms = 5", "t.toml:2:1: sweep.after_ms: 5 is less than a minute"),
        (
            "[alerts]\nwebhook_url = 'https://a.example/x'",
            "t.toml:2:1: alerts.webhook_url: alerts.webhook_secret is missing",
        ),
        (
            "[alerts]\nwebhook_url = 'ftp://a.example'\nwebhook_secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'",
            "t.toml:2:1: alerts.webhook_url: it begins with https://",
        ),
        (
            "[alerts]\nwebhook_url = 'https://a.example/x'\nwebhook_secret = 'whsec_c2hvcnQ='",
            "t.toml:3:1: alerts.webhook_secret: it holds 5 bytes, and must hold 24 to 64",
        ),
        ("[database]\nurl = 'mysql://x'", "t.toml:2:1: database.url: it begins with postgres://"),
        (
            "server.listen = '0.0.0.0:80'\n[api]\nrequire_key = false",
            "t.toml:3:1: api.require_key: 0.0.0.0:80 can be reached by strangers",
        ),
    ] {
        let found = load_text(text, &[]).unwrap_err();
        assert!(found.starts_with(fault), "{text}\n found: {found}\nwanted: {fault}");
    }
    let door = |text: &str| load_text(text, &[]).unwrap().config.door();
    assert_eq!(door(""), Door::OpenUntilKeyed);
    assert_eq!(door("server.token = 'x'"), Door::Locked);
    assert_eq!(door("server.listen = '0.0.0.0:80'"), Door::Locked);
    assert_eq!(door("server.token = 'x'\napi.require_key = false"), Door::Open);
    assert_eq!(door("api.require_key = true"), Door::Locked);
}

#[test]
fn a_named_file_must_exist() {
    let sources = Sources { file: Some(PathBuf::from("/nowhere/t.toml")), ..Sources::default() };
    assert!(load(&sources).unwrap_err().to_string().starts_with("/nowhere/t.toml: it can't be read"));
}

#[test]
fn every_key_is_described_and_every_description_has_a_key() {
    let described: BTreeSet<String> = keys::KEYS.iter().map(|key| key.path.to_owned()).collect();
    let there: BTreeSet<String> = show::default_values().into_keys().collect();
    let odd: Vec<_> = described.symmetric_difference(&there).collect();
    assert!(odd.is_empty(), "in only one of keys.rs and schema.rs: {odd:?}");
}

#[test]
fn what_is_shown_can_be_loaded_again() {
    let loaded = load(&Sources::default()).unwrap();
    let again = load_text(&effective(&loaded), &[]).unwrap();
    let agents = |loaded: &Loaded| serde_json::to_value(&loaded.config.agents).unwrap();
    assert_eq!(agents(&again), agents(&loaded));
}

/// `UPDATE_DOCS=1 cargo test -p trunkline reference` writes the table anew.
#[test]
fn the_reference_in_the_documentation_is_true() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (begin, end) = ("<!-- keys: begin -->\n", "<!-- keys: end -->");
    let (head, rest) = text.split_once(begin).unwrap();
    let (table, tail) = rest.split_once(end).unwrap();
    let wanted = show::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, format!("{head}{begin}{wanted}{end}{tail}")).unwrap();
    } else {
        assert!(table == wanted, "the table is old; run UPDATE_DOCS=1 cargo test -p trunkline reference");
    }
}

#[test]
fn halves_of_a_carriers_account_are_told() {
    for (text, says) in [
        ("[twilio]\nregion = \"ie1\"", "twilio.edge is missing"),
        ("[twilio]\nedge = \"dublin\"", "twilio.region is missing"),
        ("[twilio]\napi_key = \"SK1\"", "twilio.api_secret is missing"),
        ("[twilio]\napi_secret = \"canary\"", "twilio.api_key is missing"),
        ("[twilio]\ncalls_per_second = 0", "0.01 to 1000"),
        ("[twilio]\nbase_url = \"api.example.com\"", "https://"),
        ("[exotel]\nflow = \"1\"\nconnect_to = \"+918000000002\"", "keep one"),
        ("[exotel]\nregion = \"delhi\"", "expected `mumbai` or `singapore`"),
    ] {
        let problems = load_text(text, &[]).expect_err(text).to_string();
        assert!(problems.contains(says) && !problems.contains("canary"), "{text}: {problems}");
    }
    let whole = "[twilio]\napi_key = \"SK1\"\napi_secret = \"s\"\nregion = \"ie1\"\nedge = \"dublin\"\n\
        calls_per_second = 5\n[exotel]\nregion = \"singapore\"\nconnect_to = \"+918000000002\"";
    load_text(whole, &[("TRUNKLINE__EXOTEL__CALLS_PER_SECOND", "2.5")]).unwrap();
}
