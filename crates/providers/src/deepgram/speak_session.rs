//! The voice over a WebSocket, `GET /v1/speak`: texts go in, each followed by `Flush`; bytes come out, and `Flushed`
//! after the last ones of each. `Clear` drops all that the vendor has, also what was not to be stopped; that is
//! asked for again.

use std::collections::VecDeque;

use audio::{Pcm, SampleRate};
use call::{Fault, FaultClass, UtteranceId, Voiced};
use serde_json::json;

use super::account::{self, Account};
use super::messages::{Kind, Notice, read};
use crate::VoiceSpec;
use crate::dialect::{
    Coding, Flow, Frame, RawSamples, Refusal, Refuses, SocketRequest, VoiceSession, VoiceSocketDialect,
    one_line,
};

/// The vendor flushes 20 times in 60 s and answers more with a warning. For so long this link is then left alone.
const FLUSH_WINDOW_MS: u64 = 60_000;

/// The voice over a WebSocket.
#[derive(Debug)]
pub(super) struct SpeakSocket {
    account: Account,
}

impl SpeakSocket {
    /// What only the voice over HTTP knows is not sent.
    pub(super) fn new(account: Account) -> Self {
        Self { account: account.without(&["container", "bit_rate", "callback", "callback_method", "tag"]) }
    }
}

impl Refuses for SpeakSocket {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        account::fault(refusal)
    }
}

impl VoiceSocketDialect for SpeakSocket {
    fn connect(&self, spec: &VoiceSpec) -> SocketRequest {
        let url = self.account.options().socket_url("v1/speak", &self.account.speech(spec));
        SocketRequest { url, headers: self.account.headers() }
    }

    fn session(&self, spec: &VoiceSpec) -> Box<dyn VoiceSession> {
        let rate = self.account.speech_rate(spec);
        Box::new(SpeakSession::new(rate, self.account.speech_coding()))
    }
}

/// An utterance that was asked for and is not over.
#[derive(Debug)]
struct Asked {
    utterance: UtteranceId,
    /// For when it has to be asked for again.
    text: String,
    is_wanted: bool,
}

/// What the vendor is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vendor {
    /// It speaks what was asked for.
    Speaks,
    /// It was told to drop everything and has not said that it did. What comes is of the old.
    Clears,
    /// It holds a text that it did not flush, which is to be dropped once the others are spoken.
    HoldsUnflushed,
}

/// What is said on the socket.
#[derive(Debug)]
struct SpeakSession {
    rate: SampleRate,
    vendor: Vendor,
    /// What the vendor has; the first one is being spoken.
    sent: VecDeque<Asked>,
    /// What it is to get after its `Cleared`.
    held: VecDeque<Asked>,
    raw: RawSamples,
    samples: Vec<i16>,
    closing: bool,
}

impl VoiceSession for SpeakSession {
    fn opened(&mut self, _send: &mut Vec<Frame>) {}

    fn speak(&mut self, utterance: UtteranceId, text: &str, send: &mut Vec<Frame>) {
        let asked = Asked { utterance, text: text.to_owned(), is_wanted: true };
        if self.vendor == Vendor::Speaks {
            ask(text, send);
            self.sent.push_back(asked);
        } else {
            self.held.push_back(asked);
        }
    }

    fn stop(&mut self, utterance: UtteranceId, send: &mut Vec<Frame>) {
        self.held.retain(|asked| asked.utterance != utterance);
        let Some(index) = self.sent.iter().position(|asked| asked.utterance == utterance) else { return };
        self.sent[index].is_wanted = false;
        // One that waits behind others is dropped when its turn comes: a `Clear` would cut those.
        if index == 0 {
            self.clear(send);
        }
    }

