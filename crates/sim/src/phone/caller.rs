//! The person on the line: lives through one media socket after the other in real time, with one ear, one script and
//! one recording for the whole call.

use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Micros, Tick};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::ear::Ear;
use super::script::{Noticed, Script};
use super::{CallPlan, EndReport, EndedBy, Order, PhoneEvent, PhoneReport, Received, Recording};
use crate::exotel::AfterClear;
use crate::side::FromServer;
use crate::side::Side;
use crate::wire::Socket;

/// A frame of the line.
const FRAME_MS: u64 = 20;
/// What is on its way when the caller hangs up may still come.
const STOP_GRACE: Micros = Micros::from_ms(500);
/// The level of the line's noise, dB below full scale: a line is never digitally silent.
const NOISE_PEAK: i64 = 32;

/// A media socket that is open.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) side: Box<dyn Side>,
}

/// The caller of one call.
pub(super) struct Caller<F> {
    rate: SampleRate,
    call_id: String,
    orders: watch::Receiver<Order>,
    events: F,
    ear: Ear,
    script: Script,
    noise: Noise,
    received: Received,
    recording: Recording,
    greeting_ms: Option<u64>,
    handshake_ms: f64,
    began: Instant,
}

impl<F: FnMut(PhoneEvent)> Caller<F> {
    pub(super) fn new(plan: &mut CallPlan, after_clear: AfterClear, events: F) -> Self {
        let patience = u64::try_from(plan.patience.as_millis()).unwrap_or(u64::MAX);
        let steps = std::mem::take(&mut plan.steps);
        let rate = plan.rate();
        Self {
            rate,
            call_id: plan.call_id().to_owned(),
            orders: plan.orders.clone(),
            events,
            ear: Ear::new(rate, after_clear),
            script: Script::new(steps, rate, FRAME_MS, patience),
            noise: Noise(1),
            received: Received::default(),
            recording: Recording { rate, caller: Vec::new(), heard: Vec::new() },
            greeting_ms: None,
            handshake_ms: 0.0,
            began: Instant::now(),
        }
    }

    /// Tells what happened.
    pub(super) fn tell(&mut self, event: PhoneEvent) {
        (self.events)(event);
    }

