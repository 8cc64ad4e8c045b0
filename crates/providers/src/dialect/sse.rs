//! Server-sent events out of bytes that are cut anywhere, after the HTML standard's "event stream" format. Pure.
//! What is used is kept: `event`, `data`, and `id`, which no model sends and a stream that is gone on with does.

use call::{Fault, FaultClass};

/// No event may be longer than this: the longest that vendors send are tool calls of some kilobytes.
const LONGEST_EVENT: usize = 1 << 20;

/// Decodes one stream.
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// The line under way.
    line: Vec<u8>,
    /// The last byte was a CR, so that an LF that follows is part of the same line end.
    after_return: bool,
    /// Something but a byte order mark was seen.
    begun: bool,
    event: String,
    data: String,
    has_data: bool,
    id: String,
    /// The id of the last event that was complete.
    last_id: String,
}

impl SseDecoder {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they come; gives each event that they complete to `take`: its `event:` (empty when there
    /// was none) and its `data:` lines, joined with line feeds. Bytes that are no UTF-8 become U+FFFD. `Err` for
    /// an event of more than 1 MiB, or what `take` gives.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&str, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_return) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.keep(rest);
            };
            self.keep(&rest[..end])?;
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.end_line(&mut take)?;
        }
        Ok(())
    }

    /// The body has ended. Gives the event whose blank line is missing: the standard drops it, and some servers leave
    /// the line out behind their last event.
    pub fn end(&mut self, mut take: impl FnMut(&str, &str) -> Result<(), Fault>) -> Result<(), Fault> {
        if !self.line.is_empty() {
            self.end_line(&mut take)?;
        }
        self.end_line(&mut take)
    }

    /// The `id:` of the last whole event, one without data too; empty when there was none. It is where to go on when the
    /// stream breaks.
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.line.len() + self.data.len() + bytes.len() > LONGEST_EVENT {
            return Err(Fault::new(FaultClass::Garbage, "an event of its stream is longer than 1 MiB"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, take: &mut impl FnMut(&str, &str) -> Result<(), Fault>) -> Result<(), Fault> {
        let bytes = std::mem::take(&mut self.line);
        let mark = if self.begun { &[][..] } else { "\u{feff}".as_bytes() };
        self.begun = true;
        let line = String::from_utf8_lossy(bytes.strip_prefix(mark).unwrap_or(&bytes));
        if line.is_empty() {
            self.last_id.clone_from(&self.id);
            let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            if std::mem::take(&mut self.has_data) {
                take(&event, &data)?;
            }
        } else {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value));
        }
        // Its room is used again.
        self.line = bytes;
        self.line.clear();
        Ok(())
    }

    fn field(&mut self, name: &str, value: &str) {
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" => value.clone_into(&mut self.id),
            // A comment has an empty name.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = SseDecoder::new();
        let mut events = Vec::new();
        let mut take = |event: &str, data: &str| {
            events.push((event.to_owned(), data.to_owned()));
            Ok(())
        };
        for piece in pieces {
            decoder.push(piece, &mut take).unwrap();
        }
        decoder.end(&mut take).unwrap();
        events
    }

    fn event(event: &str, data: &str) -> (String, String) {
        (event.to_owned(), data.to_owned())
    }

    #[test]
    fn lines_end_in_any_of_three_ways() {
        for end in ["\n", "\r", "\r\n"] {
            let text = [
                "\u{feff}: hello",
                "event: a",
                "data: 1",
                "data:2",
                "",
                "data",
                "",
                "retry: 5",
                "",
                "id: 1",
                "data:  x",
                "",
                "",
            ];
            let text = text.join(end);
            let expected = [event("a", "1\n2"), event("", ""), event("", " x")];
            assert_eq!(decode(&[text.as_bytes()]), expected, "{end:?}");
        }
    }

    #[test]
    fn an_id_counts_once_its_event_is_whole() {
        let mut decoder = SseDecoder::new();
        let mut push = |text: &str| {
            decoder.push(text.as_bytes(), |_, _| Ok(())).unwrap();
            decoder.last_id().to_owned()
        };
        assert_eq!(push("id: 7\n"), "");
        assert_eq!(push("\n"), "7", "one without data counts too");
        assert_eq!(push("id: 8\ndata: x\n"), "7");
        assert_eq!(push("\ndata: y\n\n"), "8");
    }

    #[test]
    fn the_last_event_may_come_without_its_empty_line() {
        assert_eq!(decode(&[b"data: 1\n\ndata: 2\n"]), [event("", "1"), event("", "2")]);
        assert_eq!(decode(&[b"data: 1\n\ndata: 2"]), [event("", "1"), event("", "2")]);
        assert_eq!(decode(&[b"data: 1\n\n\n: ping"]), [event("", "1")]);
    }

    #[test]
    fn a_stream_without_end_of_line_is_given_up() {
        let mut decoder = SseDecoder::new();
        let piece = vec![b'x'; 64 * 1024];
        let faults = (0..32).filter_map(|_| decoder.push(&piece, |_, _| Ok(())).err()).count();
        assert!(faults > 0);
        assert!(decoder.line.len() <= LONGEST_EVENT);
        let mut decoder = SseDecoder::new();
        let line = [&b"data: "[..], &piece, b"\n"].concat();
        assert!((0..32).any(|_| decoder.push(&line, |_, _| Ok(())).is_err()), "many lines of one event");
    }

    proptest! {
        #[test]
        fn where_it_is_cut_does_not_matter(
            text in "(data|event|id|:|data:|event: é|data: नमस्ते|[a-zé: ]{0,8}|\r|\n|\r\n){0,40}",
            cuts in prop::collection::vec(0usize..400, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(&pieces), decode(&[bytes]));
        }

        #[test]
        fn events_come_back_as_they_were_written(
            events in prop::collection::vec(("[a-z_]{0,6}", prop::collection::vec("[^\r\n]{0,12}", 1..4)), 0..6),
            end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
        ) {
            let mut text = String::new();
            for (name, lines) in &events {
                text += &format!("event: {name}{end}: ping{end}");
                for line in lines {
                    text += &format!("data: {line}{end}");
                }
                text += end;
            }
            let expected: Vec<_> = events.iter().map(|(name, lines)| event(name, &lines.join("\n"))).collect();
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            prop_assert_eq!(decode(&bytes), expected);
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            decode(&[&bytes]);
        }
    }
}
