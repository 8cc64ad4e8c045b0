//! Speech-to-speech agents: one WebSocket for the whole call.

use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use call::{Converse, Conversed, Fault, FaultClass, Input};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pump::{self, End, Out, Talk};
use super::{Net, Patience, Probe};
use crate::dialect::{AgentSession, AgentSocketDialect, Flow, Frame};
use crate::{Answers, ConverseSpec, Converser, LinkId, QueueFull, Refused, SpeechToSpeech};

/// How long the session may take to be set up, where nothing else is said.
const READY: Duration = Duration::from_secs(3);
/// So many frames and signs may wait for the socket: some 20 s.
const QUEUE: usize = 1024;

/// A speech-to-speech agent behind a WebSocket.
#[derive(Clone)]
pub struct SocketAgent {
    id: LinkId,
    dialect: Arc<dyn AgentSocketDialect>,
    net: Arc<Net>,
    patience: Patience,
}

impl SocketAgent {
    /// The agent behind `dialect`.
    pub fn new(link: LinkId, dialect: Arc<dyn AgentSocketDialect>, net: Arc<Net>) -> Self {
        Self { id: link, dialect, net, patience: Patience::first(READY) }
    }

    /// The same with another patience: `first` is how long the session may take to be set up. How long an answer
    /// may take is the call's to know, since the agent decides itself when to speak.
    #[must_use]
    pub const fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }
}

impl SpeechToSpeech for SocketAgent {
    fn name(&self) -> &str {
        &self.id.vendor
    }

    fn open(&self, spec: &ConverseSpec, answers: Answers) -> Result<Box<dyn Converser>, Refused> {
        let (to, from) = mpsc::channel(QUEUE);
        tokio::spawn(converse(self.clone(), spec.clone(), from, answers));
        Ok(Box::new(Agent(to)))
    }
}

impl Probe for SocketAgent {
    fn link(&self) -> &LinkId {
        &self.id
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, Fault>> {
        Box::pin(async {
            let spec = ConverseSpec {
                rate: SampleRate::HZ_8000,
                language: "en-IN".to_owned(),
                system: String::new(),
                tools: Arc::default(),
            };
            let start = Instant::now();
            let socket = self.net.open(&self.id, self.dialect.connect(&spec), &*self.dialect).await?;
            let took = start.elapsed();
            socket.close().await;
            Ok(took)
        })
    }
}

/// The agent in one call.
struct Agent(mpsc::Sender<Converse>);

impl Converser for Agent {
    fn take(&mut self, what: Converse) -> Result<(), QueueFull> {
        match self.0.try_send(what) {
            // An agent that is gone has said so.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(QueueFull),
        }
    }
}

async fn converse(
    agent: SocketAgent,
    spec: ConverseSpec,
    mut takes: mpsc::Receiver<Converse>,
    answers: Answers,
) {
    let opened = agent.net.open(&agent.id, agent.dialect.connect(&spec), &*agent.dialect).await;
    let fault = match opened {
        Err(fault) => fault,
        Ok(socket) => {
            let session = agent.dialect.session(&spec);
            let ready_by = Instant::now() + agent.patience.first;
            let mut talk = AgentTalk { session, gives: Vec::new(), ready_by, has_failed: false };
            match pump::run(socket, &mut talk, &mut takes, &answers).await {
                End::Left => return,
                _ if talk.has_failed => return,
                End::Closed => Fault::new(FaultClass::Lifetime, "it closed the session"),
                End::Failed(fault) => fault,
            }
        }
    };
    // The call being over is no concern of an agent.
    let _ = answers.send(Input::Conversed(Conversed::Failed(fault))).await;
}

/// What is said on the socket.
struct AgentTalk {
    session: Box<dyn AgentSession>,
    gives: Vec<Conversed>,
    ready_by: Instant,
    /// The session has told the call that it is gone: nothing may follow.
    has_failed: bool,
}

impl Talk for AgentTalk {
    type Command = Converse;

    fn opened(&mut self, _now: Instant, out: &mut Out) {
        self.session.opened(&mut out.send);
    }

    fn is_ready(&self) -> bool {
        self.session.is_ready()
    }

    fn command(&mut self, _now: Instant, command: Converse, out: &mut Out) {
        self.session.take(command, &mut out.send);
    }

    fn frame(&mut self, _now: Instant, frame: Frame, out: &mut Out) -> Result<Flow, Fault> {
        let flow = self.session.frame(frame, &mut out.send, &mut self.gives);
        for what in self.gives.drain(..) {
            if self.has_failed {
                break;
            }
            self.has_failed = matches!(what, Conversed::Failed(_));
            out.answers.push(Input::Conversed(what));
        }
        if self.has_failed { Ok(Flow::Close) } else { flow }
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.session.is_ready()).then_some(self.ready_by)
    }

    fn due(&mut self, _now: Instant, _out: &mut Out) -> Result<(), Fault> {
        Err(Fault::new(FaultClass::Slow, "it did not set the session up"))
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        self.session.keep_alive_ms()
    }

    fn keep_alive(&mut self, out: &mut Out) {
        self.session.keep_alive(&mut out.send);
    }

    fn finish(&mut self, _out: &mut Out) {}

    fn closed(&self, code: Option<u16>, reason: &str) -> Fault {
        self.session.closed(code, reason)
    }
}
