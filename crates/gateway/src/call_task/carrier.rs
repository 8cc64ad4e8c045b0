//! The carrier's side of a call: what its socket brings, sends and suffers.

use audio::SampleRate;
use call::{CarrierEvent, Input, StreamStart, Tick, ToCarrier};
use carriers::Read;
use records::EndReason;
use tokio::time::Instant;

use super::CallTask;
use crate::admission;
use crate::bind::Arrival;
use crate::line;
use crate::metrics::Out;
use crate::socket::{Received, SendFault};

impl CallTask {
    /// Pings, and ends a call whose peer gives no sign of life.
    pub(super) async fn look_at_line(&mut self, now: Instant) {
        let timing = &self.gateway.config.timing;
        let Some(socket) = &mut self.carrier.socket else { return };
        if now - self.clock.heard >= timing.silent_for {
            return self.step(Input::End(EndReason::HalfOpen)).await;
        }
        if now - self.clock.pinged >= timing.ping_every {
            self.clock.pinged = now;
            let sent = socket.ping().await;
            self.sent(sent);
            if let Some(input) = self.scratch.1.pop_front() {
                self.step(input).await;
            }
        }
    }

    /// The newest socket wins. The core hears of it when the stream starts on it: before, there is nothing to
    /// send to.
    pub(super) async fn take_over(&mut self, arrival: Arrival) {
        tracing::info!("a new socket takes the call over");
        if let Some(old) = self.carrier.socket.take() {
            self.gateway.dismiss(old);
            if !self.carrier.taking_over {
                self.step(Input::Detached { clean: false }).await;
            }
        }
        let now = Instant::now();
        (self.clock.heard, self.clock.pinged) = (now, now);
        let fresh = arrival.fresh;
        self.carrier.line = fresh.line;
        self.carrier.taking_over = true;
        self.carrier.socket = Some(fresh.socket);
        for read in fresh.early {
            self.read(read).await;
        }
    }

    pub(super) async fn received(&mut self, received: Received) {
        self.clock.heard = Instant::now();
        self.seat.session.active(self.now());
        match &received {
            Received::Gone { clean } => return self.lost(*clean).await,
            Received::Broken { code, why } => {
                self.note_finding("protocol_error", why);
                if let Some(socket) = self.carrier.socket.take() {
                    self.gateway.dismiss_with(socket, *code, "protocol error");
                }
                return self.step(Input::End(EndReason::ProtocolError)).await;
            }
            _ => {}
        }
        if let Some(read) = self.carrier.line.read(&received) {
            self.read(read).await;
        }
    }

    pub(super) async fn read(&mut self, read: Read) {
        if self.ended.is_some() {
            return;
        }
        self.counts.frames.came(line::kind(read.event.as_ref()));
        if let Some(finding) = read.finding {
            self.note_finding(finding.as_str(), "");
        }
        if read.fatal {
            return self.step(Input::End(EndReason::ProtocolError)).await;
        }
        match read.event {
            None => {}
            Some(CarrierEvent::Start(start)) => Box::pin(self.started(start)).await,
            Some(event) => {
                if matches!(event, CarrierEvent::Audio(_)) {
                    self.keeper.count_frame();
                    self.attach().await;
                }
                self.step(Input::Carrier(event)).await;
            }
        }
    }

    async fn started(&mut self, mut start: Box<StreamStart>) {
        // What whoever placed the call says of it goes before what came over the line.
        start.custom.extend(std::mem::take(&mut self.seat.variables));
        let record = self.keeper.record_mut();
        // The URL may name the call by an id of the operator's; reports come under the carrier's own.
        if let Some(call) = &start.call {
            record.carrier_call_id.clone_from(call);
        }
        record.from = record.from.take().or_else(|| start.from.clone());
        record.to = record.to.take().or_else(|| start.to.clone());
        record.custom.extend(start.custom.clone());
        // A call that was answered without a `start` keeps the stream that it knows, if it knows one.
        if record.stream_id.is_none() || self.carrier.taking_over {
            record.stream_id = Some(start.stream.clone());
            self.open_stream(&start.stream, start.rate);
        }
        self.attach().await;
        let unheard = self.open_vendors();
        self.step(Input::Carrier(CarrierEvent::Start(start))).await;
        if let Some(unheard) = unheard.filter(|_| self.ended.is_none()) {
            self.step(unheard).await;
        }
    }

