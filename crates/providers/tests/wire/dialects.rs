//! The plainest dialects: words as they are.

use audio::{Pcm, SampleRate};
use bytes::Bytes;
use call::{
    Converse, Conversed, Fault, FaultClass, Heard, ItemId, Prompt, SpeechId, Thought, UtteranceId, Voiced,
};
use http::Method;
use providers::dialect::{
    AgentSession, AgentSocketDialect, AudioDecoder, Body, EarDialect, EarSession, EarSocketDialect, Flow,
    Frame, HttpRequest, ModelDecoder, ModelDialect, Parting, Refusal, Refuses, SocketRequest, VoiceDialect,
    VoiceSession, VoiceSocketDialect,
};
use providers::{ConverseSpec, ListenSpec, VoiceSpec};
use url::Url;

/// A vendor whose words mean what they say.
pub(crate) struct Plain {
    base: Url,
    /// How long its recogniser may stay quiet.
    pub(crate) patience_ms: u64,
    /// How long nothing may be sent to its sockets.
    pub(crate) keep_alive_ms: Option<u64>,
    /// Its recogniser says hello before it takes audio.
    pub(crate) says_hello: bool,
}

impl Plain {
    pub(crate) fn at(base: &str) -> Self {
        Self { base: base.parse().unwrap(), patience_ms: 400, keep_alive_ms: None, says_hello: false }
    }

    fn post(&self, path: &str, bytes: Vec<u8>) -> HttpRequest {
        let body = Body::Bytes { content_type: "application/octet-stream", bytes };
        HttpRequest { method: Method::POST, url: self.base.join(path).unwrap(), headers: Vec::new(), body }
    }

    fn get(&self, path: &str) -> HttpRequest {
        let url = self.base.join(path).unwrap();
        HttpRequest { method: Method::GET, url, headers: Vec::new(), body: Body::Empty }
    }

    fn socket(&self, path: &str) -> SocketRequest {
        let mut url = self.base.join(path).unwrap();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).unwrap();
        SocketRequest { url, headers: Vec::new() }
    }
}

impl Refuses for Plain {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        refusal.usual(&String::from_utf8_lossy(refusal.body))
    }
}

fn closed(code: Option<u16>, reason: &str) -> Fault {
    match code {
        Some(1011) => Fault::new(FaultClass::Idle, format!("1011: {reason}")),
        Some(1008) => Fault::new(FaultClass::Config, format!("1008: {reason}")),
        other => Fault::new(FaultClass::Network, format!("closed with {other:?} {reason}")),
    }
}

fn garbage(what: &str) -> Fault {
    Fault::new(FaultClass::Garbage, format!("not understood: {what}"))
}

impl ModelDialect for Plain {
    fn request(&self, prompt: &Prompt) -> HttpRequest {
        self.post("ask", serde_json::to_vec(prompt).unwrap())
    }

    fn probe(&self) -> HttpRequest {
        self.get("models")
    }

    fn decoder(&self) -> Box<dyn ModelDecoder> {
        Box::new(Words)
    }
}

struct Words;

impl ModelDecoder for Words {
    fn event(&mut self, event: &str, data: &str, out: &mut Vec<Thought>) -> Result<(), Fault> {
        match event {
            "word" => out.push(Thought::Delta(data.to_owned())),
            "error" => return Err(Fault::new(FaultClass::Busy, data)),
            "end" => out.push(Thought::Done),
            "" | "ping" => {}
            other => return Err(garbage(other)),
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<Thought>) -> Result<(), Fault> {
        Ok(())
    }
}

impl VoiceDialect for Plain {
    fn request(&self, text: &str, _spec: &VoiceSpec) -> HttpRequest {
        self.post("say", text.as_bytes().to_vec())
    }

    fn probe(&self) -> HttpRequest {
        self.get("voices")
    }

