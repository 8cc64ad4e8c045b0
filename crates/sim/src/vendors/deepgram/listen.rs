//! The classic streaming recogniser, `GET /v1/listen`.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::{Guest, Refusal};
use super::query::{Query, Refused};
use super::talk::{Act, Caller, Later, Machine, upgrade};
use crate::vendors::sound::{Listener, Sounded};
use crate::vendors::{Fault, World};

/// The parameters of the vendor's streaming reference.
const KNOWN: &[&str] = &[
    "model",
    "language",
    "encoding",
    "sample_rate",
    "channels",
    "multichannel",
    "interim_results",
    "endpointing",
    "utterance_end_ms",
    "vad_events",
    "punctuate",
    "smart_format",
    "numerals",
    "profanity_filter",
    "dictation",
    "detect_entities",
    "keyterm",
    "keywords",
    "redact",
    "diarize_model",
    "diarize",
    "search",
    "replace",
    "tag",
    "extra",
    "version",
    "mip_opt_out",
    "callback",
    "callback_method",
    "no_delay",
    "filler_words",
];

/// Where the client asks for no other.
const ENDPOINTING_MS: u64 = 10;
/// No endpointing at all.
const NEVER_MS: u64 = 1 << 40;
/// Of sound, between one guess and the next.
const INTERIM_SECONDS: f64 = 0.5;
/// Of silence, between one empty final text and the next.
const EMPTY_SECONDS: f64 = 3.0;
/// Nothing for so long and it closes.
const IDLE_MS: u64 = 10_000;
const IDLE: &str = "Deepgram did not receive audio data or a text message within the timeout window. \
                    See https://dpgr.am/net0001";
const NO_OUTPUT: &str = "Deepgram could not produce output. See https://dpgr.am/net0000";
const BAD_AUDIO: &str = "DATA-0000: the payload cannot be decoded as audio. See https://dpgr.am/data0000";

/// The route.
pub(super) async fn socket(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    ask: WebSocketUpgrade,
) -> Response {
    let admitted = async {
        let guest = Guest::admit(world, "deepgram/listen", &uri, &headers).await?;
        let query = guest.query(&uri, KNOWN)?;
        let asked = Asked::of(&query).map_err(|refused| guest.refuse_query(&refused))?;
        guest.before_upgrade().await?;
        Ok::<_, Refusal>((guest, asked))
    };
    match admitted.await {
        Ok((guest, asked)) => upgrade(&guest.clone(), ask, Ear::new(guest, asked)),
        Err(refusal) => *refusal,
    }
}

/// What the client wants.
#[derive(Debug)]
struct Asked {
    caller: Caller,
    listener: Listener,
    interim_results: bool,
    vad_events: bool,
    utterance_end: Option<f64>,
}

impl Asked {
    fn of(query: &Query) -> Result<Self, Refused> {
        let model = query.model(&["nova", "enhanced", "base", "whisper"])?;
        if query.all("keyterm").next().is_some() && !model.starts_with("nova-3") {
            return Err(Refused("keyterm is for nova-3 only".to_owned()));
        }
        if query.all("keyterm").count() > 100 {
            return Err(Refused("more than 100 key terms".to_owned()));
        }
        for name in ["punctuate", "smart_format", "numerals", "multichannel"] {
            query.flag(name)?;
        }
        let (coding, rate) = query.raw_audio()?;
        let endpointing = match query.text("endpointing") {
            Some("false") => NEVER_MS,
            _ => query.number("endpointing")?.unwrap_or(ENDPOINTING_MS),
        };
        let interim_results = query.flag("interim_results")?;
        let utterance_end = query.number("utterance_end_ms")?;
        if utterance_end.is_some() && !interim_results {
            return Err(Refused("utterance_end_ms needs interim_results".to_owned()));
        }
        Ok(Self {
            caller: Caller::new(coding, rate),
            listener: Listener::new(rate, endpointing),
            interim_results,
            vad_events: query.flag("vad_events")?,
            utterance_end: utterance_end.map(|ms| ms as f64 / 1e3),
        })
    }
}

/// What a `Results` says beside its text.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    is_final: bool,
    speech_final: bool,
    from_finalize: bool,
}

/// One session.
struct Ear {
    guest: Guest,
    asked: Asked,
    later: Later,
    /// Which text of the world comes next.
    index: usize,
    /// Where the sound began, and up to where there were final texts, in seconds.
    began: f64,
    finished: f64,
    /// Where the last guess was made.
    guessed: f64,
    /// The end of the last word, until its `UtteranceEnd`.
    last_word: Option<f64>,
    heard_from: Instant,
    /// It says nothing more.
    is_mute: bool,
}

