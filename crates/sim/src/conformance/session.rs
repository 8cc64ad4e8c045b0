//! One call of the conformance test over a real socket: frames out on time, the server's audio played out as the
//! carrier does, marks returned, everything watched.

use std::time::Duration;

use audio::{Resampler, SampleRate};
use call::{Micros, Tick};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::Target;
use crate::exotel::{Call, CarrierLine, ExotelSide, Heard, Messages};
use crate::phone::{self, PhoneError};
use crate::side::FromServer;
use crate::side::Side;
use crate::wire::{self, Along, Socket};

/// The built-in caller: a person speaking, 8 kHz.
const SPEECH: &[u8] = include_bytes!("../../../audio/tests/fixtures/speech.wav");
/// What is on its way when the stop is sent may still arrive.
const GRACE: Micros = Micros::from_ms(500);

/// A silence shorter than this is a breath, not the end of what the server says.
const PAUSE: Micros = Micros::from_ms(300);

/// What the caller does meanwhile.
#[derive(Debug, Clone)]
pub(super) enum Voice {
    /// Sends nothing at all.
    Absent,
    /// A quiet line.
    Quiet,
    /// Something that differs from moment to moment, so that an echo can be compared.
    Noise(u32),
    /// Speaks; begins anew at the end.
    Speech(Vec<i16>, usize),
}

impl Voice {
    /// The caller's words at this rate, from their first sound on.
    pub(super) fn speech(target: &Target, rate: SampleRate) -> Self {
        let (from, samples) = match &target.options.speech {
            Some((from, samples)) => (*from, samples.clone()),
            None => match audio::wav::read(SPEECH) {
                Ok(wav) => (wav.rate, wav.to_mono()),
                Err(_) => (rate, Vec::new()),
            },
        };
        let begin = samples.iter().position(|sample| sample.unsigned_abs() > 1000).unwrap_or(0);
        let mut resampled = Vec::new();
        let mut resampler = Resampler::new(from, rate);
        resampler.push(&samples[begin..], &mut resampled);
        resampler.flush(&mut resampled);
        Self::Speech(resampled, 0)
    }

    fn frame(&mut self, samples: usize) -> Option<Vec<i16>> {
        match self {
            Self::Absent => None,
            Self::Quiet => Some((0..samples).map(|i| [3, -2, 1, -4, 2, 0, -1][i % 7]).collect()),
            Self::Noise(state) => Some(
                (0..samples)
                    .map(|_| {
                        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (*state >> 16) as i16 / 8
                    })
                    .collect(),
            ),
            Self::Speech(speech, at) => {
                let frame =
                    (0..samples).map(|i| speech.get((*at + i) % speech.len().max(1)).copied().unwrap_or(0));
                let frame = frame.collect();
                *at += samples;
                Some(frame)
            }
        }
    }
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) at: Tick,
    pub(super) code: Option<u16>,
    pub(super) how: String,
}

/// What went to and fro.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// All audio sent since the start, in bytes.
    pub(super) sent: Vec<u8>,
    /// All audio that came.
    pub(super) received: Vec<u8>,
    /// When each clear came.
    pub(super) clears: Vec<Tick>,
    /// How many pongs came.
    pub(super) pongs: u32,
}

/// A call that is up.
pub(super) struct Session<S = ExotelSide> {
    socket: Socket,
    pub(super) side: S,
    pub(super) line: CarrierLine,
    pub(super) handshake: Duration,
    began: Instant,
    next: Instant,
    pub(super) frame_ms: u64,
    pub(super) seen: Seen,
    pub(super) closed: Option<Closed>,
    /// Since when the caller hears the server, and when they last did.
    busy: Option<(Tick, Tick)>,
    started: bool,
}

/// Opens a socket for this call. `query` replaces the target's own, but for its rate.
pub(super) async fn open(target: &Target, messages: Messages) -> Result<Session, PhoneError> {
    let call = messages.call().clone();
    let along = Along { headers: &target.headers, tls: target.options.tls.as_ref() };
    let mut url = target.url.clone();
    let parsed = wire::Target::parse(&url)?;
    if parsed.is_webhook() {
        url = phone::ask_webhook(&call, &parsed, along).await?.0;
    }
    let url = with_query(&url, &call);
    let began = Instant::now();
    let socket = wire::open(&wire::Target::parse(&url)?, along).await?;
    Ok(Session::new(socket, ExotelSide::new(messages, target.options.after_clear), began.elapsed()))
}

