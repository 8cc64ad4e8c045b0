//! A caller on a telephone, for any server that speaks Exotel's protocol: real sockets, real time, 20 ms frames,
//! a script of steps, and measurements made where they count, at the caller's ear.

pub(crate) mod connect;
mod ear;
mod plan;
mod report;
mod script;

use std::time::Duration;

use audio::Pcm;
use call::{Micros, Tick};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use connect::{Socket, Target};
use ear::Ear;
pub use plan::{CallPlan, Speech, Step};
pub use report::{
    EndReport, EndedBy, Finding, PhoneError, PhoneEvent, PhoneReport, Received, Recording, TurnReport,
};
use script::{Noticed, Script};

use crate::exotel::{Breach, Checker, FromServer, Messages, Weight};

/// A frame of the line.
const FRAME_MS: u64 = 20;
/// What is on its way when the caller hangs up may still come.
const STOP_GRACE: Micros = Micros::from_ms(500);
/// The level of the line's noise, dB below full scale: a line is never digitally silent.
const NOISE_PEAK: i64 = 32;

/// The telephone.
#[derive(Debug, Clone, Copy)]
pub struct Phone;

impl Phone {
    /// Makes a call and lives through it in real time. `events` is told what happens, as it happens.
    ///
    /// # Errors
    /// Only when no call came about. A call that was connected gives a report, however it ended.
    pub async fn call(plan: CallPlan, mut events: impl FnMut(PhoneEvent)) -> Result<PhoneReport, PhoneError> {
        if ![8_000, 16_000, 24_000].contains(&plan.call.rate.hz()) {
            return Err(PhoneError::Rate(plan.call.rate));
        }
        let mut target = Target::parse(&plan.url)?;
        if target.is_webhook() {
            let (url, took) = connect::ask_webhook(&plan, &target).await?;
            target = Target::parse(&url)?;
            events(PhoneEvent::Webhook { took_ms: ms(took), socket: target.shown() });
        }
        let (socket, took) = connect::open(&plan, &target).await?;
        events(PhoneEvent::Connected { took_ms: ms(took) });
        let line = Line::new(plan, socket, events);
        Ok(line.live(ms(took)).await)
    }
}

fn ms(length: Duration) -> f64 {
    (length.as_secs_f64() * 1e6).round() / 1e3
}

/// A call that is up.
struct Line<F> {
    plan: CallPlan,
    socket: Socket,
    events: F,
    writer: Messages,
    checker: Checker,
    ear: Ear,
    script: Script,
    noise: Noise,
    received: Received,
    recording: Recording,
    greeting_ms: Option<u64>,
    began: Instant,
}

impl<F: FnMut(PhoneEvent)> Line<F> {
    fn new(mut plan: CallPlan, socket: Socket, events: F) -> Self {
        let patience = u64::try_from(plan.patience.as_millis()).unwrap_or(u64::MAX);
        let steps = std::mem::take(&mut plan.steps);
        Self {
            writer: Messages::new(plan.call.clone()).types(plan.types),
            checker: Checker::new(&plan.call.stream, plan.call.rate),
            ear: Ear::new(plan.call.rate),
            script: Script::new(steps, plan.call.rate, FRAME_MS, patience),
            noise: Noise(1),
            received: Received::default(),
            recording: Recording { rate: plan.call.rate, caller: Vec::new(), heard: Vec::new() },
            greeting_ms: None,
            began: Instant::now(),
            plan,
            socket,
            events,
        }
    }

    async fn live(mut self, handshake_ms: f64) -> PhoneReport {
        let end = self.talk().await.unwrap_or_else(|error| EndReport {
            by: EndedBy::Fault,
            close_code: None,
            detail: error.to_string(),
        });
        let duration_ms = self.now();
        self.find_fault();
        (self.events)(PhoneEvent::Ended { at_ms: duration_ms, by: end.by });
        self.received.audio_ms = self.ear.queued_ms();
        self.received.audible_ms = self.ear.audible_frames() * FRAME_MS;
        self.received.gaps = self.ear.gaps().len() as u64;
        self.received.longest_gap_ms = self.ear.gaps().iter().copied().fold(0.0, f64::max);
        self.received.longest_queue_ms = self.ear.longest_queue_ms();
        PhoneReport {
            call_sid: self.plan.call.call.clone(),
            sample_rate: self.plan.call.rate,
            duration_ms,
            handshake_ms,
            greeting_ms: self.greeting_ms,
            turns: self.script.into_turns(),
            received: self.received,
            end,
            recording: self.recording,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn talk(&mut self) -> Result<EndReport, WsError> {
        let connected = self.writer.connected();
        self.socket.feed(Message::text(connected)).await?;
        let start = self.writer.start();
        self.socket.send(Message::text(start)).await?;
        self.checker.started(Tick(self.now() * 1000));
        let mut ticks = tokio::time::interval_at(
            Instant::now() + Duration::from_millis(FRAME_MS),
            Duration::from_millis(FRAME_MS),
        );
        // A late tick is made up for at once: the carrier's frames keep the call's time.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                biased;
                message = self.socket.next() => {
                    if let Some(end) = self.hear(message)? {
                        return Ok(end);
                    }
                }
                _ = ticks.tick() => {
                    if self.frame().await? {
                        return self.hang_up().await;
                    }
                }
            }
        }
    }

