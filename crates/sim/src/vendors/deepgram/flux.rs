//! The recogniser that takes turns, `GET /v2/listen`. Only audio moves it on: without any, no turn ever ends.

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

/// The parameters of the vendor's reference.
const KNOWN: &[&str] = &[
    "model",
    "encoding",
    "sample_rate",
    "eot_threshold",
    "eager_eot_threshold",
    "eot_timeout_ms",
    "keyterm",
    "language_hint",
    "profanity_filter",
    "numerals",
    "redact",
    "mip_opt_out",
    "tag",
];

/// Of audio, between two reports.
const UPDATE_SECONDS: f64 = 0.25;

/// The route.
pub(super) async fn socket(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    ask: WebSocketUpgrade,
) -> Response {
    let admitted = async {
        let guest = Guest::admit(world, "deepgram/flux", &uri, &headers).await?;
        let query = guest.query(&uri, KNOWN)?;
        let endpointing = guest.world.delays.endpointing_ms;
        let asked = Asked::of(&query, endpointing).map_err(|refused| guest.refuse_query(&refused))?;
        guest.before_upgrade().await?;
        Ok::<_, Refusal>((guest, asked))
    };
    match admitted.await {
        Ok((guest, asked)) => upgrade(&guest.clone(), ask, Turns::new(guest, asked)),
        Err(refusal) => *refusal,
    }
}

/// What the client wants.
#[derive(Debug)]
struct Asked {
    caller: Caller,
    /// Ends when the turn is over.
    sure: Listener,
    /// Ends when it may be over, where the client wants to know.
    eager: Option<Listener>,
}

impl Asked {
    fn of(query: &Query, endpointing_ms: u64) -> Result<Self, Refused> {
        let model = query.model(&["flux-general-"])?;
        if query.all("language_hint").next().is_some() && !model.ends_with("-multi") {
            return Err(Refused("language_hint is for flux-general-multi only".to_owned()));
        }
        query.fraction("eot_threshold", (0.5, 1.0))?;
        if query.number("eot_timeout_ms")?.is_some_and(|ms| !(500..=60_000).contains(&ms)) {
            return Err(Refused("eot_timeout_ms is not between 500 and 60000".to_owned()));
        }
        let is_eager = query.fraction("eager_eot_threshold", (0.3, 0.9))?.is_some();
        let (coding, rate) = query.raw_audio()?;
        Ok(Self {
            caller: Caller::new(coding, rate),
            sure: Listener::new(rate, endpointing_ms),
            eager: is_eager.then(|| Listener::new(rate, endpointing_ms / 2)),
        })
    }
}

/// One session.
struct Turns {
    guest: Guest,
    asked: Asked,
    later: Later,
    sequence: u64,
    turn: u64,
    /// Which text of the world comes next.
    index: usize,
    /// What was said in this turn before the stretch of sound that is under way.
    before: String,
    /// Where that stretch began, where the turn began, and the last report, in seconds.
    began: f64,
    turn_began: f64,
    reported: f64,
    /// `Connected` was sent.
    is_connected: bool,
    is_mute: bool,
}

impl Turns {
    fn new(guest: Guest, asked: Asked) -> Self {
        let is_mute = guest.fault == Some(Fault::Mute);
        Self {
            guest,
            asked,
            later: Later::default(),
            sequence: 0,
            turn: 0,
            index: 0,
            before: String::new(),
            began: 0.0,
            turn_began: 0.0,
            reported: 0.0,
            is_connected: false,
            is_mute,
        }
    }

    fn say(&mut self, now: Instant, mut message: Value) {
        message["request_id"] = self.guest.id.as_str().into();
        message["sequence_id"] = self.sequence.into();
        self.sequence += 1;
        let text = message.to_string();
        let delay = match self.guest.fault {
            Some(Fault::Drip) => text.len() as u64 * 1_000,
            _ => self.guest.world.delays.recogniser_ms + self.guest.slowness_ms(),
        };
        if !self.is_mute {
            self.later.push(now + Duration::from_millis(delay), Act::Text(text));
        }
    }

    fn info(&mut self, now: Instant, event: &str, transcript: &str) {
        let transcript = if self.guest.fault == Some(Fault::Silence) { "" } else { transcript };
        let end = self.asked.caller.seconds();
        let word =
            |word: &str| json!({"word": word, "confidence": 0.97, "start": self.turn_began, "end": end});
        let words: Vec<Value> = transcript.split_whitespace().map(word).collect();
        let confidence = if event == "EndOfTurn" { 0.9 } else { 0.1 };
        let mut message = json!({"type": "TurnInfo", "event": event, "turn_index": self.turn,
            "audio_window_start": self.turn_began, "audio_window_end": end, "transcript": transcript,
            "words": words, "end_of_turn_confidence": confidence});
        if event == "EndOfTurn" {
            message["trigger"] = "model".into();
        }
        self.reported = end;
        self.say(now, message);
    }

    /// All of the turn, with as much of the stretch under way as was spoken: three words a second.
    fn transcript(&self, is_whole: bool) -> String {
        let seconds = self.asked.caller.seconds() - self.began;
        let count = if is_whole { usize::MAX } else { (seconds * 3.0) as usize };
        let words = self.guest.world.heard(self.index).split_whitespace().take(count);
        self.before.split_whitespace().chain(words).collect::<Vec<_>>().join(" ")
    }