    /// The call is answered, after an upgrade that took so long: its time begins.
    pub(super) fn answered(&mut self, handshake: Duration) {
        self.began = Instant::now();
        self.handshake_ms = ms(handshake);
        self.tell(PhoneEvent::Connected { took_ms: ms(handshake) });
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Lives through one stream. How it ended, and what was ordered where that ended it.
    pub(super) async fn stream(&mut self, link: &mut Link) -> (EndReport, Order) {
        let (end, order) = self.talk(link).await.unwrap_or_else(|error| {
            (EndReport { by: EndedBy::Fault, close_code: None, detail: error.to_string() }, Order::Talk)
        });
        let now = self.tick();
        if end.by == EndedBy::Server {
            link.side.closed(now, end.close_code);
        }
        let watch = link.side.watch();
        // Whether, when and how often the server greets is not for a phone to judge.
        let own = watch.findings(now).into_iter().filter(|finding| !watch.is_about_greeting(finding.rule));
        for finding in own.collect::<Vec<_>>() {
            self.tell(PhoneEvent::Finding(finding.clone()));
            self.received.findings.push(finding);
        }
        (end, order)
    }

    /// Waits, unless something is ordered meanwhile.
    pub(super) async fn pause(&mut self, length: Duration) -> Order {
        tokio::select! {
            () = tokio::time::sleep(length) => Order::Talk,
            order = ordered(&mut self.orders) => order,
        }
    }

    /// The call is over.
    pub(super) fn report(mut self, end: EndReport) -> PhoneReport {
        let duration_ms = self.now();
        self.tell(PhoneEvent::Ended { at_ms: duration_ms, by: end.by });
        self.received.audio_ms = self.ear.queued_ms();
        self.received.audible_ms = self.ear.audible_frames() * FRAME_MS;
        self.received.gaps = self.ear.gaps().len() as u64;
        self.received.longest_gap_ms = self.ear.gaps().iter().copied().fold(0.0, f64::max);
        self.received.longest_queue_ms = self.ear.longest_queue_ms();
        PhoneReport {
            call_sid: self.call_id,
            sample_rate: self.rate,
            duration_ms,
            handshake_ms: self.handshake_ms,
            greeting_ms: self.greeting_ms,
            turns: self.script.into_turns(),
            received: self.received,
            end,
            recording: self.recording,
        }
    }

    fn tick(&self) -> Tick {
        Tick(self.now() * 1000)
    }

    async fn talk(&mut self, link: &mut Link) -> Result<(EndReport, Order), WsError> {
        let connected = link.side.connected();
        link.socket.feed(Message::text(connected)).await?;
        let start = link.side.start();
        link.socket.send(Message::text(start)).await?;
        link.side.watch_mut().started(self.tick());
        let mut ticks = tokio::time::interval_at(
            Instant::now() + Duration::from_millis(FRAME_MS),
            Duration::from_millis(FRAME_MS),
        );
        // A late tick is made up for at once: the carrier's frames keep the call's time.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                biased;
                message = link.socket.next() => {
                    if let Some(end) = self.hear(link, message)? {
                        return Ok((end, Order::Talk));
                    }
                }
                order = ordered(&mut self.orders) => {
                    return Ok((self.hang_up(link, EndedBy::Carrier).await?, order));
                }
                _ = ticks.tick() => {
                    if self.frame(link).await? {
                        return Ok((self.hang_up(link, EndedBy::Caller).await?, Order::Talk));
                    }
                }
            }
        }
    }

    fn hear(
        &mut self,
        link: &mut Link,
        message: Option<Result<Message, WsError>>,
    ) -> Result<Option<EndReport>, WsError> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(WsError::ConnectionClosed)) | None => return Ok(Some(closed(EndedBy::Server, None))),
            Some(Err(error)) => return Err(error),
        };
        match message {
            Message::Text(text) => self.read(link, &text),
            Message::Binary(bytes) => link.side.binary(self.tick(), bytes.len()),
            Message::Close(frame) => return Ok(Some(closed(EndedBy::Server, frame))),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        Ok(None)
    }

    fn read(&mut self, link: &mut Link, text: &str) {
        let at_ms = self.now();
        match link.side.text(Tick(at_ms * 1000), text, self.ear.waiting()) {
            FromServer::Media(bytes) => {
                self.received.chunks += 1;
                *self.received.chunk_bytes.entry(bytes.len()).or_default() += 1;
                self.ear.audio(&Pcm::from(link.side.samples(&bytes)));
            }
            FromServer::Mark(name) => self.ear.mark(&name),
            FromServer::Clear => {
                self.received.clears += 1;
                let dropped_ms = self.ear.clear().0 / 1000;
                self.tell(PhoneEvent::Cleared { at_ms, dropped_ms });
                self.script.cleared(at_ms).into_iter().for_each(&mut self.events);
            }
            FromServer::Nothing => {}
        }
    }

    /// One frame both ways. Whether the caller hangs up now.
    async fn frame(&mut self, link: &mut Link) -> Result<bool, WsError> {
        let samples = self.rate.samples(FRAME_MS * 1000);
        let played = self.ear.play(samples);
        let now = self.now();
        if played.audible {
            self.greeting_ms.get_or_insert(now);
        }
        for name in played.marks {
            let text = link.side.mark(&name);
            link.socket.feed(Message::text(text)).await?;
            self.tell(PhoneEvent::Mark { at_ms: now, name: name.clone() });
            self.received.marks.push(name);
        }
        let deed = self.script.tick(Noticed { now, audible: played.audible, empty: played.empty });
        if deed.begins {
            link.side.watch_mut().caller_spoke(Tick(now * 1000));
            self.ear.turn_changed();
        }
        deed.events.into_iter().for_each(&mut self.events);
        if let Some(digit) = deed.key {
            let text = link.side.dtmf(digit);
            link.socket.feed(Message::text(text)).await?;
        }
        let mut said = deed.speech.unwrap_or_else(|| vec![0; samples]);
        for sample in &mut said {
            *sample = sample.saturating_add(self.noise.next());
        }
        self.recording.caller.extend(&said);
        self.recording.heard.extend(&played.frame);
        let text = link.side.media(&said);
        link.socket.send(Message::text(text)).await?;
        Ok(deed.hang_up)
    }

    /// Says `stop`, then waits a moment for the server to close, as a carrier does.
    async fn hang_up(&mut self, link: &mut Link, by: EndedBy) -> Result<EndReport, WsError> {
        let stop = link.side.stop();
        link.socket.send(Message::text(stop)).await?;
        link.side.watch_mut().stopped(self.tick(), STOP_GRACE);
        let at_ms = self.now();
        self.tell(PhoneEvent::Stopped { at_ms });
        let last_words = async {
            loop {
                match link.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return Some(frame),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        if let Ok(frame) = tokio::time::timeout(Duration::from_millis(500), last_words).await {
            return Ok(closed(by, frame.flatten()));
        }
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // The call is over for the caller whether the server takes the close or not.
        let _ = tokio::time::timeout(Duration::from_millis(500), link.socket.close(Some(goodbye))).await;
        Ok(closed(by, None))
    }
}

/// The next order. Where nobody can give one, it never comes.
async fn ordered(orders: &mut watch::Receiver<Order>) -> Order {
    if orders.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    orders.borrow_and_update().clone()
}

pub(super) fn ms(length: Duration) -> f64 {
    (length.as_secs_f64() * 1e6).round() / 1e3
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
mod tests {
    use super::*;

    #[test]
    fn the_line_hisses_at_65_db_below_full_scale() {
        let mut noise = Noise(1);
        let energy: f64 = (0..16_000).map(|_| f64::from(noise.next()).powi(2)).sum();
        let level = 10.0 * (energy / 16_000.0 / 32_768f64.powi(2)).log10();
        assert!((-66.0..-64.0).contains(&level), "{level}");
    }
}