    /// Tells the core that the new socket's stream has started.
    async fn attach(&mut self) {
        if std::mem::take(&mut self.carrier.taking_over) {
            self.seat.session.attached(true);
            self.step(Input::Reattached).await;
        }
    }

    fn open_stream(&mut self, stream: &str, rate: SampleRate) {
        self.carrier.rate = rate;
        self.carrier.writer = Some(self.carrier.line.writer(stream, rate));
        self.seat.session.stream(stream);
        self.keeper.answered(rate);
    }

    /// The socket is gone without a `stop`. The carrier may come back with the URL that it has.
    async fn lost(&mut self, clean: bool) {
        self.carrier.socket = None;
        self.seat.session.attached(false);
        self.let_back_in();
        if !std::mem::take(&mut self.carrier.taking_over) {
            self.step(Input::Detached { clean }).await;
        }
    }

    pub(super) async fn feed(&mut self, at: Tick, message: ToCarrier) {
        if self.carrier.writer.is_none() {
            // Answered without a `start`: what the URL says holds.
            let stream = self.carrier.line.fallback_stream();
            if !stream.is_empty() {
                self.keeper.record_mut().stream_id = Some(stream.clone());
            }
            self.open_stream(&stream, self.carrier.line.fallback_rate);
        }
        let (Some(writer), Some(socket)) = (&mut self.carrier.writer, &mut self.carrier.socket) else {
            return;
        };
        let sent = match &message {
            ToCarrier::Media { pcm, plays_at } => {
                self.counts.frames.went(Out::Media);
                self.keeper.sent(*plays_at, pcm);
                self.seat.session.sent(*plays_at, self.carrier.rate.micros(pcm.len()));
                match writer.media(pcm) {
                    Some(text) => socket.feed(text).await,
                    None => Ok(()),
                }
            }
            ToCarrier::Mark { name } => {
                self.counts.frames.went(Out::Mark);
                socket.feed(writer.mark(name)).await
            }
            ToCarrier::Clear => {
                self.counts.frames.went(Out::Clear);
                self.keeper.cleared(at);
                self.seat.session.cleared();
                socket.feed(writer.clear()).await
            }
            // The socket is closed when the task has ended, which follows.
            ToCarrier::Close => Ok(()),
        };
        self.sent(sent);
    }

    /// What it means that something could not be sent. The core hears of it after what it is doing now.
    pub(super) fn sent(&mut self, sent: Result<(), SendFault>) {
        let Err(fault) = sent else { return };
        if self.carrier.socket.take().is_none() || self.ended.is_some() {
            return;
        }
        self.seat.session.attached(false);
        self.scratch.1.push_back(match fault {
            SendFault::Gone => {
                self.let_back_in();
                Input::Detached { clean: false }
            }
            SendFault::Stalled => Input::End(EndReason::PeerStalled),
        });
    }

    /// Lets the carrier open another socket with the token that it has, for as long as the core waits for it.
    fn let_back_in(&self) {
        if let Some(token) = &self.carrier.line.token {
            let wait_ms = self.agent.settings.limits.reattach_ms;
            admission::reopen(&self.gateway, &self.seat.session.call, token, wait_ms);
        }
    }

    fn note_finding(&mut self, kind: &str, detail: &str) {
        if self.keeper.finding(kind) {
            tracing::warn!(kind, detail, "the carrier's message is odd; more of this kind are only counted");
        }
    }
}
