//! The classic streaming recogniser, `GET /v1/listen` as a WebSocket: it transcribes all the call long, ends an
//! utterance after its own silence, and gives what it has when it is told to.
//!
//! Assembly follows Deepgram's pages on endpointing, interim results, end of utterance and finalizing: texts that
//! are final are collected until the utterance is over, since a long one comes in several; empty ones are normal.

use call::{Fault, Heard, SpeechId};

use super::account::{self, Account};
use super::gather::Gather;
use super::messages::{Kind, Notice, Results, UtteranceEnd, read, text_of};
use super::stretches::{SAME_END, Stretches};
use crate::ListenSpec;
use crate::dialect::{EarSession, EarSocketDialect, Flow, Frame, Refusal, Refuses, SocketRequest};

/// How long nothing may be sent: the vendor closes after 10 s and asks for a sign every 3 to 5.
const KEEP_ALIVE_MS: u64 = 4_000;

/// How long the answer to `Finalize` may take. It does not always come.
const PATIENCE_MS: u64 = 700;

/// The classic streaming recogniser.
#[derive(Debug)]
pub(super) struct Listen {
    account: Account,
}

impl Listen {
    pub(super) const fn new(account: Account) -> Self {
        Self { account }
    }
}

impl Refuses for Listen {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        account::fault(refusal)
    }
}

impl EarSocketDialect for Listen {
    fn connect(&self, spec: &ListenSpec) -> SocketRequest {
        let mut query = vec![
            ("encoding", "linear16".to_owned()),
            ("sample_rate", spec.rate.hz().to_string()),
            // Partials, for interruptions; and without them there is no end of utterance.
            ("interim_results", "true".to_owned()),
            // The vendor's default of 10 ms ends an utterance between two words.
            ("endpointing", "300".to_owned()),
            // Ends it too where noise keeps the vendor from hearing silence.
            ("utterance_end_ms", "1000".to_owned()),
            ("punctuate", "true".to_owned()),
        ];
        query.extend(self.account.recognition(spec));
        let url = self.account.options().socket_url("v1/listen", &query);
        SocketRequest { url, headers: self.account.headers() }
    }

    fn session(&self, spec: &ListenSpec) -> Box<dyn EarSession> {
        Box::new(ListenSession::new(Gather::new(spec.rate)))
    }
}

/// What is said on the socket.
#[derive(Debug)]
struct ListenSession {
    audio: Gather,
    stretches: Stretches,
    /// Final texts that were not given yet.
    finals: String,
    /// What goes on after them, while it may still change, and where its last word ends.
    interim: String,
    interim_end: f64,
    /// Guesses about the audio up to here were given for want of an answer; final texts about it come too late.
    guessed_until: f64,
    closing: bool,
}

impl EarSession for ListenSession {
    fn opened(&mut self, _send: &mut Vec<Frame>) {}

    fn is_ready(&self) -> bool {
        true
    }

    fn audio(&mut self, samples: &[i16], send: &mut Vec<Frame>) {
        self.audio.push(samples, self.stretches.is_busy(), send);
    }

    fn began(&mut self, speech: SpeechId, send: &mut Vec<Frame>) {
        self.audio.flush(send);
        self.stretches.began(speech, self.audio.seconds());
    }