    fn audio(&mut self, now: Instant, bytes: &Bytes, acts: &mut Vec<Act>) {
        if bytes.is_empty() {
            self.guest.breach("an empty binary frame");
        }
        if self.guest.has("close-early") {
            acts.push(Act::Close(None));
            return;
        }
        let samples = self.asked.caller.take(bytes, &self.guest);
        for piece in samples.chunks(self.asked.caller.piece()) {
            self.asked.caller.heard(piece.len());
            self.piece(now, piece, acts);
        }
        self.asked.caller.done(samples);
    }

    fn piece(&mut self, now: Instant, samples: &[i16], acts: &mut Vec<Act>) {
        let eager = self.asked.eager.as_mut().map(|eager| eager.push(samples)).unwrap_or_default();
        let sure = self.asked.sure.push(samples);
        for sounded in eager {
            self.maybe(now, sounded);
        }
        for sounded in sure {
            match sounded {
                Sounded::Began => self.turn_begins(now),
                Sounded::Ended => self.turn_over(now),
            }
        }
        if self.asked.caller.seconds() - self.reported >= UPDATE_SECONDS {
            let text = if self.asked.sure.is_speaking() { self.transcript(false) } else { String::new() };
            self.info(now, "Update", &text);
            if !text.is_empty() {
                self.middle(now, acts);
            }
        }
    }

    /// What the eager listener noticed. It comes before the sure one's, so a beginning here that the sure one has
    /// had already is the caller going on.
    fn maybe(&mut self, now: Instant, sounded: Sounded) {
        match sounded {
            Sounded::Began if !self.before.is_empty() => {
                let text = self.before.clone();
                self.info(now, "TurnResumed", &text);
                self.began = self.asked.caller.seconds();
            }
            Sounded::Began => {}
            Sounded::Ended => {
                let text = self.transcript(true);
                self.info(now, "EagerEndOfTurn", &text);
                self.before = text;
                self.index += 1;
            }
        }
    }

    fn turn_begins(&mut self, now: Instant) {
        self.began = self.asked.caller.seconds();
        self.turn_began = self.began;
        self.info(now, "StartOfTurn", "");
        if self.guest.has("unknown-type") {
            self.say(now, json!({"type": "Telepathy"}));
            self.say(now, json!({"type": "TurnInfo", "event": "Yawn", "transcript": ""}));
        }
    }

    fn turn_over(&mut self, now: Instant) {
        let text = if self.before.is_empty() {
            let text = self.transcript(true);
            self.index += 1;
            text
        } else {
            std::mem::take(&mut self.before)
        };
        self.info(now, "EndOfTurn", &text);
        self.turn += 1;
        self.before.clear();
        self.turn_began = self.asked.caller.seconds();
    }

    /// What goes wrong in the middle of a turn.
    fn middle(&mut self, now: Instant, acts: &mut Vec<Act>) {
        match self.guest.fault {
            Some(Fault::Cut | Fault::CutWebsocket) => acts.push(Act::Cut),
            Some(Fault::Stall) => self.is_mute = true,
            Some(Fault::InStream) => {
                let description = "An internal server error occurred.";
                self.say(
                    now,
                    json!({"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": description}),
                );
                self.is_mute = true;
            }
            Some(Fault::Garbage) => acts.push(Act::Text("\u{1}{not json".to_owned())),
            _ => {}
        }
    }

    fn text(&mut self, now: Instant, text: &str, acts: &mut Vec<Act>) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message["type"].as_str() {
            Some("CloseStream") => {
                if self.asked.sure.settle() {
                    let text = self.transcript(true);
                    self.info(now, "Update", &text);
                }
                self.later.take_all(acts);
                acts.push(Act::Close(None));
            }
            Some("ForceEndTurn") => {
                if let Some(eager) = &mut self.asked.eager {
                    eager.settle();
                }
                if self.asked.sure.settle() {
                    self.turn_over(now);
                }
            }
            Some("Configure") => {
                let thresholds = message["thresholds"].clone();
                self.say(now, json!({"type": "ConfigureSuccess", "thresholds": thresholds, "keyterms": []}));
            }
            _ => self.guest.breach(&format!("the message {text}")),
        }
    }
}

impl Machine for Turns {
    fn opened(&mut self, now: Instant, _acts: &mut Vec<Act>) {
        if !self.guest.has("no-connected") {
            self.say(now, json!({"type": "Connected"}));
        }
    }

    fn message(&mut self, now: Instant, message: &Message, acts: &mut Vec<Act>) {
        match message {
            Message::Binary(bytes) => {
                if !self.is_connected && !self.guest.has("no-connected") {
                    self.guest.breach("audio before Connected");
                }
                self.audio(now, bytes, acts);
            }
            Message::Text(text) => self.text(now, text, acts),
            _ => {}
        }
    }

    fn due(&self) -> Option<Instant> {
        self.later.due()
    }

    fn time(&mut self, now: Instant, acts: &mut Vec<Act>) {
        self.later.take(now, acts);
        self.is_connected |= !acts.is_empty();
    }
}
