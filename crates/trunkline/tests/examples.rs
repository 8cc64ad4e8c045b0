//! Every example configuration, phoned: the real program with that file, the vendors' stand-ins behind its base
//! URLs, and a caller who is greeted, asks, is understood and hears the answer.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use audio::{SampleRate, level_db, wav};
use serde_json::Value;
use sim::vendors::{Delays, VendorServer, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_trunkline");
const QUESTION: &str = "what are your opening hours";
const ANSWER: &str = "We are open from nine to six, Monday to Saturday.";

/// What is to be seen of an example besides what is of all of them.
struct Example {
    name: &'static str,
    /// Which of the stand-ins' APIs must have been asked, by the beginnings of their names.
    asked: &'static [&'static str],
}

const EXAMPLES: &[Example] = &[
    Example { name: "deepgram-flux-anthropic", asked: &["deepgram/", "anthropic/"] },
    Example { name: "deepgram-openai-elevenlabs", asked: &["deepgram/", "openai/chat", "elevenlabs/"] },
    Example { name: "elevenlabs-agent", asked: &["elevenlabs/signed-url", "elevenlabs/agent"] },
    Example { name: "elevenlabs-gemini", asked: &["elevenlabs/", "gemini/"] },
    Example { name: "english", asked: &["deepgram/", "openai/chat"] },
    Example { name: "fallbacks", asked: &["deepgram/", "openai/chat", "elevenlabs/"] },
    Example { name: "google", asked: &["google/", "gemini/"] },
    Example { name: "hindi", asked: &["deepgram/", "openai/chat", "elevenlabs/"] },
    Example { name: "local", asked: &["openai/chat"] },
    Example { name: "openai", asked: &["openai/transcriptions", "openai/chat", "openai/speech"] },
    Example { name: "openai-realtime", asked: &["openai/realtime"] },
];

