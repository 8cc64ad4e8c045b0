//! A proxy as operators have them: it passes connections on, and does something to the head of each request.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here fails the test")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// What it does to the lines of a request's head.
pub(crate) type Change = fn(Vec<String>) -> Vec<String>;

/// A proxy that listens and is told later where to pass things on to.
pub(crate) struct Proxy {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Proxy {
    pub(crate) fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Begins to pass on. Ends with the test.
    pub(crate) fn run(self, to: SocketAddr, change: Change) {
        std::thread::spawn(move || {
            for client in self.listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || pass(client, to, change));
            }
        });
    }
}

/// The head as it goes through an ordinary proxy.
pub(crate) fn whole(lines: Vec<String>) -> Vec<String> {
    lines
}

/// Takes out what asks for an upgrade, as a proxy does that speaks HTTP/1.0 to its servers.
pub(crate) fn without_upgrade(lines: Vec<String>) -> Vec<String> {
    let is_hop = |line: &String| {
        let line = line.to_ascii_lowercase();
        line.starts_with("upgrade:") || line.starts_with("connection:")
    };
    lines.into_iter().filter(|line| !is_hop(line)).collect()
}

/// Puts its own name for the server in place of the one that was asked for.
pub(crate) fn with_other_host(lines: Vec<String>) -> Vec<String> {
    let other = |line: String| {
        if line.to_ascii_lowercase().starts_with("host:") {
            "Host: inner.example:8080".to_owned()
        } else {
            line
        }
    };
    lines.into_iter().map(other).collect()
}

/// The same, telling what was asked for.
pub(crate) fn with_other_host_told(lines: Vec<String>) -> Vec<String> {
    let host = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
    });
    let mut lines = with_other_host(lines);
    lines.push(format!("X-Forwarded-Host: {}", host.unwrap()));
    lines.push("X-Forwarded-Proto: http".to_owned());
    lines
}

fn pass(mut client: TcpStream, to: SocketAddr, change: Change) {
    let mut head = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        match client.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(&piece[..read]),
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let lines = String::from_utf8_lossy(&head[..end]).lines().map(str::to_owned).collect();
    let mut sent = change(lines).join("\r\n").into_bytes();
    sent.extend_from_slice(&head[end..]);
    let Ok(mut server) = TcpStream::connect(to) else { return };
    if server.write_all(&sent).is_err() {
        return;
    }
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        // Either side may go at any time.
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}
