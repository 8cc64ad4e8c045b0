//! Scribe over its WebSocket, `/v1/speech-to-text/realtime`. What is wrong with the query is told after the socket was
//! accepted, as the vendor does.

use std::time::Duration;

use audio::{Pcm, SampleRate};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::{Guest, Parameters};
use super::socket::{Act, Machine, Outbox, run};
use crate::vendors::sound::{Listener, Sounded};
use crate::vendors::{Fault, World};

/// Less than this can't be committed, in microseconds.
const LEAST_COMMIT: u64 = 300_000;
/// Partial transcripts come so often, in microseconds of sound.
const PARTIAL_EVERY: u64 = 250_000;
/// A session without audio ends after so long, in milliseconds.
const IDLE_MS: u64 = 15_000;
/// A chunk has no more samples than a minute.
const LONGEST_CHUNK_SECONDS: usize = 60;
const KNOWN: [&str; 15] = [
    "model_id",
    "audio_format",
    "commit_strategy",
    "language_code",
    "vad_threshold",
    "vad_silence_threshold_secs",
    "min_speech_duration_ms",
    "min_silence_duration_ms",
    "include_timestamps",
    "include_language_detection",
    "keyterms",
    "no_verbatim",
    "enable_logging",
    "filter_background_audio",
    "token",
];

/// The route.
pub(super) async fn socket(
    State(world): State<World>,
    Query(parameters): Query<Vec<(String, String)>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let admitted = async {
        let guest = Guest::admit(world, "elevenlabs/scribe-realtime", &uri, &headers).await?;
        guest.before_upgrade().await?;
        Ok(guest)
    };
    match admitted.await {
        Ok(guest) => {
            let asked = Asked::of(&parameters, &guest);
            upgrade.on_upgrade(move |socket| run(socket, Session::new(guest, asked)))
        }
        Err(refusal) => refusal,
    }
}

/// What the client wants.
#[derive(Debug, Clone, Copy)]
struct Asked {
    rate: SampleRate,
    /// The silence that commits, in milliseconds; none where the client commits.
    own_silence_ms: Option<u64>,
    is_timed: bool,
}

impl Asked {
    fn of(parameters: &[(String, String)], guest: &Guest) -> Result<Self, &'static str> {
        let parameters: Parameters = parameters.iter().cloned().collect();
        let text = |name: &str| parameters.get(name).map(String::as_str);
        if let Some(unknown) = parameters.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            guest.breach(format!("the parameter {unknown}"));
        }
        if !text("model_id").is_some_and(|model| model.ends_with("_realtime")) {
            return Err("model_id is no realtime model");
        }
        let hz =
            text("audio_format").unwrap_or("pcm_16000").strip_prefix("pcm_").and_then(|hz| hz.parse().ok());
        let rate = hz.and_then(|hz: u32| SampleRate::try_from(hz).ok()).ok_or("audio_format is not known")?;
        let silence = text("vad_silence_threshold_secs").map_or(Ok(1.5), str::parse);
        let silence: f64 = silence.map_err(|_| "vad_silence_threshold_secs is no number")?;
        if !(0.3..=3.0).contains(&silence) {
            return Err("vad_silence_threshold_secs is not between 0.3 and 3.0");
        }
        let own_silence_ms = match text("commit_strategy").unwrap_or("manual") {
            "manual" => None,
            "vad" => Some((silence * 1e3) as u64),
            _ => return Err("commit_strategy is not manual or vad"),
        };
        Ok(Self { rate, own_silence_ms, is_timed: text("include_timestamps") == Some("true") })
    }
}

/// One socket.
struct Session {
    guest: Guest,
    asked: Result<Asked, &'static str>,
    rate: SampleRate,
    listener: Listener,
    /// Which text of the world comes next.
    index: usize,
    /// Of the sound since the last commit: samples in all, of speech since the last partial, and whether there
    /// was speech.
    uncommitted: usize,
    since_partial: usize,
    partials: usize,
    has_speech: bool,
    is_first: bool,
}

impl Session {
    fn new(guest: Guest, asked: Result<Asked, &'static str>) -> Self {
        let rate = asked.map_or(SampleRate::HZ_16000, |asked| asked.rate);
        let silence = asked.ok().and_then(|asked| asked.own_silence_ms);
        let listener = Listener::new(rate, silence.unwrap_or(guest.world.delays.endpointing_ms));
        Self {
            guest,
            asked,
            rate,
            listener,
            index: 0,
            uncommitted: 0,
            since_partial: 0,
            partials: 0,
            has_speech: false,
            is_first: true,
        }
    }

    fn say(&self, message: Value, out: &mut Outbox) {
        let delay = Duration::from_millis(self.guest.world.delays.recogniser_ms);
        out.at(Instant::now() + delay, Act::Say(message));
    }

    /// An error that ends the session.
    fn fail(kind: &str, why: &str, code: u16, out: &mut Outbox) {
        out.now(Act::Say(json!({"message_type": kind, "error": why})));
        out.now(Act::Close(code, ""));
        out.shut();
    }

    /// The same for what the documents forbid.
    fn forbid(&self, kind: &str, why: &str, out: &mut Outbox) {
        self.guest.breach(format!("{kind}: {why}"));
        Self::fail(kind, why, 1008, out);
    }

