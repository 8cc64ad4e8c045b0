//! Recognisers over a WebSocket: one socket for the whole call, which hears every frame of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use call::{Fault, FaultClass, Heard, Input, Listen, SpeechId};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pump::{self, End, Out, Talk};
use super::{Net, Probe};
use crate::dialect::{EarSession, EarSocketDialect, Flow, Frame};
use crate::{Answers, LinkId, ListenSpec, QueueFull, Recogniser, Refused, SpeechToText};

/// So many frames and signs may wait for the socket: 80 s of usual frames, so that a whole stretch that another
/// link could not understand fits in.
const QUEUE: usize = 4096;
/// How long a vendor may take to be ready once the socket is open.
const READY: Duration = Duration::from_secs(2);
/// A vendor that sent something so recently before a stretch is taken to be hearing.
const RECENT: Duration = Duration::from_secs(5);

/// A recogniser that is asked over a WebSocket.
#[derive(Clone)]
pub struct SocketEar {
    id: LinkId,
    dialect: Arc<dyn EarSocketDialect>,
    net: Arc<Net>,
}

impl SocketEar {
    /// The recogniser behind `dialect`.
    pub fn new(link: LinkId, dialect: Arc<dyn EarSocketDialect>, net: Arc<Net>) -> Self {
        Self { id: link, dialect, net }
    }
}

impl SpeechToText for SocketEar {
    fn name(&self) -> &str {
        &self.id.vendor
    }

    fn open(&self, spec: &ListenSpec, answers: Answers) -> Result<Box<dyn Recogniser>, Refused> {
        let (to, from) = mpsc::channel(QUEUE);
        tokio::spawn(listen(self.clone(), spec.clone(), from, answers));
        Ok(Box::new(Ear(to)))
    }
}

impl Probe for SocketEar {
    fn link(&self) -> &LinkId {
        &self.id
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, Fault>> {
        Box::pin(async {
            let spec =
                ListenSpec { rate: SampleRate::HZ_8000, language: "en-IN".to_owned(), phrases: Vec::new() };
            let start = Instant::now();
            let socket = self.net.open(&self.id, self.dialect.connect(&spec), &*self.dialect).await?;
            let took = start.elapsed();
            socket.close().await;
            Ok(took)
        })
    }
}

/// The recogniser in one call.
struct Ear(mpsc::Sender<Listen>);

impl Recogniser for Ear {
    fn listen(&mut self, what: Listen) -> Result<(), QueueFull> {
        match self.0.try_send(what) {
            // A recogniser that is lost has said so.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(QueueFull),
        }
    }
}

async fn listen(ear: SocketEar, spec: ListenSpec, mut heeds: mpsc::Receiver<Listen>, answers: Answers) {
    let mut talk = EarTalk::new(ear.dialect.session(&spec));
    let fault = match ear.net.open(&ear.id, ear.dialect.connect(&spec), &*ear.dialect).await {
        Err(fault) => fault,
        Ok(socket) => match pump::run(socket, &mut talk, &mut heeds, &answers).await {
            End::Left => return,
            End::Closed => Fault::new(FaultClass::Lifetime, "it closed the session"),
            End::Failed(fault) => fault,
        },
    };
    heeds.close();
    while let Ok(heed) = heeds.try_recv() {
        match heed {
            Listen::Began(speech) => talk.current = Some(speech),
            Listen::Finish(speech) => talk.asked.push_back(Asked::at(speech, Instant::now(), READY)),
            Listen::Audio(_) => {}
        }
    }
    let failed = talk.asked.iter().map(|asked| (asked.speech, Heard::Failed(fault.clone())));
    let lost = (talk.current.unwrap_or(SpeechId(0)), Heard::Lost(fault.clone()));
    for (speech, what) in failed.chain([lost]) {
        if answers.send(Input::Heard { speech, what }).await.is_err() {
            return;
        }
    }
}

/// A stretch whose text is waited for.
struct Asked {
    speech: SpeechId,
    /// When it is given up, and when at the latest.
    due: Instant,
    latest: Instant,
}

impl Asked {
    fn at(speech: SpeechId, now: Instant, patience: Duration) -> Self {
        Self { speech, due: now + patience, latest: now + 2 * patience }
    }
}

/// What is said on the socket.
struct EarTalk {
    session: Box<dyn EarSession>,
    heard: Vec<(SpeechId, Heard)>,
    asked: VecDeque<Asked>,
    /// The stretch that was begun last, and when.
    current: Option<SpeechId>,
    began: Instant,
    /// All that was said of it so far came as a pause.
    is_settled: bool,
    /// When a frame came, and whether anything came since a text was asked for.
    last_frame: Option<Instant>,
    is_alive: bool,
    ready_by: Instant,
}

impl EarTalk {
    fn new(session: Box<dyn EarSession>) -> Self {
        let now = Instant::now();
        Self {
            session,
            heard: Vec::new(),
            asked: VecDeque::new(),
            current: None,
            began: now,
            is_settled: false,
            last_frame: None,
            is_alive: false,
            ready_by: now + READY,
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.session.patience_ms())
    }