#[test]
fn every_example_holds_a_conversation() {
    // Together: a call takes some seconds, of which nobody works most of the time.
    let faults: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            EXAMPLES.iter().map(|example| (example.name, scope.spawn(|| call(example)))).collect();
        calls
            .into_iter()
            .flat_map(|(name, call)| {
                let faults = call.join().unwrap_or_else(|_| vec!["it panicked".to_owned()]);
                faults.into_iter().map(move |fault| format!("{name}: {fault}"))
            })
            .collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_example_is_called() {
    let folder = examples();
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .expect("there are examples")
        .map(|entry| entry.expect("a folder that opens can be read").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    there.sort();
    let called: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
    assert_eq!(there, called);
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Starts all that the example needs, phones it, and says what was not as it should be.
fn call(example: &Example) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let world = World::new(Delays::default(), vec![QUESTION.to_owned()], vec![ANSWER.to_owned()]);
    let vendors = runtime.block_on(VendorServer::start(world)).expect("there is a free port");
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let server = Server::start(example.name, folder.path(), &vendors.url());
    let heard = folder.path().join("call.wav");
    let report = match phone(&server, &heard) {
        Ok(report) => report,
        Err(why) => return vec![why],
    };
    let mut faults = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    expect(report["greeting_ms"].as_u64().is_some(), format!("no greeting: {report}"));
    let turn = &report["turns"][0];
    let answer_ms = turn["answer_ms"].as_u64();
    expect(answer_ms.is_some(), format!("no answer: {report}"));
    if let (Some(ended), Some(answer)) = (turn["ended_ms"].as_u64(), answer_ms) {
        let sound = speech_after(&heard, ended + answer);
        expect(sound > Duration::from_millis(500), format!("the answer was {sound:?} of sound"));
    }
    let record = server.record(report["call_sid"].as_str().unwrap_or_default());
    expect(record["end_reason"] == "caller_hung_up", format!("it ended with {}", record["end_reason"]));
    let turns = record["turns"].as_array().cloned().unwrap_or_default();
    let answered = turns.iter().any(|turn| {
        turn["speaker"] == "agent"
            && turn["text"].as_str().is_some_and(|text| ANSWER.starts_with(text) && !text.is_empty())
            && turn["latency"]["total_us"].as_u64().is_some()
    });
    expect(answered, format!("no answer with its latency in the record: {turns:?}"));
    let understood = turns.iter().any(|turn| turn["speaker"] == "caller" && turn["text"] == QUESTION);
    expect(understood, format!("the caller was not understood: {turns:?}"));
    let seen = vendors.ledger().all();
    for wanted in example.asked {
        let asked = seen.iter().any(|line| line.api.starts_with(wanted));
        let apis: Vec<&str> = seen.iter().map(|line| line.api).collect();
        expect(asked, format!("{wanted} was not asked; asked were {apis:?}"));
    }
    for breach in vendors.ledger().breaches() {
        expect(false, format!("against the vendor's documents: {breach}"));
    }
    faults
}

/// How much speech there is in what the caller heard from then on.
fn speech_after(recording: &Path, from_ms: u64) -> Duration {
    let bytes = std::fs::read(recording).expect("the call was recorded");
    let both = wav::read(&bytes).expect("as WAV");
    let heard = both.channel(1);
    let from = both.rate.samples(from_ms * 1000).min(heard.len());
    let frame = both.rate.samples(20_000);
    let loud = heard[from..].chunks_exact(frame).filter(|frame| level_db(frame) > -45.0).count();
    Duration::from_millis(20 * loud as u64)
}

/// A server with this example; it ends with the test.
struct Server {
    process: Child,
    address: String,
    folder: PathBuf,
    /// Held, since a program whose output nobody takes is ended by it.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(example: &str, folder: &Path, vendors: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(examples().join(format!("{example}.toml")))
            .arg("--data")
            .arg(folder.join("data"))
            .current_dir(folder)
            .env_clear()
            .env("TRUNKLINE__LOG__FORMAT", "json");
        for vendor in ["deepgram", "openai", "anthropic", "google", "elevenlabs"] {
            let path = if vendor == "openai" { "/v1" } else { "" };
            let name = vendor.to_uppercase();
            command.env(format!("TRUNKLINE__VENDORS__{name}__BASE_URL"), format!("{vendors}{path}"));
            command.env(format!("TRUNKLINE__VENDORS__{name}__KEY"), "test");
        }
        if example == "elevenlabs-agent" {
            command.env("ELEVENLABS_AGENT_ID", "agent_1");
        }
        if example == "local" {
            command.env("TRUNKLINE__VENDORS__LOCAL__BASE_URL", format!("{vendors}/v1"));
            // The stand-in is OpenAI's, which wants a key; a server of one's own need not.
            command.env("TRUNKLINE__VENDORS__LOCAL__KEY", "test");
        }
        let log = std::fs::File::create(folder.join("log")).expect("there is room for a log");
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("cargo has built the program");
        let mut stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        // The first line says where it listens, once it does.
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:"));
        let Some(address) = address.map(str::to_owned) else {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("{example}: the server did not start; it said: \"{line}\"\n{log}")
        };
        Self { process, address, folder: folder.to_owned(), _stdout: stdout }
    }

    /// The final record of the call that has this id with the carrier.
    fn record(&self, call_sid: &str) -> Value {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let output = Command::new(PROGRAM)
                .args(["call", "list", "--json", "--data"])
                .arg(self.folder.join("data"))
                .env_clear()
                .output()
                .expect("cargo has built the program");
            let records: Vec<Value> = serde_json::from_slice(&output.stdout).expect("--json gives JSON");
            let found = records.into_iter().find(|record| record["carrier_call_id"] == call_sid);
            match found {
                Some(record) if !record["ended_at"].is_null() => return record,
                other => assert!(Instant::now() < until, "no final record: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes the call. The caller says the question in the built-in voice.
fn phone(server: &Server, recording: &Path) -> Result<Value, String> {
    let url = format!("ws://{}/voicebot/ws?sample-rate={}", server.address, SampleRate::HZ_8000.hz());
    let output = Command::new(PROGRAM)
        .args(["phone", &url, "--json", "--patience", "12", "--say", QUESTION, "--record"])
        .arg(recording)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("cargo has built the program");
    if !output.status.success() {
        return Err(format!("trunkline phone: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}
