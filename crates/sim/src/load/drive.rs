//! Drives many callers from one thread: a 20 ms clock for each, spread evenly over the 20 ms, and what the
//! server sends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use super::latencies::Latencies;
use super::line::{Line, Outbox};

/// The length of a frame.
pub(super) const FRAME: Duration = Duration::from_millis(20);
/// How many events are taken at once. Few, so that frames that are due are not kept waiting by reading.
const EVENTS: usize = 64;
/// What is read at once.
const SCRATCH: usize = 64 * 1024;

/// What one caller does.
pub trait Caller {
    /// Its next frame is due: what is put into `out` is sent at once. `now` is when.
    fn frame(&mut self, now: Instant, out: &mut Outbox);
    /// The server sent a text message.
    fn received(&mut self, now: Instant, text: &[u8]);
    /// From now on times are noted, or no more.
    fn measure(&mut self, on: bool);
    /// The load is over: the last message.
    fn goodbye(&mut self, out: &mut Outbox);
}

/// Whom to call, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The socket's path and query.
    pub path: String,
    /// Over how long the calls begin.
    pub ramp: Duration,
    /// How long they run after that before anything is measured.
    pub settle: Duration,
    /// For how long is measured.
    pub steady: Duration,
    /// Whether frames leave to the microsecond, one by one, as those of independent callers do: a server that sleeps
    /// between them takes twice what it takes for a burst. It keeps the load's processor busy for good, which on a
    /// machine that does other things too makes the load itself late.
    pub exact: bool,
}

/// A moment at which whoever measures the server may look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The measured time begins.
    Steady,
    /// It ends. All calls still run.
    Over,
}

/// What the load itself took, so that nobody takes its limit for the server's.
#[derive(Debug, Clone, Default)]
pub struct Effort {
    /// The share of the measured time in which the load had something to do. Near 1 it is the load's limit that shows.
    pub busy: f64,
    /// How long after they were due frames were sent.
    pub late: Latencies,
    /// Calls that the server closed or that broke.
    pub lost: usize,
}

/// The load could not be put on.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody answers there.
    #[error("{0} can't be reached: {1}")]
    Unreachable(SocketAddr, String),
    /// The upgrade was refused.
    #[error("the server refused the socket: {0}")]
    Refused(String),
    /// The system refuses.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

/// Lets all callers call at once and gives them back when the time is over. Blocks the thread, and wants it for
/// itself.
pub fn drive<C: Caller>(
    plan: &Plan,
    callers: Vec<C>,
    on: &mut dyn FnMut(Moment),
) -> Result<(Vec<C>, Effort), LoadError> {
    let mut driver = Driver::open(plan, callers)?;
    let begin = Instant::now();
    let steady = begin + plan.ramp + plan.settle;
    driver.schedule(begin, plan.ramp);
    driver.run_until(steady)?;
    on(Moment::Steady);
    driver.measure(true);
    let (began, idle) = (Instant::now(), driver.idle);
    driver.run_until(steady + plan.steady)?;
    let idle = (driver.idle - idle).as_secs_f64() / began.elapsed().as_secs_f64();
    driver.effort.busy = 1.0 - idle;
    driver.measure(false);
    on(Moment::Over);
    Ok(driver.hang_up())
}

struct Driver<C> {
    epoll: rustix::fd::OwnedFd,
    /// A caller whose socket is gone has none.
    lines: Vec<(Option<Line>, C)>,
    /// When the next frame of each is due, in the order in which they are. All have the same step, so the one that
    /// was served goes to the end.
    due: std::collections::VecDeque<(Instant, usize)>,
    outbox: Outbox,
    scratch: Vec<u8>,
    exact: bool,
    measuring: bool,
    /// Time that was waited with nothing to do.
    idle: Duration,
    effort: Effort,
}

