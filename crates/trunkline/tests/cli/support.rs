//! Running the program and talking to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long anything here may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program with nothing of this process's environment that could change what it does.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server that runs until it is told to stop or dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What its log says about how long it took to be ready.
    pub(crate) ready_ms: f64,
    log: mpsc::Receiver<String>,
    seen: String,
}

impl Server {
    /// Starts one on a free port, with stand-ins for voice and recogniser.
    pub(crate) fn start(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .args(arguments)
            .env("TRUNKLINE__AGENT_DEFAULTS__TEXT_TO_SPEECH", "fake")
            .env("TRUNKLINE__AGENT_DEFAULTS__SPEECH_TO_TEXT", "fake")
            .envs(environment.iter().copied())
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address, ready_ms: f64::MAX, log, seen: String::new() };
        let ready: serde_json::Value =
            serde_json::from_str(&server.wait_for("\"message\":\"ready\"")).unwrap();
        server.address = ready["address"].as_str().unwrap().parse().unwrap();
        server.ready_ms = ready["ready_ms"].as_f64().unwrap();
        server
    }

    /// Waits for a line of the log that contains this.
    pub(crate) fn wait_for(&mut self, wanted: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line =
                self.log.recv_timeout(left).unwrap_or_else(|_| panic!("no {wanted:?} in:\n{}", self.seen));
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end. Gives the status and the whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.log.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        assert!(Instant::now() < until, "the server does not end:\n{}", self.seen);
        (self.child.wait().unwrap(), std::mem::take(&mut self.seen))
    }

    /// Asks for a path. Gives the status line's code and the whole answer.
    pub(crate) fn ask(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> String {
        format!("ws://{}/voicebot/ws", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
