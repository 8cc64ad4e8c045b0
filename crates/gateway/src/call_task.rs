//! One live call: its socket, its core and its vendors in one task. Carries values across and decides nothing
//! that the core can decide.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use call::{Call, CarrierEvent, Event, Input, Output, StreamStart, Tick, Timer, ToCarrier};
use carriers::exotel::{Read, Writer};
use records::{CallCounters, CallRecord, EndReason};
use store::CallId;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, Sleep};

use crate::admission;
use crate::agent::Agent;
use crate::bind::Arrival;
use crate::gateway::Gateway;
use crate::keeper::{Keep, Keeper};
use crate::line::{self, Line};
use crate::metrics::{FrameCounts, Out};
use crate::sessions::{Begun, Control, Session};
use crate::socket::{MediaSocket, Received, SendFault};
use crate::trace;
use crate::vendors::{NoRoom, Vendors};

/// How often what has gathered is handed over and the line is looked at.
const ROUND: Duration = Duration::from_millis(400);
/// A round may be this much later when a frame comes by anyway: a talking call needs no wake-up for it.
const ROUND_SLACK: Duration = Duration::from_millis(300);

/// One live call.
pub(crate) struct CallTask {
    gateway: Arc<Gateway>,
    agent: Arc<Agent>,
    session: Arc<Session>,
    control: mpsc::Receiver<Control>,
    call: Call,
    vendors: Vendors,
    keeper: Keeper,
    socket: Option<MediaSocket>,
    wire: Wire,
    clock: Clock,
    counts: Counts,
    /// The outputs of one input, and inputs that outputs led to. Kept for their memory.
    scratch: (Vec<Output>, VecDeque<Input>),
    early: Vec<Read>,
    ended: Option<EndReason>,
    _place: Option<OwnedSemaphorePermit>,
}

/// The carrier's side of the call.
struct Wire {
    line: Line,
    writer: Option<Box<Writer>>,
    rate: SampleRate,
    /// A new socket is here and the core is told when it starts.
    taking_over: bool,
}

/// Moments of the call.
struct Clock {
    opened: Instant,
    /// When the core wants to be called, and why.
    deadline: Option<(Tick, Timer)>,
    round: Instant,
    heard: Instant,
    pinged: Instant,
}

/// Sums that are handed over each round.
#[derive(Default)]
struct Counts {
    frames: FrameCounts,
    overruns: u64,
}

/// What the task woke for.
enum Wake {
    Time,
    Control(Control),
    Received(Received),
    Answer(Input),
}

impl CallTask {
    pub(crate) fn new(gateway: Arc<Gateway>, begun: Begun) -> Self {
        let Begun { session, control, arrival } = begun;
        let Arrival { socket, line, early, opened, agent, place } = arrival;
        let rate = line.fallback_rate;
        let id = CallId::new(session.connected_at, gateway.random());
        let record = new_record(id, &session, &agent, rate);
        let keep = Keep { log: agent.call_log, audio: agent.record };
        let keeper = Keeper::begin(gateway.store.as_ref(), id, record, keep, &agent.settings);
        gateway.metrics.began();
        Self {
            call: Call::new(agent.settings.clone(), rate),
            vendors: Vendors::new(),
            keeper,
            socket: Some(socket),
            wire: Wire { line, writer: None, rate, taking_over: false },
            clock: Clock { opened, deadline: None, round: opened + ROUND, heard: opened, pinged: opened },
            counts: Counts::default(),
            scratch: (Vec::new(), VecDeque::new()),
            early,
            ended: None,
            _place: place,
            gateway,
            agent,
            session,
            control,
        }
    }

