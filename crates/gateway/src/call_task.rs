//! One live call: its socket, its core and its vendors in one task. Carries values across and decides nothing
//! that the core can decide.

mod act;
mod carrier;

use std::collections::{BTreeMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use call::{Call, Input, Output, Tick, Timer};
use carriers::{Read, Writer};
use records::{AnsweredBy, CallRecord, CallStatus, EndReason};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, Sleep};

use crate::agent::Agent;
use crate::bind::{Arrival, Fresh};
use crate::gateway::Gateway;
use crate::keeper::{Keep, Keeper};
use crate::line::Line;
use crate::metrics::FrameCounts;
use crate::sessions::{Begun, Control, Session};
use crate::socket::{MediaSocket, Received};
use crate::vendors::Vendors;

/// How often what has gathered is handed over and the line is looked at.
const ROUND: Duration = Duration::from_millis(400);
/// A round may be this much later when a frame comes by anyway: a talking call needs no wake-up for it.
const ROUND_SLACK: Duration = Duration::from_millis(300);

/// How often sound is handed over while the call is recorded. With the slack, the time that the store gathers for, and
/// that of the frame under way, a killed server loses less than 200 ms; each round more costs every call as much as
/// half a frame.
const SOUND_ROUND: Duration = Duration::from_millis(130);
/// Such a round may be this much later when a frame comes by anyway.
const SOUND_SLACK: Duration = Duration::from_millis(20);

/// How many answers of vendors are taken before the clock and the socket have their turn again.
const ANSWERS_AT_ONCE: usize = 16;

/// One live call.
pub(crate) struct CallTask {
    gateway: Arc<Gateway>,
    agent: Arc<Agent>,
    seat: Seat,
    call: Call,
    vendors: Vendors,
    keeper: Keeper,
    carrier: CarrierSide,
    clock: Clock,
    counts: Counts,
    /// The outputs of one input, and inputs that outputs led to. Kept for their memory.
    scratch: (Vec<Output>, VecDeque<Input>),
    ended: Option<EndReason>,
}

/// The call's place among all calls.
struct Seat {
    session: Arc<Session>,
    control: mpsc::Receiver<Control>,
    _place: Option<OwnedSemaphorePermit>,
    /// Who picked up, where that was known before the socket came.
    answered_by: Option<AnsweredBy>,
    /// What the call brings along beside what its stream says.
    variables: BTreeMap<String, String>,
}

/// The carrier's side of the call.
struct CarrierSide {
    socket: Option<MediaSocket>,
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
    sound: Instant,
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

impl Clock {
    fn new(opened: Instant) -> Self {
        let (round, sound) = (opened + ROUND, opened + SOUND_ROUND);
        Self { opened, deadline: None, round, sound, heard: opened, pinged: opened }
    }

    /// The moment of the call that `now` is.
    fn tick(&self, now: Instant) -> Tick {
        Tick(u64::try_from(now.duration_since(self.opened).as_micros()).unwrap_or(u64::MAX))
    }
}

impl CallTask {
    /// A call that begins with this socket, and what was read of it already.
    pub(crate) fn new(gateway: Arc<Gateway>, begun: Begun) -> (Self, Vec<Read>) {
        let Begun { session, control, arrival } = begun;
        let Arrival { fresh, agent, place, known } = arrival;
        let Fresh { socket, line, early, opened } = fresh;
        let rate = line.fallback_rate;
        let id = session.id;
        let record = new_record(&session, &agent, rate);
        let keep = Keep { log: agent.call_log, audio: agent.record };
        let mut keeper = Keeper::begin(gateway.store.as_ref(), id, record, keep, &agent.settings);
        agent.vendor_names().for_each(|(role, name)| keeper.served_by(role, name));
        gateway.metrics.began(session.carrier, session.direction);
        let task = Self {
            call: Call::new(agent.settings.clone(), rate),
            vendors: Vendors::new(),
            keeper,
            carrier: CarrierSide { socket: Some(socket), line, writer: None, rate, taking_over: false },
            clock: Clock::new(opened),
            counts: Counts::default(),
            scratch: (Vec::new(), VecDeque::new()),
            ended: None,
            seat: Seat {
                session,
                control,
                _place: place,
                answered_by: known.answered_by,
                variables: known.variables,
            },
            gateway,
            agent,
        };
        (task, early)
    }

    /// What every log line of this call carries.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!("call", call_id = %self.keeper.record().id)
    }

