//! The real program, phoned over a real socket by the real program: at each rate, what was said arrives at the other
//! end, judged by what a recogniser makes of the recording, by measured tones, and by samples that must be the same.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use audio::{Pcm, SampleRate, level_db, tone_level_db, wav};
use call::{Heard, Input, Listen, SpeechId};
use providers::local::{SphinxRecogniser, SphinxSettings};
use providers::{Answers, ListenSpec, QueueFull, SpeechToText as _};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trunkline");
const QUESTION: &str = "what are your opening hours";
const ANSWER: &str = "we are open monday to friday from nine in the morning to six in the evening and saturday from ten to two";
/// What the recogniser could take the agent's speech for, besides what it should be.
const OTHER_ANSWERS: [&str; 4] = [
    "a first visit costs five hundred rupees",
    "we are at twelve park street next to the post office",
    "sorry i did not catch that",
    "you are welcome is there anything else",
];
const OTHER_QUESTIONS: [&str; 4] =
    ["where are you", "how much does it cost", "can you say that again", "thank you goodbye"];

/// A server of our own; it ends with the test.
struct Server {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
    /// Held, since a program whose output nobody takes is ended by it.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut process = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo has built the program");
        let mut stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        // The first line says where it listens, once it does.
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("127.0.0.1:"))
            .unwrap_or_else(|| panic!("the server did not start; it said: \"{line}\""))
            .to_owned();
        Self { process, address, folder, _stdout: stdout }
    }

    /// Makes a call to an agent.
    fn phone(&self, agent: &str, rate: SampleRate, steps: &[&str]) -> Call {
        let recording = self.folder.path().join(format!("{agent}-{}.wav", rate.hz()));
        let url = format!("ws://{}/voicebot/ws?agent={agent}&sample-rate={}", self.address, rate.hz());
        let output = Command::new(PROGRAM)
            .args([
                "phone",
                &url,
                "--json",
                "--patience",
                "6",
                "--rate",
                rate.hz().to_string().as_str(),
                "--record",
            ])
            .arg(&recording)
            .args(steps)
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .expect("cargo has built the program");
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "trunkline phone: {}\n{messages}", output.status);
        let report: Value = serde_json::from_slice(&output.stdout).expect("--json gives JSON");
        let both = wav::read(&std::fs::read(&recording).expect("the call was recorded")).expect("as WAV");
        assert_eq!(both.rate, rate, "the stream ran at the rate that was asked for");
        Call { rate, report, said: both.channel(0), heard: both.channel(1) }
    }

    /// The final record of the call that has this id with the carrier. The store writes it a moment after the caller is gone.
    fn record(&self, call_sid: &str) -> Value {
        let data: PathBuf = self.folder.path().join("data");
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let output = Command::new(PROGRAM)
                .args(["call", "list", "--json", "--data"])
                .arg(&data)
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

/// A call as the caller knows it.
struct Call {
    rate: SampleRate,
    report: Value,
    said: Vec<i16>,
    heard: Vec<i16>,
}

impl Call {
    /// The samples between two moments in milliseconds since the call began.
    fn between<'a>(&self, side: &'a [i16], from_ms: u64, to_ms: u64) -> &'a [i16] {
        let at = |ms: u64| self.rate.samples(ms * 1000).min(side.len());
        &side[at(from_ms)..at(to_ms)]
    }

    fn end_ms(&self) -> u64 {
        self.rate.micros(self.heard.len()) / 1000
    }

    fn turn(&self, index: usize, key: &str) -> u64 {
        self.report["turns"][index][key].as_u64().unwrap_or_else(|| panic!("no {key} in {}", self.report))
    }
}

/// What the built-in recogniser makes of some audio, when it could be any of these.
fn recognised(rate: SampleRate, samples: &[i16], phrases: &[&str]) -> String {
    // It gets its audio all at once, so it may take longer over its answer than in a call.
    let settings = SphinxSettings { answer_within: Duration::from_secs(30), ..SphinxSettings::new(PROGRAM) };
    let recogniser = SphinxRecogniser::new(settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let (answers, mut inbox) = tokio::sync::mpsc::channel(64);
        let spec = ListenSpec {
            rate,
            language: "en-IN".to_owned(),
            phrases: phrases.iter().map(|phrase| (*phrase).to_owned()).collect(),
        };
        let mut listener =
            recogniser.open(&spec, Answers::new(answers)).expect("the recogniser is installed");
        let mut inputs = vec![Listen::Began(SpeechId(1))];
        inputs.extend(samples.chunks(rate.samples(20_000)).map(|frame| Listen::Audio(Pcm::from(frame))));
        inputs.push(Listen::Finish(SpeechId(1)));
        for input in inputs {
            // Faster than real time, so its queue fills: it is given the time that it takes.
            while listener.listen(input.clone()) == Err(QueueFull) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        loop {
            match inbox.recv().await.expect("the recogniser answers") {
                Input::Heard { what: Heard::Final(text), .. } => return text,
                Input::Heard { what: Heard::Failed(why), .. } => panic!("the recogniser failed: {why}"),
                _ => {}
            }
        }
    })
}

