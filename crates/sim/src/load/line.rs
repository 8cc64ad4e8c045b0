//! One caller's WebSocket, by hand: the upgrade, masked text frames out, frames in.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::LoadError;

/// How long the upgrade may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest answer to the upgrade that is read.
const LONGEST_HEAD: usize = 16 * 1024;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Text messages on their way to the server, as WebSocket frames.
#[derive(Debug, Default)]
pub struct Outbox(Vec<u8>);

impl Outbox {
    /// Adds a message whose text is `parts` one after another.
    pub fn text(&mut self, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum();
        self.head(TEXT, length);
        for part in parts {
            self.0.extend_from_slice(part);
        }
    }

    /// The texts of the frames in it.
    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<Vec<u8>> {
        let (mut texts, mut rest) = (Vec::new(), &self.0[..]);
        while let Some((_, head, length)) = frame_head(rest) {
            // Behind the head stands the mask.
            texts.push(rest[head + 4..head + 4 + length].to_vec());
            rest = &rest[head + 4 + length..];
        }
        texts
    }

    /// A frame's head. The mask is all zeros (RFC 6455, 5.3 wants it random, to protect proxies from browsers): the
    /// server unmasks as it would any other, and the load has nothing to do.
    fn head(&mut self, opcode: u8, length: usize) {
        self.0.push(0x80 | opcode);
        match length {
            0..=125 => self.0.push(0x80 | length as u8),
            126..=0xffff => {
                self.0.push(0x80 | 126);
                self.0.extend((length as u16).to_be_bytes());
            }
            _ => {
                self.0.push(0x80 | 127);
                self.0.extend((length as u64).to_be_bytes());
            }
        }
        self.0.extend([0; 4]);
    }
}

/// One caller's socket.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) socket: TcpStream,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
}

/// The server closed the socket, or it broke.
#[derive(Debug)]
pub(super) struct Gone;

impl Line {
    /// Opens a socket; when this returns it is a WebSocket and does not block.
    pub(super) fn open(address: SocketAddr, path: &str) -> Result<Self, LoadError> {
        let fault = |error: std::io::Error| LoadError::Unreachable(address, error.to_string());
        let mut socket = TcpStream::connect_timeout(&address, HANDSHAKE).map_err(fault)?;
        socket.set_nodelay(true).map_err(fault)?;
        socket.set_read_timeout(Some(HANDSHAKE)).map_err(fault)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJ1bmtsaW5lIGJlbmNoLi4=\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).map_err(fault)?;
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        let end = loop {
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match socket.read(&mut piece).map_err(fault)? {
                0 => return Err(LoadError::Unreachable(address, "it closed during the upgrade".to_owned())),
                _ if head.len() > LONGEST_HEAD => {
                    return Err(LoadError::Unreachable(address, "its answer has no end".to_owned()));
                }
                got => head.extend_from_slice(&piece[..got]),
            }
        };
        if !head.starts_with(b"HTTP/1.1 101 ") {
            let first = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Err(LoadError::Refused(String::from_utf8_lossy(first).into_owned()));
        }
        socket.set_nonblocking(true).map_err(fault)?;
        Ok(Self { socket, unsent: Vec::new(), partial: head.split_off(end) })
    }

    /// Sends what is in the outbox and empties it.
    pub(super) fn send(&mut self, outbox: &mut Outbox) -> Result<(), Gone> {
        let sent = if self.unsent.is_empty() {
            let sent = write(&mut self.socket, &outbox.0)?;
            self.unsent.extend_from_slice(&outbox.0[sent..]);
            Ok(())
        } else {
            self.unsent.extend_from_slice(&outbox.0);
            let sent = write(&mut self.socket, &self.unsent)?;
            self.unsent.drain(..sent);
            Ok(())
        };
        outbox.0.clear();
        sent
    }

    /// Reads what there is and gives each text message. Pings are answered.
    pub(super) fn receive(&mut self, scratch: &mut [u8], mut each: impl FnMut(&[u8])) -> Result<(), Gone> {
        loop {
            let got = match self.socket.read(scratch) {
                Ok(0) => return Err(Gone),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(Gone),
            };
            if self.partial.is_empty() {
                let used = self.frames(&scratch[..got], &mut each)?;
                self.partial.extend_from_slice(&scratch[used..got]);
            } else {
                let mut all = std::mem::take(&mut self.partial);
                all.extend_from_slice(&scratch[..got]);
                let used = self.frames(&all, &mut each)?;
                all.drain(..used);
                self.partial = all;
            }
            if got < scratch.len() {
                return Ok(());
            }
        }
    }

    /// Takes whole frames off the beginning of `bytes`; gives how many bytes they took.
    fn frames(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<usize, Gone> {
        let mut used = 0;
        while let Some((opcode, head, length)) = frame_head(&bytes[used..]) {
            let Some(body) = bytes.get(used + head..used + head + length) else { break };
            match opcode {
                TEXT => each(body),
                PING => {
                    let mut pong = Outbox::default();
                    pong.head(PONG, body.len());
                    pong.0.extend_from_slice(body);
                    self.send(&mut pong)?;
                }
                CLOSE => return Err(Gone),
                _ => {}
            }
            used += head + length;
        }
        Ok(used)
    }
}

fn write(socket: &mut TcpStream, bytes: &[u8]) -> Result<usize, Gone> {
    match socket.write(bytes) {
        Ok(sent) => Ok(sent),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        Err(_) => Err(Gone),
    }
}

/// Opcode, length of the head and of the body of the server's frame, which is not masked.
fn frame_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = bytes.first()? & 0x0f;
    match bytes.get(1)? & 0x7f {
        126 => Some((opcode, 4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize)),
        127 => Some((opcode, 10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize)),
        short => Some((opcode, 2, short as usize)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio_tungstenite::tungstenite::{self, Message};

    use super::*;

    /// The library on the other side is the judge of the frames.
    #[test]
    fn a_library_understands_the_frames_and_the_frames_of_a_library_are_understood() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
            socket.send(Message::Ping("still there?".into())).unwrap();
            let mut seen = Vec::new();
            while seen.len() < 3 {
                match socket.read().unwrap() {
                    Message::Text(text) => {
                        seen.push(text.len());
                        socket.send(Message::Text(text)).unwrap();
                    }
                    Message::Pong(body) => assert_eq!(body, "still there?"),
                    other => panic!("{other:?}"),
                }
            }
            seen
        });
        let mut line = Line::open(address, "/").unwrap();
        let mut outbox = Outbox::default();
        for length in [5, 500, 70_000] {
            outbox.text(&[&b"a"[..], &vec![b'b'; length - 1]]);
        }
        line.send(&mut outbox).unwrap();
        let mut echoed = Vec::new();
        // A small buffer, so that frames come in pieces.
        let mut scratch = [0; 333];
        while echoed.len() < 3 {
            // Its error is the server's close after the third, or the wait for the next piece.
            let _ = line.receive(&mut scratch, |text| echoed.push(text.len()));
            let _ = line.send(&mut outbox);
        }
        assert_eq!(echoed, [5, 500, 70_000]);
        assert_eq!(server.join().unwrap(), [5, 500, 70_000]);
    }
}
