//! The real program's recordings: what a killed server keeps of a call, and what lies on the disk before a caller has
//! agreed to be recorded.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use audio::wav;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PROGRAM: &str = env!("CARGO_BIN_EXE_trunkline");
/// A frame of 20 ms at 8 kHz.
const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
/// What the first frame's samples are; each further frame's are one more.
const FIRST: i16 = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// A server of our own; it is killed with the test.
struct Server {
    process: Child,
    address: String,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .current_dir(data)
            .env_clear()
            .env("TRUNKLINE__AGENT_DEFAULTS__TEXT_TO_SPEECH", "fake")
            .env("TRUNKLINE__AGENT_DEFAULTS__SPEECH_TO_TEXT", "fake")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo has built the program");
        let mut stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("127.0.0.1:"))
            .unwrap_or_else(|| panic!("the server did not start; it said: \"{line}\""))
            .to_owned();
        Self { process, address, _stdout: stdout }
    }

    /// SIGKILL: nothing of it runs afterwards.
    fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was ours");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A caller who sends frames that are told from each other by their samples.
struct Caller {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// When each frame was sent.
    sent: Vec<Instant>,
    next: tokio::time::Instant,
}

impl Caller {
    async fn call(server: &Server, agent: &str) -> Self {
        let url = format!("ws://{}/voicebot/ws?agent={agent}&sample-rate=8000", server.address);
        let (mut socket, _) = connect_async(url).await.expect("the server answers");
        let start = json!({ "event": "start", "sequence_number": 1, "stream_sid": "s1", "start": {
            "stream_sid": "s1", "call_sid": "c1", "account_sid": "a1", "from": "09876543210", "to": "08000000002",
            "media_format": { "encoding": "base64", "sample_rate": "8000" } } });
        for message in [json!({ "event": "connected" }), start] {
            socket.send(Message::text(message.to_string())).await.expect("it is there");
        }
        Self { socket, sent: Vec::new(), next: tokio::time::Instant::now() }
    }

    /// Sends so many frames, each at its time, and takes what comes.
    async fn speaks(&mut self, frames: usize) {
        for _ in 0..frames {
            sleep_until(self.next).await;
            self.next += FRAME_TIME;
            let number = self.sent.len();
            let samples = vec![FIRST + number as i16; FRAME];
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let media = json!({ "event": "media", "sequence_number": number + 2, "stream_sid": "s1", "media": {
                "chunk": number + 1, "timestamp": (number * 20).to_string(), "payload": base64(&bytes) } });
            self.socket.send(Message::text(media.to_string())).await.expect("it is there");
            self.sent.push(Instant::now());
            while let Ok(Some(taken)) = tokio::time::timeout(Duration::ZERO, self.socket.next()).await {
                taken.expect("it is there");
            }
        }
    }

    async fn presses(&mut self, digit: char) {
        let key = json!({ "event": "dtmf", "sequence_number": 9, "stream_sid": "s1",
            "dtmf": { "digit": digit.to_string(), "duration": "100" } });
        self.socket.send(Message::text(key.to_string())).await.expect("it is there");
    }

    async fn hangs_up(mut self) {
        let stop = json!({ "event": "stop", "sequence_number": 9, "stream_sid": "s1",
            "stop": { "call_sid": "c1", "account_sid": "a1", "reason": "callended" } });
        self.socket.send(Message::text(stop.to_string())).await.expect("it is there");
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| char::from(LETTERS[(bits & 63) as usize]);
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letters = [letter(bits >> 18), letter(bits >> 12), letter(bits >> 6), letter(bits)];
        text.extend(letters.iter().take(three.len() + 1).chain(&['='; 2][..3 - three.len()]));
    }
    text
}

/// The folder of the only call.
fn folder(data: &Path) -> PathBuf {
    let only = |folder: PathBuf| {
        let mut entries = std::fs::read_dir(folder)
            .expect("it is there")
            .map(|entry| entry.expect("it can be read").path());
        let first = entries.next().expect("there is a call");
        assert!(entries.next().is_none(), "there is one only");
        first
    };
    only(only(data.join("calls")))
}

fn recording(data: &Path) -> wav::Wav {
    let bytes = std::fs::read(folder(data).join("recording.wav")).expect("there is a recording");
    let recording = wav::read(&bytes).expect("as WAV");
    assert!(!recording.truncated, "its header is true");
    recording
}

/// Where each frame that is there begins, by its number.
fn places(side: &[i16], frames: usize) -> Vec<Option<usize>> {
    let first = |value: i16| side.iter().position(|sample| *sample == value);
    (0..frames).map(|number| first(FIRST + number as i16)).collect()
}