impl Ear {
    fn new(guest: Guest, asked: Asked) -> Self {
        let is_mute = guest.fault == Some(Fault::Mute);
        Self {
            guest,
            asked,
            later: Later::default(),
            index: 0,
            began: 0.0,
            finished: 0.0,
            guessed: 0.0,
            last_word: None,
            heard_from: Instant::now(),
            is_mute,
        }
    }

    fn idle_window(&self) -> Duration {
        Duration::from_millis(IDLE_MS * self.guest.world.delays.idle_percent / 100)
    }

    fn say(&mut self, now: Instant, message: &Value) {
        let text = message.to_string();
        let delay = match self.guest.fault {
            Some(Fault::Drip) => text.len() as u64 * 1_000,
            _ => self.guest.world.delays.recogniser_ms + self.guest.slowness_ms(),
        };
        if !self.is_mute {
            self.later.push(now + Duration::from_millis(delay), Act::Text(text));
        }
    }

    fn results(&mut self, now: Instant, text: &str, (start, end): (f64, f64), flags: Flags) {
        let text = if self.guest.fault == Some(Fault::Silence) { "" } else { text };
        let words = words(text, self.began, end);
        let message = json!({
            "type": "Results", "channel_index": [0, 1], "start": start, "duration": end - start,
            "is_final": flags.is_final, "speech_final": flags.speech_final, "from_finalize": flags.from_finalize,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.98, "words": words}]},
            "metadata": {"request_id": self.guest.id, "model_uuid": "00000000-0000-0000-0000-000000000000",
                "model_info": {"name": "general-nova-3", "version": "2025-01-09.0", "arch": "nova-3"}}
        });
        self.say(now, &message);
    }

    fn audio(&mut self, now: Instant, bytes: &Bytes, acts: &mut Vec<Act>) {
        if bytes.is_empty() {
            self.guest.breach("an empty binary frame");
            acts.push(Act::Close(Some((1011, NO_OUTPUT))));
            return;
        }
        if self.guest.has("undecodable") {
            acts.push(Act::Close(Some((1008, BAD_AUDIO))));
            return;
        }
        if self.guest.has("close-early") {
            acts.push(Act::Close(Some((1011, NO_OUTPUT))));
            return;
        }
        let samples = self.asked.caller.take(bytes, &self.guest);
        for piece in samples.chunks(self.asked.caller.piece()) {
            self.asked.caller.heard(piece.len());
            for sounded in self.asked.listener.push(piece) {
                match sounded {
                    Sounded::Began => self.speech_began(now),
                    Sounded::Ended => self.speech_ended(now),
                }
            }
            self.go_on(now, acts);
        }
        self.asked.caller.done(samples);
    }

    fn speech_began(&mut self, now: Instant) {
        self.began = self.asked.caller.seconds();
        self.guessed = self.began;
        if self.asked.vad_events {
            let message = json!({"type": "SpeechStarted", "channel": [0, 1], "timestamp": self.began});
            self.say(now, &message);
        }
        if self.guest.has("unknown-type") {
            self.say(now, &json!({"type": "Telepathy", "thoughts": [{"of": "lunch"}]}));
        }
    }

    fn speech_ended(&mut self, now: Instant) {
        self.finals(now, Flags { is_final: true, speech_final: true, from_finalize: false });
    }

    /// The whole text of the stretch, in as many finals as the key asks for; the last one has the flags.
    fn finals(&mut self, now: Instant, last: Flags) {
        let end = self.asked.caller.seconds();
        let world = self.guest.world.clone();
        let text = world.heard(self.index);
        self.index += 1;
        let middle = Flags { is_final: true, ..Flags::default() };
        let empty = self.guest.has("empty-finals");
        if empty {
            self.results(now, "", (self.finished, self.began), middle);
        }
        let all: Vec<&str> = text.split_whitespace().collect();
        let parts = if self.guest.has("finals-split") { 3.min(all.len()).max(1) } else { 1 };
        let mut at = self.finished;
        for part in 0..parts {
            let of = &all[part * all.len() / parts..(part + 1) * all.len() / parts];
            let is_last = part + 1 == parts;
            let until = if is_last { end } else { at + (end - at) / (parts - part) as f64 };
            self.results(now, &of.join(" "), (at, until), if is_last { last } else { middle });
            at = until;
        }
        if empty {
            self.results(now, "", (end, end), Flags { speech_final: true, ..middle });
        }
        self.finished = end;
        self.last_word = Some(end);
    }

    /// What time brings while audio comes.
    fn go_on(&mut self, now: Instant, acts: &mut Vec<Act>) {
        let seconds = self.asked.caller.seconds();
        if self.asked.listener.is_speaking() {
            if self.asked.interim_results && seconds - self.guessed >= INTERIM_SECONDS {
                self.guessed = seconds;
                self.guess(now, seconds);
                self.middle(acts);
            }
            return;
        }
        if let (Some(last), Some(gap)) = (self.last_word, self.asked.utterance_end)
            && seconds - last >= gap
        {
            self.last_word = None;
            self.say(now, &json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last}));
        }
        if seconds - self.finished >= EMPTY_SECONDS {
            let flags = Flags { is_final: true, ..Flags::default() };
            self.results(now, "", (self.finished, seconds), flags);
            self.finished = seconds;
        }
    }

    /// The first words of what it will have been: three a second.
    fn guess(&mut self, now: Instant, seconds: f64) {
        let world = self.guest.world.clone();
        let count = ((seconds - self.began) * 3.0) as usize;
        let words: Vec<&str> = world.heard(self.index).split_whitespace().take(count).collect();
        self.results(now, &words.join(" "), (self.finished, seconds), Flags::default());
    }

    /// What goes wrong in the middle of an utterance.
    fn middle(&mut self, acts: &mut Vec<Act>) {
        match self.guest.fault {
            Some(Fault::Cut | Fault::CutWebsocket) => acts.push(Act::Cut),
            Some(Fault::Stall) => self.is_mute = true,
            Some(Fault::InStream) => acts.push(Act::Close(Some((1011, NO_OUTPUT)))),
            Some(Fault::Garbage) => acts.push(Act::Text("\u{1}{not json".to_owned())),
            _ => {}
        }
    }

    fn text(&mut self, now: Instant, text: &str, acts: &mut Vec<Act>) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message["type"].as_str() {
            Some("KeepAlive") => {}
            Some("Finalize") => self.finalize(now),
            Some("CloseStream") => self.close(now, acts),
            _ => self.guest.breach(&format!("the message {text}")),
        }
    }

    fn finalize(&mut self, now: Instant) {
        if self.guest.has("no-finalize") {
            return;
        }
        let flags = Flags { is_final: true, speech_final: true, from_finalize: true };
        let seconds = self.asked.caller.seconds();
        if self.asked.listener.settle() {
            self.finals(now, flags);
        } else if seconds > self.finished {
            self.results(now, "", (self.finished, seconds), flags);
            self.finished = seconds;
        }
    }

    fn close(&mut self, now: Instant, acts: &mut Vec<Act>) {
        if self.asked.listener.settle() {
            self.speech_ended(now);
        }
        self.later.take_all(acts);
        let duration = self.asked.caller.seconds();
        let summary = json!({"type": "Metadata", "transaction_key": "deprecated", "request_id": self.guest.id,
            "sha256": "0".repeat(64), "created": "2026-01-05T10:00:00.000Z", "duration": duration,
            "channels": u8::from(duration > 0.0)});
        acts.push(Act::Text(summary.to_string()));
        acts.push(Act::Close(Some((1000, ""))));
    }
}

