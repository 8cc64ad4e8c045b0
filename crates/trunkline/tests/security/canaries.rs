//! Every secret that the server knows or is sent is a word that stands nowhere else. Calls run over both carriers, vendors
//! fail, strangers knock; then all that the server ever wrote or answered is searched for these words.
//!
//! Where private words do belong: numbers and what was said are in the call's own record (files, tables, and the API's
//! `/api/v1/calls`), and nowhere else. Secrets belong nowhere at all but in what they open: a URL that the connect webhook
//! gives has its token, TwiML its reference.

use serde_json::{Value, json};
use sim::carriers::{CarrierServer, ExotelAccount, Manner, Person, Settings, TwilioAccount, World};
use sim::exotel::Call;
use sim::phone::{CallPlan, Phone, Step};
use sim::vendors::{Delays, VendorServer};

use crate::support::{Answer, LONG, Server, files, free_port};

const TOKEN: &str = "canary-01-server-token";
const BASIC: &str = "canary-02-basic-password";
const TWILIO: &str = "canary-03-twilio-auth-token";
const TWILIO_SECRET: &str = "canary-04-twilio-api-secret";
const EXOTEL_KEY: &str = "canary-05-exotel-key";
const EXOTEL_TOKEN: &str = "canary-06-exotel-token";
const ELEVEN_HOOK: &str = "canary-07-elevenlabs-webhook";
const OPENAI: &str = "canary-08-openai";
const DEEPGRAM: &str = "canary-09-deepgram";
const ELEVEN: &str = "canary-10-elevenlabs";
const ANTHROPIC: &str = "canary-11-anthropic";
const GOOGLE: &str = "canary-12-google";
const HEADER: &str = "canary-13-vendor-header";
const TOOL: &str = "canary-14-tool-header";
const STORAGE: &str = "canary-15-storage-secret";
/// The stand-ins refuse this key with 401.
const REFUSED: &str = "fail-401";
/// What strangers send.
const WRONG_KEY: &str = "tlk_canary16wrongkey";
const WRONG_QUERY: &str = "canary-17-query-token";
const UNSIGNED: &str = "canary-18-unsigned-body";
const WRONG_URL: &str = "canary-19-url-secret";
const MALFORMED: &str = "canary-20-malformed-json";

/// What callers have: numbers as they come, and words.
const CALLER: &str = "2025550147";
const INDIAN: &str = "9811122233";
const WORDS: &str = "purple walrus bicycle";

fn configuration(address: &str, carriers: &str, vendors: &str) -> String {
    format!(
        r#"
        default_agent = "desk"
        [server]
        listen = "{address}"
        public_url = "http://{address}"
        token = "{TOKEN}"
        basic = {{ user = "exotel", password = "{BASIC}" }}
        [data]
        dir = "data"
        [recording]
        enabled = true
        url = "s3://bucket/calls"
        endpoint = "https://127.0.0.1:9"
        region = "ap-south-1"
        access_key_id = "AKIA"
        secret_access_key = "{STORAGE}"
        [twilio]
        account_sid = "AC00000000000000000000000000000a11"
        auth_token = "{TWILIO}"
        api_key = "SK1"
        api_secret = "{TWILIO_SECRET}"
        base_url = "{carriers}"
        from = "+14155550100"
        [exotel]
        account_sid = "acme1"
        api_key = "{EXOTEL_KEY}"
        api_token = "{EXOTEL_TOKEN}"
        base_url = "{carriers}"
        from = "08000000002"
        [keys]
        elevenlabs_webhook = "{ELEVEN_HOOK}"
        [outbound]
        default_country = "IN"
        [vendors.deepgram]
        base_url = "{vendors}"
        key = "{DEEPGRAM}"
        [vendors.openai]
        base_url = "{vendors}/v1"
        key = "{OPENAI}"
        headers = {{ X-Extra = "{HEADER}" }}
        [vendors.refuses]
        api = "anthropic"
        base_url = "{vendors}"
        key = "{REFUSED}"
        [vendors.anthropic]
        base_url = "{vendors}"
        key = "{ANTHROPIC}"
        [vendors.elevenlabs]
        base_url = "{vendors}"
        key = "{ELEVEN}"
        [vendors.google]
        base_url = "{vendors}"
        key = "{GOOGLE}"
        [agents.desk]
        kind = "assistant"
        greeting = "Hello."
        speech_to_text = ["deepgram"]
        language_model = ["refuses", "openai", "anthropic"]
        text_to_speech = ["elevenlabs", "fake"]
        [agents.desk.tools.lookup]
        description = "Looks an order up."
        url = "https://api.example.com/orders"
        headers = {{ Authorization = "Bearer {TOOL}" }}
        "#
    )
}

