//! The voice over a WebSocket, `GET /v1/speak`.

use std::collections::VecDeque;
use std::time::Duration;

use audio::SampleRate;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::{Guest, Refusal};
use super::query::{Coding, Query, Refused, rate_of};
use super::talk::{Act, Later, Machine, upgrade};
use super::voice::{PACE, Speech};
use crate::vendors::{Fault, World};

/// The parameters of the vendor's reference.
const KNOWN: &[&str] = &["model", "encoding", "sample_rate", "speed", "mip_opt_out"];

/// So many flushes in so long.
const FLUSHES: usize = 20;
const FLUSH_WINDOW: Duration = Duration::from_secs(60);

const NO_OUTPUT: &str = "Deepgram could not produce output. See https://dpgr.am/net0000";

/// The route.
pub(super) async fn socket(
    State(world): State<World>,
    uri: Uri,
    headers: HeaderMap,
    ask: WebSocketUpgrade,
) -> Response {
    let admitted = async {
        let guest = Guest::admit(world, "deepgram/speak-socket", &uri, &headers).await?;
        let query = guest.query(&uri, KNOWN)?;
        let (model, coding, rate) = format(&query).map_err(|refused| guest.refuse_query(&refused))?;
        guest.before_upgrade().await?;
        Ok::<_, Refusal>(Voice::new(guest, model, (coding, rate)))
    };
    match admitted.await {
        Ok(voice) => upgrade(&voice.guest.clone(), ask, voice),
        Err(refusal) => *refusal,
    }
}

fn format(query: &Query) -> Result<(String, Coding, SampleRate), Refused> {
    let model = query.text("model").unwrap_or("aura-asteria-en");
    if !model.starts_with("aura-") {
        return Err(Refused(format!("no such model: {model}")));
    }
    let coding = Coding::of(query.text("encoding").unwrap_or("linear16"))?;
    let rate = rate_of(query.number("sample_rate")?.unwrap_or(24_000))?;
    Ok((model.to_owned(), coding, rate))
}

/// What is to be sent for one flush.
#[derive(Debug)]
struct Flushed {
    speech: Speech,
    /// When its next piece goes out.
    next: Instant,
}

/// One session.
struct Voice {
    guest: Guest,
    model: String,
    format: (Coding, SampleRate),
    later: Later,
    /// Text that was not flushed yet.
    text: String,
    flushed: VecDeque<Flushed>,
    /// The moments of the last flushes.
    flushes: VecDeque<Instant>,
    sequence: u64,
    is_mute: bool,
    is_closing: bool,
}

impl Voice {
    fn new(guest: Guest, model: String, format: (Coding, SampleRate)) -> Self {
        let is_mute = guest.fault == Some(Fault::Mute);
        Self {
            guest,
            model,
            format,
            later: Later::default(),
            text: String::new(),
            flushed: VecDeque::new(),
            flushes: VecDeque::new(),
            sequence: 0,
            is_mute,
            is_closing: false,
        }
    }