impl Machine for Ear {
    fn opened(&mut self, now: Instant, _acts: &mut Vec<Act>) {
        self.heard_from = now;
    }

    fn message(&mut self, now: Instant, message: &Message, acts: &mut Vec<Act>) {
        match message {
            Message::Binary(bytes) => self.audio(now, bytes, acts),
            Message::Text(text) => self.text(now, text, acts),
            _ => return,
        }
        self.heard_from = now;
    }

    fn due(&self) -> Option<Instant> {
        let idle = self.heard_from + self.idle_window();
        Some(self.later.due().map_or(idle, |due| due.min(idle)))
    }

    fn time(&mut self, now: Instant, acts: &mut Vec<Act>) {
        self.later.take(now, acts);
        if now >= self.heard_from + self.idle_window() {
            acts.push(Act::Close(Some((1011, IDLE))));
        }
    }
}

/// The words with their times, spread evenly.
fn words(text: &str, start: f64, end: f64) -> Vec<Value> {
    let all: Vec<&str> = text.split_whitespace().collect();
    let each = (end - start).max(0.0) / all.len().max(1) as f64;
    let word = |(at, word): (usize, &&str)| {
        let start = start + each * at as f64;
        json!({"word": word.to_lowercase(), "start": start, "end": start + each, "confidence": 0.98,
            "punctuated_word": word})
    };
    all.iter().enumerate().map(word).collect()
}