    fn finish(&mut self, speech: SpeechId, send: &mut Vec<Frame>, _out: &mut Vec<(SpeechId, Heard)>) {
        self.audio.flush(send);
        let at = self.audio.seconds();
        let has_more = !self.finals.is_empty() || !self.interim.is_empty();
        let settled = !has_more && self.stretches.given().is_some_and(|end| at - end <= SAME_END);
        self.stretches.finish(speech, at, settled);
        send.push(Frame::Text(r#"{"type":"Finalize"}"#.to_owned()));
    }

    fn patience_ms(&self) -> u64 {
        PATIENCE_MS
    }

    /// Where words were guessed at and the vendor never came to the end of the stretch, it is stuck, and whoever is asked next hears them whole.
    fn give_up(&mut self, speech: SpeechId, out: &mut Vec<(SpeechId, Heard)>) {
        let Some(index) = self.stretches.owed(speech) else { return };
        let is_stuck = !self.interim.is_empty() && !self.stretches.is_seen(index);
        let is_deaf = self.finals.is_empty() && !self.stretches.was_alive(index);
        if !self.interim.is_empty() || is_deaf {
            self.guessed_until = self.stretches.finished_at(index);
        }
        let guess = std::mem::take(&mut self.interim);
        append(&mut self.finals, &guess);
        self.stretches.settle(index);
        let text = self.take();
        let heard = if is_stuck || is_deaf { Heard::Failed(Fault::slow()) } else { Heard::Final(text) };
        out.push((speech, heard));
    }

    fn frame(
        &mut self,
        frame: Frame,
        _send: &mut Vec<Frame>,
        out: &mut Vec<(SpeechId, Heard)>,
    ) -> Result<Flow, Fault> {
        let text = text_of(&frame)?;
        self.stretches.message();
        match &*read::<Kind<'_>>(text)?.kind {
            "Results" => self.results(&read(text)?, out),
            "UtteranceEnd" => self.utterance_end(&read(text)?, out),
            // The summary: the last message before the vendor closes.
            "Metadata" if self.closing => return Ok(Flow::Close),
            "Error" => {
                let error: Notice<'_> = read(text)?;
                return Err(account::message_fault(error.code(), error.description()));
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        Some(KEEP_ALIVE_MS)
    }

    fn keep_alive(&mut self, send: &mut Vec<Frame>) {
        self.audio.flush(send);
        // As text: as bytes it would be taken for audio.
        send.push(Frame::Text(r#"{"type":"KeepAlive"}"#.to_owned()));
    }

    fn close(&mut self, send: &mut Vec<Frame>) {
        self.audio.flush(send);
        send.push(Frame::Text(r#"{"type":"CloseStream"}"#.to_owned()));
        self.closing = true;
    }

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        account::closing(code, reason)
    }
}

impl ListenSession {
    fn new(audio: Gather) -> Self {
        Self {
            audio,
            stretches: Stretches::default(),
            finals: String::new(),
            interim: String::new(),
            interim_end: 0.0,
            guessed_until: 0.0,
            closing: false,
        }
    }

    fn results(&mut self, results: &Results<'_>, out: &mut Vec<(SpeechId, Heard)>) {
        self.stretches.looked_at(results.end());
        let text = if self.was_guessed(results) { "" } else { results.text() };
        if !results.is_final.unwrap_or_default() {
            self.guess(text, results.last_word_end(), out);
            return;
        }
        self.interim.clear();
        append(&mut self.finals, text);
        if results.from_finalize.unwrap_or_default() {
            self.answered(results.end(), out);
        } else if results.speech_final.unwrap_or_default() {
            self.utterance_over(results.end(), out);
        }
    }

    /// More of it lies before the place up to which guesses were given than after.
    fn was_guessed(&self, results: &Results<'_>) -> bool {
        match (results.start, results.end()) {
            (Some(start), Some(end)) => f64::midpoint(start, end) < self.guessed_until,
            _ => false,
        }
    }

    fn guess(&mut self, text: &str, end: Option<f64>, out: &mut Vec<(SpeechId, Heard)>) {
        if text.is_empty() || text == self.interim {
            return;
        }
        text.clone_into(&mut self.interim);
        self.interim_end = end.unwrap_or(self.interim_end);
        if let Some(speech) = self.stretches.last() {
            let mut all = String::with_capacity(self.finals.len() + 1 + text.len());
            all.push_str(&self.finals);
            append(&mut all, text);
            out.push((speech, Heard::Partial(all)));
        }
    }

    /// The answer to `Finalize`.
    fn answered(&mut self, end: Option<f64>, out: &mut Vec<(SpeechId, Heard)>) {
        let mut asked: Vec<_> = self.stretches.answered(end).collect();
        let Some(this) = asked.pop() else { return self.utterance_over(end, out) };
        // Those before it got no answer of their own; their words are in this one.
        let missed = asked.into_iter().filter(|asked| !asked.settled);
        out.extend(missed.map(|asked| (asked.speech, Heard::Final(String::new()))));
        if !this.settled {
            let text = self.take();
            out.push((this.speech, Heard::Final(text)));
        } else if !self.finals.is_empty() {
            let text = self.take();
            out.push((this.speech, Heard::Pause(text)));
        }
    }

    /// The vendor's own ear has found the end of an utterance.
    fn utterance_over(&mut self, end: Option<f64>, out: &mut Vec<(SpeechId, Heard)>) {
        if self.finals.is_empty() {
            return;
        }
        if let Some(index) = self.stretches.first_owed() {
            // An end before the last words of the stretch: the answer to `Finalize` will bring them.
            if self.stretches.is_covered(index, end) {
                let speech = self.stretches.settle(index);
                let text = self.take();
                // Not only the text: also the vendor's word that the caller has paused.
                out.push((speech, Heard::Pause(text)));
            }
        } else if let Some(speech) = self.stretches.last() {
            // Where no stretch has begun yet, the words are kept for the first.
            self.stretches.gave_open(end.unwrap_or_else(|| self.audio.seconds()));
            let text = self.take();
            out.push((speech, Heard::Pause(text)));
        }
    }

    /// The end that is found by the gap between words. One that is older than the last guess is behind the times.
    fn utterance_end(&mut self, message: &UtteranceEnd, out: &mut Vec<(SpeechId, Heard)>) {
        let end = message.last_word_end.filter(|end| *end >= 0.0);
        let is_old = !self.interim.is_empty() && end.is_some_and(|end| end < self.interim_end);
        if !is_old {
            self.utterance_over(None, out);
        }
    }

    fn take(&mut self) -> String {
        self.interim.clear();
        std::mem::take(&mut self.finals)
    }
}

/// Adds words behind those that are there.
fn append(to: &mut String, text: &str) {
    if !text.is_empty() {
        if !to.is_empty() {
            to.push(' ');
        }
        to.push_str(text);
    }
}

#[cfg(test)]
mod tests;
