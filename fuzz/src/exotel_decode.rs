//! A socket full of messages from something that says it is Exotel, and the same bytes as a query and as a form.

use call::CarrierEvent;
use carriers::exotel::{ConnectRequest, SocketQuery, StreamReport};
use carriers::{Carrier, Reader};

/// Each line is a message; one that is not text goes in as a binary frame. A stream starts at most once and stops at
/// most once, nothing comes after that, and nothing kept grows with what was sent.
pub fn exotel_decode(data: &[u8]) {
    let mut reader = Reader::new(Carrier::Exotel, None);
    let (mut starts, mut stops) = (0, 0);
    for line in data.split(|byte| *byte == b'\n') {
        let read = match std::str::from_utf8(line) {
            Ok(text) => reader.read(text),
            Err(_) => reader.binary(line),
        };
        assert!(stops == 0 || read.event.is_none(), "{:?} after the stop", read.event);
        match read.event {
            Some(CarrierEvent::Start(start)) => {
                starts += 1;
                assert_eq!(start.rate, reader.rate());
                assert!(start.custom.len() <= 16 && start.stream.len() <= 1024, "a start is bounded");
            }
            Some(CarrierEvent::Audio(pcm)) => {
                assert!(!pcm.is_empty() && pcm.len() < line.len(), "audio comes out of its own message");
            }
            Some(CarrierEvent::Stop { word, .. }) => {
                stops += 1;
                assert!(word.len() <= 1024, "a word is bounded");
            }
            _ => {}
        }
    }
    assert!(starts <= 1 && stops <= 1, "{starts} starts and {stops} stops");
    assert!(reader.unknown_events().count() <= 16, "names of unknown events are bounded");
    assert!(reader.stream().len() <= 1024, "the stream's id is bounded");

    let text = String::from_utf8_lossy(data);
    let _ = SocketQuery::parse(&text);
    for kind in [None, Some("application/json"), Some("application/x-www-form-urlencoded"), Some(&*text)] {
        let _ = ConnectRequest::parse(&text, kind, data);
        let _ = StreamReport::parse("", kind, data);
    }
}