    /// Runs the call until it has ended. `early` was read before it began.
    pub(crate) async fn run(&mut self, early: Vec<Read>) {
        tracing::info!(carrier_call_id = %self.seat.session.call, agent = %self.agent.name, "a call begins");
        // Nothing has come yet, but the core's first deadline must be known.
        self.step(Input::Time).await;
        // Before the stream starts: a machine is not to be greeted first.
        if let Some(by) = self.seat.answered_by.take() {
            self.picked_up(by).await;
        }
        for read in early {
            self.read(read).await;
        }
        let mut timer = pin!(tokio::time::sleep_until(self.wanted()));
        let mut sound = self.clock.sound;
        while self.ended.is_none() {
            let wanted = self.wanted();
            // A timer that is too early costs one wake-up; moving it for every frame costs more. After sound was handed
            // over it would be too early each time.
            if wanted < timer.deadline() || timer.is_elapsed() || self.clock.sound != sound {
                timer.as_mut().reset(wanted);
                sound = self.clock.sound;
            }
            match self.wait(timer.as_mut()).await {
                Wake::Time => {}
                // Boxed, as all that is rare: the task's own future is memory that every call pays for.
                Wake::Control(control) => Box::pin(self.controlled(control)).await,
                Wake::Received(received) => self.received(received).await,
                Wake::Answer(answer) => {
                    self.answered(answer).await;
                    for _ in 1..ANSWERS_AT_ONCE {
                        let Some(more) = self.vendors.ready().filter(|_| self.ended.is_none()) else { break };
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
        self.seat.control.close();
        self.gateway.sessions.remove(&self.seat.session);
        let ended = self.ended.unwrap_or(EndReason::InternalError);
        self.gateway.metrics.frames(&mut self.counts.frames, std::mem::take(&mut self.counts.overruns));
        let session = &self.seat.session;
        self.gateway.metrics.ended(session.carrier, session.direction, ended);
        let record = self.keeper.record();
        tracing::info!(
            reason = ended.as_str(),
            seconds = self.clock.opened.elapsed().as_secs_f64(),
            frames_in = record.counters.frames_in,
            chunks_out = record.counters.chunks_out,
            "the call has ended"
        );
        // A socket that came too late for this call.
        while let Ok(control) = self.seat.control.try_recv() {
            if let Control::TakeOver(arrival) = control {
                self.gateway.dismiss(arrival.fresh.socket);
            }
        }
        (self.carrier.socket.take(), ended)
    }

    fn now(&self) -> Tick {
        self.clock.tick(Instant::now())
    }

    /// When to wake at the latest.
    fn wanted(&self) -> Instant {
        let mut round = self.clock.round + ROUND_SLACK;
        if self.keeper.is_recording() {
            round = round.min(self.clock.sound + SOUND_SLACK);
        }
        self.clock
            .deadline
            .map_or(round, |(tick, _)| round.min(self.clock.opened + Duration::from_micros(tick.0)))
    }

    async fn wait(&mut self, timer: Pin<&mut Sleep>) -> Wake {
        let Self { carrier, vendors, seat, .. } = self;
        let message = async {
            match &mut carrier.socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = timer => Wake::Time,
            // Before the rest, since it is nearly always this; each round looks after the others as well.
            received = message => Wake::Received(received),
            // The table keeps a sender until this task takes itself off it.
            Some(control) = seat.control.recv() => Wake::Control(control),
            answer = vendors.next() => Wake::Answer(answer),
        }
    }

    /// Does what time has made due.
    async fn due(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let now = Instant::now();
        if let Some((tick, why)) = self.clock.deadline {
            let at = self.clock.tick(now);
            if at >= tick {
                if why == Timer::Pace {
                    self.gateway.metrics.late(Duration::from_micros(at.since(tick).0));
                }
                self.step(Input::Time).await;
            }
        }
        if now >= self.clock.sound && self.ended.is_none() && self.keeper.is_recording() {
            self.clock.sound = now + SOUND_ROUND;
            self.keeper.flush_sound(self.clock.tick(now));
        }
        if now >= self.clock.round && self.ended.is_none() {
            self.clock.round = now + ROUND;
            self.take_notes();
            self.keeper.flush();
            self.gateway.metrics.frames(&mut self.counts.frames, std::mem::take(&mut self.counts.overruns));
            self.look_at_line(now).await;
            // A peer that never stops sending must not keep these away.
            while let Some(control) = self.seat.control.try_recv().ok().filter(|_| self.ended.is_none()) {
                self.controlled(control).await;
            }
            while let Some(answer) = self.vendors.ready().filter(|_| self.ended.is_none()) {
                self.answered(answer).await;
            }
        }
    }

    async fn controlled(&mut self, control: Control) {
        match control {
            Control::End(reason) => self.step(Input::End(reason)).await,
            Control::AnsweredBy(by) => self.picked_up(by).await,
            Control::TakeOver(arrival) => self.take_over(*arrival).await,
        }
    }

    /// The carrier found out who picked up.
    async fn picked_up(&mut self, by: AnsweredBy) {
        let known = &mut self.keeper.record_mut().answered_by;
        *known = (*known).max(Some(by));
        self.step(Input::AnsweredBy(by)).await;
    }

    async fn answered(&mut self, answer: Input) {
        self.vendors.note(&self.agent, &answer, &self.gateway.metrics);
        self.keeper.cost(&answer);
        self.step(answer).await;
    }

    /// Gives the core one input, and what follows from it, and does what it answers.
    async fn step(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            let at = self.now();
            let (mut outputs, follow) = std::mem::take(&mut self.scratch);
            self.scratch.1 = follow;
            self.keeper.input(at, &input);
            self.clock.deadline = self.call.handle(at, input, &mut outputs).deadline;
            self.keeper.outputs(at, &outputs);
            self.act(at, &mut outputs).await;
            self.scratch.0 = outputs;
            next = self.scratch.1.pop_front();
        }
    }
}

fn new_record(session: &Session, agent: &Agent, rate: SampleRate) -> CallRecord {
    CallRecord {
        carrier_call_id: session.call.clone(),
        status: CallStatus::InProgress,
        agent: agent.name.clone(),
        sample_rate: rate.hz(),
        direction: session.direction,
        ..CallRecord::new(session.id.to_string(), session.carrier.as_str(), session.connected_at)
    }
}