/// The URL with this call's rate, as Exotel passes it on; and with this call's id where it names one without a
/// token that is bound to it, since the scenarios are calls of their own.
fn with_query(url: &str, call: &Call) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let pairs = || {
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    };
    let bound = pairs().any(|(key, _)| matches!(key, "k" | "token"));
    let rate = call.rate.hz().to_string();
    let mut kept: Vec<(&str, &str)> = pairs()
        .filter(|(key, _)| !matches!(*key, "sample-rate" | "sample_rate"))
        .map(|(key, value)| match key {
            "call_id" | "callSid" | "callLogId" if !bound => (key, call.call.as_str()),
            _ => (key, value),
        })
        .collect();
    kept.push(("sample-rate", &rate));
    let query: Vec<String> = kept.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{base}?{}", query.join("&"))
}

impl<S: Side> Session<S> {
    /// A session on a socket that was just opened, in so long.
    pub(super) fn new(socket: Socket, side: S, handshake: Duration) -> Self {
        let now = Instant::now();
        Self {
            socket,
            line: CarrierLine::new(side.rate(), side.after_clear()),
            side,
            handshake,
            began: now,
            next: now,
            frame_ms: 20,
            seen: Seen::default(),
            closed: None,
            busy: None,
            started: false,
        }
    }

    /// Since the socket opened.
    pub(super) fn now(&self) -> Tick {
        Tick(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// For how long the server has been speaking, but for breaths.
    pub(super) fn speaks_for(&self) -> Option<Micros> {
        self.busy.map(|(since, _)| self.now().since(since))
    }

    /// Sends `connected` and `start`.
    pub(super) async fn begin(&mut self) {
        let connected = self.side.connected();
        self.send(connected).await;
        self.start().await;
    }

    /// Sends `start`.
    pub(super) async fn start(&mut self) {
        let start = self.side.start();
        let now = self.now();
        self.side.watch_mut().started(now);
        self.started = true;
        self.send(start).await;
    }

    /// Sends `stop`.
    pub(super) async fn stop(&mut self) {
        let stop = self.side.stop();
        self.send(stop).await;
        let now = self.now();
        self.side.watch_mut().stopped(now, GRACE);
    }

    /// Sends a text message, whatever it is.
    pub(super) async fn send(&mut self, text: String) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends a message of any kind.
    pub(super) async fn send_message(&mut self, message: Message) {
        if self.closed.is_some() {
            return;
        }
        match timeout(Duration::from_secs(5), self.socket.send(message)).await {
            Ok(Ok(())) => {}
            // What was wrong is best said by what the server sent before: reading finds it.
            Ok(Err(_)) => self.read_goodbye().await,
            Err(_) => self.end(None, "the server did not read for 5 s"),
        }
    }

    /// Lives for up to `limit`, or until `done`. Whether it was done.
    pub(super) async fn live(
        &mut self,
        voice: &mut Voice,
        limit: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> bool {
        let end = Instant::now() + limit;
        if !matches!(voice, Voice::Absent) {
            self.next = self.next.max(Instant::now());
        }
        loop {
            if done(self) {
                return true;
            }
            if self.closed.is_some() || Instant::now() >= end {
                return false;
            }
            tokio::select! {
                biased;
                () = sleep_until(self.next.min(end)) => {
                    if Instant::now() >= self.next {
                        self.frame(voice).await;
                    }
                }
                message = self.socket.next() => self.take(message).await,
            }
        }
    }

    /// Sends one message of 2 MiB and listens meanwhile for up to `limit`.
    pub(super) async fn flood(&mut self, text: String, limit: Duration) {
        let found = {
            let (mut sink, mut stream) = (&mut self.socket).split();
            let send = async {
                // The server may well cut this short: that is the point.
                let _ = sink.send(Message::text(text)).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = send => None,
                found = timeout(limit, goodbye(&mut stream)) => found.ok(),
            }
        };
        if let Some((code, how)) = found {
            self.end(code, &how);
        }
    }

    /// Says goodbye as a carrier does and leaves.
    pub(super) async fn hang_up(mut self) {
        if self.closed.is_none() {
            self.stop().await;
            let goodbye = async {
                if self.socket.close(None).await.is_ok() {
                    while let Some(Ok(_)) = self.socket.next().await {}
                }
            };
            let _ = timeout(Duration::from_millis(300), goodbye).await;
        }
    }

    async fn frame(&mut self, voice: &mut Voice) {
        let frame = Duration::from_millis(self.frame_ms);
        // A test machine that was busy does not make up for lost frames in a burst.
        self.next = (self.next + frame).max(Instant::now() - frame);
        let now = self.now();
        if let Some(samples) = voice.frame(self.side.rate().samples(self.frame_ms * 1000)) {
            if matches!(voice, Voice::Speech(..)) {
                self.side.watch_mut().caller_spoke(now);
            }
            let text = self.side.media(&samples);
            if self.started {
                self.seen.sent.extend(self.side.bytes(&samples));
            }
            self.send(text).await;
        }
        let mut heard = Vec::new();
        self.line.advance(now, &mut heard);
        self.answer(heard).await;
        match &mut self.busy {
            Some((_, last)) if self.line.waiting().0 > 0 => *last = now,
            Some((_, last)) if now.since(*last) > PAUSE => self.busy = None,
            _ => {}
        }
    }

    async fn take(&mut self, message: Option<Result<Message, WsError>>) {
        let now = self.now();
        let mut heard = Vec::new();
        match message {
            Some(Ok(Message::Text(text))) => {
                self.line.advance(now, &mut heard);
                match self.side.text(now, &text, self.line.waiting()) {
                    FromServer::Media(bytes) => {
                        let samples = self.side.samples(&bytes);
                        self.line.audio(now, &samples, &mut heard);
                        self.busy.get_or_insert((now, now)).1 = now;
                        self.seen.received.extend(bytes);
                    }
                    FromServer::Mark(name) => self.line.mark(now, &name, &mut heard),
                    FromServer::Clear => {
                        self.seen.clears.push(now);
                        self.line.clear(now, &mut heard);
                    }
                    FromServer::Nothing => {}
                }
            }
            Some(Ok(Message::Binary(bytes))) => self.side.binary(now, bytes.len()),
            Some(Ok(Message::Pong(_))) => self.seen.pongs += 1,
            Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| frame.code.into());
                self.end(code, "closed");
            }
            Some(Err(error)) => self.end(None, &error.to_string()),
            None => self.end(None, "the connection ended"),
        }
        self.answer(heard).await;
    }

    async fn answer(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            if let Heard::Mark { name, .. } = heard {
                let text = self.side.mark(&name);
                Box::pin(self.send(text)).await;
            }
        }
    }

