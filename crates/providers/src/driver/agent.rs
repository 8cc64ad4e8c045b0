//! Speech-to-speech agents: one WebSocket for the whole call, and one more where it breaks and the vendor can go on.

use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use call::{Converse, Conversed, Fault, FaultClass, Input};
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pump::{self, End, Out, Talk};
use super::socket::Socket;
use super::{Net, Patience, Probe};
use crate::dialect::{AgentSession, AgentSocketDialect, Flow, Frame, Parting, Refusal};
use crate::{Answers, CallFacts, ConverseSpec, Converser, LinkId, QueueFull, Refused, SpeechToSpeech};

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

    /// Asks for what is needed to open the socket. `None` where nothing is.
    async fn invited(&self) -> Result<Option<Vec<u8>>, Fault> {
        let Some(request) = self.dialect.invitation() else { return Ok(None) };
        let (status, headers, body) = self.net.fetch(request, self.patience.first).await?;
        if !status.is_success() {
            return Err(self.refused(status, &headers, &body));
        }
        Ok(Some(body))
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
        self.dialect.fault(&Refusal { status, headers, body })
    }

    /// Opens the socket, and tells of each step.
    async fn socket(&self, spec: &ConverseSpec, answers: &Answers) -> Result<Socket, Fault> {
        let began = Instant::now();
        let invitation = self.invited().await?;
        if invitation.is_some() {
            step(answers, "invited", format!("after {} ms", began.elapsed().as_millis())).await;
        }
        let request = self.dialect.connect(spec, invitation.as_deref())?;
        let socket = self.net.open(&self.id, request, &*self.dialect).await?;
        step(answers, "opened", format!("after {} ms", began.elapsed().as_millis())).await;
        Ok(socket)
    }
}

impl SpeechToSpeech for SocketAgent {
    fn name(&self) -> &str {
        &self.id.vendor
    }

    fn needs_call(&self) -> bool {
        self.dialect.needs_call()
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
            let start = Instant::now();
            // Where there is something to ask, its answer says enough: an open socket may be a paid conversation.
            if self.invited().await?.is_some() {
                return Ok(start.elapsed());
            }
            let spec = ConverseSpec {
                call: CallFacts::default(),
                rate: SampleRate::HZ_8000,
                language: "en-IN".to_owned(),
                system: String::new(),
                greeting: String::new(),
                tools: Arc::default(),
            };
            let socket = self.net.open(&self.id, self.dialect.connect(&spec, None)?, &*self.dialect).await?;
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
    let session = agent.dialect.session(&spec);
    let mut talk =
        AgentTalk { session, gives: Vec::new(), ready_by: Instant::now(), is_again: false, last: None };
    loop {
        let fault = match agent.socket(&spec, &answers).await {
            Err(fault) => fault,
            Ok(socket) => {
                talk.ready_by = Instant::now() + agent.patience.first;
                match pump::run(socket, &mut talk, &mut takes, &answers).await {
                    End::Left => return,
                    _ if talk.last.is_some() => break,
                    End::Closed => Fault::new(FaultClass::Lifetime, "it closed the session"),
                    End::Failed(fault) => fault,
                }
            }
        };
        let was_ready = talk.session.is_ready();
        if was_ready && !talk.is_again && fault.class.can_retry() && talk.session.reopens() {
            talk.is_again = true;
            step(&answers, "reconnecting", fault.to_string()).await;
            continue;
        }
        talk.last = Some(Conversed::Failed(fault));
        break;
    }
    if let Some(last) = talk.last {
        // The call being over is no concern of an agent.
        let _ = answers.send(Input::Conversed(last)).await;
    }
}

/// Tells of a step, as far as somebody is there to hear it.
async fn step(answers: &Answers, step: &str, detail: String) {
    let step = Conversed::Step { step: step.to_owned(), detail };
    let _ = answers.send(Input::Conversed(step)).await;
}

/// What is said on the socket.
struct AgentTalk {
    session: Box<dyn AgentSession>,
    gives: Vec<Conversed>,
    ready_by: Instant,
    /// This is the second socket.
    is_again: bool,
    /// What is said last: nothing may follow.
    last: Option<Conversed>,
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
            match what {
                Conversed::Failed(_) | Conversed::Over => {
                    self.last = Some(what);
                    return Ok(Flow::Close);
                }
                Conversed::Ready if self.is_again => {
                    out.answers.push(Input::Conversed(Conversed::Reopened));
                    out.answers.push(Input::Conversed(what));
                }
                _ => out.answers.push(Input::Conversed(what)),
            }
        }
        flow
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

    fn closed(&mut self, code: Option<u16>, reason: &str) -> Fault {
        match self.session.closed(code, reason) {
            Parting::Failed(fault) => fault,
            Parting::Over => {
                self.last = Some(Conversed::Over);
                Fault::new(FaultClass::Lifetime, "it ended the conversation")
            }
        }
    }
}
