//! Voices over a WebSocket: one socket for all utterances of a call, opened before the first and again when it
//! dies between two.

use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use call::{Fault, FaultClass, Input, UtteranceId, Voiced};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pace::Pace;
use super::pump::{self, End, Out, Talk};
use super::voice_http::check_length;
use super::{Net, Patience, Probe};
use crate::dialect::{Flow, Frame, VoiceSession, VoiceSocketDialect};
use crate::{Answers, LinkId, Running, Speaker, TextToSpeech, VoiceSpec};

/// How long the first sound may take, where nothing else is said.
const FIRST_SOUND: Duration = Duration::from_secs(2);
/// Less audio than this is no progress.
const ENOUGH_US: u64 = 100_000;
/// So many utterances and withdrawals may wait for the socket.
const QUEUE: usize = 256;
/// A socket that dies sooner is not opened again before it is needed.
const LIVED: Duration = Duration::from_secs(5);

/// A voice that is asked over a WebSocket.
#[derive(Clone)]
pub struct SocketVoice {
    id: LinkId,
    dialect: Arc<dyn VoiceSocketDialect>,
    net: Arc<Net>,
    patience: Patience,
}

impl SocketVoice {
    /// The voice behind `dialect`.
    pub fn new(link: LinkId, dialect: Arc<dyn VoiceSocketDialect>, net: Arc<Net>) -> Self {
        Self { id: link, dialect, net, patience: Patience::first(FIRST_SOUND) }
    }

    /// The same with another patience: `first` is from the text to the first audio, `between` is how long 100 ms
    /// of audio may take afterwards.
    #[must_use]
    pub const fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }
}

impl TextToSpeech for SocketVoice {
    fn name(&self) -> &str {
        &self.id.vendor
    }

    fn open(&self, spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
        let (to, from) = mpsc::channel(QUEUE);
        let run = Run { voice: self.clone(), spec: spec.clone(), answers: answers.clone() };
        tokio::spawn(run.run(from));
        Box::new(Mouth { to, answers })
    }
}

impl Probe for SocketVoice {
    fn link(&self) -> &LinkId {
        &self.id
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, Fault>> {
        Box::pin(async {
            let start = Instant::now();
            let spec = VoiceSpec::at(SampleRate::HZ_8000);
            let socket = self.net.open(&self.id, self.dialect.connect(&spec), &*self.dialect).await?;
            let took = start.elapsed();
            socket.close().await;
            Ok(took)
        })
    }
}

enum Order {
    Speak(UtteranceId, String),
    Stop(UtteranceId),
}

/// The voice in one call.
struct Mouth {
    to: mpsc::Sender<Order>,
    answers: Answers,
}

impl Speaker for Mouth {
    fn speak(&mut self, utterance: UtteranceId, text: String) -> Running {
        let fault = if text.trim().is_empty() {
            Fault::local("there is nothing to say")
        } else if self.to.try_send(Order::Speak(utterance, text)).is_err() {
            Fault::local("the queue to the voice is full")
        } else {
            // Whoever holds an utterance does not hold the voice.
            let to = self.to.downgrade();
            return Running::new(move || {
                // Where there is no room or no voice, what comes of it is dropped by the call.
                let _ = to.upgrade().map(|to| to.try_send(Order::Stop(utterance)));
            });
        };
        let answers = self.answers.clone();
        Running::spawn(async move {
            // The call being over is no concern of a voice.
            let _ = answers.send(Input::Voiced { utterance, what: Voiced::Failed(fault) }).await;
        })
    }
}

struct Run {
    voice: SocketVoice,
    spec: VoiceSpec,
    answers: Answers,
}

impl Run {
    async fn run(self, mut orders: mpsc::Receiver<Order>) {
        let mut asked = Vec::new();
        let mut is_wanted = true;
        loop {
            if !is_wanted {
                match orders.recv().await {
                    Some(Order::Speak(utterance, text)) => asked.push(Asked::new(utterance, text)),
                    Some(Order::Stop(_)) => continue,
                    None => return,
                }
            }
            let voice = &self.voice;
            let opened = voice.net.open(&voice.id, voice.dialect.connect(&self.spec), &*voice.dialect).await;
            let socket = match opened {
                Ok(socket) => socket,
                Err(fault) => {
                    while let Ok(order) = orders.try_recv() {
                        order.take_down(&mut asked);
                    }
                    if !self.fail(asked.drain(..), &fault).await {
                        return;
                    }
                    is_wanted = false;
                    continue;
                }
            };
            let born = Instant::now();
            let session = voice.dialect.session(&self.spec);
            let mut talk = VoiceTalk::new(session, voice.patience, std::mem::take(&mut asked));
            let end = pump::run(socket, &mut talk, &mut orders, &self.answers).await;
            let has_lived = born.elapsed() >= LIVED;
            let fault = match end {
                End::Left => return,
                End::Closed => Fault::new(FaultClass::Lifetime, "it closed the session"),
                End::Failed(fault) => fault,
            };
            let (again, failed) = talk.left(&fault);
            if !self.fail(failed.into_iter(), &fault).await {
                return;
            }
            is_wanted = has_lived || !again.is_empty();
            asked = again;
        }
    }

