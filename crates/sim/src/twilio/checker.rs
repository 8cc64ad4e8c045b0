//! Watches what a server sends to Twilio and notes every rule that it breaks. A message that Twilio would throw away
//! is thrown away here too.

use audio::SampleRate;
use audio::g711::mulaw_decode_into;
use base64_simd::STANDARD;
use call::{Micros, Tick};
use serde_json::{Map, Value};

use super::Breach;
use crate::side::FromServer;
use crate::watch::{Watch, shown};

/// 20 ms of mu-law.
const UNIT: usize = 160;
/// How files of sound begin.
const HEADERS: [&[u8]; 3] = [b"RIFF", b".snd", b"ID3"];

/// Watches one stream.
#[derive(Debug, Clone)]
pub struct Checker {
    stream: String,
    pub(crate) watch: Watch<Breach>,
}

impl Checker {
    /// Watches the stream of this id.
    pub fn new(stream: &str) -> Self {
        Self { stream: stream.to_owned(), watch: Watch::new(SampleRate::HZ_8000) }
    }

    /// The server closed the socket, which Twilio logs even where it is meant: it is how a flow goes on.
    pub fn closed(&mut self, at: Tick, code: Option<u16>) {
        if !self.watch.is_stopped() {
            let code = code.map_or_else(|| "without a code".to_owned(), |code| format!("with {code}"));
            self.watch.note(at, Breach::Closed, || format!("closed {code}"));
        }
    }

    /// Takes a binary message.
    pub fn binary(&mut self, at: Tick, bytes: usize) {
        self.watch.note(at, Breach::Binary, || format!("{bytes} bytes"));
    }