/// The only call's record, once it is final.
async fn record(data: &Path) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(folder(data).join("record.json")).unwrap_or_default();
        match serde_json::from_str::<Value>(&text) {
            Ok(record) if !record["ended_at"].is_null() => return record,
            _ => assert!(Instant::now() < until, "no final record: {text}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Kills a server in the middle of a call. Gives how long before the kill the newest frame that was kept was sent.
fn lost_by_a_kill(frames: usize) -> Duration {
    let data = tempfile::tempdir().expect("there is room for a folder");
    let mut server = Server::start(data.path(), &[]);
    let (sent, killed) = runtime().block_on(async {
        let mut caller = Caller::call(&server, "silent").await;
        caller.speaks(frames).await;
        let killed = Instant::now();
        server.kill();
        (caller.sent, killed)
    });
    // The next start makes the file whole.
    drop(Server::start(data.path(), &[]));
    let left = recording(data.path()).channel(0);
    let places = places(&left, sent.len());
    let kept = places.iter().take_while(|place| place.is_some()).count();
    assert!(places[kept..].iter().all(Option::is_none), "a frame is missing before the last: {places:?}");
    assert!(kept > 0, "nothing was kept");
    // Each frame lies where it was sent, as far as a busy machine sends it in time.
    let first = places[0].expect("it was kept");
    for (number, place) in places[..kept].iter().enumerate() {
        let off = place.expect("it was kept") as i64 - (first + number * FRAME) as i64;
        assert!(off.abs() < 8 * 300, "frame {number} is off by {off} samples");
    }
    killed - sent[kept - 1]
}

#[test]
fn a_killed_server_loses_less_than_200_ms_of_a_call() {
    let mut lost: Vec<Duration> = [60, 113, 151, 77, 134].map(lost_by_a_kill).to_vec();
    lost.sort_unstable();
    // Half of the kills hold it on a machine that is busy with other things; none loses what a writer gathers in a second.
    assert!(lost[2] <= Duration::from_millis(200), "{lost:?}");
    assert!(lost[4] <= Duration::from_millis(1_000), "{lost:?}");
}

#[test]
fn nothing_is_on_the_disk_before_the_caller_agrees() {
    for (digit, recorded) in [('1', true), ('2', false)] {
        let data = tempfile::tempdir().expect("there is room for a folder");
        let server =
            Server::start(data.path(), &[("TRUNKLINE__AGENTS__ASSISTANT__RECORDING__CONSENT", "ask")]);
        let record = runtime().block_on(async {
            let mut caller = Caller::call(&server, "assistant").await;
            caller.speaks(75).await;
            assert!(!folder(data.path()).join("recording.wav").exists());
            let log = std::fs::read_to_string(folder(data.path()).join("call.jsonl")).unwrap_or_default();
            assert!(!log.contains("\"audio\":\"") && !log.contains("\"pcm\""), "sound in the log: {log}");
            caller.presses(digit).await;
            caller.speaks(100).await;
            caller.hangs_up().await;
            record(data.path()).await
        });
        let consent = &record["recording_consent"];
        assert_eq!(consent["recorded"], recorded, "{record}");
        assert_eq!(consent["why"], if recorded { "pressed_yes" } else { "pressed_other" });
        assert_eq!(record["recording"].is_string(), recorded, "{record}");
        let log = std::fs::read_to_string(folder(data.path()).join("call.jsonl")).expect("there is a log");
        assert_eq!(log.contains("\"audio\":\""), recorded);
        if !recorded {
            assert!(!folder(data.path()).join("recording.wav").exists());
            continue;
        }
        // The time is the call's: silence up to the yes, and then the caller.
        let left = recording(data.path()).channel(0);
        let agreed = consent["at_ms"].as_u64().expect("a time") as usize * 8;
        assert!(agreed > 70 * FRAME, "agreed at {agreed}");
        assert!(left[..agreed].iter().all(|sample| *sample == 0), "something from before the yes");
        let places = places(&left, 175);
        assert!(places[..74].iter().all(Option::is_none), "a frame from before the yes: {places:?}");
        assert!(places[80..175].iter().all(Option::is_some), "a frame after the yes is missing: {places:?}");
        // A log without the beginning says so when it is to be run again.
        let call = folder(data.path()).join("call.jsonl");
        let output = Command::new(PROGRAM).arg("replay").arg(&call).env_clear().output().expect("it runs");
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("had not agreed to be recorded"), "{told}");
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}