    fn words(&self, count: usize) -> String {
        if self.guest.fault == Some(Fault::Silence) {
            return String::new();
        }
        let words = self.guest.world.heard(self.index).split_whitespace().take(count);
        words.collect::<Vec<_>>().join(" ")
    }

    fn commit(&mut self, out: &mut Outbox) {
        if self.uncommitted < self.rate.samples(LEAST_COMMIT) {
            let why = "Commit request ignored: less than 0.3s of uncommitted audio";
            self.guest.breach("a commit of less than 0.3 s");
            return self.say(json!({"message_type": "commit_throttled", "error": why}), out);
        }
        let text = if self.has_speech { self.words(usize::MAX) } else { String::new() };
        self.index += usize::from(self.has_speech);
        (self.uncommitted, self.since_partial, self.partials, self.has_speech) = (0, 0, 0, false);
        self.listener.settle();
        self.say(json!({"message_type": "committed_transcript", "text": text}), out);
        if self.asked.is_ok_and(|asked| asked.is_timed) {
            let message = json!({"message_type": "committed_transcript_with_timestamps", "text": text,
                "language_code": "en", "words": []});
            self.say(message, out);
        }
    }

    fn audio(&mut self, samples: &[i16], out: &mut Outbox) {
        self.uncommitted += samples.len();
        for piece in samples.chunks(self.rate.samples(20_000)) {
            let noticed = self.listener.push(piece);
            if self.listener.is_speaking() {
                self.has_speech = true;
                self.since_partial += piece.len();
            }
            if self.since_partial >= self.rate.samples(PARTIAL_EVERY) {
                self.since_partial = 0;
                self.partials += 1;
                let text = self.words(self.partials);
                self.say(json!({"message_type": "partial_transcript", "text": text}), out);
                self.middle(out);
            }
            let commits = self.asked.is_ok_and(|asked| asked.own_silence_ms.is_some());
            if commits && noticed.contains(&Sounded::Ended) {
                self.commit(out);
            }
        }
    }

    /// Somebody has spoken for a while: what goes wrong in the middle goes wrong now.
    fn middle(&mut self, out: &mut Outbox) {
        match &self.guest.fault {
            Some(Fault::Cut | Fault::CutWebsocket) => {
                out.now(Act::Cut);
                out.shut();
            }
            Some(Fault::Stall | Fault::Drip) => out.shut(),
            Some(Fault::Garbage) => out.now(Act::Garbage),
            Some(Fault::InStream) => Self::fail("transcriber_error", "The transcriber failed", 1011, out),
            Some(Fault::Own(own)) if own == "auto-commit" && self.partials >= 4 => {
                // The text of a stretch in pieces: the first is all of it, the rest is nothing.
                let text = self.words(usize::MAX);
                self.index += 1;
                (self.partials, self.has_speech) = (0, false);
                self.say(json!({"message_type": "committed_transcript", "text": text}), out);
            }
            Some(Fault::Own(own)) if own != "auto-commit" => Self::fail(own, "as the key asks", 1008, out),
            _ => {}
        }
    }
}

impl Machine for Session {
    fn opened(&mut self, out: &mut Outbox) {
        match self.asked {
            Err(why) => self.forbid("invalid_request", why, out),
            Ok(_) if self.guest.fault == Some(Fault::Mute) => out.shut(),
            Ok(asked) => {
                let config = json!({"sample_rate": asked.rate.hz(), "model_id": "scribe_v2_realtime"});
                let started =
                    json!({"message_type": "session_started", "session_id": "s1", "config": config});
                out.now(Act::Say(started));
            }
        }
    }

    fn message(&mut self, message: Option<Value>, out: &mut Outbox) {
        let chunk = message.filter(|message| message["message_type"] == "input_audio_chunk");
        let fields = chunk.as_ref().and_then(|chunk| {
            Some((
                chunk["audio_base_64"].as_str()?,
                chunk["commit"].as_bool()?,
                chunk["sample_rate"].as_u64()?,
            ))
        });
        let Some((audio, commit, hz)) = fields else {
            return self.forbid("input_error", "The message is not in the schema", out);
        };
        let has_previous = chunk.as_ref().is_some_and(|chunk| chunk.get("previous_text").is_some());
        if hz != u64::from(self.rate.hz()) || has_previous && !std::mem::take(&mut self.is_first) {
            return self.forbid("input_error", "sample_rate or previous_text does not fit", out);
        }
        let Ok(bytes) = base64_simd::STANDARD.decode_to_vec(audio.as_bytes()) else {
            return self.forbid("input_error", "audio_base_64 is no base64", out);
        };
        let samples = Pcm::from_le_bytes(&bytes);
        if samples.len() > self.rate.hz() as usize * LONGEST_CHUNK_SECONDS {
            return self.forbid("chunk_size_exceeded", "The chunk is too long", out);
        }
        self.guest.note(|seen| seen.samples += samples.len() as u64);
        self.audio(&samples, out);
        if commit {
            self.commit(out);
        }
    }

    fn idle(&self) -> Duration {
        Duration::from_millis(IDLE_MS * self.guest.world.delays.idle_percent / 100)
    }

    fn too_idle(&mut self, out: &mut Outbox) {
        Self::fail("insufficient_audio_activity", "No audio for a while", 1000, out);
    }
}
