//! Runs what is said on a socket: commands of the call in, frames out, frames in, answers out, and every clock
//! that goes with it. The same for every role.

use std::time::Duration;

use call::{Fault, FaultClass, Input};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::socket::{Came, Socket};
use crate::Answers;
use crate::dialect::{Flow, Frame};

/// A vendor of which nothing was seen for so long is asked whether it is there.
const QUIET: Duration = Duration::from_secs(10);
/// And is given up when it does not answer for so long.
const GONE: Duration = Duration::from_secs(5);
/// A vendor that takes nothing of what it is sent is given up after so long.
const BLOCKED: Duration = Duration::from_secs(3);
/// So many commands are taken at once, then the socket has its turn.
const AT_ONCE: usize = 32;
/// A far away time.
const LATER: Duration = Duration::from_secs(86_400);

/// What a talk gives: frames for the vendor, answers for the call.
#[derive(Default)]
pub(super) struct Out {
    pub(super) send: Vec<Frame>,
    pub(super) answers: Vec<Input>,
    /// The vendor is to be asked whether it is there.
    pub(super) ping: bool,
}

/// What is said on a socket in some role.
pub(super) trait Talk: Send {
    /// What the call asks for.
    type Command: Send;

    /// The socket is open.
    fn opened(&mut self, now: Instant, out: &mut Out);
    /// Whether commands may be taken.
    fn is_ready(&self) -> bool;
    /// The call asks for something.
    fn command(&mut self, now: Instant, command: Self::Command, out: &mut Out);
    /// A frame came.
    fn frame(&mut self, now: Instant, frame: Frame, out: &mut Out) -> Result<Flow, Fault>;
    /// A sign of life came that is no frame.
    fn sign(&mut self) {}
    /// When `due` is to be called.
    fn deadline(&self) -> Option<Instant>;
    /// The deadline has passed.
    fn due(&mut self, now: Instant, out: &mut Out) -> Result<(), Fault>;
    /// How long nothing may be sent.
    fn keep_alive_ms(&self) -> Option<u64>;
    /// Nothing was sent for that long.
    fn keep_alive(&mut self, out: &mut Out);
    /// The call needs it no more.
    fn finish(&mut self, out: &mut Out);
    /// What a closing by the vendor means.
    fn closed(&mut self, code: Option<u16>, reason: &str) -> Fault;
}

/// How a talk ended.
#[derive(Debug)]
pub(super) enum End {
    /// The call left.
    Left,
    /// Both sides have said everything.
    Closed,
    /// The vendor failed.
    Failed(Fault),
}

/// Runs `talk` on `socket` until one side ends it. The socket is closed by then.
pub(super) async fn run<T: Talk>(
    socket: Socket,
    talk: &mut T,
    commands: &mut mpsc::Receiver<T::Command>,
    answers: &Answers,
) -> End {
    let now = Instant::now();
    let mut pump =
        Pump { socket, talk, answers, out: Out::default(), sent: now, seen: now, asked: None, clock: now };
    pump.talk.opened(now, &mut pump.out);
    let end = pump.work(commands).await;
    match &end {
        End::Left => {
            pump.talk.finish(&mut pump.out);
            pump.pass_on_frames(Instant::now());
            pump.socket.close().await;
        }
        End::Closed => pump.socket.close().await,
        End::Failed(_) => {}
    }
    end
}

struct Pump<'a, T> {
    socket: Socket,
    talk: &'a mut T,
    answers: &'a Answers,
    out: Out,
    /// When something was sent, came, and when the vendor was asked whether it is there.
    sent: Instant,
    seen: Instant,
    asked: Option<Instant>,
    /// What the time was when it was last looked at.
    clock: Instant,
}

impl<T: Talk> Pump<'_, T> {
    async fn work(&mut self, commands: &mut mpsc::Receiver<T::Command>) -> End {
        let timer = sleep_until(self.clock + LATER);
        tokio::pin!(timer);
        loop {
            self.pass_on_frames(self.clock);
            for answer in self.out.answers.drain(..) {
                if self.answers.send(answer).await.is_err() {
                    return End::Left;
                }
            }
            let next = self.next_deadline();
            // A deadline that moves away with every frame is looked at when its old time has come.
            if next < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(next);
            }
            let takes = self.talk.is_ready() && self.socket.has_room();
            tokio::select! {
                came = self.socket.next() => {
                    self.clock = Instant::now();
                    self.seen = self.clock;
                    self.asked = None;
                    match self.came(came) {
                        Ok(Flow::Continue) => {}
                        Ok(Flow::Close) => return self.say_last(End::Closed).await,
                        Err(fault) => return self.say_last(End::Failed(fault)).await,
                    }
                }
                command = commands.recv(), if takes => {
                    let Some(command) = command else { return End::Left };
                    self.clock = Instant::now();
                    self.talk.command(self.clock, command, &mut self.out);
                    for _ in 1..AT_ONCE {
                        let Ok(command) = commands.try_recv() else { break };
                        self.talk.command(self.clock, command, &mut self.out);
                    }
                }
                () = &mut timer => {
                    self.clock = Instant::now();
                    if let Err(fault) = self.tick() {
                        return self.say_last(End::Failed(fault)).await;
                    }
                }
            }
        }
    }

    /// What the last frame meant reaches the call before the end does.
    async fn say_last(&mut self, end: End) -> End {
        for answer in self.out.answers.drain(..) {
            if self.answers.send(answer).await.is_err() {
                return End::Left;
            }
        }
        end
    }

    fn came(&mut self, came: Came) -> Result<Flow, Fault> {
        match came {
            Came::Frame(frame) => self.talk.frame(self.clock, frame, &mut self.out),
            Came::Sign => {
                self.talk.sign();
                Ok(Flow::Continue)
            }
            Came::Closed(code, reason) => Err(self.talk.closed(code, &reason)),
            Came::Broken(fault) => Err(fault),
        }
    }

    fn pass_on_frames(&mut self, now: Instant) {
        if !self.out.send.is_empty() {
            self.sent = now;
        }
        for frame in self.out.send.drain(..) {
            self.socket.send(frame);
        }
        if std::mem::take(&mut self.out.ping) {
            self.socket.ping();
        }
    }

    fn next_deadline(&self) -> Instant {
        let silent = self.asked.map_or(self.seen + QUIET, |asked| asked + GONE);
        let keep_alive = self.talk.keep_alive_ms().map(|length| self.sent + Duration::from_millis(length));
        let blocked = self.socket.blocked_since().map(|since| since + BLOCKED);
        [self.talk.deadline(), keep_alive, blocked].into_iter().flatten().fold(silent, Instant::min)
    }

    fn tick(&mut self) -> Result<(), Fault> {
        let now = self.clock;
        if self.socket.blocked_since().is_some_and(|since| since + BLOCKED <= now) {
            return Err(Fault::new(FaultClass::Slow, "it does not take what it is sent"));
        }
        match self.asked {
            Some(asked) if asked + GONE <= now => {
                return Err(Fault::new(FaultClass::Slow, "it does not answer a ping"));
            }
            None if self.seen + QUIET <= now => {
                self.out.ping = true;
                self.asked = Some(now);
            }
            _ => {}
        }
        if self.talk.deadline().is_some_and(|deadline| deadline <= now) {
            self.talk.due(now, &mut self.out)?;
        }
        let keep_alive = self.talk.keep_alive_ms().map(Duration::from_millis);
        if keep_alive.is_some_and(|length| self.sent + length <= now) {
            self.talk.keep_alive(&mut self.out);
            // Also where nothing came of it: it must not be asked again at once.
            self.sent = now;
        }
        Ok(())
    }
}
