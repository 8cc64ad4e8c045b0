//! Scribe over its realtime WebSocket: `/v1/speech-to-text/realtime`. All of the caller's audio goes up as base64 in
//! JSON; what was heard comes down as partial transcripts, and as a committed one when a stretch is committed.
//!
//! By default we commit, when our own voice activity ends (`commit_strategy=manual`): the committed text is then the
//! stretch's final one. With `commit_strategy=vad` among the options, Scribe commits by its own ear, after
//! `vad_silence_threshold_secs`.

mod stretches;

use call::{Fault, FaultClass, Heard, SpeechId};
use serde::Deserialize;

use self::stretches::Stretches;
use super::{DEFAULT_SCRIBE_REALTIME_MODEL, error, headers, language};
use crate::dialect::{EarSession, EarSocketDialect, Flow, Frame, Refusal, Refuses, SocketRequest};
use crate::{DialectOptions, ListenSpec};

/// Scribe ignores a commit of less audio than this.
const LEAST_COMMIT_MICROS: u64 = 300_000;
/// After how long without audio silence is sent, and how much.
const KEEP_ALIVE_MS: u64 = 5_000;
const KEEP_ALIVE_MICROS: u64 = 100_000;
/// Committed text comes within half a second as a rule.
const PATIENCE_MS: u64 = 2_000;
/// The silence after which Scribe commits by itself, where nothing else is said.
const OWN_SILENCE_SECONDS: f64 = 1.5;
const STRATEGY: &str = "commit_strategy";

/// ElevenLabs' Scribe over its realtime WebSocket.
#[derive(Debug, Clone)]
pub struct ScribeSocket {
    options: DialectOptions,
}

impl ScribeSocket {
    /// A recogniser with these options. `commit_strategy`, `vad_silence_threshold_secs`, `keyterms` and the like are
    /// parameters of the options' query.
    pub const fn new(options: DialectOptions) -> Self {
        Self { options }
    }

    fn commits_itself(&self) -> bool {
        let own = self.options.role.query.get(STRATEGY);
        own.is_some_and(|value| value.texts().iter().any(|strategy| strategy == "vad"))
    }

    /// How long the text of a stretch may take.
    fn patience_ms(&self) -> u64 {
        let own = self.options.role.query.get("vad_silence_threshold_secs");
        let own = own.and_then(|value| value.texts().first()?.parse().ok());
        let silence: f64 = if self.commits_itself() { own.unwrap_or(OWN_SILENCE_SECONDS) } else { 0.0 };
        PATIENCE_MS + (silence.clamp(0.0, 10.0) * 1e3) as u64
    }
}

impl Refuses for ScribeSocket {
    fn fault(&self, refusal: &Refusal<'_>) -> Fault {
        error::refused(refusal)
    }
}

impl EarSocketDialect for ScribeSocket {
    fn connect(&self, spec: &ListenSpec) -> SocketRequest {
        let options = &self.options;
        // One configuration serves both ways, and over HTTP the models have other names.
        let model = options.role.model.as_deref().filter(|model| model.ends_with("_realtime"));
        let mut query = vec![
            ("model_id", model.unwrap_or(DEFAULT_SCRIBE_REALTIME_MODEL).to_owned()),
            ("audio_format", format!("pcm_{}", spec.rate.hz())),
            (STRATEGY, "manual".to_owned()),
        ];
        query.extend(language(options, &spec.language).map(|code| ("language_code", code)));
        let url = options.socket_url("/v1/speech-to-text/realtime", &query);
        SocketRequest { url, headers: headers(options) }
    }

    fn session(&self, spec: &ListenSpec) -> Box<dyn EarSession> {
        Box::new(Session {
            spec: spec.clone(),
            stretches: Stretches::new(self.commits_itself()),
            patience_ms: self.patience_ms(),
            is_ready: false,
            uncommitted: 0,
            plain: 0,
            timed: 0,
            last_notice: None,
        })
    }
}

/// The socket of one call.
struct Session {
    spec: ListenSpec,
    stretches: Stretches,
    patience_ms: u64,
    is_ready: bool,
    /// Samples since the last commit.
    uncommitted: usize,
    /// Committed transcripts so far, of each of the two kinds.
    plain: u64,
    timed: u64,
    /// What Scribe complained of without failing.
    last_notice: Option<FaultClass>,
}