    fn decoder(&self, _spec: &VoiceSpec, content_type: &str) -> Result<Box<dyn AudioDecoder>, Fault> {
        if content_type == "audio/pcm" {
            Ok(Box::new(Bytes16(Vec::new())))
        } else {
            Err(garbage(content_type))
        }
    }
}

struct Bytes16(Vec<u8>);

impl AudioDecoder for Bytes16 {
    fn rate(&self) -> SampleRate {
        SampleRate::HZ_8000
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), Fault> {
        self.0.extend_from_slice(bytes);
        let whole = self.0.len() / 2 * 2;
        out.extend(Pcm::from_le_bytes(&self.0[..whole]).iter());
        self.0.drain(..whole);
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<i16>) -> Result<(), Fault> {
        Ok(())
    }
}

impl EarDialect for Plain {
    fn request(&self, samples: &[i16], _spec: &ListenSpec) -> HttpRequest {
        let mut bytes = Vec::new();
        Pcm::from(samples).write_le_bytes(&mut bytes);
        self.post("hear", bytes)
    }

    fn probe(&self) -> HttpRequest {
        self.get("models")
    }

    fn text(&self, body: &[u8]) -> Result<String, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| garbage("bytes"))?;
        let text = text.strip_prefix("text ").ok_or_else(|| garbage(text))?;
        Ok(text.to_owned())
    }
}

impl EarSocketDialect for Plain {
    fn connect(&self, _spec: &ListenSpec) -> SocketRequest {
        self.socket("listen")
    }

    fn session(&self, _spec: &ListenSpec) -> Box<dyn EarSession> {
        Box::new(Listening {
            is_ready: !self.says_hello,
            patience_ms: self.patience_ms,
            keep_alive_ms: self.keep_alive_ms,
        })
    }
}

/// `began 1`, `finish 1`, bytes; and back `ready`, `partial 1 words`, `final 1 words`, `pause 1 words`.
struct Listening {
    is_ready: bool,
    patience_ms: u64,
    keep_alive_ms: Option<u64>,
}

impl EarSession for Listening {
    fn opened(&mut self, send: &mut Vec<Frame>) {
        send.push(Frame::Text("hello".to_owned()));
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn audio(&mut self, samples: &[i16], send: &mut Vec<Frame>) {
        let mut bytes = Vec::new();
        Pcm::from(samples).write_le_bytes(&mut bytes);
        send.push(Frame::Binary(bytes.into()));
    }

    fn began(&mut self, speech: SpeechId, send: &mut Vec<Frame>) {
        send.push(Frame::Text(format!("began {}", speech.0)));
    }

    fn finish(&mut self, speech: SpeechId, send: &mut Vec<Frame>, _out: &mut Vec<(SpeechId, Heard)>) {
        send.push(Frame::Text(format!("finish {}", speech.0)));
    }

    fn patience_ms(&self) -> u64 {
        self.patience_ms
    }

    fn give_up(&mut self, speech: SpeechId, out: &mut Vec<(SpeechId, Heard)>) {
        out.push((speech, Heard::Final("given up".to_owned())));
    }

    fn frame(
        &mut self,
        frame: Frame,
        _send: &mut Vec<Frame>,
        out: &mut Vec<(SpeechId, Heard)>,
    ) -> Result<Flow, Fault> {
        let Frame::Text(text) = frame else { return Err(garbage("bytes")) };
        let mut words = text.splitn(3, ' ');
        let kind = words.next().unwrap_or_default();
        let speech = words.next().and_then(|id| id.parse().ok()).map(SpeechId);
        let text = words.next().unwrap_or_default().to_owned();
        match (kind, speech) {
            ("ready", _) => self.is_ready = true,
            ("noise", _) => {}
            ("bye", _) => return Ok(Flow::Close),
            ("partial", Some(speech)) => out.push((speech, Heard::Partial(text))),
            ("final", Some(speech)) => out.push((speech, Heard::Final(text))),
            ("pause", Some(speech)) => out.push((speech, Heard::Pause(text))),
            _ => return Err(garbage(kind)),
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        self.keep_alive_ms
    }

    fn keep_alive(&mut self, send: &mut Vec<Frame>) {
        send.push(Frame::Text("still here".to_owned()));
    }

    fn close(&mut self, send: &mut Vec<Frame>) {
        send.push(Frame::Text("goodbye".to_owned()));
    }

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        closed(code, reason)
    }
}

impl VoiceSocketDialect for Plain {
    fn connect(&self, _spec: &VoiceSpec) -> SocketRequest {
        self.socket("speak")
    }