    fn frame(
        &mut self,
        frame: Frame,
        send: &mut Vec<Frame>,
        out: &mut Vec<(UtteranceId, Voiced)>,
    ) -> Result<Flow, Fault> {
        let text = match frame {
            Frame::Binary(bytes) => {
                self.audio(&bytes, out);
                return Ok(Flow::Continue);
            }
            Frame::Text(text) => text,
        };
        match &*read::<Kind<'_>>(&text)?.kind {
            "Flushed" => self.flushed(send, out),
            "Cleared" => self.cleared(send),
            "Warning" => self.warned(&read(&text)?, send, out),
            "Error" => {
                let error: Notice<'_> = read(&text)?;
                return Err(account::message_fault(error.code(), error.description()));
            }
            _ => {}
        }
        let is_done = self.closing && self.sent.is_empty() && self.held.is_empty();
        Ok(if is_done { Flow::Close } else { Flow::Continue })
    }

    /// The vendor's pages name no end of an idle voice short of the session's own; one that comes is told by its
    /// closing.
    fn keep_alive_ms(&self) -> Option<u64> {
        None
    }

    fn keep_alive(&mut self, _send: &mut Vec<Frame>) {}

    fn finish(&mut self, send: &mut Vec<Frame>) {
        self.closing = true;
        send.push(message("Close"));
    }

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        account::closing(code, reason)
    }
}

impl SpeakSession {
    const fn new(rate: SampleRate, coding: Coding) -> Self {
        Self {
            rate,
            vendor: Vendor::Speaks,
            sent: VecDeque::new(),
            held: VecDeque::new(),
            raw: RawSamples::new(coding),
            samples: Vec::new(),
            closing: false,
        }
    }

    /// Bytes belong to the utterance whose flush is the oldest without an answer. A message may end within a
    /// sample.
    fn audio(&mut self, bytes: &[u8], out: &mut Vec<(UtteranceId, Voiced)>) {
        // While it clears, nothing is sent.
        let Some(first) = self.sent.front() else { return };
        self.samples.clear();
        self.raw.push(bytes, &mut self.samples);
        if !self.samples.is_empty() {
            let pcm = Pcm::from(&self.samples[..]);
            out.push((first.utterance, Voiced::Audio { rate: self.rate, pcm }));
        }
    }

    fn flushed(&mut self, send: &mut Vec<Frame>, out: &mut Vec<(UtteranceId, Voiced)>) {
        self.raw.reset();
        let Some(done) = self.sent.pop_front() else { return };
        out.push((done.utterance, Voiced::Done));
        let next_is_unwanted = self.sent.front().is_some_and(|next| !next.is_wanted);
        let only_unflushed = self.sent.is_empty() && self.vendor == Vendor::HoldsUnflushed;
        if next_is_unwanted || only_unflushed {
            self.clear(send);
        }
    }

    /// Has the vendor drop all that it has. What of it is wanted it gets again, before what is held already.
    fn clear(&mut self, send: &mut Vec<Frame>) {
        self.vendor = Vendor::Clears;
        while let Some(asked) = self.sent.pop_back() {
            if asked.is_wanted {
                self.held.push_front(asked);
            }
        }
        send.push(message("Clear"));
    }

    fn cleared(&mut self, send: &mut Vec<Frame>) {
        if self.vendor == Vendor::Clears {
            self.vendor = Vendor::Speaks;
            self.raw.reset();
            for asked in self.held.drain(..) {
                ask(&asked.text, send);
                self.sent.push_back(asked);
            }
        }
    }

    /// A warning about a flush means that it was not done, so the end of the last text will never be told: it is
    /// somebody else's to speak. Other warnings change nothing.
    fn warned(&mut self, notice: &Notice<'_>, send: &mut Vec<Frame>, out: &mut Vec<(UtteranceId, Voiced)>) {
        let (code, text) = (one_line(notice.code()), one_line(notice.description()));
        tracing::warn!(code, text, "deepgram's voice warns");
        let is_flush = [&code, &text].iter().any(|text| text.to_ascii_lowercase().contains("flush"));
        if !is_flush {
            return;
        }
        let Some(refused) = self.sent.pop_back() else { return };
        self.vendor = Vendor::HoldsUnflushed;
        if refused.is_wanted {
            let fault = Fault::new(FaultClass::Rate, "more than 20 texts in a minute");
            out.push((refused.utterance, Voiced::Failed(fault.with_retry_after_ms(FLUSH_WINDOW_MS))));
        }
        if self.sent.is_empty() {
            self.clear(send);
        }
    }
}

/// The whole text, and that it is whole.
fn ask(text: &str, send: &mut Vec<Frame>) {
    send.push(Frame::Text(json!({ "type": "Speak", "text": text }).to_string()));
    send.push(message("Flush"));
}

fn message(kind: &str) -> Frame {
    Frame::Text(format!(r#"{{"type":"{kind}"}}"#))
}

#[cfg(test)]
mod tests;