    /// Takes a text message, `waiting` being the audio that Twilio has of this stream before it.
    pub fn text(&mut self, at: Tick, text: &str, waiting: Micros) -> FromServer {
        let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
            self.watch.note(at, Breach::BadJson, || shown(text));
            return FromServer::Nothing;
        };
        let Some(event) = message.get("event").and_then(Value::as_str) else {
            self.watch.note(at, Breach::BadJson, || "no event".to_owned());
            return FromServer::Nothing;
        };
        let inner: &[&str] = match event {
            "media" => &["payload"],
            "mark" => &["name"],
            "clear" => &[],
            "connected" | "start" | "dtmf" | "stop" => {
                self.watch.note(at, Breach::CarrierEvent, || event.to_owned());
                return FromServer::Nothing;
            }
            other => {
                self.watch.note(at, Breach::UnknownEvent, || shown(other));
                return FromServer::Nothing;
            }
        };
        if !self.is_shaped(at, event, &message, inner) {
            return FromServer::Nothing;
        }
        let part = |key: &str| message.get(event).and_then(|part| part.get(key)).and_then(Value::as_str);
        match event {
            "clear" => FromServer::Clear,
            "mark" => match part("name") {
                Some(name) if !name.is_empty() => {
                    self.watch.mark();
                    FromServer::Mark(name.to_owned())
                }
                _ => {
                    self.watch.note(at, Breach::MarkName, || "no name".to_owned());
                    FromServer::Nothing
                }
            },
            _ => self.media(at, part("payload"), waiting),
        }
    }

    /// Whether the message is one that Twilio takes: of this stream, with no key too many, not before the start.
    fn is_shaped(&mut self, at: Tick, event: &str, message: &Map<String, Value>, inner: &[&str]) -> bool {
        let known = |key: &str| key == "event" || key == "streamSid" || (key == event && !inner.is_empty());
        let extra = message.keys().find(|key| !known(key)).cloned().or_else(|| {
            let body = message.get(event).and_then(Value::as_object)?;
            body.keys().find(|key| !inner.contains(&key.as_str())).map(|key| format!("{event}.{key}"))
        });
        let is_plain = extra.is_none();
        if let Some(extra) = extra {
            self.watch.note(at, Breach::ExtraStructure, || shown(&extra));
        }
        let stream = message.get("streamSid");
        let is_ours = stream.and_then(Value::as_str) == Some(self.stream.as_str());
        if !self.watch.is_started() {
            self.watch.note(at, Breach::BeforeStart, || event.to_owned());
        } else if !is_ours {
            let seen = stream.map_or_else(|| "none".to_owned(), |stream| shown(&stream.to_string()));
            self.watch.note(at, Breach::WrongStream, || seen);
        }
        is_plain && is_ours && self.watch.is_started()
    }

    fn media(&mut self, at: Tick, payload: Option<&str>, waiting: Micros) -> FromServer {
        let Some(bytes) = payload.and_then(|text| STANDARD.decode_to_vec(text).ok()) else {
            self.watch.note(at, Breach::BadBase64, || payload.map_or_else(|| "no payload".to_owned(), shown));
            return FromServer::Nothing;
        };
        let length = bytes.len();
        if HEADERS.iter().any(|header| bytes.starts_with(header)) {
            self.watch.note(at, Breach::FileHeader, || shown(&String::from_utf8_lossy(&bytes[..4])));
        }
        if !length.is_multiple_of(UNIT) {
            self.watch.note(at, Breach::OddSize, || format!("{length} bytes"));
        }
        if self.watch.is_late(at) {
            self.watch.note(at, Breach::AfterStop, || format!("{length} bytes"));
        }
        let mut samples = Vec::with_capacity(length);
        mulaw_decode_into(&bytes, &mut samples);
        if let Some(waits) = self.watch.audio(at, &samples, waiting) {
            self.watch.note(at, Breach::Burst, || format!("{:.1} s waiting", waits.as_ms() / 1000.0));
        }
        FromServer::Media(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Watching as _;

    fn started() -> Checker {
        let mut checker = Checker::new("MZ1");
        checker.watch.started(Tick(0));
        checker
    }

    fn media(bytes: &[u8]) -> String {
        let payload = STANDARD.encode_to_string(bytes);
        format!(r#"{{"event":"media","streamSid":"MZ1","media":{{"payload":"{payload}"}}}}"#)
    }

    /// The document's own three messages, with a short name for the stream.
    #[test]
    fn the_documents_messages_break_nothing() {
        let mut checker = started();
        let read = checker.text(Tick(1), &media(&[0xFF; 320]), Micros(0));
        assert_eq!(read, FromServer::Media(vec![0xFF; 320]));
        let mark = r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"greeting_done"}}"#;
        assert_eq!(checker.text(Tick(2), mark, Micros(0)), FromServer::Mark("greeting_done".to_owned()));
        let clear = r#"{"event":"clear","streamSid":"MZ1"}"#;
        assert_eq!(checker.text(Tick(3), clear, Micros(0)), FromServer::Clear);
        assert_eq!(checker.watch.noted(Tick(4)), []);
    }

    #[test]
    fn each_fault_is_noted_as_itself_and_thrown_away_where_twilio_would() {
        let silence = media(&[0xFF; 160]);
        for (text, wanted, taken) in [
            ("nonsense".to_owned(), Breach::BadJson, false),
            ("[1]".to_owned(), Breach::BadJson, false),
            (r#"{"streamSid":"MZ1"}"#.to_owned(), Breach::BadJson, false),
            (r#"{"event":"hangup","streamSid":"MZ1"}"#.to_owned(), Breach::UnknownEvent, false),
            (r#"{"event":"stop","streamSid":"MZ1"}"#.to_owned(), Breach::CarrierEvent, false),
            (silence.replace("MZ1", "MZ2"), Breach::WrongStream, false),
            (silence.replace("streamSid", "stream_sid"), Breach::ExtraStructure, false),
            (silence.replace("\"payload\"", "\"chunk\":\"1\",\"payload\""), Breach::ExtraStructure, false),
            (
                silence.replace("\"media\":{", "\"sequenceNumber\":\"1\",\"media\":{"),
                Breach::ExtraStructure,
                false,
            ),
            (silence.replace("//", "/*"), Breach::BadBase64, false),
            (media(b"RIFF"), Breach::FileHeader, true),
            (media(&[0xFF; 100]), Breach::OddSize, true),
            (r#"{"event":"mark","streamSid":"MZ1","mark":{}}"#.to_owned(), Breach::MarkName, false),
        ] {
            let mut checker = started();
            let read = checker.text(Tick(1), &text, Micros(0));
            let noted = checker.watch.noted(Tick(2));
            assert!(noted.iter().any(|noted| noted.breach == wanted), "{text}: {noted:?}");
            assert_eq!(read != FromServer::Nothing, taken, "{text}");
        }
    }

    #[test]
    fn time_matters() {
        let mut checker = Checker::new("MZ1");
        assert_eq!(checker.text(Tick(1), &media(&[0; 160]), Micros(0)), FromServer::Nothing);
        checker.binary(Tick(1), 7);
        checker.watch.started(Tick(2));
        checker.text(Tick(3), &media(&[0; 160]), Micros::from_ms(2_990));
        checker.closed(Tick(3), Some(1000));
        checker.watch.stopped(Tick(4), Micros(0));
        checker.closed(Tick(4), Some(1000));
        checker.text(Tick(5), &media(&[0xFF; 160]), Micros(0));
        let noted: Vec<(Breach, u32)> =
            checker.watch.noted(Tick(6)).iter().map(|noted| (noted.breach, noted.count)).collect();
        let wanted = [
            (Breach::Binary, 1),
            (Breach::BeforeStart, 1),
            (Breach::AfterStop, 1),
            (Breach::Burst, 1),
            (Breach::Closed, 1),
        ];
        assert_eq!(noted, wanted);
        let late = started().watch.noted(Tick(3_000_000));
        assert_eq!(late[0].breach, Breach::LateGreeting);
    }
}