    fn session(&self, _spec: &VoiceSpec) -> Box<dyn VoiceSession> {
        Box::new(Speaking { speaks: UtteranceId(0) })
    }
}

/// `speak 1 words`, `stop 1`; and back `audio 1` before bytes, `done 1`.
struct Speaking {
    speaks: UtteranceId,
}

impl VoiceSession for Speaking {
    fn opened(&mut self, send: &mut Vec<Frame>) {
        send.push(Frame::Text("hello".to_owned()));
    }

    fn speak(&mut self, utterance: UtteranceId, text: &str, send: &mut Vec<Frame>) {
        send.push(Frame::Text(format!("speak {} {text}", utterance.0)));
    }

    fn stop(&mut self, utterance: UtteranceId, send: &mut Vec<Frame>) {
        send.push(Frame::Text(format!("stop {}", utterance.0)));
    }

    fn frame(
        &mut self,
        frame: Frame,
        _send: &mut Vec<Frame>,
        out: &mut Vec<(UtteranceId, Voiced)>,
    ) -> Result<Flow, Fault> {
        match frame {
            Frame::Binary(bytes) => {
                let pcm = Pcm::from_le_bytes(&bytes);
                out.push((self.speaks, Voiced::Audio { rate: SampleRate::HZ_8000, pcm }));
            }
            Frame::Text(text) => {
                let (kind, id) = text.split_once(' ').ok_or_else(|| garbage(&text))?;
                let id = UtteranceId(id.parse().map_err(|_| garbage(&text))?);
                match kind {
                    "audio" => self.speaks = id,
                    "done" => out.push((id, Voiced::Done)),
                    _ => return Err(garbage(kind)),
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        None
    }

    fn keep_alive(&mut self, _send: &mut Vec<Frame>) {}

    fn finish(&mut self, send: &mut Vec<Frame>) {
        send.push(Frame::Text("goodbye".to_owned()));
    }

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        closed(code, reason)
    }
}

impl AgentSocketDialect for Plain {
    fn connect(&self, _: &ConverseSpec, _: Option<&[u8]>) -> Result<SocketRequest, Fault> {
        Ok(self.socket("converse"))
    }

    fn session(&self, _spec: &ConverseSpec) -> Box<dyn AgentSession> {
        Box::new(Conversing { is_ready: false })
    }
}

/// Bytes, `say words`; and back `ready`, bytes.
struct Conversing {
    is_ready: bool,
}

impl AgentSession for Conversing {
    fn opened(&mut self, send: &mut Vec<Frame>) {
        send.push(Frame::Text("hello".to_owned()));
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn take(&mut self, what: Converse, send: &mut Vec<Frame>) {
        match what {
            Converse::Audio(pcm) => {
                let mut bytes = Vec::new();
                pcm.write_le_bytes(&mut bytes);
                send.push(Frame::Binary(Bytes::from(bytes)));
            }
            Converse::Say(text) => send.push(Frame::Text(format!("say {text}"))),
            _ => {}
        }
    }

    fn frame(
        &mut self,
        frame: Frame,
        _send: &mut Vec<Frame>,
        out: &mut Vec<Conversed>,
    ) -> Result<Flow, Fault> {
        match frame {
            Frame::Binary(bytes) => {
                let (rate, pcm) = (SampleRate::HZ_8000, Pcm::from_le_bytes(&bytes));
                out.push(Conversed::Audio { item: ItemId(0), rate, pcm });
            }
            Frame::Text(text) if text == "ready" => {
                self.is_ready = true;
                out.push(Conversed::Ready);
            }
            Frame::Text(text) => return Err(garbage(&text)),
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        None
    }

    fn keep_alive(&mut self, _send: &mut Vec<Frame>) {}

    fn closed(&self, code: Option<u16>, reason: &str) -> Parting {
        Parting::Failed(closed(code, reason))
    }
}
