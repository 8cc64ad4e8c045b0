//! The recogniser that takes turns, `GET /v2/listen` as a WebSocket: it tells when a turn may be over, when it is,
//! and when the caller goes on after all. As on Deepgram's pages on Flux: the transcript is that of the whole turn
//! each time, and nothing ends a turn but audio.

use call::{Fault, Heard, SpeechId};

use super::account::{self, Account};
use super::gather::Gather;
use super::messages::{Kind, Notice, TurnInfo, read, text_of};
use super::recognition::key_terms;
use super::stretches::Stretches;
use crate::ListenSpec;
use crate::dialect::{EarSession, EarSocketDialect, Flow, Frame, Refusal, Refuses, SocketRequest};

/// Without audio for so long the vendor is given silence, or it would never end the turn.
const KEEP_ALIVE_MS: u64 = 500;

/// How long the vendor may take to end a turn after our own ear has. It waits longer than we do where the words
/// look unfinished, which is what it is good at; but a call waits no more than 2.5 s for a text.
const PATIENCE_MS: u64 = 2_000;

/// How much audio behind a stretch the vendor has to have looked at before its silence about it counts, in
/// seconds. It reports four times a second.
const LOOKS_BEHIND: f64 = 0.75;

/// The option among the role's `body` that makes an end by our own ear the end of the turn. It is not a field of
/// any body: a WebSocket has none.
const FORCE: &str = "force_end_turn";

/// The recogniser that takes turns.
#[derive(Debug)]
pub(super) struct Flux {
    account: Account,
}

impl Flux {
    pub(super) const fn new(account: Account) -> Self {
        Self { account }
    }

    fn forces(&self) -> bool {
        self.account.options().role.body.get(FORCE).is_some_and(|value| value.as_bool() == Some(true))
    }
}

impl Refuses for Flux {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        account::fault(refusal)
    }
}

impl EarSocketDialect for Flux {
    fn connect(&self, spec: &ListenSpec) -> SocketRequest {
        let mut query = vec![
            ("model", self.account.model().unwrap_or_default()),
            ("encoding", "linear16".to_owned()),
            ("sample_rate", spec.rate.hz().to_string()),
        ];
        query.extend(key_terms(&spec.phrases).into_iter().map(|term| ("keyterm", term.to_owned())));
        if let Some(hint) = self.language_hint(spec) {
            query.push(("language_hint", hint));
        }
        let url = self.account.options().socket_url("v2/listen", &query);
        SocketRequest { url, headers: self.account.headers() }
    }

    fn session(&self, spec: &ListenSpec) -> Box<dyn EarSession> {
        Box::new(FluxSession::new(Gather::new(spec.rate), self.forces()))
    }
}

impl Flux {
    /// The model for one language only knows no hint.
    fn language_hint(&self, spec: &ListenSpec) -> Option<String> {
        let is_multi = self.account.model().is_some_and(|model| model.ends_with("-multi"));
        let language = self.account.options().role.language.as_deref().unwrap_or(&spec.language);
        let primary = language.split('-').next().unwrap_or(language);
        is_multi.then(|| primary.to_ascii_lowercase())
    }
}

/// What is said on the socket.
#[derive(Debug)]
struct FluxSession {
    audio: Gather,
    forces: bool,
    is_ready: bool,
    stretches: Stretches,
    /// The vendor is in the middle of a turn.
    in_turn: bool,
    /// All of the turn so far.
    transcript: String,
    /// How many of its words were given already, for want of an end of the turn.
    given: usize,
    /// The words of turns that ended before any stretch began.
    early: String,
}

impl EarSession for FluxSession {
    fn opened(&mut self, _send: &mut Vec<Frame>) {}

