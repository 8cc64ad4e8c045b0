//! The messages that Exotel sends (Exotel, "Working with the Stream and Voicebot applet"): by default as captured
//! traffic has them, by option as documents and other simulators do.

use std::collections::BTreeMap;

use audio::SampleRate;
use base64_simd::STANDARD;
use serde_json::{Map, Value, json};

/// How numbers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Types {
    /// As decimal strings, as in captured traffic.
    #[default]
    Strings,
    /// As numbers where the documents' examples show numbers.
    Docs,
}

/// How keys are spelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spelling {
    /// `stream_sid`.
    #[default]
    Snake,
    /// `streamSid`, as one of the vendor's own samples has it.
    Camel,
}

/// What identifies the call and its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The stream's id.
    pub stream: String,
    /// The call's id.
    pub call: String,
    /// The account's name.
    pub account: String,
    /// The caller's number, as Exotel gives it: national with a leading 0.
    pub from: String,
    /// The number called.
    pub to: String,
    /// Custom parameters; the key is left out when there are none.
    pub custom: BTreeMap<String, String>,
    /// The stream's rate.
    pub rate: SampleRate,
}

impl Call {
    /// An invented call. `number` tells calls apart; ids have 32 characters and are not pure hexadecimal, as
    /// captured ones.
    pub fn invented(number: u64, rate: SampleRate) -> Self {
        Self {
            stream: format!("{number:016x}5b60718293a4bzxy"),
            call: format!("{number:016x}788796a5b4c3dpqr"),
            account: "acme1".to_owned(),
            from: "09800000001".to_owned(),
            to: "08000000002".to_owned(),
            custom: BTreeMap::new(),
            rate,
        }
    }
}

/// Builds the messages of one stream, counting as Exotel does: the sequence from 1 at the start, chunks from 1,
/// timestamps in milliseconds of audio.
#[derive(Debug, Clone)]
pub struct Messages {
    call: Call,
    types: Types,
    spelling: Spelling,
    sequence: u64,
    chunk: u64,
    bytes: u64,
}

impl Messages {
    /// The messages of this call, as captured traffic has them.
    pub const fn new(call: Call) -> Self {
        Self { call, types: Types::Strings, spelling: Spelling::Snake, sequence: 0, chunk: 0, bytes: 0 }
    }

    /// With numbers written so.
    #[must_use]
    pub const fn types(mut self, types: Types) -> Self {
        self.types = types;
        self
    }

    /// With keys spelled so.
    #[must_use]
    pub const fn spelling(mut self, spelling: Spelling) -> Self {
        self.spelling = spelling;
        self
    }

    /// The call.
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The first message of a socket.
    pub fn connected(&self) -> String {
        json!({"event": "connected"}).to_string()
    }

    /// The stream's start.
    pub fn start(&mut self) -> String {
        let call = &self.call;
        let rate = u64::from(call.rate.hz());
        let mut format = Map::new();
        format.insert(
            "encoding".to_owned(),
            json!(if self.types == Types::Docs { "raw/slin" } else { "base64" }),
        );
        format.insert(self.key("sample_rate"), self.number(rate));
        format.insert(self.key("bit_rate"), json!("128kbps"));
        let mut start = Map::new();
        for (key, value) in
            [("stream_sid", &call.stream), ("call_sid", &call.call), ("account_sid", &call.account)]
        {
            start.insert(self.key(key), json!(value));
        }
        start.insert("from".to_owned(), json!(call.from));
        start.insert("to".to_owned(), json!(call.to));
        if !call.custom.is_empty() {
            start.insert(self.key("custom_parameters"), json!(call.custom));
        }
        start.insert(self.key("media_format"), Value::Object(format));
        self.message("start", Some(Value::Object(start)))
    }

    /// A frame of audio.
    pub fn media(&mut self, samples: &[i16]) -> String {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.media_bytes(&bytes)
    }

    /// A frame of audio of any number of bytes, also an odd one.
    pub fn media_bytes(&mut self, bytes: &[u8]) -> String {
        let payload = STANDARD.encode_to_string(bytes);
        self.bytes += bytes.len() as u64;
        self.media_payload(&payload)
    }

    /// A frame whose payload is this text, whatever it is.
    pub fn media_payload(&mut self, payload: &str) -> String {
        self.chunk += 1;
        let at_ms = self.bytes * 500 / u64::from(self.call.rate.hz());
        let media =
            json!({"chunk": self.number(self.chunk), "timestamp": at_ms.to_string(), "payload": payload});
        self.message("media", Some(media))
    }