/// All that Scribe says. Fields of other messages are not looked at.
#[derive(Deserialize)]
struct Message {
    message_type: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Session {
    fn chunk(&mut self, samples: &[i16], commit: bool) -> Frame {
        let mut bytes = Vec::with_capacity(samples.len() * 2);
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.uncommitted = if commit { 0 } else { self.uncommitted + samples.len() };
        // Nothing here needs escaping, and most of what is sent in a call is this.
        Frame::Text(format!(
            r#"{{"message_type":"input_audio_chunk","audio_base_64":"{}","commit":{commit},"sample_rate":{}}}"#,
            base64_simd::STANDARD.encode_to_string(&bytes),
            self.spec.rate.hz()
        ))
    }

    /// A commit came. With timestamps or language detection on, each comes twice, plain and with times, in either
    /// order: whichever is first counts.
    fn committed(&mut self, is_timed: bool, text: &str, out: &mut Vec<(SpeechId, Heard)>) {
        let before = self.plain.max(self.timed);
        let mine = if is_timed { &mut self.timed } else { &mut self.plain };
        *mine += 1;
        if *mine > before {
            self.stretches.committed(text, out);
        }
    }

    /// An error message came.
    fn trouble(&mut self, kind: &str, why: &str, out: &mut Vec<(SpeechId, Heard)>) -> Result<(), Fault> {
        let class = error::class_of(kind);
        if matches!(kind, "commit_throttled" | "insufficient_audio_activity") {
            // There was too little to hear: what there is of the stretch is all there will be.
            self.last_notice = class;
            self.stretches.nothing_to_commit(out);
            return Ok(());
        }
        let why = if why.is_empty() { kind.to_owned() } else { format!("{kind}: {why}") };
        Err(Fault::new(class.unwrap_or(FaultClass::Busy), crate::dialect::one_line(&why)))
    }
}

impl EarSession for Session {
    fn opened(&mut self, _send: &mut Vec<Frame>) {}

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn audio(&mut self, samples: &[i16], send: &mut Vec<Frame>) {
        if !samples.is_empty() {
            send.push(self.chunk(samples, false));
        }
    }

    fn began(&mut self, speech: SpeechId, _send: &mut Vec<Frame>) {
        self.stretches.began(speech);
    }

    fn finish(&mut self, speech: SpeechId, send: &mut Vec<Frame>, _out: &mut Vec<(SpeechId, Heard)>) {
        if self.stretches.finish(speech) {
            let least = self.spec.rate.samples(LEAST_COMMIT_MICROS);
            let padding = vec![0; least.saturating_sub(self.uncommitted)];
            send.push(self.chunk(&padding, true));
        }
    }

    fn patience_ms(&self) -> u64 {
        self.patience_ms
    }

    fn give_up(&mut self, speech: SpeechId, out: &mut Vec<(SpeechId, Heard)>) {
        self.stretches.give_up(speech, out);
    }

    fn frame(
        &mut self,
        frame: Frame,
        _send: &mut Vec<Frame>,
        out: &mut Vec<(SpeechId, Heard)>,
    ) -> Result<Flow, Fault> {
        let garbage = |what: &str| Fault::new(FaultClass::Garbage, format!("it sent {what}"));
        let Frame::Text(text) = frame else { return Err(garbage("bytes where only text is spoken")) };
        let message: Message =
            serde_json::from_str(&text).map_err(|_| garbage("a message that is not in its schema"))?;
        let words = message.text.as_deref().unwrap_or_default().trim();
        match (message.message_type.as_str(), message.error.as_deref()) {
            ("session_started", _) => self.is_ready = true,
            // A "final" transcript is settled, and not yet committed: more of the stretch may follow.
            ("partial_transcript" | "final_transcript" | "final_transcript_with_timestamps", _) => {
                self.stretches.partial(words, out);
            }
            ("committed_transcript", _) => self.committed(false, words, out),
            ("committed_transcript_with_timestamps", _) => self.committed(true, words, out),
            (kind, Some(why)) => self.trouble(kind, why, out)?,
            (kind, None) if error::class_of(kind).is_some() || kind == "error" => {
                self.trouble(kind, "", out)?;
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        Some(KEEP_ALIVE_MS)
    }

    fn keep_alive(&mut self, send: &mut Vec<Frame>) {
        let silence = vec![0; self.spec.rate.samples(KEEP_ALIVE_MICROS)];
        send.push(self.chunk(&silence, false));
    }

    fn close(&mut self, _send: &mut Vec<Frame>) {}

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        let fault = error::closed(code, reason);
        match self.last_notice {
            // It had said that it would.
            Some(FaultClass::Idle) if reason.is_empty() => Fault { class: FaultClass::Idle, ..fault },
            _ => fault,
        }
    }
}

#[cfg(test)]
mod tests;