    /// Tells the call what was heard, and what it settles.
    fn pass_on(&mut self, out: &mut Out) {
        for (speech, what) in self.heard.drain(..) {
            match &what {
                Heard::Final(_) | Heard::Failed(_) => self.asked.retain(|asked| asked.speech != speech),
                Heard::Pause(_) | Heard::TurnOver(_) => {
                    self.is_settled |= self.current == Some(speech);
                    self.asked.retain(|asked| asked.speech != speech);
                }
                // They speak again.
                Heard::Partial(text) => self.is_settled &= self.current != Some(speech) || text.is_empty(),
                Heard::Likely(_) | Heard::GoesOn | Heard::Lost(_) => {}
            }
            out.answers.push(Input::Heard { speech, what });
        }
    }
}

impl Talk for EarTalk {
    type Command = Listen;

    fn opened(&mut self, now: Instant, out: &mut Out) {
        self.ready_by = now + READY;
        self.session.opened(&mut out.send);
    }

    fn is_ready(&self) -> bool {
        self.session.is_ready()
    }

    fn command(&mut self, now: Instant, command: Listen, out: &mut Out) {
        match command {
            // Some vendors take an empty frame for the end.
            Listen::Audio(pcm) if pcm.is_empty() => {}
            Listen::Audio(pcm) => self.session.audio(&pcm, &mut out.send),
            Listen::Began(speech) => {
                self.current = Some(speech);
                self.began = now;
                self.is_settled = false;
                self.session.began(speech, &mut out.send);
            }
            Listen::Finish(speech) => {
                let is_settled = self.is_settled && self.current == Some(speech);
                if !is_settled {
                    self.asked.push_back(Asked::at(speech, now, self.patience()));
                    self.is_alive = false;
                    out.ping = true;
                }
                self.session.finish(speech, &mut out.send, &mut self.heard);
                self.pass_on(out);
            }
        }
    }

    fn frame(&mut self, now: Instant, frame: Frame, out: &mut Out) -> Result<Flow, Fault> {
        self.last_frame = Some(now);
        self.is_alive = true;
        let flow = self.session.frame(frame, &mut out.send, &mut self.heard);
        if !self.heard.is_empty() {
            let patience = self.patience();
            for asked in &mut self.asked {
                asked.due = asked.latest.min(now + patience);
            }
        }
        self.pass_on(out);
        flow
    }

    fn sign(&mut self) {
        self.is_alive = true;
    }

    fn deadline(&self) -> Option<Instant> {
        let ready = (!self.session.is_ready()).then_some(self.ready_by);
        ready.or_else(|| self.asked.iter().map(|asked| asked.due).min())
    }

    fn due(&mut self, now: Instant, out: &mut Out) -> Result<(), Fault> {
        if !self.session.is_ready() {
            return Err(Fault::new(FaultClass::Slow, "it did not set the session up"));
        }
        let has_heard = self.last_frame.is_some_and(|at| at + RECENT >= self.began);
        if !self.is_alive || !has_heard {
            return Err(Fault::slow());
        }
        // It is there and has nothing to say: the session knows best what that means.
        let late: Vec<SpeechId> =
            self.asked.iter().filter(|asked| asked.due <= now).map(|asked| asked.speech).collect();
        for speech in late {
            self.session.give_up(speech, &mut self.heard);
            self.pass_on(out);
            if self.asked.iter().any(|asked| asked.speech == speech) {
                self.heard.push((speech, Heard::Failed(Fault::slow())));
                self.pass_on(out);
            }
        }
        Ok(())
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        self.session.keep_alive_ms()
    }

    fn keep_alive(&mut self, out: &mut Out) {
        self.session.keep_alive(&mut out.send);
    }

    fn finish(&mut self, out: &mut Out) {
        self.session.close(&mut out.send);
    }

    fn closed(&mut self, code: Option<u16>, reason: &str) -> Fault {
        self.session.closed(code, reason)
    }
}
