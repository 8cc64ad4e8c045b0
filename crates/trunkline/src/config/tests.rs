//! The configuration's promises: places, suggestions, precedence, strings left alone, secrets kept.

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
            "[agents.assistant]\nvoice = 'flite:slk'",
            "t.toml:2:1: agents.assistant.voice: there is no voice \"flite:slk\"; did you mean \"flite:slt\"?",
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
        assert_eq!(loaded.config.keys.exotel_account.as_deref(), Some(from));
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
    assert_eq!(loaded.config.agents["assistant"].voice, "flite:awb");
    assert_eq!(loaded.config.keys.openai.unwrap().expose_secret(), "sk-1");
    assert_eq!(loaded.config.server.ws_path, "/new");
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
            "the environment variable TTS_PROVIDER: agents.assistant.voice: there is no voice \"openai\"",
        ),
    ] {
        let found = load(&sources(&[(name, value)])).unwrap_err().to_string();
        assert!(found.contains(fault), "{found}");
    }
}

#[test]
fn an_agent_takes_what_it_does_not_set_from_the_built_in_one_and_the_defaults() {
    let text = "[agent_defaults]\nvoice = 'flite:rms'\n[agent_defaults.turn]\nstop_ms = 300\n\
                [agents.assistant.turn]\nend_silence_ms = 700\n[agents.desk]\nkind = 'greeting'\nvoice = 'flite:awb'\n\
                phrases = ['hello', 'goodbye']";
    let agents = load_text(text, &[]).unwrap().config.agents;
    let assistant = &agents["assistant"];
    assert_eq!(
        (assistant.voice.as_str(), assistant.turn.stop_ms, assistant.turn.end_silence_ms),
        ("flite:rms", 300, 700)
    );
    assert!(assistant.greeting.contains("Sunrise Dental"));
    assert_eq!(agents["desk"].voice, "flite:awb");
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
    assert_eq!(again.config.agents, loaded.config.agents);
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