    async fn read_goodbye(&mut self) {
        let found = timeout(Duration::from_secs(1), goodbye(&mut self.socket));
        let (code, how) = found.await.unwrap_or((None, "the connection broke".to_owned()));
        self.end(code, &how);
    }

    fn end(&mut self, code: Option<u16>, how: &str) {
        let at = self.now();
        self.closed.get_or_insert(Closed { at, code, how: how.to_owned() });
    }
}

/// Reads up to the server's close or the end of the connection: the code, if it gave one, and how it ended.
async fn goodbye<S>(stream: &mut S) -> (Option<u16>, String)
where
    S: futures_util::Stream<Item = Result<Message, WsError>> + Unpin,
{
    loop {
        match stream.next().await {
            Some(Ok(Message::Close(frame))) => {
                return (frame.map(|frame| frame.code.into()), "closed".to_owned());
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return (None, error.to_string()),
            None => return (None, "the connection ended without a close".to_owned()),
        }
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => write!(f, "closed with {code} after {:.1} s", self.at.0 as f64 / 1e6),
            None => write!(f, "{} after {:.1} s", self.how, self.at.0 as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_carries_this_calls_rate_and_id() {
        let call = Call::invented(1, SampleRate::HZ_16000);
        let id = &call.call;
        assert_eq!(with_query("ws://h/ws", &call), "ws://h/ws?sample-rate=16000");
        assert_eq!(with_query("ws://h/ws?sample_rate=8000&a=b", &call), "ws://h/ws?a=b&sample-rate=16000");
        assert_eq!(
            with_query("ws://h/ws?call_id=x", &call),
            format!("ws://h/ws?call_id={id}&sample-rate=16000")
        );
        assert_eq!(with_query("ws://h/ws?call_id=x&k=t", &call), "ws://h/ws?call_id=x&k=t&sample-rate=16000");
    }

    #[test]
    fn the_built_in_caller_speaks_at_once() {
        let target = Target::new("ws://h", super::super::Profile::Agent);
        let Voice::Speech(samples, _) = Voice::speech(&target, SampleRate::HZ_16000) else {
            panic!("no speech")
        };
        assert!(samples.len() > 32_000);
        assert!(samples[..1600].iter().any(|sample| sample.unsigned_abs() > 1000));
    }
}