    /// A key press.
    pub fn dtmf(&mut self, digit: char) -> String {
        self.message("dtmf", Some(json!({"duration": "160", "digit": digit.to_string()})))
    }

    /// A mark: all audio before it was played.
    pub fn mark(&mut self, name: &str) -> String {
        self.message("mark", Some(json!({"name": name})))
    }

    /// A clear, which the vendor's own samples handle.
    pub fn clear(&mut self) -> String {
        self.message("clear", None)
    }

    /// The stream's end: `callended` when the caller hung up, `stopped` when the applet was ended.
    pub fn stop(&mut self, reason: &str) -> String {
        let call = self.key("call_sid");
        let account = self.key("account_sid");
        let stop = json!({call: self.call.call, account: self.call.account, "reason": reason});
        self.message("stop", Some(stop))
    }

    /// Any event, in the same frame.
    pub fn message(&mut self, event: &str, body: Option<Value>) -> String {
        self.sequence += 1;
        let mut message = Map::new();
        message.insert("event".to_owned(), json!(event));
        message.insert(self.key("stream_sid"), json!(self.call.stream));
        message.insert(self.key("sequence_number"), self.number(self.sequence));
        if let Some(body) = body {
            message.insert(event.to_owned(), body);
        }
        Value::Object(message).to_string()
    }

    fn number(&self, number: u64) -> Value {
        match self.types {
            Types::Strings => json!(number.to_string()),
            Types::Docs => json!(number),
        }
    }

    fn key(&self, snake: &str) -> String {
        if self.spelling == Spelling::Snake {
            return snake.to_owned();
        }
        let mut words = snake.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |key, word| {
            let mut letters = word.chars();
            let head: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            key + &head + letters.as_str()
        })
    }
}

#[cfg(test)]
mod tests {
    use call::CarrierEvent;
    use carriers::{Carrier, Finding, Reader};

    use super::*;

    fn conversation(messages: &mut Messages) -> Vec<String> {
        vec![
            messages.connected(),
            messages.start(),
            messages.media(&[1; 160]),
            messages.dtmf('5'),
            messages.mark("greeting_done"),
            messages.clear(),
            messages.stop("callended"),
        ]
    }

    #[test]
    fn every_way_of_writing_means_the_same_to_a_tolerant_reader() {
        let mut call = Call::invented(7, SampleRate::HZ_16000);
        call.custom.insert("lead_id".to_owned(), "42".to_owned());
        let read = |messages: Messages, odd: Option<Finding>| -> Vec<CarrierEvent> {
            let mut reader = Reader::new(Carrier::Exotel, None);
            let mut messages = messages;
            let texts = conversation(&mut messages);
            texts
                .iter()
                .map(|text| {
                    let read = reader.read(text);
                    assert!(read.finding.is_none() || read.finding == odd, "{text}: {:?}", read.finding);
                    read.event.unwrap()
                })
                .collect()
        };
        let plain = read(Messages::new(call.clone()), None);
        assert_eq!(plain.len(), 7);
        assert_eq!(read(Messages::new(call.clone()).types(Types::Docs), None), plain);
        assert_eq!(read(Messages::new(call).spelling(Spelling::Camel), Some(Finding::CamelCase)), plain);
    }

    #[test]
    fn counting_is_as_in_captures() {
        let mut messages = Messages::new(Call::invented(1, SampleRate::HZ_8000));
        let start: Value = serde_json::from_str(&messages.start()).unwrap();
        assert_eq!(
            (start["sequence_number"].as_str(), start["start"]["custom_parameters"].as_str()),
            (Some("1"), None)
        );
        let media: Value = serde_json::from_str(&messages.media(&[0; 160])).unwrap();
        assert_eq!(media["sequence_number"], "2");
        assert_eq!(
            (media["media"]["chunk"].as_str(), media["media"]["timestamp"].as_str()),
            (Some("1"), Some("20"))
        );
        assert_eq!(messages.call().stream.len(), 32);
        let mut docs = Messages::new(Call::invented(1, SampleRate::HZ_8000)).types(Types::Docs);
        let start: Value = serde_json::from_str(&docs.start()).unwrap();
        assert_eq!(
            (start["sequence_number"].as_u64(), start["start"]["media_format"]["sample_rate"].as_u64()),
            (Some(1), Some(8000))
        );
    }
}
