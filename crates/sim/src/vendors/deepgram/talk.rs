//! What all of Deepgram's sockets share: a machine says what to send and when it wants to be asked again, one loop
//! and one timer a socket does it.

use std::collections::VecDeque;
use std::time::Duration;

use audio::{PcmBytes, SampleRate, g711};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::access::Guest;
use super::query::Coding;

/// A frame of 80 ms at 8 kHz fits twice. The library zero-fills all of it before each read.
const READ_BUFFER: usize = 4 * 1_024;

/// A time that does not come.
const FAR: Duration = Duration::from_secs(86_400);

/// What a machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Send this.
    Text(String),
    /// Send these.
    Binary(Bytes),
    /// Close with this code and reason, or without any.
    Close(Option<(u16, &'static str)>),
    /// Break the connection.
    Cut,
}

/// One side of a conversation over a socket. Times are the runtime's.
pub(super) trait Machine: Send + 'static {
    /// The socket is open.
    fn opened(&mut self, now: Instant, acts: &mut Vec<Act>);

    /// A message came.
    fn message(&mut self, now: Instant, message: &Message, acts: &mut Vec<Act>);

    /// When it wants to be asked.
    fn due(&self) -> Option<Instant>;

    /// It is that time, or before it.
    fn time(&mut self, now: Instant, acts: &mut Vec<Act>);
}

/// Answers the upgrade and lets the machine talk.
pub(super) fn upgrade(guest: &Guest, upgrade: WebSocketUpgrade, machine: impl Machine) -> Response {
    let upgrade = upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(READ_BUFFER);
    guest.signed(upgrade.on_upgrade(|socket| run(socket, machine)))
}

async fn run(mut socket: WebSocket, mut machine: impl Machine) {
    let mut acts = Vec::new();
    let mut armed = Instant::now() + FAR;
    let timer = sleep_until(armed);
    tokio::pin!(timer);
    machine.opened(Instant::now(), &mut acts);
    loop {
        if !acts.is_empty() && !perform(&mut socket, &mut acts).await {
            return;
        }
        // The timer is only ever moved forward by a frame: one that rings too early asks again.
        let due = machine.due().unwrap_or_else(|| Instant::now() + FAR);
        if due < armed || timer.is_elapsed() {
            armed = due;
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            message = socket.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(message)) => machine.message(Instant::now(), &message, &mut acts),
            },
            () = &mut timer => machine.time(Instant::now(), &mut acts),
        }
    }
}

/// Whether the socket is still open after these.
async fn perform(socket: &mut WebSocket, acts: &mut Vec<Act>) -> bool {
    for act in acts.drain(..) {
        let message = match act {
            Act::Text(text) => Message::Text(text.into()),
            Act::Binary(bytes) => Message::Binary(bytes),
            Act::Close(why) => {
                let frame = why.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
                // The peer's answer, or its end.
                if socket.send(Message::Close(frame)).await.is_ok() {
                    while let Some(Ok(_)) = socket.next().await {}
                }
                return false;
            }
            Act::Cut => return false,
        };
        if socket.feed(message).await.is_err() {
            return false;
        }
    }
    socket.flush().await.is_ok()
}

/// What is sent after a delay, in order.
#[derive(Debug, Default)]
pub(super) struct Later(VecDeque<(Instant, Act)>);

impl Later {
    /// Behind all others, and not before `at`.
    pub(super) fn push(&mut self, at: Instant, act: Act) {
        let after = self.0.back().map_or(at, |(last, _)| at.max(*last));
        self.0.push_back((after, act));
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    /// All that is due now.
    pub(super) fn take(&mut self, now: Instant, acts: &mut Vec<Act>) {
        while let Some((at, _)) = self.0.front()
            && *at <= now
        {
            acts.extend(self.0.pop_front().map(|(_, act)| act));
        }
    }

    /// All at once: nothing more will be said after it.
    pub(super) fn take_all(&mut self, acts: &mut Vec<Act>) {
        acts.extend(self.0.drain(..).map(|(_, act)| act));
    }
}

/// The caller's audio as it comes: samples out of bytes in any coding, counted.
#[derive(Debug)]
pub(super) struct Caller {
    coding: Coding,
    rate: SampleRate,
    bytes: PcmBytes,
    samples: Vec<i16>,
    count: u64,
}

impl Caller {
    pub(super) const fn new(coding: Coding, rate: SampleRate) -> Self {
        Self { coding, rate, bytes: PcmBytes::new(), samples: Vec::new(), count: 0 }
    }

    /// The samples of these bytes, for `heard` to take piece by piece and `done` to give back.
    pub(super) fn take(&mut self, bytes: &[u8], guest: &Guest) -> Vec<i16> {
        let mut samples = std::mem::take(&mut self.samples);
        match self.coding {
            Coding::Linear16 => self.bytes.push(bytes, &mut samples),
            Coding::Mulaw => g711::mulaw_decode_into(bytes, &mut samples),
            Coding::Alaw => g711::alaw_decode_into(bytes, &mut samples),
        }
        let more = samples.len() as u64;
        guest.world.ledger.note(guest.place, |seen| seen.samples += more);
        samples
    }

    /// How many samples are looked at before anything is said: 20 ms.
    pub(super) const fn piece(&self) -> usize {
        self.rate.samples(20_000)
    }

    /// So many more were looked at.
    pub(super) const fn heard(&mut self, samples: usize) {
        self.count += samples as u64;
    }

    pub(super) fn done(&mut self, mut samples: Vec<i16>) {
        samples.clear();
        self.samples = samples;
    }

    /// How much was looked at, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.count as f64 / f64::from(self.rate.hz())
    }
}