fn with<'a>(right: &'a str, wrong: &[&'a str]) -> Vec<&'a str> {
    [right].into_iter().chain(wrong.iter().copied()).collect()
}

/// Conversations run in real time, so one after the other: together they would be each other's busy machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn a_conversation_at(rate: SampleRate) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start();
    let call = server.phone("assistant", rate, &["--say", QUESTION]);

    // The server understood the caller, and says what it answered.
    let record = server.record(call.report["call_sid"].as_str().expect("a call has an id"));
    let texts = |speaker: &str| -> Vec<String> {
        let turns = record["turns"].as_array().cloned().unwrap_or_default();
        let of = turns.iter().filter(|turn| turn["speaker"] == speaker);
        of.filter_map(|turn| turn["text"].as_str().map(plain)).collect()
    };
    assert_eq!(record["sample_rate"], rate.hz());
    assert_eq!(texts("caller"), [QUESTION], "{record}");
    assert!(texts("agent").contains(&ANSWER.to_owned()), "{record}");

    // The words are in the audio: what left the caller, and what reached them.
    let (began, ended) = (call.turn(0, "began_ms"), call.turn(0, "ended_ms"));
    let said = call.between(&call.said, began.saturating_sub(100), ended + 200);
    assert_eq!(recognised(rate, said, &with(QUESTION, &OTHER_QUESTIONS)), QUESTION);
    let from = ended + call.turn(0, "answer_ms");
    let heard = call.between(&call.heard, from - 200, call.end_ms());
    assert_eq!(recognised(rate, heard, &with(ANSWER, &OTHER_ANSWERS)), ANSWER);

    // The greeting was there before, once, and as loud as speech is.
    let greeting = call.report["greeting_ms"].as_u64().expect("the caller was greeted");
    assert!(greeting < began, "greeted at {greeting} ms, before the first word at {began} ms");
    let greeted = call.between(&call.heard, greeting, began);
    assert_ne!(recognised(rate, greeted, &with(ANSWER, &OTHER_ANSWERS)), ANSWER, "the recogniser can say no");
    let level = level_db(greeted);
    assert!((-40.0..-8.0).contains(&level), "the greeting has {level} dB");
}

#[test]
fn a_conversation_at_8_khz() {
    a_conversation_at(SampleRate::HZ_8000);
}

#[test]
fn a_conversation_at_16_khz() {
    a_conversation_at(SampleRate::HZ_16000);
}

#[test]
fn a_conversation_at_24_khz() {
    a_conversation_at(SampleRate::HZ_24000);
}

#[test]
fn the_beep_is_440_hz_for_half_a_second_at_each_rate() {
    let server = Server::start();
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000] {
        let call = server.phone("beep", rate, &["--wait", "1.5"]);
        let frames = call.heard.chunks_exact(rate.samples(20_000));
        let loud: Vec<&[i16]> = frames.filter(|frame| level_db(frame) > -30.0).collect();
        assert!((24..=26).contains(&loud.len()), "{} loud frames of 20 ms at {rate}", loud.len());
        let sound = loud.concat();
        let level = tone_level_db(&sound, rate, 440.0);
        assert!(
            (level - level_db(&sound)).abs() < 0.5,
            "440 Hz has {level} dB of {} at {rate}",
            level_db(&sound)
        );
        assert_eq!(call.report["received"]["marks"], serde_json::json!(["beep_done"]), "{}", call.report);
    }
}

#[test]
fn an_echo_is_the_same_samples_at_each_rate() {
    let server = Server::start();
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000] {
        let call = server.phone("echo", rate, &["--say", QUESTION, "--wait", "1"]);
        // Frame by frame, in order: on a busy machine the caller may hear a gap between two, never inside one.
        let frame = rate.samples(20_000);
        let mut rest = call.heard.as_slice();
        let mut loud = 0;
        for (number, said) in
            call.said.chunks_exact(frame).enumerate().filter(|(_, said)| level_db(said) > -40.0)
        {
            let back = rest.windows(frame).position(|heard| heard == said);
            let back = back.unwrap_or_else(|| panic!("frame {number} did not come back as it was at {rate}"));
            rest = &rest[back + frame..];
            loud += 1;
        }
        assert!(loud >= 20, "only {loud} frames of the question are loud at {rate}");
    }
}

/// Words without case and punctuation.
fn plain(text: &str) -> String {
    let kept: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}