    /// What every log line of this call carries.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!("call", call_id = %self.keeper.record().id)
    }

    /// Runs the call until it has ended.
    pub(crate) async fn run(&mut self) {
        tracing::info!(carrier_call_id = %self.session.call, agent = %self.agent.name, "a call begins");
        // Nothing has come yet, but the core's first deadline must be known.
        self.step(Input::Time).await;
        for read in std::mem::take(&mut self.early) {
            self.read(read).await;
        }
        let mut timer = pin!(tokio::time::sleep_until(self.wanted()));
        while self.ended.is_none() {
            let wanted = self.wanted();
            // A timer that is too early costs one wake-up; moving it for every frame costs more.
            if wanted < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(wanted);
            }
            match self.wait(timer.as_mut()).await {
                Wake::Time => {}
                Wake::Control(control) => self.controlled(control).await,
                Wake::Received(received) => self.received(received).await,
                Wake::Answer(answer) => {
                    self.answered(answer).await;
                    while let Some(more) = self.vendors.ready().filter(|_| self.ended.is_none()) {
                        self.answered(more).await;
                    }
                }
            }
            self.due().await;
        }
    }

    /// Notes that the call's code panicked.
    pub(crate) fn panicked(&mut self) {
        self.gateway.metrics.panicked();
        tracing::error!("a fault inside the server ended this call; please report the lines before this one");
        self.ended = Some(EndReason::InternalError);
        self.keeper.finish(EndReason::InternalError, "a fault inside the server".to_owned(), self.now());
    }

    /// Takes the call off the table and gives its socket, to be closed, and why it ended.
    pub(crate) fn finish(&mut self) -> (Option<MediaSocket>, EndReason) {
        self.control.close();
        self.gateway.sessions.remove(&self.session);
        let ended = self.ended.unwrap_or(EndReason::InternalError);
        self.gateway.metrics.frames(&mut self.counts.frames, std::mem::take(&mut self.counts.overruns));
        self.gateway.metrics.ended(ended);
        let record = self.keeper.record();
        tracing::info!(
            reason = ended.as_str(),
            seconds = self.clock.opened.elapsed().as_secs_f64(),
            frames_in = record.counters.frames_in,
            chunks_out = record.counters.chunks_out,
            "the call has ended"
        );
        // A socket that came too late for this call.
        while let Ok(control) = self.control.try_recv() {
            if let Control::TakeOver(arrival) = control {
                self.gateway.dismiss(arrival.socket);
            }
        }
        (self.socket.take(), ended)
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.clock.opened.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// When to wake at the latest.
    fn wanted(&self) -> Instant {
        let round = self.clock.round + ROUND_SLACK;
        self.clock
            .deadline
            .map_or(round, |(tick, _)| round.min(self.clock.opened + Duration::from_micros(tick.0)))
    }

    async fn wait(&mut self, timer: Pin<&mut Sleep>) -> Wake {
        let Self { socket, vendors, control, .. } = self;
        let message = async {
            match socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = timer => Wake::Time,
            // The table keeps a sender until this task takes itself off it.
            Some(control) = control.recv() => Wake::Control(control),
            received = message => Wake::Received(received),
            answer = vendors.next() => Wake::Answer(answer),
        }
    }

    /// Does what time has made due.
    async fn due(&mut self) {
        if self.ended.is_some() {
            return;
        }
        if let Some((tick, why)) = self.clock.deadline {
            let now = self.now();
            if now >= tick {
                if why == Timer::Pace {
                    self.gateway.metrics.late(Duration::from_micros(now.since(tick).0));
                }
                self.step(Input::Time).await;
            }
        }
        let now = Instant::now();
        if now >= self.clock.round && self.ended.is_none() {
            self.clock.round = now + ROUND;
            self.keeper.flush(self.now());
            self.gateway.metrics.frames(&mut self.counts.frames, std::mem::take(&mut self.counts.overruns));
            self.look_at_line(now).await;
        }
    }

    /// Pings, and ends a call whose peer gives no sign of life.
    async fn look_at_line(&mut self, now: Instant) {
        let timing = &self.gateway.config.timing;
        let Some(socket) = &mut self.socket else { return };
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

    async fn controlled(&mut self, control: Control) {
        match control {
            Control::End(reason) => self.step(Input::End(reason)).await,
            Control::TakeOver(arrival) => self.take_over(*arrival).await,
        }
    }

    /// The newest socket wins. The core hears of it when the stream starts on it: before, there is nothing to
    /// send to.
    async fn take_over(&mut self, arrival: Arrival) {
        tracing::info!("a new socket takes the call over");
        if let Some(old) = self.socket.take() {
            self.gateway.dismiss(old);
            if !self.wire.taking_over {
                self.step(Input::Detached { clean: false }).await;
            }
        }
        let now = Instant::now();
        (self.clock.heard, self.clock.pinged) = (now, now);
        self.wire.line = arrival.line;
        self.wire.taking_over = true;
        self.socket = Some(arrival.socket);
        for read in arrival.early {
            self.read(read).await;
        }
    }

    async fn received(&mut self, received: Received) {
        self.clock.heard = Instant::now();
        match &received {
            Received::Gone { clean } => return self.lost(*clean).await,
            Received::Broken { code, why } => {
                self.note_finding("protocol_error", why);
                if let Some(socket) = self.socket.take() {
                    self.gateway.dismiss_with(socket, *code, "protocol error");
                }
                return self.step(Input::End(EndReason::ProtocolError)).await;
            }
            _ => {}
        }
        if let Some(read) = self.wire.line.read(&received) {
            self.read(read).await;
        }
    }

    async fn read(&mut self, read: Read) {
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
            Some(CarrierEvent::Start(start)) => self.started(start).await,
            Some(event) => {
                if matches!(event, CarrierEvent::Audio(_)) {
                    self.keeper.count_frame();
                    self.attach().await;
                }
                self.step(Input::Carrier(event)).await;
            }
        }
    }

    async fn started(&mut self, start: Box<StreamStart>) {
        if self.wire.writer.is_none() || self.wire.taking_over {
            let record = self.keeper.record_mut();
            record.stream_id = Some(start.stream.clone());
            record.from = record.from.take().or_else(|| start.from.clone());
            record.to = record.to.take().or_else(|| start.to.clone());
            record.custom.extend(start.custom.clone());
            self.open_stream(&start.stream, start.rate);
        }
        self.attach().await;
        if let Err(NoRoom(why)) = self.vendors.open_ears(&self.agent, self.wire.rate) {
            tracing::warn!(why, "no recogniser has room for this call");
            return self.step(Input::End(EndReason::NoCapacity)).await;
        }
        self.step(Input::Carrier(CarrierEvent::Start(start))).await;
    }

    /// Tells the core that the new socket's stream has started.
    async fn attach(&mut self) {
        if std::mem::take(&mut self.wire.taking_over) {
            self.session.attached(true);
            self.step(Input::Reattached).await;
        }
    }

    fn open_stream(&mut self, stream: &str, rate: SampleRate) {
        self.wire.rate = rate;
        self.wire.writer = Some(Line::writer(stream, rate));
        self.session.stream(stream);
        self.keeper.answered(rate);
    }

    /// The socket is gone without a `stop`. The carrier may come back with the URL that it has.
    async fn lost(&mut self, clean: bool) {
        self.socket = None;
        self.session.attached(false);
        if let Some(token) = &self.wire.line.token {
            let wait_ms = self.agent.settings.limits.reattach_ms;
            admission::reopen(&self.gateway, &self.session.call, token, wait_ms);
        }
        if !std::mem::take(&mut self.wire.taking_over) {
            self.step(Input::Detached { clean }).await;
        }
    }

    async fn answered(&mut self, answer: Input) {
        self.vendors.note(&self.agent, &answer, &self.gateway.metrics);
        self.step(answer).await;
    }

    /// Gives the core one input, and what follows from it, and does what it answers.
    async fn step(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            let at = self.now();
            let (mut outputs, follow) = std::mem::take(&mut self.scratch);
            self.scratch.1 = follow;
            self.session.active(at);
            self.keeper.input(at, &input);
            self.clock.deadline = self.call.handle(at, input, &mut outputs).deadline;
            self.keeper.outputs(at, &outputs);
            self.act(at, &mut outputs).await;
            self.scratch.0 = outputs;
            next = self.scratch.1.pop_front();
        }
    }

    /// Does all that one input led to: everything for the carrier is fed, then flushed once.
    async fn act(&mut self, at: Tick, outputs: &mut Vec<Output>) {
        let (mut fed, mut cleared) = (false, None);
        for output in outputs.drain(..) {
            let follows = match output {
                Output::Carrier(message) => {
                    fed = true;
                    if matches!(message, ToCarrier::Clear) {
                        cleared = Some(Instant::now());
                    }
                    self.feed(at, message).await;
                    None
                }
                Output::Listen(what) => self.vendors.listen(what, &mut self.counts.overruns),
                Output::Think { turn, prompt } => self.vendors.think(&self.agent, turn, prompt),
                Output::Voice { utterance, text } => {
                    self.vendors.voice(&self.agent, utterance, text, self.wire.rate)
                }
                Output::StopThinking(turn) => {
                    self.vendors.stop_thinking(turn);
                    None
                }
                Output::StopVoice(utterance) => {
                    self.vendors.stop_voice(utterance);
                    None
                }
                Output::Event(event) => self.happened(at, &event),
                Output::Ended { reason, detail } => {
                    self.ended = Some(reason);
                    self.vendors = Vendors::new();
                    self.keeper.finish(reason, detail, at);
                    None
                }
            };
            self.scratch.1.extend(follows);
        }
        if fed && let Some(socket) = &mut self.socket {
            let sent = socket.flush().await;
            if let Some(decided) = cleared {
                self.gateway.metrics.cleared(decided.elapsed());
            }
            self.sent(sent);
        }
    }

    async fn feed(&mut self, at: Tick, message: ToCarrier) {
        if self.wire.writer.is_none() {
            // Answered without a `start`: what the URL says holds.
            let stream = self.wire.line.fallback_stream();
            self.open_stream(&stream, self.wire.line.fallback_rate);
        }
        let (Some(writer), Some(socket)) = (&mut self.wire.writer, &mut self.socket) else { return };
        let sent = match &message {
            ToCarrier::Media { pcm, plays_at } => {
                self.counts.frames.went(Out::Media);
                self.keeper.sent(*plays_at, pcm);
                self.session.sent(*plays_at, self.wire.rate.micros(pcm.len()));
                socket.feed(writer.media(pcm)).await
            }
            ToCarrier::Mark { name } => {
                self.counts.frames.went(Out::Mark);
                socket.feed(writer.mark(name)).await
            }
            ToCarrier::Clear => {
                self.counts.frames.went(Out::Clear);
                self.keeper.cleared(at);
                self.session.cleared();
                socket.feed(writer.clear()).await
            }
            // The socket is closed when the task has ended, which follows.
            ToCarrier::Close => Ok(()),
        };
        self.sent(sent);
    }

    /// What it means that something could not be sent. The core hears of it after what it is doing now.
    fn sent(&mut self, sent: Result<(), SendFault>) {
        let Err(fault) = sent else { return };
        if self.socket.take().is_none() || self.ended.is_some() {
            return;
        }
        self.session.attached(false);
        self.scratch.1.push_back(match fault {
            SendFault::Gone => Input::Detached { clean: false },
            SendFault::Stalled => Input::End(EndReason::PeerStalled),
        });
    }

    fn happened(&mut self, at: Tick, event: &Event) -> Option<Input> {
        trace::event(event);
        self.keeper.event(event);
        match event {
            Event::Answered { lazily } => {
                self.gateway.metrics.answered(Duration::from_micros(at.0));
                if *lazily {
                    self.keeper.answered(self.wire.rate);
                    if let Err(NoRoom(why)) = self.vendors.open_ears(&self.agent, self.wire.rate) {
                        tracing::warn!(why, "no recogniser has room for this call");
                        return Some(Input::End(EndReason::NoCapacity));
                    }
                }
            }
            Event::Latency { turn, parts } => self.gateway.metrics.turn(*turn, parts),
            _ => {}
        }
        None
    }

    fn note_finding(&mut self, kind: &str, detail: &str) {
        if self.keeper.finding(kind) {
            tracing::warn!(kind, detail, "the carrier's message is odd; more of this kind are only counted");
        }
    }
}

fn new_record(id: CallId, session: &Session, agent: &Agent, rate: SampleRate) -> CallRecord {
    CallRecord {
        id: id.to_string(),
        carrier: "exotel".to_owned(),
        carrier_call_id: session.call.clone(),
        stream_id: None,
        agent: agent.name.clone(),
        from: None,
        to: None,
        custom: std::collections::BTreeMap::new(),
        sample_rate: rate.hz(),
        started_at: session.connected_at,
        ended_at: None,
        end_reason: None,
        end_detail: String::new(),
        turns: Vec::new(),
        counters: CallCounters::default(),
        recording: None,
        carrier_report: None,
    }
}
