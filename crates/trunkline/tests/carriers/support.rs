//! A server of our own, and what it is asked over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_trunkline");
pub(crate) const TOKEN: &str = "12345";
/// Longer than anything here can take on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A server; it ends with the test.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    pub(crate) folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    /// Held, since a program whose output nobody takes is ended by it.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// With these settings, as environment variables.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (process, address, stdout) = spawn(&folder, &settings);
        Self { process, address, folder, settings, _stdout: stdout }
    }

    /// Has it stand still: what is sent to it arrives, and nobody reads it.
    pub(crate) fn freeze(&self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::STOP).expect("it runs");
    }

    /// Kills it as the kernel would, and starts it again on the same data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was ours");
        let (process, address, stdout) = spawn(&self.folder, &self.settings);
        (self.process, self.address, self._stdout) = (process, address, stdout);
    }

    /// One request; status and JSON.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut socket = TcpStream::connect(&self.address).expect("the server listens");
        socket.set_read_timeout(Some(LONG)).expect("a socket takes a timeout");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        socket.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("the answer is HTTP");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it has a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Runs a command of the program against it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .expect("cargo has built the program")
    }

    /// The record that is as wanted, once there is one.
    pub(crate) fn record(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let data = self.folder.path().join("data");
        let until = Instant::now() + LONG;
        loop {
            let output = self.run(&["call", "list", "--json", "--data", &data.display().to_string()]);
            let records: Vec<Value> = serde_json::from_slice(&output.stdout).expect("--json gives JSON");
            match records.iter().find(|record| is_it(record)) {
                Some(record) => return record.clone(),
                None => assert!(Instant::now() < until, "no such record: {records:?}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A process that answers calls; where it listens, and its output.
fn spawn(
    folder: &tempfile::TempDir,
    settings: &[(String, String)],
) -> (Child, String, BufReader<ChildStdout>) {
    let log = folder.path().join("log");
    let log =
        std::fs::OpenOptions::new().create(true).append(true).open(log).expect("there is room for a log");
    let listens = settings.iter().any(|(name, _)| name == "TRUNKLINE__SERVER__LISTEN");
    let mut process = Command::new(PROGRAM)
        .args(["serve", "--data"])
        .arg(folder.path().join("data"))
        .args(if listens { &[][..] } else { &["--listen", "127.0.0.1:0"] })
        .current_dir(folder.path())
        .env_clear()
        .env("TRUNKLINE__TWILIO__AUTH_TOKEN", TOKEN)
        .envs(settings.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("cargo has built the program");
    let mut stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
    // The first line says where it listens, once it does.
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a pipe can be read");
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).map(str::to_owned);
    let Some(address) = address else {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("the server did not start; it said: \"{line}\"\n{log}")
    };
    (process, address, stdout)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
