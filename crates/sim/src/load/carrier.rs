//! The carrier's messages of one call, put together from pieces that were made before (Exotel, "Working with the
//! Stream and Voicebot applet"; numbers as strings, as in captured traffic).

use std::io::Write as _;

use super::line::Outbox;

/// Writes one call's messages.
#[derive(Debug)]
pub(super) struct Carrier {
    stream: String,
    call: String,
    sequence: u64,
    chunks: u64,
}

impl Carrier {
    /// The call of this number, at 8 kHz.
    pub(super) fn numbered(number: usize) -> Self {
        Self {
            stream: format!("bench{number:027}"),
            call: format!("call{number:028}"),
            sequence: 0,
            chunks: 0,
        }
    }

    pub(super) fn start(&mut self, out: &mut Outbox) {
        out.text(&[br#"{"event":"connected"}"#]);
        self.sequence += 1;
        let Self { stream, call, .. } = self;
        let start = format!(
            r#"{{"event":"start","stream_sid":"{stream}","sequence_number":"1","start":{{"stream_sid":"{stream}","call_sid":"{call}","account_sid":"bench1","from":"09800000001","to":"08000000002","media_format":{{"encoding":"base64","sample_rate":"8000","bit_rate":"128kbps"}}}}}}"#
        );
        out.text(&[start.as_bytes()]);
    }

    /// 20 ms of audio whose base64 is `payload`.
    pub(super) fn media(&mut self, payload: &str, out: &mut Outbox) {
        let at_ms = self.chunks * 20;
        self.sequence += 1;
        self.chunks += 1;
        let (mut sequence, mut chunk, mut timestamp) = <([u8; 20], [u8; 20], [u8; 20])>::default();
        out.text(&[
            br#"{"event":"media","stream_sid":""#,
            self.stream.as_bytes(),
            br#"","sequence_number":""#,
            digits(self.sequence, &mut sequence),
            br#"","media":{"chunk":""#,
            digits(self.chunks, &mut chunk),
            br#"","timestamp":""#,
            digits(at_ms, &mut timestamp),
            br#"","payload":""#,
            payload.as_bytes(),
            br#""}}"#,
        ]);
    }

    /// A mark of the server's was reached.
    pub(super) fn mark(&mut self, name: &str, out: &mut Outbox) {
        self.sequence += 1;
        let Self { stream, sequence, .. } = self;
        let mark = format!(
            r#"{{"event":"mark","stream_sid":"{stream}","sequence_number":"{sequence}","mark":{{"name":"{name}"}}}}"#
        );
        out.text(&[mark.as_bytes()]);
    }

    pub(super) fn stop(&mut self, out: &mut Outbox) {
        self.sequence += 1;
        let Self { stream, call, sequence, .. } = self;
        let stop = format!(
            r#"{{"event":"stop","stream_sid":"{stream}","sequence_number":"{sequence}","stop":{{"call_sid":"{call}","account_sid":"bench1","reason":"callended"}}}}"#
        );
        out.text(&[stop.as_bytes()]);
    }
}

fn digits(number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut rest = &mut buffer[..];
    // 20 bytes hold every number.
    let _ = write!(rest, "{number}");
    let unused = rest.len();
    &buffer[..20 - unused]
}

/// What a server says, as far as a load needs to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// So many bytes of audio.
    Media(usize),
    /// A mark of this name.
    Mark(&'a str),
    Clear,
    Other,
}

/// Reads a message by its shape. The conformance rules are elsewhere; here only speed counts, and a message that
/// is written otherwise shows in what is counted.
pub(super) fn read(text: &[u8]) -> Said<'_> {
    let Some(event) = text.strip_prefix(br#"{"event":""#) else { return Said::Other };
    if event.starts_with(b"media") {
        let payload = after(text, br#""payload":""#).unwrap_or_default();
        let base64 = payload.iter().position(|byte| matches!(byte, b'"' | b'=')).unwrap_or(payload.len());
        Said::Media(base64 * 3 / 4)
    } else if event.starts_with(b"mark") {
        let name = after(text, br#""name":""#).and_then(|name| name.split(|byte| *byte == b'"').next());
        name.and_then(|name| std::str::from_utf8(name).ok()).map_or(Said::Other, Said::Mark)
    } else if event.starts_with(b"clear") {
        Said::Clear
    } else {
        Said::Other
    }
}

fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(key.len()).position(|window| window == key)?;
    text.get(at + key.len()..)
}

#[cfg(test)]
mod tests {
    use audio::SampleRate;
    use call::CarrierEvent;
    use carriers::Reader;
    use carriers::exotel::Writer;

    use super::*;

    fn texts(outbox: &Outbox) -> Vec<String> {
        outbox.texts().into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn the_messages_are_understood_by_the_servers_reader() {
        let (mut carrier, mut out) = (Carrier::numbered(7), Outbox::default());
        carrier.start(&mut out);
        carrier.media("AAABAAIA", &mut out);
        carrier.mark("u0", &mut out);
        carrier.stop(&mut out);
        let mut reader = Reader::new(carriers::Carrier::Exotel, None);
        let events: Vec<_> = texts(&out)
            .iter()
            .map(|text| {
                let read = reader.read(text);
                assert!(read.finding.is_none(), "{text}");
                read.event.unwrap()
            })
            .collect();
        assert!(matches!(&events[1], CarrierEvent::Start(start) if start.rate == SampleRate::HZ_8000));
        assert!(matches!(&events[2], CarrierEvent::Audio(pcm) if pcm[..] == [0, 1, 2]));
        assert!(matches!(&events[3], CarrierEvent::Mark { name } if name == "u0"));
        assert!(matches!(&events[4], CarrierEvent::Stop { .. }));
    }

    #[test]
    fn the_servers_messages_are_told_apart() {
        let mut writer = Writer::new("s", SampleRate::HZ_8000);
        assert_eq!(read(writer.media(&[0; 1600]).as_bytes()), Said::Media(3200));
        assert_eq!(read(writer.mark("u12").as_bytes()), Said::Mark("u12"));
        assert_eq!(read(writer.clear().as_bytes()), Said::Clear);
        assert_eq!(read(b"nonsense"), Said::Other);
    }
}
