//! Requests at a fixed rate, each on a connection of its own, as a carrier's connect webhooks come. Times count
//! from when a request was due, so that one that waits for the one before is not taken for a quick one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Latencies;

/// The longest that is waited for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of the requests.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// From when each request was due to the end of its answer.
    pub answers: Latencies,
    /// Requests that were not answered with 200 and a URL.
    pub failed: usize,
}

/// Asks `address` for `path`, `per_second` times a second, for so long. Blocks the thread.
pub fn ask_at_rate(address: SocketAddr, path: &str, per_second: u32, length: Duration) -> Asked {
    let mut asked = Asked::default();
    let begin = Instant::now();
    for number in 0.. {
        let due = begin + Duration::from_secs(1) * number / per_second.max(1);
        if due >= begin + length {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let separator = if path.contains('?') { '&' } else { '?' };
        let path =
            format!("{path}{separator}CallSid=bench{number:027}&CallFrom=09800000001&CallTo=08000000002");
        match ask(address, &path) {
            Ok(true) => asked.answers.push(due.elapsed()),
            Ok(false) | Err(_) => asked.failed += 1,
        }
    }
    asked
}

/// One request; whether the answer is 200 with a URL.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::with_capacity(1024);
    socket.read_to_end(&mut answer)?;
    let is_ok = answer.starts_with(b"HTTP/1.1 200 ");
    Ok(is_ok && answer.windows(7).any(|window| window == br#"{"url":"#))
}
