//! Server-sent events out of bytes that were cut anywhere, by the rules of the HTML standard's section 9.2.6, with
//! one leniency: an event that the body's end cuts the blank line off is given all the same.

use call::{Fault, FaultClass};

/// No event of any vendor is near as long; what is longer is not one.
const LONGEST_EVENT: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// Its `event:`; empty when there was none.
    pub event: String,
    /// Its `data:` lines, joined by line feeds.
    pub data: String,
}

/// Finds the events in a body.
#[derive(Debug, Default)]
pub struct ServerEvents {
    line: Vec<u8>,
    /// The last byte was a carriage return, so a line feed now belongs to it.
    after_return: bool,
    begun: bool,
    event: ServerEvent,
    has_data: bool,
}

impl ServerEvents {
    /// At the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they come. Appends the events that they complete; `Err` when what comes is no stream of
    /// events: one line or event goes on for more than 1 MiB.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<ServerEvent>) -> Result<(), Fault> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(rest);
                break;
            };
            self.line.extend_from_slice(&rest[..end]);
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.line_ended(out);
        }
        if self.line.len() + self.event.data.len() > LONGEST_EVENT {
            return Err(Fault::new(FaultClass::Garbage, "an event of the answer has no end"));
        }
        Ok(())
    }

    /// The body has ended.
    pub fn end(&mut self, out: &mut Vec<ServerEvent>) {
        if !self.line.is_empty() {
            self.line_ended(out);
        }
        self.dispatch(out);
    }

    fn line_ended(&mut self, out: &mut Vec<ServerEvent>) {
        let line = std::mem::take(&mut self.line);
        let mut text = String::from_utf8_lossy(&line);
        if !std::mem::replace(&mut self.begun, true)
            && let Some(after_mark) = text.strip_prefix('\u{feff}')
        {
            text = after_mark.to_owned().into();
        }
        if text.is_empty() {
            self.dispatch(out);
        } else {
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if std::mem::replace(&mut self.has_data, true) {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                "event" => value.clone_into(&mut self.event.event),
                // Comments, which are there to keep the connection alive, and fields for browsers.
                _ => {}
            }
        }
        // The room is used again.
        self.line = line;
        self.line.clear();
    }

    fn dispatch(&mut self, out: &mut Vec<ServerEvent>) {
        let event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) {
            out.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut events, mut out) = (ServerEvents::new(), Vec::new());
        for piece in pieces {
            events.push(piece, &mut out).unwrap();
        }
        events.end(&mut out);
        out.into_iter().map(|event| (event.event, event.data)).collect()
    }

    #[test]
    fn events_are_found_in_every_spelling() {
        let body = "\u{feff}data: one\n\n: a comment\r\nevent: two\r\ndata:  b\r\ndata\r\n\r\nretry: 5\r\rid: 1\rdata:x\r";
        let one = |event: &str, data: &str| (event.to_owned(), data.to_owned());
        assert_eq!(read(&[body.as_bytes()]), [one("", "one"), one("two", " b\n"), one("", "x")]);
        assert_eq!(read(&[b"event: none\n\n", b"data: half"]), [one("", "half")]);
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        let body = "event: a\r\ndata: नमस्ते\r\n\r\ndata: {\"x\":1}\n\ndata: [DONE]\n\n".as_bytes();
        let whole = read(&[body]);
        assert_eq!(whole.len(), 3);
        for cut in 0..=body.len() {
            assert_eq!(read(&[&body[..cut], &body[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn what_never_ends_is_no_event() {
        let (mut events, mut out) = (ServerEvents::new(), Vec::new());
        let piece = vec![b'x'; 64 << 10];
        let refused = (0..20).find_map(|_| events.push(&piece, &mut out).err());
        assert_eq!(refused.map(|fault| fault.class), Some(FaultClass::Garbage));
        assert!(out.is_empty());
    }
}