    fn text(&mut self, now: Instant, text: &str, acts: &mut Vec<Act>) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match (message["type"].as_str(), message["text"].as_str()) {
            (Some("Speak"), Some(text)) if !text.trim().is_empty() => {
                self.guest.world.ledger.note(self.guest.place, |seen| seen.texts.push(text.to_owned()));
                self.text.push_str(text);
            }
            (Some("Flush"), _) => self.flush(now, acts),
            (Some("Clear"), _) => self.clear(acts),
            (Some("Close"), _) => {
                self.is_closing = true;
                self.close_if_done(acts);
            }
            _ => self.guest.breach(&format!("the message {text}")),
        }
    }

    fn flush(&mut self, now: Instant, acts: &mut Vec<Act>) {
        while self.flushes.front().is_some_and(|at| *at + FLUSH_WINDOW <= now) {
            self.flushes.pop_front();
        }
        if self.flushes.len() >= FLUSHES {
            self.guest.breach("more than 20 flushes in 60 seconds");
            self.warn(acts);
            return;
        }
        self.flushes.push_back(now);
        let delay = self.guest.world.delays.voice_ms + self.guest.slowness_ms();
        let behind = self.flushed.is_empty();
        let text = std::mem::take(&mut self.text);
        let speech = Speech::of(&text, self.format.0, self.format.1);
        let next = now + Duration::from_millis(delay);
        self.flushed.push_back(Flushed { speech, next });
        if behind && self.guest.fault == Some(Fault::InStream) {
            self.later.push(next, Act::Close(Some((1011, NO_OUTPUT))));
        }
    }

    fn warn(&self, acts: &mut Vec<Act>) {
        let text = "Maximum number of flushes exceeded; no more are processed until the 60-second window has passed.";
        let warning = if self.guest.has("old-warning") {
            json!({"type": "Warning", "warn_code": "EXCESSIVE_FLUSH", "warn_msg": text})
        } else {
            json!({"type": "Warning", "code": "EXCESSIVE_FLUSH", "description": text})
        };
        acts.push(Act::Text(warning.to_string()));
    }

    fn clear(&mut self, acts: &mut Vec<Act>) {
        let late = self.guest.has("late-binary").then(|| self.flushed.front_mut()).flatten();
        if let Some(late) = late {
            acts.extend(late.speech.next().map(Act::Binary));
            acts.extend(late.speech.next().map(Act::Binary));
        }
        self.text.clear();
        self.flushed.clear();
        acts.push(Act::Text(json!({"type": "Cleared", "sequence_id": self.sequence}).to_string()));
        self.sequence += 1;
        self.close_if_done(acts);
    }

    /// The next piece of the first text, or its end.
    fn piece(&mut self, now: Instant, acts: &mut Vec<Act>) {
        let Some(first) = self.flushed.front_mut() else { return };
        first.next = now + if self.guest.fault == Some(Fault::Drip) { Duration::from_secs(1) } else { PACE };
        match first.speech.next() {
            Some(piece) => {
                acts.push(Act::Binary(match self.guest.fault {
                    Some(Fault::Silence) => vec![0; piece.len()].into(),
                    Some(Fault::Drip) => piece.slice(..1),
                    _ => piece,
                }));
                self.middle(acts);
            }
            None => self.end(acts),
        }
    }

    fn end(&mut self, acts: &mut Vec<Act>) {
        self.flushed.pop_front();
        if !self.guest.has("no-flushed") {
            acts.push(Act::Text(json!({"type": "Flushed", "sequence_id": self.sequence}).to_string()));
        }
        self.sequence += 1;
        self.close_if_done(acts);
    }

    /// What goes wrong in the middle of a text.
    fn middle(&mut self, acts: &mut Vec<Act>) {
        match self.guest.fault {
            Some(Fault::Cut | Fault::CutWebsocket) => acts.push(Act::Cut),
            Some(Fault::Stall) => self.is_mute = true,
            Some(Fault::Garbage) => acts.push(Act::Text("\u{1}{not json".to_owned())),
            _ if self.guest.has("close-early") => acts.push(Act::Close(Some((1011, NO_OUTPUT)))),
            _ if self.guest.has("unknown-type") => {
                acts.push(Act::Text(json!({"type": "Telepathy"}).to_string()));
            }
            _ => {}
        }
    }

    fn close_if_done(&self, acts: &mut Vec<Act>) {
        if self.is_closing && self.flushed.is_empty() {
            acts.push(Act::Close(Some((1000, ""))));
        }
    }
}

impl Machine for Voice {
    fn opened(&mut self, _now: Instant, acts: &mut Vec<Act>) {
        let message = json!({"type": "Metadata", "request_id": self.guest.id, "model_name": self.model,
            "model_version": "2025-04-07.0", "model_uuid": "00000000-0000-0000-0000-000000000000",
            "additional_model_uuids": []});
        acts.push(Act::Text(message.to_string()));
    }

    fn message(&mut self, now: Instant, message: &Message, acts: &mut Vec<Act>) {
        match message {
            Message::Text(text) => self.text(now, text, acts),
            Message::Binary(_) => self.guest.breach("bytes to a voice"),
            _ => {}
        }
    }

    fn due(&self) -> Option<Instant> {
        let piece = self.flushed.front().filter(|_| !self.is_mute).map(|first| first.next);
        [piece, self.later.due()].into_iter().flatten().min()
    }

    fn time(&mut self, now: Instant, acts: &mut Vec<Act>) {
        self.later.take(now, acts);
        if !self.is_mute && self.flushed.front().is_some_and(|first| first.next <= now) {
            self.piece(now, acts);
        }
    }
}