    /// Whether the call is still there.
    async fn fail(&self, asked: impl Iterator<Item = Asked>, fault: &Fault) -> bool {
        for Asked { utterance, .. } in asked {
            let what = Voiced::Failed(fault.clone());
            if self.answers.send(Input::Voiced { utterance, what }).await.is_err() {
                return false;
            }
        }
        true
    }
}

impl Order {
    fn take_down(self, asked: &mut Vec<Asked>) {
        match self {
            Self::Speak(utterance, text) => asked.push(Asked::new(utterance, text)),
            Self::Stop(utterance) => asked.retain(|asked| asked.utterance != utterance),
        }
    }
}

/// An utterance that is not complete.
struct Asked {
    utterance: UtteranceId,
    text: String,
    /// How many samples came of it.
    given: usize,
    /// It was asked for on a socket that died before anything came of it.
    is_second: bool,
}

impl Asked {
    const fn new(utterance: UtteranceId, text: String) -> Self {
        Self { utterance, text, given: 0, is_second: false }
    }
}

/// What is said on the socket.
struct VoiceTalk {
    session: Box<dyn VoiceSession>,
    patience: Patience,
    asked: Vec<Asked>,
    voiced: Vec<(UtteranceId, Voiced)>,
    pace: Option<Pace>,
}

impl VoiceTalk {
    const fn new(session: Box<dyn VoiceSession>, patience: Patience, asked: Vec<Asked>) -> Self {
        Self { session, patience, asked, voiced: Vec::new(), pace: None }
    }

    /// What is to be asked again on a new socket, and what has failed. A socket may have died long before it was
    /// noticed, so what nothing came of is asked once more where the connection was at fault.
    fn left(self, fault: &Fault) -> (Vec<Asked>, Vec<Asked>) {
        let again = matches!(fault.class, FaultClass::Idle | FaultClass::Lifetime | FaultClass::Network);
        let (again, failed): (Vec<_>, Vec<_>) =
            self.asked.into_iter().partition(|asked| again && asked.given == 0 && !asked.is_second);
        (again.into_iter().map(|asked| Asked { is_second: true, ..asked }).collect(), failed)
    }

    fn pass_on(&mut self, now: Instant, out: &mut Out) {
        for (utterance, what) in std::mem::take(&mut self.voiced) {
            // What comes late was withdrawn.
            let Some(at) = self.asked.iter().position(|asked| asked.utterance == utterance) else { continue };
            let what = match what {
                Voiced::Audio { pcm, .. } if pcm.is_empty() => continue,
                Voiced::Audio { rate, pcm } => {
                    let asked = &mut self.asked[at];
                    let enough = if asked.given == 0 { 1 } else { rate.samples(ENOUGH_US) };
                    asked.given += pcm.len();
                    if let Err(fault) = check_length(rate, asked.given) {
                        self.session.stop(utterance, &mut out.send);
                        Voiced::Failed(fault)
                    } else {
                        if let Some(pace) = &mut self.pace {
                            pace.came(now, pcm.len(), enough);
                        }
                        Voiced::Audio { rate, pcm }
                    }
                }
                Voiced::Done if self.asked[at].given == 0 => {
                    Voiced::Failed(Fault::new(FaultClass::Garbage, "it gave no audio"))
                }
                last @ (Voiced::Done | Voiced::Failed(_)) => last,
            };
            if !matches!(what, Voiced::Audio { .. }) {
                self.asked.remove(at);
                self.next_is_due(now);
            }
            out.answers.push(Input::Voiced { utterance, what });
        }
    }

    /// The patience for the next utterance begins, if there is one.
    fn next_is_due(&mut self, now: Instant) {
        self.pace = (!self.asked.is_empty()).then(|| Pace::asked(now, self.patience));
    }
}

impl Talk for VoiceTalk {
    type Command = Order;

    fn opened(&mut self, now: Instant, out: &mut Out) {
        self.session.opened(&mut out.send);
        for asked in &self.asked {
            self.session.speak(asked.utterance, &asked.text, &mut out.send);
        }
        self.next_is_due(now);
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn command(&mut self, now: Instant, command: Order, out: &mut Out) {
        match command {
            Order::Speak(utterance, text) => {
                self.session.speak(utterance, &text, &mut out.send);
                self.asked.push(Asked::new(utterance, text));
                if self.pace.is_none() {
                    self.next_is_due(now);
                }
            }
            Order::Stop(utterance) => {
                let before = self.asked.len();
                self.asked.retain(|asked| asked.utterance != utterance);
                if self.asked.len() < before {
                    self.session.stop(utterance, &mut out.send);
                    self.next_is_due(now);
                }
            }
        }
    }

    fn frame(&mut self, now: Instant, frame: Frame, out: &mut Out) -> Result<Flow, Fault> {
        let flow = self.session.frame(frame, &mut out.send, &mut self.voiced);
        self.pass_on(now, out);
        flow
    }

    fn deadline(&self) -> Option<Instant> {
        self.pace.as_ref().map(Pace::due)
    }

    fn due(&mut self, _now: Instant, _out: &mut Out) -> Result<(), Fault> {
        Err(Fault::slow())
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        self.session.keep_alive_ms()
    }

    fn keep_alive(&mut self, out: &mut Out) {
        self.session.keep_alive(&mut out.send);
    }

    fn finish(&mut self, out: &mut Out) {
        self.session.finish(&mut out.send);
    }

    fn closed(&mut self, code: Option<u16>, reason: &str) -> Fault {
        self.session.closed(code, reason)
    }
}
