//! The messages that Twilio sends on a media socket (Twilio, "Media Streams WebSocket messages"): counters and
//! timestamps are strings, the format's rate and channels are numbers, and `dtmf` names its track otherwise than
//! `media` does.

use std::collections::BTreeMap;

use audio::g711::mulaw_encode_into;
use base64_simd::STANDARD;
use serde_json::{Value, json};

/// Which way a call goes, in Twilio's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Somebody rings.
    #[default]
    Inbound,
    /// It was placed over the REST interface.
    OutboundApi,
}

impl Direction {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
        }
    }
}

/// What identifies the call and its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The account, `AC` and 32 hexadecimal digits.
    pub account: String,
    /// The call, `CA` and 32.
    pub call: String,
    /// The stream, `MZ` and 32.
    pub stream: String,
    /// Who calls, E.164.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// Which way.
    pub direction: Direction,
    /// The `<Parameter>`s of the TwiML.
    pub parameters: BTreeMap<String, String>,
}

impl Call {
    /// An invented call. `number` tells calls apart.
    pub fn invented(number: u64) -> Self {
        Self {
            account: format!("AC{:032x}", 0xa11),
            call: format!("CA{number:016x}788796a5b4c3d001"),
            stream: format!("MZ{number:016x}5b60718293a4b002"),
            from: "+12025550123".to_owned(),
            to: "+918000000002".to_owned(),
            direction: Direction::Inbound,
            parameters: BTreeMap::new(),
        }
    }
}

/// Builds the messages of one stream. The sequence counts every message after `connected` from 1, chunks count from 1,
/// timestamps are milliseconds since the stream's start.
#[derive(Debug, Clone)]
pub struct Messages {
    call: Call,
    sequence: u64,
    chunk: u64,
    bytes: u64,
}

impl Messages {
    /// The messages of this call.
    pub const fn new(call: Call) -> Self {
        Self { call, sequence: 0, chunk: 0, bytes: 0 }
    }

    /// The call.
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The first message of a socket.
    pub fn connected(&self) -> String {
        json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()
    }

    /// The stream's start.
    pub fn start(&mut self) -> String {
        let call = &self.call;
        let start = json!({
            "accountSid": call.account,
            "streamSid": call.stream,
            "callSid": call.call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": call.parameters,
        });
        self.message("start", Some(start))
    }

    /// A frame of the caller's audio.
    pub fn media(&mut self, samples: &[i16]) -> String {
        let mut codes = Vec::with_capacity(samples.len());
        mulaw_encode_into(samples, &mut codes);
        self.bytes += codes.len() as u64;
        let payload = STANDARD.encode_to_string(codes);
        self.media_payload(&payload)
    }

    /// A frame whose payload is this text, whatever it is.
    pub fn media_payload(&mut self, payload: &str) -> String {
        self.chunk += 1;
        let media = json!({
            "track": "inbound",
            "chunk": self.chunk.to_string(),
            "timestamp": (self.bytes / 8).to_string(),
            "payload": payload,
        });
        self.message("media", Some(media))
    }

    /// A key press.
    pub fn dtmf(&mut self, digit: char) -> String {
        self.message("dtmf", Some(json!({"track": "inbound_track", "digit": digit.to_string()})))
    }

    /// A mark that came to the queue's head, or that was cleared.
    pub fn mark(&mut self, name: &str) -> String {
        self.message("mark", Some(json!({"name": name})))
    }

    /// The stream's end.
    pub fn stop(&mut self) -> String {
        let stop = json!({"accountSid": self.call.account, "callSid": self.call.call});
        self.message("stop", Some(stop))
    }

    /// Any event, in the same frame.
    pub fn message(&mut self, event: &str, body: Option<Value>) -> String {
        self.sequence += 1;
        let mut message = json!({
            "event": event,
            "sequenceNumber": self.sequence.to_string(),
            "streamSid": self.call.stream,
        });
        if let Some(body) = body {
            message[event] = body;
        }
        message.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's examples, compared as values.
    #[test]
    fn messages_are_as_the_document_shows_them() {
        let (account, call, stream) =
            (format!("AC{:a<32}", ""), format!("CA{:c<32}", ""), format!("MZ{:b<32}", ""));
        let parameters = [("call_ref".to_owned(), "c-42".to_owned())].into();
        let mut messages = Messages::new(Call {
            account: account.clone(),
            call: call.clone(),
            stream: stream.clone(),
            parameters,
            ..Call::invented(1)
        });
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!(
            read(messages.connected()),
            json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        );
        assert_eq!(
            read(messages.start()),
            json!({"event":"start","sequenceNumber":"1","start":{"accountSid":account,"streamSid":stream,
                "callSid":call,"tracks":["inbound"],
                "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},
                "customParameters":{"call_ref":"c-42"}},"streamSid":stream})
        );
        let media = read(messages.media(&[0; 160]));
        assert_eq!(media["media"]["payload"].as_str().unwrap().len(), 216);
        assert_eq!(
            media,
            json!({"event":"media","sequenceNumber":"2","media":{"track":"inbound","chunk":"1","timestamp":"20",
                "payload":media["media"]["payload"]},"streamSid":stream})
        );
        assert_eq!(
            read(messages.dtmf('1')),
            json!({"event":"dtmf","streamSid":stream,"sequenceNumber":"3",
                "dtmf":{"track":"inbound_track","digit":"1"}})
        );
        assert_eq!(
            read(messages.mark("greeting_done")),
            json!({"event":"mark","sequenceNumber":"4","streamSid":stream,"mark":{"name":"greeting_done"}})
        );
        assert_eq!(
            read(messages.stop()),
            json!({"event":"stop","sequenceNumber":"5","streamSid":stream,
                "stop":{"accountSid":account,"callSid":call}})
        );
    }

    #[test]
    fn ids_have_the_documents_shape() {
        let call = Call::invented(u64::MAX);
        for (id, begin) in [(&call.account, "AC"), (&call.call, "CA"), (&call.stream, "MZ")] {
            let rest = id.strip_prefix(begin).unwrap();
            assert!(rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }
}