/// All that is there: the server, and those it works with.
struct Scene {
    runtime: tokio::runtime::Runtime,
    carriers: CarrierServer,
    _vendors: VendorServer,
    server: Server,
    key: String,
    /// Each answer that the API gave, and what was asked.
    answers: Vec<(String, Answer)>,
}

impl Scene {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let account = TwilioAccount {
            token: TWILIO.into(),
            key: Some(("SK1".to_owned(), TWILIO_SECRET.into())),
            ..Settings::default().twilio
        };
        let exotel = ExotelAccount {
            key: EXOTEL_KEY.to_owned(),
            token: EXOTEL_TOKEN.into(),
            ..Settings::default().exotel
        };
        let settings = Settings { twilio: account, exotel, ..Settings::default() };
        let carriers = runtime.block_on(CarrierServer::start(World::new(settings))).unwrap();
        let world =
            sim::vendors::World::new(Delays::none(), vec![WORDS.to_owned()], vec!["We are open.".to_owned()]);
        let vendors = runtime.block_on(VendorServer::start(world)).unwrap();
        let address = free_port();
        let server = Server::start(&address, &configuration(&address, &carriers.url(), &vendors.url()));
        let shown = server.run(&["keys", "create", "--name", "crm", "--scope", "admin"]);
        let key = shown.split_whitespace().find(|word| word.starts_with("tlk_")).unwrap().to_owned();
        Self { runtime, carriers, _vendors: vendors, server, key, answers: Vec::new() }
    }

    /// Asks with the key, and keeps the answer.
    fn api(&mut self, method: &str, target: &str, body: &str) -> Value {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.key);
        self.any(method, target, &headers, body);
        let (_, answer) = self.answers.last().unwrap();
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Asks as anyone, and keeps the answer.
    fn any(&mut self, method: &str, target: &str, headers: &str, body: &str) -> u16 {
        let answer = self.server.ask(method, target, headers, body);
        let status = answer.status;
        self.answers.push((format!("{method} {target}"), answer));
        status
    }

    /// A call that the server places, with somebody who talks; our id of it, once all is known.
    fn placed(&mut self, carrier: &str, calls: usize) -> String {
        let to = format!("+91{INDIAN}");
        self.carriers.world().treat(&to, Manner { person: Person::Talks, ..Manner::default() });
        let body = json!({ "to": to, "carrier": carrier, "variables": { "name": "Asha" } }).to_string();
        let placed = self.api("POST", "/api/v1/calls", &body);
        let call = placed["call_id"].as_str().unwrap_or_else(|| panic!("{placed}")).to_owned();
        let ledger = self.carriers.ledger().clone();
        let over =
            self.runtime.block_on(async { tokio::time::timeout(LONG, ledger.until_ended(calls)).await });
        assert!(over.is_ok(), "{:#?}", ledger.all());
        self.until_over(&call);
        call
    }

    fn until_over(&mut self, call: &str) {
        let until = std::time::Instant::now() + LONG;
        loop {
            let detail = self.api("GET", &format!("/api/v1/calls/{call}"), "");
            let record = if detail["call"].is_object() { &detail["call"] } else { &detail };
            if !record["ended_at"].is_null() {
                return;
            }
            assert!(std::time::Instant::now() < until, "not over: {detail}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// A call that comes in over Exotel, by way of the connect webhook.
    fn rings(&self) {
        let mut call = Call::invented(7, audio::SampleRate::HZ_8000);
        call.from = format!("0{INDIAN}");
        let url = format!("http://{}/api/v1/exotel/voice/connect", self.server.address);
        let plan = CallPlan {
            steps: vec![Step::Dtmf('4'), Step::Wait(std::time::Duration::from_millis(300))],
            patience: std::time::Duration::from_secs(2),
            ..CallPlan::exotel(url, call)
        };
        self.runtime.block_on(Phone::call(plan, |_| {})).unwrap();
    }
}

/// What the two webhooks hand out: the URL's token, and the reference in the TwiML.
fn handed_out(scene: &Scene) -> [String; 2] {
    let connect =
        scene.server.ask("GET", &format!("/api/v1/exotel/voice/connect?CallSid=c9&From=0{INDIAN}"), "", "");
    let connect = connect.json();
    let url = connect["url"].as_str().unwrap();
    let token = url.split_once("&k=").unwrap().1.to_owned();
    let body = format!(
        "CallSid=CA9&AccountSid=AC1&CallStatus=ringing&Direction=inbound&From=%2B1{CALLER}&To=%2B14155550100"
    );
    let target = format!("http://{}/twilio/voice", scene.server.address);
    let pairs = carriers::twilio::signature::pairs(&body);
    let signature = carriers::twilio::signature::sign(TWILIO.as_bytes(), &target, &pairs);
    let headers =
        format!("X-Twilio-Signature: {signature}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let twiml = scene.server.ask("POST", "/twilio/voice", &headers, &body);
    assert_eq!(twiml.status, 200, "{twiml:?}");
    let reference = twiml.body.split_once("name=\"call_ref\" value=\"").unwrap().1.split('"').next().unwrap();
    [token, reference.to_owned()]
}

/// Strangers, and friends who err.
fn knock(scene: &mut Scene) {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let unsigned = format!("CallSid=CA1&CallStatus=completed&From=%2B1{CALLER}&x={UNSIGNED}");
    for path in ["/twilio/voice", "/twilio/after", "/twilio/status", "/twilio/amd", "/twilio/recording"] {
        assert_eq!(scene.any("POST", path, form, &unsigned), 400, "{path}");
        let forged = format!("{form}X-Twilio-Signature: {UNSIGNED}\r\n");
        assert_eq!(scene.any("POST", path, &forged, &unsigned), 403, "{path}");
    }
    assert_eq!(scene.any("POST", &format!("/api/v1/exotel/status?k={WRONG_URL}"), form, &unsigned), 403);
    assert_eq!(
        scene.any("POST", "/elevenlabs/post-call", "ElevenLabs-Signature: t=1,v0=00\r\n", UNSIGNED),
        401
    );
    for wrong in [WRONG_KEY, WRONG_QUERY] {
        let bearer = format!("Authorization: Bearer {wrong}\r\n");
        for path in ["/api/v1/calls", "/metrics", "/voicebot/sessions", "/api/v1/events"] {
            assert_eq!(scene.any("GET", path, &bearer, ""), 401, "{path}");
        }
    }
    let upgrade =
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    assert_eq!(scene.any("GET", &format!("/voicebot/ws?call_id=x&k={WRONG_QUERY}"), upgrade, ""), 401);
    assert_eq!(scene.any("GET", &format!("/twilio/media?k={WRONG_QUERY}"), upgrade, ""), 400);
    scene.api("POST", "/api/v1/calls", &format!("{{\"to\":\"+91{INDIAN}\",\"{MALFORMED}\""));
    scene.api("POST", "/api/v1/calls", &json!({ "to": format!("+44{INDIAN}") }).to_string());
    scene.api(
        "POST",
        "/api/v1/calls",
        &json!({ "to": format!("+91{INDIAN}"), "agent": "nobody" }).to_string(),
    );
    scene.api("GET", &format!("/api/v1/calls/+91{INDIAN}"), "");
    scene.api("GET", &format!("/{WRONG_QUERY}"), "");
}

/// Everything that may be read.
fn read(scene: &mut Scene, calls: &[String]) {
    for call in calls {
        scene.api("GET", &format!("/api/v1/calls/{call}"), "");
    }
    for path in [
        "/api/v1/calls",
        "/api/v1/events?since=0&follow=false",
        "/api/v1/webhooks",
        "/api/v1/providers",
        "/metrics",
        "/voicebot/sessions",
        "/openapi.json",
        "/docs",
        "/docs/errors",
        "/health",
        "/readyz?verbose",
    ] {
        scene.api("GET", path, "");
        let (_, answer) = scene.answers.last().unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[test]
fn no_secret_no_number_and_no_word_of_a_caller_is_where_it_does_not_belong() {
    let mut scene = Scene::new();
    let calls = [scene.placed("twilio", 1), scene.placed("exotel", 2)];
    scene.rings();
    let [token, reference] = handed_out(&scene);
    knock(&mut scene);
    read(&mut scene, &calls);
    let url_secret = scene.carriers.ledger().all().iter().find_map(|entry| {
        let told = serde_json::to_string(&entry.what).unwrap();
        let from = told.split_once("/api/v1/exotel/status?k=")?.1;
        Some(from.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
    });
    let url_secret = url_secret.expect("the carrier was told a URL with a secret");
    assert_eq!(url_secret.len(), 32, "{url_secret}");
    let Scene { server, key, answers, .. } = scene;
    let (said, log, folder) = server.end();

    let mut secrets = vec![
        TOKEN,
        BASIC,
        TWILIO,
        TWILIO_SECRET,
        EXOTEL_KEY,
        EXOTEL_TOKEN,
        ELEVEN_HOOK,
        OPENAI,
        DEEPGRAM,
        ELEVEN,
        ANTHROPIC,
        GOOGLE,
        HEADER,
        TOOL,
        STORAGE,
        REFUSED,
        WRONG_KEY,
        UNSIGNED,
        WRONG_URL,
    ];
    secrets.extend([key.as_str(), token.as_str(), reference.as_str(), url_secret.as_str()]);
    let sent = [WRONG_QUERY, MALFORMED];
    let private = [CALLER, INDIAN, WORDS];
    let mut hits = Vec::new();
    let mut search = |place: &str, text: &str, words: &[&str]| {
        hits.extend(words.iter().filter(|word| text.contains(**word)).map(|word| {
            let at = text.find(*word).unwrap();
            let around =
                &text[text.floor_char_boundary(at.saturating_sub(300))..text.ceil_char_boundary(at + 80)];
            format!("{word} in {place}: ..{around}..")
        }));
    };

    for (place, text) in [("stdout", &said), ("the log", &log)] {
        search(place, text, &secrets);
        search(place, text, &sent);
        search(place, text, &private);
    }
    assert!(
        log.contains("\"level\":\"DEBUG\"") && log.contains("the call has ended"),
        "the log is one: {log}"
    );
    for (asked, answer) in &answers {
        let text = format!("{}\n{}", answer.head, answer.body);
        search(asked, &text, &secrets);
        let is_record =
            asked.contains(" /api/v1/calls") && answer.status == 200 || asked.contains("/api/v1/events");
        if !is_record && !asked.contains(&format!("+91{INDIAN}")) {
            search(asked, &text, &private);
        }
    }
    let mut was_said = false;
    for file in files(folder.path().join("data")) {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        was_said |= text.contains(WORDS);
        search(&file.display().to_string(), &text, &secrets);
        search(&file.display().to_string(), &text, &sent);
    }
    assert!(was_said, "the caller was heard, and the record has it");
    assert_eq!(hits.len(), 0, "{}", hits.join("\n\n"));
}
