//! Exotel's messages as the phone writes and reads them (Exotel, "Working with the Stream and Voicebot
//! applet"). Strings for numbers by default, as in captured traffic; numbers where its documents show them.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::plan::{CallPlan, Caller, Numbers};

/// Writes the carrier's side.
#[derive(Debug)]
pub(super) struct Writer {
    numbers: Numbers,
    caller: Caller,
    sequence: u64,
    chunk: u64,
}

impl Writer {
    pub(super) fn new(plan: &CallPlan) -> Self {
        Self { numbers: plan.numbers, caller: plan.caller.clone(), sequence: 0, chunk: 0 }
    }

    pub(super) fn connected(&self) -> String {
        json!({"event": "connected"}).to_string()
    }

    pub(super) fn start(&mut self, rate: u32) -> String {
        let mut start = json!({
            "stream_sid": self.caller.stream_sid,
            "call_sid": self.caller.call_sid,
            "account_sid": self.caller.account_sid,
            "from": self.caller.from,
            "to": self.caller.to,
            "media_format": {
                "encoding": "base64",
                "sample_rate": self.number(u64::from(rate)),
                "bit_rate": "128kbps",
            },
        });
        if !self.caller.custom.is_empty() {
            start["custom_parameters"] = json!(self.caller.custom);
        }
        self.message("start", &start)
    }

    pub(super) fn media(&mut self, at_ms: u64, samples: &[i16]) -> String {
        self.chunk += 1;
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let media = json!({
            "chunk": self.number(self.chunk),
            "timestamp": at_ms.to_string(),
            "payload": STANDARD.encode_to_string(&bytes),
        });
        self.message("media", &media)
    }

    pub(super) fn dtmf(&mut self, digit: char) -> String {
        self.message("dtmf", &json!({"duration": "160", "digit": digit.to_string()}))
    }

    pub(super) fn mark(&mut self, name: &str) -> String {
        self.message("mark", &json!({"name": name}))
    }

    pub(super) fn stop(&mut self) -> String {
        let stop = json!({
            "call_sid": self.caller.call_sid,
            "account_sid": self.caller.account_sid,
            "reason": "callended",
        });
        self.message("stop", &stop)
    }

    fn message(&mut self, event: &str, body: &Value) -> String {
        self.sequence += 1;
        json!({
            "event": event,
            "stream_sid": self.caller.stream_sid,
            "sequence_number": self.number(self.sequence),
            event: body,
        })
        .to_string()
    }

    fn number(&self, number: u64) -> Value {
        match self.numbers {
            Numbers::Strings => number.to_string().into(),
            Numbers::Docs => number.into(),
        }
    }
}

/// What a server may say.
#[derive(Debug, PartialEq)]
pub(super) enum FromServer {
    /// Audio.
    Media(Vec<i16>),
    /// A mark.
    Mark(String),
    /// Drop what is queued.
    Clear,
    /// Nothing that the protocol knows.
    Finding(String),
}

/// Reads one text message of the server's.
pub(super) fn read(text: &str) -> FromServer {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return FromServer::Finding("a message is not JSON".to_owned());
    };
    match message["event"].as_str() {
        Some("media") => read_media(&message),
        Some("mark") => match message["mark"]["name"].as_str() {
            Some(name) => FromServer::Mark(name.to_owned()),
            None => FromServer::Finding("a mark has no mark.name".to_owned()),
        },
        Some("clear") => FromServer::Clear,
        Some(other) => {
            let name: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
            FromServer::Finding(format!("a server does not send the event \"{name}\""))
        }
        None => FromServer::Finding("a message has no event".to_owned()),
    }
}

fn read_media(message: &Value) -> FromServer {
    let Some(payload) = message["media"]["payload"].as_str() else {
        return FromServer::Finding("a media message has no media.payload".to_owned());
    };
    match STANDARD.decode_to_vec(payload) {
        Err(_) => FromServer::Finding("a payload is not base64".to_owned()),
        Ok(bytes) if bytes.len() % 2 == 1 => {
            FromServer::Finding("a payload has half a sample at its end".to_owned())
        }
        Ok(bytes) => {
            FromServer::Media(bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_strings_unless_the_documents_are_followed() {
        let mut plan = CallPlan::new("ws://localhost");
        let mut writer = Writer::new(&plan);
        let start: Value = serde_json::from_str(&writer.start(8000)).unwrap();
        assert_eq!(start["sequence_number"], "1");
        assert_eq!(start["start"]["media_format"]["sample_rate"], "8000");
        assert!(start["start"].get("custom_parameters").is_none());
        let media: Value = serde_json::from_str(&writer.media(20, &[1, -1])).unwrap();
        assert_eq!(media["sequence_number"], "2");
        assert_eq!(media["media"], json!({"chunk": "1", "timestamp": "20", "payload": "AQD//w=="}));

        plan.numbers = Numbers::Docs;
        let mut writer = Writer::new(&plan);
        let start: Value = serde_json::from_str(&writer.start(8000)).unwrap();
        assert_eq!(start["sequence_number"], 1);
        assert_eq!(start["start"]["media_format"]["sample_rate"], 8000);
    }

    #[test]
    fn a_server_is_read_and_its_faults_named() {
        assert_eq!(
            read(r#"{"event":"media","stream_sid":"x","media":{"payload":"AQD//w=="}}"#),
            FromServer::Media(vec![1, -1])
        );
        assert_eq!(read(r#"{"event":"clear"}"#), FromServer::Clear);
        for (text, fault) in [
            ("nonsense", "not JSON"),
            (r#"{"event":"media","media":{"payload":"?"}}"#, "not base64"),
            (r#"{"event":"media","media":{"payload":"AQ=="}}"#, "half a sample"),
            (r#"{"event":"start"}"#, "\"start\""),
            ("{}", "no event"),
        ] {
            match read(text) {
                FromServer::Finding(what) => assert!(what.contains(fault), "{text}: {what}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
