//! A server of our own with a configuration file, all that it says, and requests byte for byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trunkline");
/// Longer than anything here can take on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A server; it ends with the test.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    pub(crate) folder: tempfile::TempDir,
    stdout: BufReader<ChildStdout>,
    said: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A port that nobody has.
pub(crate) fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Server {
    /// With this configuration, which says where it listens.
    pub(crate) fn start(address: &str, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("trunkline.toml"), configuration).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut process = command(&folder)
            .args(["serve"])
            .env("RUST_LOG", "debug")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        // The first line comes once it listens.
        let mut said = String::new();
        stdout.read_line(&mut said).unwrap();
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(said.contains(address), "the server did not start; it said: {said:?}\n{}", log());
        Self { process, address: address.to_owned(), folder, stdout, said }
    }

    /// Runs another command of the program beside it; what it says.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = command(&self.folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        // It may answer and close before all of it is written.
        let _ = socket.write_all(bytes);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// One request with these headers, each line with its end.
    pub(crate) fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let (address, length) = (&self.address, body.len());
        self.raw(
            format!(
                "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
    }

    /// Ends it as a crash would. Gives all that it said: stdout, then its log.
    pub(crate) fn end(mut self) -> (String, String, tempfile::TempDir) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.stdout.read_to_string(&mut self.said).unwrap();
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (std::mem::take(&mut self.said), log, folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program in this folder, with nothing of this process's environment.
fn command(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder.path()).env_clear().stdin(Stdio::null());
    command
}

/// Every file under a folder.
pub(crate) fn files(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}