    fn hear(&mut self, message: Option<Result<Message, WsError>>) -> Result<Option<EndReport>, WsError> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(WsError::ConnectionClosed)) | None => return Ok(Some(closed(EndedBy::Server, None))),
            Some(Err(error)) => return Err(error),
        };
        match message {
            Message::Text(text) => self.read(&text),
            Message::Binary(bytes) => self.checker.binary(Tick(self.now() * 1000), bytes.len()),
            Message::Close(frame) => return Ok(Some(closed(EndedBy::Server, frame))),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        Ok(None)
    }

    fn read(&mut self, text: &str) {
        let at_ms = self.now();
        match self.checker.text(Tick(at_ms * 1000), text, self.ear.waiting()) {
            FromServer::Media(bytes) => {
                self.received.chunks += 1;
                *self.received.chunk_bytes.entry(bytes.len()).or_default() += 1;
                self.ear.audio(&Pcm::from_le_bytes(&bytes));
            }
            FromServer::Mark(name) => self.ear.mark(&name),
            FromServer::Clear => {
                self.received.clears += 1;
                let dropped_ms = self.ear.clear().0 / 1000;
                (self.events)(PhoneEvent::Cleared { at_ms, dropped_ms });
                self.script.cleared(at_ms).into_iter().for_each(&mut self.events);
            }
            FromServer::Nothing => {}
        }
    }

    /// What the server did against the protocol. Whether and when it greets is not the phone's to judge.
    fn find_fault(&mut self) {
        let own = [Breach::LateGreeting, Breach::TwoGreetings, Breach::NoGreetingMark];
        let noted = self.checker.noted(Tick(self.now() * 1000));
        for noted in noted.into_iter().filter(|noted| !own.contains(&noted.breach)) {
            let finding = Finding {
                rule: noted.breach.id(),
                what: noted.breach.title(),
                is_advice: noted.breach.weight() == Weight::Warning,
                at_ms: noted.at.0 / 1000,
                count: noted.count,
                seen: noted.seen,
            };
            (self.events)(PhoneEvent::Finding(finding.clone()));
            self.received.findings.push(finding);
        }
    }

    /// One frame both ways. Whether the caller hangs up now.
    async fn frame(&mut self) -> Result<bool, WsError> {
        let samples = self.plan.call.rate.samples(FRAME_MS * 1000);
        let played = self.ear.play(samples);
        let now = self.now();
        if played.audible {
            self.greeting_ms.get_or_insert(now);
        }
        for name in played.marks {
            let text = self.writer.mark(&name);
            self.socket.feed(Message::text(text)).await?;
            (self.events)(PhoneEvent::Mark { at_ms: now, name: name.clone() });
            self.received.marks.push(name);
        }
        let deed = self.script.tick(Noticed { now, audible: played.audible, empty: played.empty });
        if deed.begins {
            self.checker.caller_spoke(Tick(now * 1000));
            self.ear.turn_changed();
        }
        deed.events.into_iter().for_each(&mut self.events);
        if let Some(digit) = deed.key {
            let text = self.writer.dtmf(digit);
            self.socket.feed(Message::text(text)).await?;
        }
        let mut said = deed.speech.unwrap_or_else(|| vec![0; samples]);
        for sample in &mut said {
            *sample = sample.saturating_add(self.noise.next());
        }
        self.recording.caller.extend(&said);
        self.recording.heard.extend(&played.frame);
        let text = self.writer.media(&said);
        self.socket.send(Message::text(text)).await?;
        Ok(deed.hang_up)
    }

    /// Says `stop`, then waits a moment for the server to close, as a carrier does.
    async fn hang_up(&mut self) -> Result<EndReport, WsError> {
        let stop = self.writer.stop("callended");
        self.socket.send(Message::text(stop)).await?;
        self.checker.stopped(Tick(self.now() * 1000), STOP_GRACE);
        let last_words = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return Some(frame),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        if let Ok(frame) = tokio::time::timeout(Duration::from_millis(500), last_words).await {
            return Ok(closed(EndedBy::Caller, frame.flatten()));
        }
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // The call is over for the caller whether the server takes the close or not.
        let _ = tokio::time::timeout(Duration::from_millis(500), self.socket.close(Some(goodbye))).await;
        Ok(closed(EndedBy::Caller, None))
    }
}

fn closed(by: EndedBy, frame: Option<CloseFrame>) -> EndReport {
    let close_code = frame.as_ref().map(|frame| u16::from(frame.code));
    let detail = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
    EndReport { by, close_code, detail }
}

/// The hiss of the line at -65 dBFS: a xorshift generator, the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> i16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let within = (self.0 >> 33) as i64 % (2 * NOISE_PEAK + 1) - NOISE_PEAK;
        within as i16
    }
}

#[cfg(test)]
mod tests;