    fn is_ready(&self) -> bool {
        self.is_ready
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
        let settled = !self.in_turn && self.stretches.given().is_some();
        self.stretches.finish(speech, self.audio.seconds(), settled);
        if self.forces && self.in_turn {
            send.push(Frame::Text(r#"{"type":"ForceEndTurn"}"#.to_owned()));
        }
    }

    fn patience_ms(&self) -> u64 {
        PATIENCE_MS
    }

    fn give_up(&mut self, speech: SpeechId, out: &mut Vec<(SpeechId, Heard)>) {
        let Some(index) = self.stretches.owed(speech) else { return };
        let text = self.rest();
        // It reports four times a second while audio comes.
        let is_lost = !self.stretches.is_seen(index) || !self.stretches.was_alive(index);
        self.stretches.settle(index);
        self.stretches.forget_settled();
        self.given = self.transcript.split_whitespace().count();
        self.early.clear();
        out.push((speech, if is_lost { Heard::Failed(Fault::slow()) } else { Heard::Final(text) }));
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
            "Connected" => self.is_ready = true,
            "TurnInfo" => self.turn(&read(text)?, out),
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
        if self.in_turn {
            self.audio.silence(KEEP_ALIVE_MS, send);
        } else {
            self.audio.flush(send);
        }
    }

    fn close(&mut self, send: &mut Vec<Frame>) {
        self.audio.flush(send);
        send.push(Frame::Text(r#"{"type":"CloseStream"}"#.to_owned()));
    }

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        account::closing(code, reason)
    }
}

impl FluxSession {
    fn new(audio: Gather, forces: bool) -> Self {
        Self {
            audio,
            forces,
            is_ready: false,
            stretches: Stretches::default(),
            in_turn: false,
            transcript: String::new(),
            given: 0,
            early: String::new(),
        }
    }

    fn turn(&mut self, turn: &TurnInfo<'_>, out: &mut Vec<(SpeechId, Heard)>) {
        let text = turn.transcript.as_deref().unwrap_or_default().trim();
        let is_new = text != self.transcript;
        self.stretches.looked_at(turn.audio_window_end);
        if is_new {
            text.clone_into(&mut self.transcript);
        }
        let event = turn.event.as_deref().unwrap_or_default();
        match (event, self.stretches.last()) {
            ("EndOfTurn", _) => return self.turn_over(turn.audio_window_end, out),
            ("EagerEndOfTurn", Some(speech)) => self.tell(speech, Heard::Likely, out),
            ("TurnResumed", Some(speech)) => out.push((speech, Heard::GoesOn)),
            (_, Some(speech)) if is_new => self.tell(speech, Heard::Partial, out),
            _ => {}
        }
        self.in_turn = event == "StartOfTurn" || !self.transcript.is_empty();
        if !self.in_turn {
            self.settle_empty(turn.audio_window_end, out);
        }
    }

    fn tell(&self, speech: SpeechId, what: fn(String) -> Heard, out: &mut Vec<(SpeechId, Heard)>) {
        let text = self.rest();
        if !text.is_empty() {
            out.push((speech, what(text)));
        }
    }

    /// The turn is over. Its text belongs to the stretch that was begun last, unless that began after the audio
    /// that the vendor has looked at; it settles all stretches that were finished within the turn.
    fn turn_over(&mut self, end: Option<f64>, out: &mut Vec<(SpeechId, Heard)>) {
        let text = self.rest();
        self.in_turn = false;
        self.transcript.clear();
        self.given = 0;
        let mut owed = self.stretches.settle_all();
        let open = self.stretches.open().filter(|(_, began)| end.is_none_or(|end| *began <= end));
        let (whose, is_owed) = match (open, owed.pop()) {
            (Some((speech, _)), last) => {
                owed.extend(last);
                (Some(speech), false)
            }
            (None, Some(speech)) => (Some(speech), true),
            (None, None) => (self.stretches.last(), false),
        };
        out.extend(owed.into_iter().map(|speech| (speech, Heard::Final(String::new()))));
        match whose {
            Some(speech) if is_owed || !text.is_empty() => {
                self.early.clear();
                if open.is_some() {
                    self.stretches.gave_open(self.audio.seconds());
                }
                out.push((speech, Heard::TurnOver(text)));
            }
            Some(_) => {}
            None => self.early = text,
        }
    }

    /// The vendor has looked at more than the end of a stretch and sees no turn: there was nothing in it.
    fn settle_empty(&mut self, end: Option<f64>, out: &mut Vec<(SpeechId, Heard)>) {
        while let Some(index) = self.stretches.first_owed() {
            if end.is_none_or(|end| end < self.stretches.finished_at(index) + LOOKS_BEHIND) {
                return;
            }
            let speech = self.stretches.settle(index);
            self.stretches.forget_settled();
            out.push((speech, Heard::Final(String::new())));
        }
    }

    /// What of the turn was not given yet.
    fn rest(&self) -> String {
        let words = self.transcript.split_whitespace().skip(self.given);
        self.early.split_whitespace().chain(words).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests;