impl<C: Caller> Driver<C> {
    fn open(plan: &Plan, callers: Vec<C>) -> Result<Self, LoadError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let mut lines = Vec::with_capacity(callers.len());
        for (index, caller) in callers.into_iter().enumerate() {
            let line = Line::open(plan.address, &plan.path)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &line.socket, data, epoll::EventFlags::IN).map_err(std::io::Error::from)?;
            lines.push((Some(line), caller));
        }
        Ok(Self {
            epoll,
            lines,
            due: std::collections::VecDeque::new(),
            outbox: Outbox::default(),
            scratch: vec![0; SCRATCH],
            exact: plan.exact,
            measuring: false,
            idle: Duration::ZERO,
            effort: Effort::default(),
        })
    }

    /// Spreads the beginnings over the ramp such that the frames of all are spread over the 20 ms too.
    fn schedule(&mut self, begin: Instant, ramp: Duration) {
        let calls = self.lines.len().max(1) as u32;
        let mut due: Vec<_> = (0..calls)
            .map(|index| {
                let frames = (ramp * index / calls).as_micros() / FRAME.as_micros();
                (begin + FRAME * frames as u32 + FRAME * index / calls, index as usize)
            })
            .collect();
        due.sort_unstable();
        self.due = due.into();
    }

    fn run_until(&mut self, end: Instant) -> Result<(), LoadError> {
        loop {
            let now = self.send_due(Instant::now());
            if now >= end {
                return Ok(());
            }
            let next = self.due.front().map_or(end, |(due, _)| (*due).min(end));
            let wait = next.saturating_duration_since(now);
            let wait = if self.exact { nap(wait) } else { timespec(wait) };
            let mut events = Vec::with_capacity(EVENTS);
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
            if events.is_empty() {
                self.idle += now.elapsed();
            }
            for event in events {
                self.receive(event.data.u64() as usize);
            }
        }
    }

    /// Sends what is due by `now`; gives the time after that.
    fn send_due(&mut self, mut now: Instant) -> Instant {
        while let Some((due, index)) = self.due.front().copied().filter(|(due, _)| *due <= now) {
            self.due.pop_front();
            let Some((Some(line), caller)) = self.lines.get_mut(index) else { continue };
            if self.measuring {
                self.effort.late.push(now - due);
            }
            caller.frame(now, &mut self.outbox);
            let sent = line.send(&mut self.outbox);
            // Calls that have not begun yet stand in the row by their beginnings.
            let next = due + FRAME;
            let place = self.due.iter().rposition(|(other, _)| *other <= next).map_or(0, |last| last + 1);
            self.due.insert(place, (next, index));
            if sent.is_err() {
                self.lose(index);
            }
            now = Instant::now();
        }
        now
    }

    fn receive(&mut self, index: usize) {
        let Some((Some(line), caller)) = self.lines.get_mut(index) else { return };
        let received = line.receive(&mut self.scratch, |text| caller.received(Instant::now(), text));
        if received.is_err() {
            self.lose(index);
        }
    }

    fn lose(&mut self, index: usize) {
        self.outbox = Outbox::default();
        if let Some((line, _)) = self.lines.get_mut(index)
            && line.take().is_some()
        {
            self.effort.lost += 1;
        }
    }

    fn measure(&mut self, on: bool) {
        self.measuring = on;
        for (_, caller) in &mut self.lines {
            caller.measure(on);
        }
    }

    fn hang_up(mut self) -> (Vec<C>, Effort) {
        let mut callers = Vec::with_capacity(self.lines.len());
        for (line, mut caller) in self.lines {
            if let Some(mut line) = line {
                caller.goodbye(&mut self.outbox);
                // The call is over whether the server still reads it or not.
                let _ = line.send(&mut self.outbox);
            }
            callers.push(caller);
        }
        (callers, self.effort)
    }
}

/// How long to sleep when the next frame is due after `wait` and is to leave then. The kernel's timeout is in whole
/// milliseconds, so the last one is spent asking again and again.
fn nap(wait: Duration) -> Timespec {
    timespec(Duration::from_millis(wait.as_millis().saturating_sub(1) as u64))
}

fn timespec(wait: Duration) -> Timespec {
    Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) }
}
